"""Aligns the cycles of a demonstration with the prompts of its instruction, in time.

The k-th prompt belongs to the k-th cycle. Where there are not as many of one as of the other,
nobody knows which belong together, and the demonstration is discarded and counted: nothing is
stretched, merged or cut off to make the numbers agree. The share of demonstrations that are left is
the paper's synchronisation rate. It says that the counts agree, not that the cuts are right; for
that see `wambench.skills.score`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from wambench.demos.demo import Source
from wambench.errors import DataError
from wambench.skills.gripper import Cycle, Rule, cycles, read_gripper
from wambench.skills.instructions import Prompt, split_instruction
from wambench.skills.llm import SchemaError

Unit = Literal["cycle", "phase"]
Reason = Literal["", "count", "answer"]


class Splitter(Protocol):
    """Tells which prompts an instruction has, and which cycles are skills.

    Attributes:
        name: What is recorded about it.
    """

    @property
    def name(self) -> str:
        """What is recorded about it."""
        ...

    def split(
        self, instruction: str, cycles: Sequence[Cycle], hz: float
    ) -> tuple[tuple[Prompt, ...], tuple[int, ...]]:
        """Prompts in the order of time, and the indices of the cycles that are skills.

        Raises:
            SchemaError: It cannot tell for this demonstration.
        """
        ...


class RuleSplitter:
    """Splits by the rules of `wambench.skills.instructions`, and takes every cycle for a skill."""

    name = "rules"

    def split(
        self, instruction: str, cycles: Sequence[Cycle], hz: float
    ) -> tuple[tuple[Prompt, ...], tuple[int, ...]]:
        """Prompts and all cycles."""
        return split_instruction(instruction), tuple(range(len(cycles)))


@dataclass(frozen=True, slots=True)
class Options:
    """How demonstrations are decomposed.

    Attributes:
        rule: When the hand is in contact.
        unit: `cycle`: a skill is a whole cycle; `phase`: picking up and putting down are two, cut
            at the contact, as the names of the authors' files have it.
        no_cycle: What becomes of a demonstration of one prompt in which the hand never holds
            anything: `discard` it, for the counts differ; or take the `whole` of it, for there is
            nothing to cut. The authors keep 96.2 % of RoboCasa, most of whose tasks need no grasp,
            which only the latter explains; no source says so.
    """

    rule: Rule = field(default_factory=Rule)
    unit: Unit = "cycle"
    no_cycle: Literal["discard", "whole"] = "discard"


@dataclass(frozen=True, slots=True)
class SkillClip:
    """One skill of a demonstration.

    Attributes:
        prompt: What it is told to do.
        start: First row.
        end: Last row, included.
    """

    prompt: str
    start: int
    end: int

    @property
    def length(self) -> int:
        """Rows."""
        return self.end - self.start + 1


@dataclass(frozen=True, slots=True)
class Decomposition:
    """What became of one demonstration.

    Attributes:
        demo: Its index in the dataset.
        cycles: All cycles of its gripper.
        prompts: What the splitter said; empty where its answer was refused.
        clips: Its skills; empty where it was discarded.
        reason: Why it was discarded: `count`, or a refused `answer`; empty where it was not.
        detail: The same in words.
    """

    demo: int
    cycles: tuple[Cycle, ...]
    prompts: tuple[str, ...]
    clips: tuple[SkillClip, ...]
    reason: Reason = ""
    detail: str = ""

    @property
    def synchronised(self) -> bool:
        """Whether there are as many cycles as prompts."""
        return not self.reason


def decompose(source: Source, demo: int, options: Options, splitter: Splitter) -> Decomposition:
    """Cuts one demonstration.

    Raises:
        DataError: Its robot has no parallel gripper, or its instruction cannot be split.
        LLMError: The language model does not answer.
    """
    info = source.demos[demo]
    gripper = read_gripper(source, demo)
    found = tuple(cycles(gripper, options.rule))
    try:
        prompts, chosen = splitter.split(info.instruction, found, gripper.hz)
    except SchemaError as error:
        return Decomposition(demo, found, (), (), "answer", f"answer refused: {error}")
    texts = tuple(prompt.text for prompt in prompts)
    kept = [found[index] for index in chosen]
    if not found and len(prompts) == 1 and options.no_cycle == "whole":
        clip = SkillClip(prompts[0].text, 0, info.length - 1)
        return Decomposition(demo, found, texts, (clip,))
    if len(kept) != len(prompts):
        detail = f"{_counted(kept, 'cycle')}, {_counted(prompts, 'prompt')}"
        return Decomposition(demo, found, texts, (), "count", detail)
    clips: list[SkillClip] = []
    for prompt, cycle in zip(prompts, kept, strict=True):
        # Nothing to cut where the hand holds something from the first row on.
        if options.unit == "phase" and prompt.place and cycle.contact > cycle.start:
            clips.append(SkillClip(prompt.pick, cycle.start, cycle.contact - 1))
            clips.append(SkillClip(prompt.place, cycle.contact, cycle.end))
        else:
            clips.append(SkillClip(prompt.text, cycle.start, cycle.end))
    return Decomposition(demo, found, texts, tuple(clips))


def decompose_all(
    source: Source,
    options: Options,
    splitter: Splitter,
    demos: Sequence[int],
    note: Callable[[int], None] = lambda _: None,
) -> list[Decomposition]:
    """Cuts several demonstrations.

    Args:
        source: The dataset.
        options: How.
        splitter: Tells the prompts.
        demos: Indices of the demonstrations.
        note: Told after every demonstration how many are done.

    Raises:
        DataError: There are none, or see `decompose`.
    """
    if not demos:
        raise DataError(f"{source.path} has nothing of that.", "See `wambench data info`.")
    done = []
    for demo in demos:
        done.append(decompose(source, demo, options, splitter))
        note(len(done))
    return done


def _counted(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"
