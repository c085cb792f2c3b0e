"""The 130 LIBERO tasks: names, instructions, goals and limits, readable without LIBERO installed.

The facts live in `tasks.json` beside this file, generated from the installed `hf-libero` package by
`python -m wambench_envs.libero.tasks --rebuild`. A test compares the two.

Non-obvious behaviours
    - The instruction is upstream's `task.language`, which comes from the *file name*. It differs
      from the `:language` line of the BDDL file in all spatial and object tasks, five goal tasks
      and four of libero_90; published policies were evaluated with the file name's.
    - Task order is upstream's order index 0. Other order indices permute the ten-task suites.
    - Step limits are those of OpenVLA and openpi. LeRobot uses 280 for libero_spatial; LaWAM uses
      250/300/320/550/420. A success rate is comparable only under the same limit.
    - The ten settle steps after a reset do not count towards the limit.
"""

from __future__ import annotations

import argparse
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from wambench.errors import UsageError
from wambench.protocol import Task

FOLDERS = {
    "libero_spatial": "libero_spatial",
    "libero_object": "libero_object",
    "libero_goal": "libero_goal",
    "libero_long": "libero_10",
    "libero_90": "libero_90",
}
"""Suite name to the name of its folder in the upstream package."""

ALIASES = {"libero_10": "libero_long"}
"""Other names a suite is known by."""

MAX_STEPS = {
    "libero_spatial": 220,
    "libero_object": 280,
    "libero_goal": 300,
    "libero_long": 520,
    "libero_90": 400,
}
"""Control steps per episode: the longest demonstration plus slack (OpenVLA, openpi)."""

INIT_STATES = 50
"""Initial states per task in every `.pruned_init` file."""

TABLE = Path(__file__).with_name("tasks.json")


def canonical_suite(name: str) -> str:
    """The suite's own name for `name`, which may be an alias.

    Raises:
        UsageError: There is no such suite.
    """
    suite = ALIASES.get(name, name)
    if suite not in FOLDERS:
        raise UsageError(f"LIBERO has no suite {name}.", f"Its suites are: {', '.join(FOLDERS)}.")
    return suite


@cache
def _table() -> dict[str, list[dict[str, Any]]]:
    return json.loads(TABLE.read_text(encoding="utf-8"))["tasks"]


@cache
def load_tasks(suite: str) -> tuple[Task, ...]:
    """All tasks of a suite in upstream's order.

    Args:
        suite: One of `FOLDERS` or `ALIASES`.
    """
    suite = canonical_suite(suite)
    return tuple(
        Task(
            suite=suite,
            index=index,
            name=row["name"],
            instruction=row["instruction"],
            max_steps=MAX_STEPS[suite],
            init_states=INIT_STATES,
            goal=tuple(tuple(predicate) for predicate in row["goal"]),
        )
        for index, row in enumerate(_table()[suite])
    )


def find_task(suite: str, index: int) -> Task:
    """One task by its index.

    Raises:
        UsageError: The suite has no such task.
    """
    tasks = load_tasks(suite)
    if not 0 <= index < len(tasks):
        raise UsageError(
            f"{canonical_suite(suite)} has no task {index}.", f"It has 0 to {len(tasks) - 1}."
        )
    return tasks[index]


def bddl_file(package: Path, task: Task) -> Path:
    """Where the upstream package keeps the task's BDDL file."""
    return package / "bddl_files" / FOLDERS[task.suite] / f"{task.name}.bddl"


def init_state_file(package: Path, task: Task) -> Path:
    """Where the upstream package keeps the task's initial states."""
    return package / "init_files" / FOLDERS[task.suite] / f"{task.name}.pruned_init"


# ---- generation --------------------------------------------------------------------------------


def instruction_from_name(name: str) -> str:
    """Upstream's rule: the file name in words, without a leading `..._SCENE<n>_`."""
    return re.sub(r"^[A-Z_]+SCENE\d+_", "", name).replace("_", " ")


def parse_goal(bddl: str) -> tuple[tuple[str, ...], ...]:
    """The goal of a BDDL problem as lower-case predicates, in the file's order."""
    text = re.sub(r";.*$", "", bddl, flags=re.MULTILINE).lower()
    block = text[text.index("(:goal") :]
    atoms = re.findall(r"\(\s*([^()\s:]+)((?:\s+[^()\s]+)*)\s*\)", block[: _balanced_end(block)])
    return tuple((name, *arguments.split()) for name, arguments in atoms if name != "and")


def _balanced_end(text: str) -> int:
    depth = 0
    for position, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return position + 1
    raise ValueError("Unbalanced parentheses in a BDDL file.")


def read_upstream() -> dict[str, list[dict[str, Any]]]:
    """The table as the installed `hf-libero` has it."""
    from wambench_envs.libero import upstream

    package = upstream.package_dir()
    order = upstream.load_by_path("benchmark/libero_suite_task_map.py").libero_task_map
    return {
        suite: [
            {
                "name": name,
                "instruction": instruction_from_name(name),
                "goal": [
                    list(atom)
                    for atom in parse_goal(
                        (package / "bddl_files" / folder / f"{name}.bddl").read_text()
                    )
                ],
            }
            for name in order[folder]
        ]
        for suite, folder in FOLDERS.items()
    }


def _rebuild() -> None:
    from wambench_envs.libero import upstream

    version = upstream.PINS["hf-libero"]
    lines = [f'{{"source": "hf-libero {version}", "tasks": {{']
    suites = read_upstream()
    for number, (suite, rows) in enumerate(suites.items()):
        body = ",\n".join("  " + json.dumps(row) for row in rows)
        lines.append(f'"{suite}": [\n{body}\n]' + ("," if number + 1 < len(suites) else ""))
    TABLE.write_text("\n".join(lines) + "\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The LIBERO task table.")
    parser.add_argument("--rebuild", action="store_true", help="write tasks.json from hf-libero")
    if parser.parse_args().rebuild:
        _rebuild()
