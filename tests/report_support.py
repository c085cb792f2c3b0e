"""Types and helpers that the tests of reports share."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from wambench.protocol import Outcome
from wambench.results.run import RunDirectory

MakeRun = Callable[..., RunDirectory]
"""The fixture `make_run` of tests/report."""


def outcomes(successes: int, trials: int) -> list[Outcome | None]:
    """That many successes, and failures for the rest."""
    return ["success"] * successes + ["failure"] * (trials - successes)


def band_texts(figure: Figure) -> dict[str, list[str]]:
    """What is written in each band of `draw_rates`: `official`, `embedded`, `published`."""
    texts: dict[str, list[str]] = {}
    for text in figure.texts:
        texts.setdefault(str(text.get_gid() or "official"), []).append(text.get_text())
    for axes in figure.axes:
        kind = str(axes.get_label()).rpartition(" · ")[2].removeprefix("backend ")
        texts[kind] += [text.get_text() for text in axes.texts]
    return texts
