"""Instructions are split into prompts that can be understood alone."""

from __future__ import annotations

import re

import pytest

from wambench import registry
from wambench.errors import DataError
from wambench.skills.instructions import halves, split_instruction


def texts(instruction: str) -> list[str]:
    return [prompt.text for prompt in split_instruction(instruction)]


@pytest.mark.parametrize(
    ("instruction", "prompts"),
    [
        (
            "turn on the stove and put the moka pot on it",
            ["turn on the stove", "put the moka pot on the stove"],
        ),
        (
            "put both the alphabet soup and the tomato sauce in the basket",
            ["put the alphabet soup in the basket", "put the tomato sauce in the basket"],
        ),
        (
            "put the yellow and white mug in the microwave and close it",
            ["put the yellow and white mug in the microwave", "close the microwave"],
        ),
        (
            "open the top drawer and put the bowl inside",
            ["open the top drawer", "put the bowl inside the top drawer"],
        ),
        (
            "close the top drawer of the cabinet and put the black bowl on top of it",
            [
                "close the top drawer of the cabinet",
                "put the black bowl on top of the cabinet",
            ],
        ),
        (
            "put both moka pots on the stove",
            ["put the first moka pot on the stove", "put the second moka pot on the stove"],
        ),
        (
            "pick up the black bowl between the plate and the ramekin and place it on the plate",
            ["pick up the black bowl between the plate and the ramekin and place it on the plate"],
        ),
        (
            "Put the butter at the back in the top drawer of the cabinet and close it.",
            [
                "put the butter at the back in the top drawer of the cabinet",
                "close the top drawer of the cabinet",
            ],
        ),
    ],
)
def test_a_clause_is_a_skill_and_pronouns_are_replaced(
    instruction: str, prompts: list[str]
) -> None:
    assert texts(instruction) == prompts


def test_what_is_picked_up_and_put_somewhere_has_two_halves() -> None:
    (prompt,) = split_instruction("pick the egg from the pan and place it in the bowl")
    assert (prompt.pick, prompt.place) == (
        "pick up the egg from the pan",
        "place the egg in the bowl",
    )
    (prompt,) = split_instruction("put the white bowl to the right of the plate")
    assert prompt.pick == "pick up the white bowl"
    assert prompt.place == "place the white bowl to the right of the plate"
    (prompt,) = split_instruction("open the microwave")
    assert (prompt.pick, prompt.place) == ("", "")


def test_every_instruction_of_libero_and_robocasa_is_split_into_whole_sentences() -> None:
    instructions = set()
    for name in ("libero_spatial", "libero_object", "libero_goal", "libero_long", "libero_90"):
        instructions |= {task.instruction for task in registry.load_suite(name, "embedded").tasks()}
    kitchens = registry.load_suite("robocasa24", "embedded")
    for task in kitchens.tasks():
        instructions |= {kitchens.instruction(task, seed, -1) for seed in range(5)}  # type: ignore[attr-defined]
    assert len(instructions) > 120
    for instruction in instructions:
        prompts = split_instruction(instruction)
        # As many skills as the sentence names; `pick ... and place it` is one of them.
        joined = len(re.findall(r" and (?:put|place|close|open|turn)\b", instruction))
        carried = instruction.startswith("pick")
        both = instruction.count("put both")
        assert len(prompts) == 1 + joined - carried + both, instruction
        for prompt in prompts:
            whole = prompt.place if re.search(r"\bit\b", prompt.text) else prompt.text
            assert not re.search(r"\b(?:it|them|both)\b", whole), prompt
            assert bool(prompt.pick) == bool(prompt.place), prompt


def test_a_verb_that_the_rules_do_not_know_is_said_and_not_guessed_at() -> None:
    with pytest.raises(DataError, match=r"'wipe the table'.*--llm"):
        split_instruction("wipe the table")


def test_a_prompt_of_somebody_else_stays_one_prompt() -> None:
    assert halves("put the cup on the plate").place == "place the cup on the plate"
    assert halves("wipe the table").text == "wipe the table"
    assert halves("open the drawer and put the cup inside").pick == ""
