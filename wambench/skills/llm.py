"""Splits instructions by a language model behind any OpenAI-compatible endpoint.

The model is told the instruction and the gripper's cycles, and answers with one JSON object:

    {"prompts": ["...", "..."], "cycles": [1, 3]}

`prompts` are the skills in the order in which they happen. `cycles` are the numbers of the cycles
in which they happen: it may leave out those that are none (the paper calls them false positives),
but choose only among those it was given, each once, in time. Whatever else it answers is refused:
it is told what was wrong and asked again, a bounded number of times, and then the demonstration is
discarded. Two lists of different lengths are a valid answer, and a count mismatch.

Non-obvious behaviours
    - The key comes from an environment variable and goes into one header. It is in no message, no
      file and no error; redirects are not followed, for they would carry it elsewhere; and it is
      not sent unencrypted beyond this machine.
    - Answers of reasoning models are read after their last `</think>`, and from within a fence.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from itertools import pairwise
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from wambench.errors import DataError, UsageError, WambenchError
from wambench.skills.gripper import Cycle
from wambench.skills.instructions import Prompt, halves

KEY_VARIABLE = "OPENAI_API_KEY"
"""Environment variable that the key is taken from; may be unset for servers that need none."""

LONGEST_PROMPT = 200
"""Most characters of a prompt; a skill is one short sentence."""

_RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)
_LONGEST_WAIT_S = 60.0
_ANSWER_BYTES = 4 * 2**20
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

INSTRUCTIONS = """\
You cut robot demonstrations into skills. You are given the sentence that describes the whole task
and the gripper cycles of one demonstration of it: in each cycle the hand approaches, holds
something, and lets go.

Answer with one JSON object and nothing else:
{"prompts": [...], "cycles": [...]}

prompts: for every skill, in the order of time, one short imperative sentence that can be understood
alone (no "it", no "them"). Picking an object up and putting it down is one skill; so is opening,
closing, turning, pressing or pushing one thing.
cycles: for every prompt the number of the cycle in which it happens, in increasing order. Use only
numbers from the list. Leave cycles out that belong to no skill, such as a failed grasp.
"""


class LLM(Protocol):
    """A language model that answers one message."""

    @property
    def name(self) -> str:
        """What is recorded about it."""
        ...

    def complete(self, system: str, user: str) -> str:
        """The model's answer as text.

        Raises:
            WambenchError: There is none.
        """
        ...


class LLMError(WambenchError):
    """The endpoint of a language model did not answer as expected."""


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """A model behind `POST {url}/chat/completions`.

    Attributes:
        url: Up to and without `/chat/completions`, for example `http://localhost:8000/v1`.
        model: The model's name there.
        key_variable: Environment variable of the key.
        timeout_s: Of one request.
        retries: How often a request is repeated that met an overloaded or silent server.
        pause_s: Before the first repetition; doubled for each further one.
        temperature: 0 for the likeliest answer.
    """

    url: str
    model: str
    key_variable: str = KEY_VARIABLE
    timeout_s: float = 120.0
    retries: int = 4
    pause_s: float = 1.0
    temperature: float = 0.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"{_shown(self.url)} is no address of a language model.",
                "Give one such as http://localhost:8000/v1.",
            )
        if parts.username or parts.password:
            raise UsageError(
                "The address of the language model holds a user or password.",
                f"Put the key into the environment variable {self.key_variable}.",
            )
        if not self.model:
            raise UsageError("No model was named.", "Add --llm-model NAME.")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and self._key():
            raise UsageError(
                f"{self.key_variable} would be sent unencrypted to {parts.hostname}.",
                f"Use https, or unset {self.key_variable} where the server needs no key.",
            )

    @property
    def name(self) -> str:
        """What is recorded: the model and where it is."""
        return f"{self.model} at {_shown(self.url)}"

    def complete(self, system: str, user: str) -> str:
        """The answer to one message, after retries where the server asks for patience."""
        body = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": user},
            ],
            "temperature": self.temperature,
        }
        pause = self.pause_s
        for attempt in range(self.retries + 1):
            try:
                return self._content(self._post(body))
            except _Transient as error:
                if attempt == self.retries:
                    raise LLMError(
                        f"{self.name} did not answer after {attempt + 1} attempts: {error}.",
                        "Is the server up, and not overloaded? What was decided is kept nowhere: "
                        "repeat the command later.",
                    ) from None
                time.sleep(min(error.wait_s or pause, _LONGEST_WAIT_S))
                pause *= 2
        raise AssertionError("unreachable")

    def _key(self) -> str:
        return os.environ.get(self.key_variable, "").strip()

    def _post(self, body: Mapping[str, Any]) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key := self._key():
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(
            self.url.rstrip("/") + "/chat/completions",
            data=json.dumps(body).encode(),
            headers=headers,
            method="POST",
        )
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(request, timeout=self.timeout_s) as response:
                content: bytes = response.read(_ANSWER_BYTES)
                return content
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code in _RETRIED:
                raise _Transient(reason, _retry_after(error.headers)) from None
            remedy = {
                401: f"Set {self.key_variable} to a key that the server accepts.",
                403: f"Set {self.key_variable} to a key that may use this model.",
                404: "Check the address (it ends before /chat/completions) and the model's name.",
            }.get(error.code, "Check the address and the model's name.")
            raise LLMError(f"{self.name} refused the request: {reason}.", remedy) from None
        except (OSError, HTTPException) as error:  # URLError and timeouts are OSErrors
            said = str(getattr(error, "reason", None) or error) or type(error).__name__
            raise _Transient(" ".join(said.split())) from None

    def _content(self, answer: bytes) -> str:
        try:
            content = json.loads(answer)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            content = None
        if not isinstance(content, str):
            raise LLMError(
                f"{self.name} answered something else than a chat completion.",
                "Is it an OpenAI-compatible server, and does the address end before "
                "/chat/completions?",
            )
        return content


class _Transient(Exception):
    """Trying again may help.

    Attributes:
        wait_s: How long the server asked to wait; None where it did not.
    """

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects would carry the key to another host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        """None: the redirect becomes an error."""
        return None


def _retry_after(headers: Message | None) -> float | None:
    value = headers.get("Retry-After", "") if headers is not None else ""
    try:
        return max(float(value), 0.0)
    except ValueError:  # absent, or a date
        return None


def _shown(url: str) -> str:
    """An address without what may be secret in it."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


class SchemaError(DataError):
    """A model's answer is not of the form that was asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer that has the form that was asked for.

    Attributes:
        prompts: One per skill.
        cycles: Indices from 0 of the cycles that it chose.
    """

    prompts: tuple[str, ...]
    cycles: tuple[int, ...]


def parse_answer(text: str, cycles: int) -> Answer:
    """A model's answer, checked.

    Args:
        text: What it said.
        cycles: How many cycles it was given.

    Raises:
        SchemaError: It has another form, or names a cycle that it was not given.
    """
    said = text.rpartition("</think>")[2]
    start, end = said.find("{"), said.rfind("}")
    try:
        found = json.loads(said[start : end + 1]) if 0 <= start < end else None
    except ValueError as error:
        raise SchemaError(f"the answer is no JSON ({error})") from None
    if not isinstance(found, dict) or set(found) != {"prompts", "cycles"}:
        raise SchemaError('expected one JSON object with the keys "prompts" and "cycles"')
    prompts, chosen = found["prompts"], found["cycles"]
    if not isinstance(prompts, list) or not prompts:
        raise SchemaError('"prompts" must be a list of at least one sentence')
    for prompt in prompts:
        if not isinstance(prompt, str) or not prompt.strip():
            raise SchemaError(f'"prompts" must hold sentences, and one is {prompt!r}')
        if len(prompt) > LONGEST_PROMPT or "\n" in prompt:
            raise SchemaError(f"a prompt must be one line of at most {LONGEST_PROMPT} characters")
    # bool is an int in Python, and true is no number of a cycle.
    if not isinstance(chosen, list) or any(type(number) is not int for number in chosen):
        raise SchemaError('"cycles" must be a list of whole numbers')
    invented = [number for number in chosen if not 1 <= number <= cycles]
    if invented:
        raise SchemaError(f"there is no cycle {invented[0]}; there are {cycles}")
    if any(a >= b for a, b in pairwise(chosen)):
        raise SchemaError('"cycles" must increase')
    return Answer(
        tuple(" ".join(prompt.split()) for prompt in prompts),
        tuple(number - 1 for number in chosen),
    )


@dataclass(slots=True)
class LLMSplitter:
    """Asks a model about every demonstration; see the module docstring.

    Attributes:
        model: The model.
        attempts: How often it is asked about one demonstration until its answer has the right form.
    """

    model: LLM
    attempts: int = 3
    _known: dict[str, Answer] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What is recorded."""
        return self.model.name

    def split(
        self, instruction: str, cycles: Sequence[Cycle], hz: float
    ) -> tuple[tuple[Prompt, ...], tuple[int, ...]]:
        """Prompts, and the indices of the cycles that the model takes for skills.

        Raises:
            SchemaError: None of its answers had the form that was asked for.
            LLMError: It did not answer.
        """
        user = question(instruction, cycles, hz)
        if user not in self._known:
            self._known[user] = self._asked(user, len(cycles))
        answer = self._known[user]
        return tuple(halves(prompt) for prompt in answer.prompts), answer.cycles

    def _asked(self, user: str, cycles: int) -> Answer:
        said = user
        for attempt in range(self.attempts):
            try:
                return parse_answer(self.model.complete(INSTRUCTIONS, said), cycles)
            except SchemaError as error:
                if attempt == self.attempts - 1:
                    raise
                said = f"{user}\nYour last answer was refused: {error}. Answer again."
        raise AssertionError("unreachable")


def question(instruction: str, cycles: Sequence[Cycle], hz: float) -> str:
    """What a model is told about a demonstration."""
    lines = [f"Task: {instruction}", f"Gripper cycles: {len(cycles)}"]
    for number, cycle in enumerate(cycles, 1):
        lines.append(
            f"{number}: rows {cycle.start} to {cycle.end} "
            f"({cycle.start / hz:.1f} s to {(cycle.end + 1) / hz:.1f} s), "
            f"holding from row {cycle.contact} to {cycle.release - 1}"
        )
    return "\n".join(lines)
