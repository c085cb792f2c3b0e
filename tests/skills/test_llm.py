"""A language model's answer is checked, and its server may be slow, rude or absent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from wambench.errors import UsageError
from wambench.skills.gripper import Cycle
from wambench.skills.llm import (
    ChatEndpoint,
    LLMError,
    LLMSplitter,
    SchemaError,
    parse_answer,
)

CYCLES = [Cycle(0, 10, 20, 19), Cycle(20, 30, 40, 39), Cycle(40, 50, 60, 59)]
GOOD = '{"prompts": ["pick up the cup", "close the drawer"], "cycles": [1, 3]}'
SECRET = "sk-not-to-be-seen"


def completion(text: str) -> tuple[int, dict[str, str], str]:
    return 200, {}, json.dumps({"choices": [{"message": {"content": text}}]})


@contextmanager
def server(*answers: tuple[int, dict[str, str], str]) -> Iterator[tuple[str, list[Any]]]:
    """Answers one request after the other; yields its address and what it was sent."""
    left, seen = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers.get("Authorization"), json.loads(body)))
            status, headers, text = left.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/v1", seen
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def test_an_answer_of_the_right_form_is_taken_whatever_stands_around_it() -> None:
    for text in (GOOD, f"<think>{{not this}}</think>\n{GOOD}", f"```json\n{GOOD}\n```"):
        answer = parse_answer(text, 3)
        assert answer.prompts == ("pick up the cup", "close the drawer")
        assert answer.cycles == (0, 2)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("I cannot help with that.", "one JSON object"),
        ('{"prompts": ["a"]', "one JSON object"),
        ('{"prompts": ["a"], "cycles": [1,]}', "no JSON"),
        ('{"prompts": ["a"]}', "one JSON object with the keys"),
        ('{"prompts": ["a"], "cycles": [1], "frames": [7]}', "one JSON object with the keys"),
        ('{"prompts": [], "cycles": []}', "at least one sentence"),
        ('{"prompts": ["a", " "], "cycles": [1]}', "must hold sentences"),
        ('{"prompts": [{"text": "a"}], "cycles": [1]}', "must hold sentences"),
        ('{"prompts": ["a"], "cycles": [4]}', "there is no cycle 4; there are 3"),
        ('{"prompts": ["a"], "cycles": [0]}', "there is no cycle 0"),
        ('{"prompts": ["a", "b"], "cycles": [2, 2]}', "must increase"),
        ('{"prompts": ["a"], "cycles": [1.0]}', "whole numbers"),
        ('{"prompts": ["a"], "cycles": [true]}', "whole numbers"),
        ('{"prompts": ["' + "a" * 201 + '"], "cycles": [1]}', "at most 200 characters"),
    ],
)
def test_an_answer_of_another_form_is_refused(text: str, why: str) -> None:
    with pytest.raises(SchemaError, match=why):
        parse_answer(text, 3)


def test_a_refused_answer_is_asked_for_again_with_the_reason_and_then_given_up() -> None:
    bad = completion('{"prompts": ["a"], "cycles": [9]}')
    with server(bad, completion(GOOD)) as (url, seen):
        splitter = LLMSplitter(ChatEndpoint(url, "tiny"))
        prompts, chosen = splitter.split("tidy up", CYCLES, 20.0)
        assert [prompt.text for prompt in prompts] == ["pick up the cup", "close the drawer"]
        assert chosen == (0, 2)
        assert "there is no cycle 9" in seen[1][2]["messages"][1]["content"]
        splitter.split("tidy up", CYCLES, 20.0)
        assert len(seen) == 2  # the same question is asked once
    with server(bad, bad) as (url, seen), pytest.raises(SchemaError, match="no cycle 9"):
        LLMSplitter(ChatEndpoint(url, "tiny"), attempts=2).split("tidy up", CYCLES, 20.0)


def test_an_overloaded_server_is_asked_again_after_as_long_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("wambench.skills.llm.time.sleep", waited.append)
    busy = (429, {"Retry-After": "7"}, "")
    with server(busy, (503, {}, ""), completion(GOOD)) as (url, _):
        assert ChatEndpoint(url, "tiny").complete("", "") == GOOD
    assert waited == [7.0, 2.0]
    with (
        server(busy, busy) as (url, _),
        pytest.raises(LLMError, match="after 2 attempts: HTTP 429"),
    ):
        ChatEndpoint(url, "tiny", retries=1).complete("", "")


def test_the_key_goes_into_one_header_and_into_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with server((401, {}, SECRET)) as (url, seen):
        with pytest.raises(LLMError, match=r"HTTP 401.*Set OPENAI_API_KEY") as raised:
            ChatEndpoint(url, "tiny").complete("", "")
        assert seen[0][1] == f"Bearer {SECRET}"
        assert SECRET not in str(raised.value)
        assert SECRET not in repr(ChatEndpoint(url, "tiny"))


def test_the_key_does_not_follow_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with server(completion(GOOD)) as (other, stolen):
        moved = (307, {"Location": f"{other}/chat/completions"}, "")
        with server(moved) as (url, _), pytest.raises(LLMError, match="HTTP 307"):
            ChatEndpoint(url, "tiny").complete("", "")
        assert not stolen


def test_the_key_is_not_sent_unencrypted_to_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with pytest.raises(UsageError, match=r"unencrypted to models\.example"):
        ChatEndpoint("http://models.example/v1", "tiny")
    ChatEndpoint("https://models.example/v1", "tiny")
    monkeypatch.delenv("OPENAI_API_KEY")
    ChatEndpoint("http://models.example/v1", "tiny")


def test_what_is_no_server_is_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wambench.skills.llm.time.sleep", lambda _: None)
    with pytest.raises(LLMError, match="did not answer after 2 attempts"):
        ChatEndpoint("http://127.0.0.1:9/v1", "tiny", retries=1).complete("", "")
    page = (200, {}, "<html>hello</html>")
    with server(page) as (url, _), pytest.raises(LLMError, match="else than a chat completion"):
        ChatEndpoint(url, "tiny").complete("", "")
    with pytest.raises(UsageError, match="no address"):
        ChatEndpoint("models.example/v1", "tiny")
