"""Looks into LAC-WM's checkpoints: `wambench inspect lac_wm --checkpoint C --data D --out O`.

Each diagnostic writes `NAME.csv` and `NAME.png`. Importing this needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from wambench.errors import UsageError
from wambench.inspector import Diagnostic, Finding, InspectRequest
from wambench.trainer import TrainInput
from wambench_policies.data.config import ClipConfig
from wambench_policies.lac_wm.runs import FinetuneRun, PretrainRun
from wambench_policies.lac_wm.train import METHOD

if TYPE_CHECKING:
    from wambench_policies.diagnostics.episodes import EpisodeSet
    from wambench_policies.lac_wm.decoder import ImageDecoder
    from wambench_policies.lac_wm.diagnostics import Clustering, Sequences, Transfer
    from wambench_policies.nn.checkpoint import Checkpoint

STAGES = ("pretrain", "finetune")
_STRIPS = 3
"""Samples that are painted."""
AHEAD = 8
"""Frames whose pictures are measured (§4.2)."""
LONGER = 2
"""Roll-outs are looked at over so many times the length of training clips, as planning does."""


class LACWMInspector:
    """The diagnostics of world models."""

    diagnostics = (
        Diagnostic("rollout", "feature error by step of a roll-out, beside copy", STAGES),
        Diagnostic("ridge", "how much of the actions latents say, by linear regression", STAGES),
        Diagnostic("clusters", "latent sequences by PCA and K-means (A.8)", STAGES),
        Diagnostic("umap", "latents in a plane by UMAP, by robot (figure 2)", STAGES),
        Diagnostic(
            "transfer", "what one robot did, imagined of another (figure 3); latent only", STAGES
        ),
        Diagnostic(
            "quality", "imagined pictures beside recorded ones (table 1); with --decoder", STAGES
        ),
    )
    inputs = (TrainInput("decoder", "checkpoint of stage decoder, which paints what is imagined"),)

    def inspect(self, request: InspectRequest) -> Iterator[Finding]:
        """Answers; see `wambench.inspector.Inspector`."""
        from wambench_policies.diagnostics.answers import answers, asked
        from wambench_policies.nn.checkpoint import Checkpoint

        checkpoint = Checkpoint.open(request.checkpoint, method=METHOD)
        names = asked(self.diagnostics, checkpoint, request)
        yield from answers(_Inspection(checkpoint, request), names, request)


class _Inspection:
    """One checkpoint and the demonstrations that it is asked about."""

    def __init__(self, checkpoint: Checkpoint, request: InspectRequest) -> None:
        from wambench_policies.lac_wm.world import load_model
        from wambench_policies.nn.device import chosen_device

        self.checkpoint = checkpoint
        self.request = request
        kind = PretrainRun if checkpoint.stage == "pretrain" else FinetuneRun
        self.run: PretrainRun | FinetuneRun = checkpoint.configuration(kind)
        self.model = load_model(checkpoint).to(chosen_device(request.device))
        self.config = self.model.config

    def lacks(self, name: str) -> UsageError | None:
        """Why a diagnostic cannot be asked; None where it can."""
        if name == "transfer" and self.model.idm is None:
            return UsageError(
                f"{self.checkpoint.folder} has explicit conditioning: no latents to transfer.",
                "Look at one of LAC-WM.",
            )
        if name == "quality" and "decoder" not in self.request.inputs:
            return UsageError(
                "Without an image decoder there are no imagined pictures.",
                "Give a checkpoint of stage decoder by --decoder.",
            )
        if name == "umap" and find_spec("umap") is None:
            return UsageError(
                "umap-learn is not installed.", 'Install it by pip install "wambench[umap]".'
            )
        return None

    @cached_property
    def episodes(self) -> EpisodeSet:
        """The demonstrations."""
        from wambench_policies.diagnostics.episodes import read_episodes

        def rows(selection: Any) -> Any:
            shortest = {"clip": ClipConfig(chunks=1, chunk_steps=1)}
            return self.config.windows(selection).model_copy(update=shortest)

        request = self.request
        return read_episodes(
            request.data,
            rows,
            self.run.data,
            self.run.training.seed,
            self.checkpoint,
            request.episodes,
            request.note,
        )

    @cached_property
    def short(self) -> Sequences:
        """Stretches of as many latents as are looked at together."""
        from wambench_policies.lac_wm.diagnostics import SEQUENCE

        return self._sequences(SEQUENCE)

    @cached_property
    def clustering(self) -> Clustering:
        """Their clusters."""
        from wambench_policies.lac_wm.diagnostics import clustered

        return clustered(self.short.latents, self.request.seed)

    @cached_property
    def decoder(self) -> ImageDecoder:
        """The image decoder of --decoder."""
        from wambench_policies.lac_wm.decoder import load_decoder

        decoder = load_decoder(self.request.inputs["decoder"], self.model.encoder)
        return decoder.to(next(self.model.parameters()).device)

    def _sequences(self, chunks: int) -> Sequences:
        import torch

        from wambench_policies.lac_wm.diagnostics import sequences

        with torch.no_grad():
            return sequences(
                self.model, self.episodes, chunks, self.request.windows, self.request.seed
            )

    # ---- one method per diagnostic -----------------------------------------------------------

    def rollout(self) -> Finding:
        """Errors of roll-outs twice as long as training clips."""
        import torch

        from wambench_policies.diagnostics.draw import curves
        from wambench_policies.lac_wm.diagnostics import rollout_errors

        seen = self._sequences(LONGER * self.config.horizon)
        with torch.no_grad():
            rows = rollout_errors(self.model, seen)
        names = {
            "model": "the model",
            "copy": "copy of the first frame",
            "other": "the model with another sample's actions",
            "frames": "the model with the IDM's latents",
        }
        if self.model.actions is None:
            names = {"frames": names["frames"], "copy": names["copy"]} | {
                "other": "the model with another sample's latents"
            }
        elif seen.by_frames is None:
            del names["frames"]
        figure = curves(
            "Roll-out",
            [row["chunks"] for row in rows],
            {title: [row[name] for row in rows] for name, title in names.items()},
            f"chunks of {self.config.chunk} actions",
            "squared error of features",
        )
        first, last = rows[0], rows[-1]
        line = (
            f"after 1 chunk the error is {first['model']:.3g} and copying's {first['copy']:.3g}, "
            f"after {last['chunks']} {last['model']:.3g} and {last['copy']:.3g}; with another "
            f"sample's actions {last['other']:.3g}"
        )
        return self._finding("rollout", line, rows, figure)

    def ridge(self) -> Finding:
        """R² of a chunk's mean action from its latent, by action dimension."""
        from wambench_policies.diagnostics.draw import bars
        from wambench_policies.diagnostics.ridge import regress

        seen = self.short
        actions = self.episodes.chunks(seen.samples, self.config.chunk).mean(1)
        z = seen.latents[:, 0].cpu().numpy()
        robots = np.array([self.episodes.infos[e].embodiment for e in seen.samples.episode])
        rows, lines = [], []
        for robot in dict.fromkeys(robots):
            mine = robots == robot
            episodes = seen.samples.episode[mine]
            if len(np.unique(episodes)) < 3:
                raise UsageError(
                    f"The regression is tested by episode, and there are fewer than three of "
                    f"{robot}.",
                    "Give more demonstrations, or --episodes all.",
                )
            names = self.episodes.embodiment(int(episodes[0])).action.names
            found = regress(z[mine], actions[mine, : len(names)], episodes)
            rows += [
                {"embodiment": robot, "dimension": name, "r2": found.r2([i])}
                for i, name in enumerate(names)
            ]
            lines.append(
                f"a linear reading of z explains {found.r2():.0%} of a chunk's mean actions of "
                f"{robot} in episodes that it was not fitted to, {found.r2(slice(0, 3)):.0%} of "
                "the first three dimensions"
            )
        figure = bars(
            "Actions from latents",
            [str(index) for index in range(len(rows))],
            {"R² on other episodes": [row["r2"] for row in rows]},
            "R²",
            limits=(-0.2, 1.0),
        )
        return self._finding("ridge", "; ".join(lines), rows, figure)

    def clusters(self) -> Finding:
        """Where latent sequences lie, and what happens at the centres."""
        found, samples = self.clustering, self.short.samples
        rows = [
            {
                "demonstration": self.episodes.infos[int(episode)].name,
                "row": int(row),
                "pc1": float(point[0]),
                "pc2": float(point[1]),
                "cluster": int(cluster),
                "nearest_to_centre": index in found.nearest,
            }
            for index, (episode, row, point, cluster) in enumerate(
                zip(samples.episode, samples.row, found.points, found.cluster, strict=True)
            )
        ]
        line = (
            f"two components hold {found.explained.sum():.0%} of the variance of "
            f"{len(rows)} sequences; clusters of "
            f"{', '.join(str(int((found.cluster == k).sum())) for k in range(4))}"
        )
        return self._finding("clusters", line, rows, self._drawn(found))

    def transfer(self) -> Finding:
        """Latents of one sample on the first frame of another, of another robot where there are."""
        import torch

        from wambench_policies.diagnostics.draw import curves
        from wambench_policies.lac_wm.diagnostics import transferred

        seen = self.short
        robots = self.episodes.embodiments(seen.samples)
        several = len(np.unique(robots)) > 1
        groups = robots if several else seen.samples.episode
        with torch.no_grad():
            found = transferred(self.model, seen, groups)
        rows = [
            {"chunk": index + 1, "likeness": like, "by_chance": chance}
            for index, (like, chance) in enumerate(
                zip(found.likeness, found.by_chance, strict=True)
            )
        ]
        whose = "of another robot" if several else "of another episode"
        line = (
            f"latents read off what is imagined on a first frame {whose} have the cosine "
            f"{np.mean(found.likeness):.2f} with those that were given, "
            f"{np.mean(found.by_chance):.2f} with others"
        )
        if "decoder" in self.request.inputs:
            return self._finding("transfer", line, rows, self._painted(found))
        figure = curves(
            f"Latents on a first frame {whose}",
            [row["chunk"] for row in rows],
            {"with those given": found.likeness, "with another sample's": found.by_chance},
            "chunk",
            "cosine of latents read off",
        )
        return self._finding("transfer", line, rows, figure)

    def umap(self) -> Finding:
        """Single latents in a plane, and whether those of one robot keep to themselves."""
        from wambench_policies.diagnostics.draw import clouds
        from wambench_policies.lac_wm.diagnostics import NEIGHBOURS, embedded, mixed

        seen = self.short
        robots = [self.episodes.infos[e].embodiment for e in seen.samples.episode]
        points = embedded(seen.latents, self.request.seed)
        rows = [
            {"embodiment": robot, "x": float(x), "y": float(y)}
            for robot, (x, y) in zip(robots, points, strict=True)
        ]
        line = f"{len(rows)} latents"
        if len(set(robots)) > 1:
            share, by_chance = mixed(seen.latents, robots)
            line += (
                f"; of the {NEIGHBOURS} nearest to each, {share:.0%} are of another robot, "
                f"{by_chance:.0%} if latents said nothing of the robot"
            )
        figure = clouds("Latents by UMAP", points, robots)
        return self._finding("umap", line, rows, figure)

    def quality(self) -> Finding:
        """Pictures of roll-outs, measured."""
        from wambench_policies.diagnostics.film import Strip, film, shown_frames
        from wambench_policies.diagnostics.pictures import (
            NETWORKS,
            load_networks,
            measured,
            network_folder,
        )
        from wambench_policies.lac_wm.diagnostics import imagined

        networks = load_networks(next(self.model.parameters()).device)
        seen = self._sequences(AHEAD)
        steps = [chunk * self.config.chunk for chunk in range(AHEAD + 1)]
        recorded = np.stack([self.episodes.frames(seen.samples, step) for step in steps], axis=1)
        videos = {
            "imagined": self.decoder.pictures(imagined(self.model, seen)),
            "decoder alone": self.decoder.pictures(seen.tokens[:, 1:]),
            "first frame": np.repeat(recorded[:, :1], AHEAD, axis=1),
        }
        rows = [
            {"pictures": name, "videos": len(found)} | measured(found, recorded[:, 1:], networks)
            for name, found in videos.items()
        ]
        strips = [
            Strip(
                self.episodes.infos[int(seen.samples.episode[k])].instruction,
                [("recorded", recorded[k, 1:])]
                + [(name, found[k]) for name, found in list(videos.items())[:2]],
            )
            for k in shown_frames(len(seen.samples), _STRIPS)
        ]
        absent = [name.upper() for name in NETWORKS if name not in networks]
        line = (
            f"{AHEAD} frames of {len(recorded)} windows: PSNR "
            + ", ".join(f"{row['psnr']:.1f} dB ({row['pictures']})" for row in rows)
            + (f"; no network for {', '.join(absent)} in {network_folder()}" if absent else "")
        )
        columns = [f"step {step}" for step in steps[1:]]
        return self._finding("quality", line, rows, film(strips, columns))

    def _painted(self, found: Transfer) -> Any:
        """A few samples: what happened, and what is imagined of it elsewhere."""
        from wambench_policies.diagnostics.episodes import Samples
        from wambench_policies.diagnostics.film import Strip, film
        from wambench_policies.lac_wm.diagnostics import SEQUENCE

        steps = [chunk * self.config.chunk for chunk in range(SEQUENCE + 1)]
        strips = []
        count = len(found.onto)
        for index in np.linspace(0, count - 1, min(_STRIPS, count)).astype(int):
            one = Samples(
                self.short.samples.episode[index : index + 1],
                self.short.samples.row[index : index + 1],
            )
            recorded = np.concatenate([self.episodes.frames(one, step) for step in steps])
            painted = self.decoder.pictures(found.imagined[index])
            names = [
                self.episodes.infos[int(self.short.samples.episode[k])].embodiment
                for k in (index, found.onto[index])
            ]
            videos = [(f"{names[0]},\nrecorded", recorded), (f"{names[1]},\nimagined", painted)]
            strips.append(Strip(f"Of {names[0]} onto {names[1]}", videos))
        return film(strips, [f"step {step}" for step in steps])

    def _drawn(self, found: Clustering) -> Any:
        """The plane, and pictures of the sample nearest to each centre, first to last."""
        from matplotlib.figure import Figure

        from wambench.report.plots.style import LIGHT, MARKERS, NORMAL, PAGE, SMALL
        from wambench_policies.diagnostics.episodes import Samples
        from wambench_policies.lac_wm.diagnostics import SEQUENCE

        chosen = self.short.samples
        nearest = Samples(chosen.episode[found.nearest], chosen.row[found.nearest])
        columns = [step * self.config.chunk for step in range(SEQUENCE + 1)]
        count = len(found.nearest)
        figure = Figure(figsize=(PAGE, 3.6), facecolor=LIGHT.ground)
        figure.set_layout_engine("constrained", h_pad=0.02, w_pad=0.02)
        grid = figure.add_gridspec(count, 3 + len(columns), width_ratios=[1.2] * 3 + [1] * 5)
        plane = figure.add_subplot(grid[:, :3])
        for cluster in range(count):
            mine = found.cluster == cluster
            colour = LIGHT.cycle[cluster % len(LIGHT.cycle)]
            plane.scatter(
                *found.points[mine].T, s=8, marker=MARKERS[cluster], color=colour, alpha=0.7
            )
            plane.scatter(
                *found.points[found.nearest[cluster]],
                s=70,
                marker=MARKERS[cluster],
                color=colour,
                edgecolors=LIGHT.ink,
            )
        for axis, share in zip(("x", "y"), found.explained, strict=True):
            getattr(plane, f"set_{axis}label")(
                f"component {1 + (axis == 'y')} ({share:.0%})", fontsize=NORMAL, color=LIGHT.ink
            )
        plane.tick_params(labelsize=SMALL, colors=LIGHT.faint)
        for column, offset in enumerate(columns):
            pictures = self.episodes.frames(nearest, offset)
            for line, picture in enumerate(pictures):
                axes = figure.add_subplot(grid[line, 3 + column])
                axes.imshow(picture)
                axes.set_xticks([])
                axes.set_yticks([])
                axes.spines[:].set_visible(False)
                if line == 0:
                    axes.set_title(f"step {offset}", fontsize=SMALL, color=LIGHT.ink)
                if column == 0:
                    axes.set_ylabel(
                        f"cluster {line}",
                        fontsize=SMALL,
                        color=LIGHT.cycle[line % len(LIGHT.cycle)],
                        fontweight="bold",
                    )
        figure.suptitle("Latent sequences", fontsize=NORMAL, color=LIGHT.ink, fontweight="bold")
        return figure

    def _finding(self, name: str, line: str, rows: list[dict[str, Any]], figure: Any) -> Finding:
        from wambench_policies.diagnostics.files import write_finding

        return write_finding(self.request.out, name, line, rows, figure)
