"""Writes skill clips: in the layout that World2Act's code reads, and as demonstrations.

    out/videos/<sample>.mp4      all views of a clip, tiled 2 x 2, a frame per row
    out/metadata.csv             video,prompt; the prompt says what is in which tile
    out/video_metadata.json      task -> demonstration -> clip -> {start, end}, both included
    out/demos/*.hdf5             the same clips as demonstrations whose instruction is the prompt
    out/skills.jsonl             every demonstration with its cycles, prompts and clips, or why not
    out/skills.json              how it was made, and synchronisation rates

Samples are called as the authors' loaders expect: `demo_<i>-<task>-<prompt>-order<k>` for LIBERO,
k from 1, and `<task>_mg_demo_<i>_aa_<k>` for RoboCasa, k from 0.

Non-obvious behaviours
    - `t5_xxl/` is missing: the authors' own script makes those text embeddings from `metadata.csv`
      with T5-XXL, and their loader skips videos without one.
    - Their loader takes 93 consecutive frames of a video and fails on shorter ones; most clips of
      our experts are shorter. `frames` holds the last frame until a video is as long.
    - Their LIBERO loader does not read `video_metadata.json`: it pairs clip k with 128 actions from
      a multiple of 128 on, wherever the skill begins. For paired actions use `demos/`.
    - Two tasks of LIBERO-90 may differ only by their scene, which the authors' names leave out;
      such samples keep it.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wambench.demos.dataset import open_source
from wambench.demos.demo import Cut, DemoInfo, Source, dataset_identity, one_backend
from wambench.demos.hdf5 import ATTRIBUTE, SKILL, Hdf5Source
from wambench.demos.hdf5_writer import DemoFile
from wambench.errors import DataError, UsageError
from wambench.report.video import write_mp4
from wambench.skills.decompose import (
    Decomposition,
    Options,
    RuleSplitter,
    SkillClip,
    Splitter,
    decompose_all,
)
from wambench.skills.layout import TILES, described, tiled
from wambench.skills.rates import SyncRate, sync_rates

Format = Literal["hdf5", "lerobot", "none"]

AUTHORS_FRAMES = 93
"""Frames that the authors' world model is trained on at once (Cosmos-Predict2: 24 latents, of which
the first holds 1 frame and the others 4)."""

_SCENE = re.compile(r"^[A-Z_]+_SCENE\d+_")
_LONGEST_NAME = 240
"""Most characters of a file's name without its ending; file systems take 255 bytes."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build.

    Attributes:
        data: The demonstrations; see `open_source`.
        out: The folder to make; it must not exist.
        options: How demonstrations are cut.
        splitter: Who splits instructions.
        cameras: Views of the videos, at most four; None for all that the data has.
        tasks: Task indices; None for all.
        format: What the clips are written as, beside the videos.
        videos: Whether to write videos.
        frames: Least frames of a video; shorter ones hold their last picture.
    """

    data: str
    out: Path
    options: Options = field(default_factory=Options)
    splitter: Splitter = field(default_factory=RuleSplitter)
    cameras: tuple[str, ...] | None = None
    tasks: tuple[int, ...] | None = None
    format: Format = "hdf5"
    videos: bool = True
    frames: int = 0


@dataclass(frozen=True, slots=True)
class Built:
    """What was built.

    Attributes:
        rates: Synchronisation per task.
        overall: Synchronisation of all.
        clips: How many clips there are.
        rows: Rows of all of them.
        short: How many are shorter than the authors' world model needs.
    """

    rates: tuple[SyncRate, ...]
    overall: SyncRate
    clips: int
    rows: int
    short: int


@dataclass(frozen=True, slots=True)
class _Sample:
    """A clip on its way to the disk.

    Attributes:
        name: Of its video, without ending.
        demo: Index of its demonstration.
        order: Its number within the demonstration, from 0.
        of: How many that has.
        clip: The clip.
    """

    name: str
    demo: int
    order: int
    of: int
    clip: SkillClip


def chosen_demos(source: Source, tasks: Sequence[int] | None) -> list[int]:
    """Indices of the demonstrations of some tasks; of those that succeeded, or do not say.

    Raises:
        DataError: One has a prologue: what is done in that is no skill of its instruction.
    """
    chosen = [
        index
        for index, demo in enumerate(source.demos)
        if (tasks is None or demo.task in tasks) and demo.success is not False
    ]
    for index in chosen:
        if source.demos[index].prologue:
            raise DataError(
                f"{source.demos[index].name} has a prologue of {source.demos[index].prologue} rows "
                "that is not to be imitated, and cannot be cut into skills.",
                "Cut demonstrations in which nobody acts before the demonstrator.",
            )
    return chosen


def build(request: BuildRequest, note: Callable[[int, int], None] = lambda _, __: None) -> Built:
    """Cuts demonstrations into skills and writes them; the folder appears when it is whole.

    Args:
        request: What.
        note: Told how many of how many demonstrations and clips are done.

    Raises:
        WambenchError: It cannot be done.
    """
    source = open_source(request.data)
    backend = one_backend(source.demos)
    if request.format != "none" and not isinstance(source, Hdf5Source):
        raise DataError(
            f"Clips of {request.data} cannot be written as demonstrations: it is no HDF5.",
            "Run `wambench data convert` first, or take --format none for videos alone.",
        )
    if request.out.exists():
        raise DataError(f"{request.out} exists already.", "Choose another --out, or remove it.")
    demos = chosen_demos(source, request.tasks)
    cameras = _cameras(source, demos, request.cameras) if request.videos else ()
    found = decompose_all(
        source, request.options, request.splitter, demos, lambda n: note(n, len(demos))
    )
    samples = _samples(source, found)
    partial = request.out.with_name(f"{request.out.name}.{os.getpid()}.partial")
    try:
        _make(partial)
        _write_tables(partial, request, source, backend, found, samples, cameras)
        if request.videos:
            (partial / "videos").mkdir()
            for number, sample in enumerate(samples, 1):
                frames = _frames(source, sample, cameras, request.frames)
                rate = Fraction(source.demos[sample.demo].control_hz).limit_denominator(1000)
                write_mp4(partial / "videos" / f"{sample.name}.mp4", list(frames), rate)
                note(number, len(samples))
        if samples and isinstance(source, Hdf5Source) and request.format != "none":
            _write_demos(source, request, samples, partial)
        partial.replace(request.out)
    except OSError as error:
        raise DataError(
            f"Cannot write to {request.out}: {error.strerror or error}.",
            "Free space or choose another --out, then repeat the command.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    rates, overall = sync_rates(source, found)
    lengths = [sample.clip.length for sample in samples]
    return Built(
        rates=rates,
        overall=overall,
        clips=len(samples),
        rows=sum(lengths),
        short=sum(max(length, request.frames) < AUTHORS_FRAMES for length in lengths),
    )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise DataError(
            f"Cannot write to {folder.parent}: {error.strerror}.", "Choose another --out."
        ) from error


# ---- names -------------------------------------------------------------------------------------


def _samples(source: Source, found: Sequence[Decomposition]) -> list[_Sample]:
    """Every clip with its name.

    Raises:
        DataError: Two would have the same name.
    """
    scenes: dict[str, set[str]] = defaultdict(set)
    for each in found:
        task_name = source.demos[each.demo].task_name
        scenes[_slug(_SCENE.sub("", task_name))].add(task_name)
    numbers = _numbers(source)
    samples: list[_Sample] = []
    for each in found:
        info = source.demos[each.demo]
        for order, clip in enumerate(each.clips):
            name = _name(info, scenes, numbers[each.demo], order, clip.prompt)
            samples.append(_Sample(name, each.demo, order, len(each.clips), clip))
    names = [sample.name for sample in samples]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise DataError(
            f"Several clips would be called {min(doubled)}.mp4: the data has demonstrations of one "
            "task in several files.",
            "Finish the collection (the command in its collection.json), so that each task has one "
            "file.",
        )
    return samples


def _numbers(source: Source) -> list[int]:
    """The number of every demonstration in its file, or where there is none, within its task."""
    if isinstance(source, Hdf5Source):
        return [int(place.group.rpartition("_")[2]) for place in source.places]
    counts: dict[tuple[str, int, str], int] = defaultdict(int)
    numbers = []
    for demo in source.demos:
        key = (demo.suite, demo.task, demo.task_name)
        numbers.append(counts[key])
        counts[key] += 1
    return numbers


def _name(info: DemoInfo, scenes: dict[str, set[str]], number: int, order: int, prompt: str) -> str:
    if info.suite.startswith("robocasa"):
        return f"{info.task_name}_mg_demo_{number}_aa_{order}"
    task = _slug(_SCENE.sub("", info.task_name))
    if len(scenes[task]) > 1:
        task = _slug(info.task_name)
    head, tail = f"demo_{number}-{task}-", f"-order{order + 1}"
    # The loaders split at hyphens and do not look at the prompt.
    return head + _slug(prompt)[: max(_LONGEST_NAME - len(head) - len(tail), 0)] + tail


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


# ---- videos ------------------------------------------------------------------------------------


def _cameras(
    source: Source, demos: Sequence[int], wanted: tuple[str, ...] | None
) -> tuple[str, ...]:
    """The views of the videos.

    Raises:
        DataError: Some demonstration lacks one, or sizes differ.
        UsageError: There are more than tiles.
    """
    first = source.demos[demos[0]] if demos else source.demos[0]
    cameras = wanted or tuple(c for c in first.cameras if not c.endswith("_labels"))
    if not 1 <= len(cameras) <= len(TILES):
        raise UsageError(
            f"A video has 1 to {len(TILES)} views, and these are {len(cameras)}: "
            f"{', '.join(cameras) or 'none'}.",
            "Choose with --cameras.",
        )
    for demo in demos:
        info = source.demos[demo]
        if missing := [camera for camera in cameras if camera not in info.cameras]:
            raise DataError(
                f"{info.name} has no camera {missing[0]}; it has: "
                f"{', '.join(info.cameras) or 'none'}.",
                "Choose others with --cameras.",
            )
        if len({info.cameras[camera] for camera in cameras}) > 1:
            raise DataError(
                f"The cameras of {info.name} have pictures of different sizes.",
                "Choose those of one size with --cameras.",
            )
    return cameras


def _frames(
    source: Source, sample: _Sample, cameras: Sequence[str], frames: int
) -> Iterator[NDArray[np.uint8]]:
    """The frames of a clip: views row by row, tiles without a view black."""
    clip = sample.clip
    frame = np.zeros((0, 0, 3), np.uint8)
    for row in range(clip.start, clip.end + 1):
        frame = tiled([source.pixels(sample.demo, camera, row) for camera in cameras])
        yield frame
    for _ in range(frames - clip.length):
        yield frame


# ---- tables ------------------------------------------------------------------------------------


def _write_tables(
    folder: Path,
    request: BuildRequest,
    source: Source,
    backend: str,
    found: Sequence[Decomposition],
    samples: Sequence[_Sample],
    cameras: Sequence[str],
) -> None:
    if request.videos:
        with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["video", "prompt"])
            for sample in samples:
                prompt = described(sample.clip.prompt, cameras)
                writer.writerow([f"{sample.name}.mp4", prompt])
    numbers = _numbers(source)
    places: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    for sample in samples:
        task = places.setdefault(source.demos[sample.demo].task_name, {})
        clips = task.setdefault(str(numbers[sample.demo]), {})
        clips[str(sample.order)] = {"start": sample.clip.start, "end": sample.clip.end}
    _write_json(folder / "video_metadata.json", places)
    with (folder / "skills.jsonl").open("w", encoding="utf-8") as file:
        for each in found:
            info = source.demos[each.demo]
            line: dict[str, Any] = {
                "demo": info.name,
                "episode": info.episode.key if info.episode else None,
                "instruction": info.instruction,
                "rows": info.length,
                "synchronised": each.synchronised,
                "detail": each.detail,
                "prompts": each.prompts,
                "cycles": [asdict(cycle) for cycle in each.cycles],
                "clips": [asdict(clip) for clip in each.clips],
            }
            file.write(json.dumps(line) + "\n")
    rates, overall = sync_rates(source, found)
    _write_json(
        folder / "skills.json",
        {
            "source": source.path.name,
            "identity": dataset_identity([source.demos[each.demo] for each in found]),
            "backend": backend,
            "options": asdict(request.options),
            "splitter": request.splitter.name,
            "cameras": list(cameras),
            "clips": len(samples),
            "synchronised": overall.to_json(),
            "tasks": [rate.to_json() for rate in rates],
        },
    )


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


# ---- demonstrations ----------------------------------------------------------------------------


def _write_demos(
    source: Hdf5Source, request: BuildRequest, samples: Sequence[_Sample], folder: Path
) -> None:
    """Writes the clips as demonstrations, a file per task and prompt."""
    files: dict[str, list[_Sample]] = defaultdict(list)
    for sample in samples:
        info = source.demos[sample.demo]
        stem = f"{_slug(info.task_name)}-{_slug(sample.clip.prompt)}"[:_LONGEST_NAME]
        files[f"{stem.rstrip('_-')}_demo.hdf5"].append(sample)
    (folder / "demos").mkdir()
    how = request.options
    about = f"{how.rule.name} {how.unit}, prompts by {request.splitter.name}"
    for name, chosen in files.items():
        first = chosen[0]
        prompts = {sample.clip.prompt for sample in chosen}
        assert len(prompts) == 1, prompts
        facts = source.facts(first.demo)
        told = dict(facts.about) | {"skills": about, "skill_of": facts.instruction}
        facts = replace(facts, instruction=first.clip.prompt, about=told)
        attributes = {
            **source.group(first.demo).parent.attrs,
            "macros_image_convention": source.places[first.demo].convention,
            ATTRIBUTE: json.dumps(asdict(facts), sort_keys=True),
        }
        with DemoFile(folder / "demos" / name, attributes) as file:
            for sample in chosen:
                file.copy_rows(
                    source.group(sample.demo),
                    sample.clip.start,
                    sample.clip.end + 1,
                    {SKILL: json.dumps(_cut_from(source.demos[sample.demo], sample))},
                    lag=source.places[sample.demo].lag,
                )
    if request.format == "lerobot":
        from wambench.demos.convert import to_lerobot

        clips = Hdf5Source(folder / "demos")
        to_lerobot(clips, folder / "lerobot")
        clips.close()
        shutil.rmtree(folder / "demos")


def _cut_from(info: DemoInfo, sample: _Sample) -> dict[str, Any]:
    """What a clip was cut from."""
    return asdict(
        Cut(
            demo=info.name,
            episode=info.episode.key if info.episode else None,
            instruction=info.instruction,
            order=sample.order,
            of=sample.of,
            start=sample.clip.start,
            end=sample.clip.end,
        )
    )
