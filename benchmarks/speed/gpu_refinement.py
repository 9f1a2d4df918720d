"""KPL refinement of many features on a card, resident there and from ordinary memory, beside the published schedule.

The features are those of streaming.py: unit rows around class means, far from text proxies that err. They are drawn on
the card, in half precision. Both priors are uniform, as the classes are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from zsderm.benchmarks.speed import proxies
from zsderm.benchmarks.speed.stopwatch import Figure, Stopwatch
from zsderm.benchmarks.speed.streaming import SEPARATION, World
from zsderm.errors import ConvergenceWarning
from zsderm.proxies.chunks import FeatureChunks
from zsderm.proxies.cross_entropy import harden
from zsderm.proxies.refinement import Refinement, refine

BLOCK = 65_536  # rows drawn at a time


@dataclass(frozen=True)
class RefinementSize:
    """How much is refined."""

    images: int = 1_000_000  # N
    width: int = 512  # D
    classes: int = 26  # C
    chunk: int = 65_536  # rows that travel to the card at a time
    sample: int = 20_000
    steps: int = 2000  # of the published schedule


class RefinementOnCard:
    """One set of features and text proxies, refined in several ways.

    Args:
        size: how much.
        watch: what measures, and where.
        seed: of the features.
    """

    def __init__(self, size: RefinementSize, watch: Stopwatch, seed: int = 0) -> None:
        self.size, self.watch, self.device = size, watch, watch.device
        self.world = World(size.classes, size.width, seed)
        self.random = torch.Generator(self.device).manual_seed(seed)
        self.shown = f"{size.images} x {size.width}, {size.classes} classes"

    def jobs(self) -> Iterator[tuple[str, Callable[[], Figure]]]:
        """What is measured, the most important first."""
        size = self.size
        yield "zsderm refine, features resident on the device", lambda: self.refine(self.features, None)
        yield (
            f"zsderm refine, half-precision features from the processor's memory in chunks of {size.chunk}",
            lambda: self.refine(self.features.cpu().numpy(), size.chunk),
        )
        yield "zsderm, the descent to proxies alone, resident", self.descent
        yield f"published schedule of KPL, {size.steps} steps, resident", self.published

    @cached_property
    def truth(self) -> Tensor:
        """(N,) the class of each image."""
        return torch.randint(self.size.classes, (self.size.images,), generator=self.random, device=self.device)

    @cached_property
    def features(self) -> Tensor:
        """(N, D) float16 unit rows on the device."""
        means, gap = (torch.from_numpy(rows).to(self.device) for rows in (self.world.means, self.world.image_gap))
        features = torch.empty(self.size.images, self.size.width, dtype=torch.float16, device=self.device)
        for start in range(0, self.size.images, BLOCK):
            part = features[start : start + BLOCK]
            noise = torch.randn(part.shape, generator=self.random, device=self.device) / self.size.width**0.5
            part.copy_(normalize(noise + 1.5 * gap + SEPARATION * means[self.truth[start : start + BLOCK]], dim=1))
        return features

    @cached_property
    def problem(self) -> proxies.Problem:
        """What the descents alone are given: features and the labels that refinement made, in float32 on the device."""
        images, text = self.features.float(), torch.from_numpy(self.world.text_proxies).to(self.device)
        refined = self._refined(FeatureChunks(images, None, device=self.device))
        return proxies.Problem(images, text, harden(refined.text.of(images)), self.truth)

    def refine(self, features: Tensor | np.ndarray, chunk: int | None) -> Figure:
        """Labels by transport, then proxies."""
        found: list[Refinement] = []
        few = FeatureChunks(features[: 4 * self.size.classes], None, device=self.device)

        def run() -> None:
            found.append(self._refined(FeatureChunks(features, chunk, device=self.device)))

        timing = self.watch.measure(run, lambda: self._refined(few))
        refined = found[-1]
        text = self._accuracy(torch.from_numpy(self.world.text_proxies))
        note = f"accuracy {text:.1%} to {self._accuracy(refined.proxies):.1%}, objective {refined.objective:.6f}"
        return timing.figure(self.shown, note=f"{refined.passes} passes, {note}")

    def descent(self) -> Figure:
        """Labels are given."""
        given = self.problem
        return self._solved(lambda: proxies.ours(given), lambda: proxies.ours(given))

    def published(self) -> Figure:
        """As many steps as the schedule has, from the labels that are given."""
        given = self.problem

        def run(steps: int) -> proxies.Run:
            return proxies.published_schedule(given, proxies.PUBLISHED_STEP, steps)

        return self._solved(lambda: run(self.size.steps), lambda: run(2), repeats=1)

    def _solved(
        self, run: Callable[[], proxies.Run], warm_up: Callable[[], object], repeats: int | None = None
    ) -> Figure:
        runs: list[proxies.Run] = []
        timing = self.watch.measure(lambda: runs.append(run()), warm_up, repeats)
        value = proxies.cross_entropy(self.problem.images, self.problem.labels)(runs[-1].proxies)[0]
        note = f"{runs[-1].evaluations} evaluations, objective {value:.6f}"
        return timing.figure(self.shown, note=f"{note}, accuracy {self._accuracy(runs[-1].proxies):.1%}")

    def _refined(self, images: FeatureChunks) -> Refinement:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the objective shows how far it came
            return refine(images, self.world.text_proxies, "uniform", min_images=2, sample_size=self.size.sample)

    def _accuracy(self, found: Tensor) -> float:
        right = [
            (rows.float() @ found.to(self.device).float().T).argmax(dim=1) == truth
            for rows, truth in zip(self.features.split(BLOCK), self.truth.split(BLOCK), strict=True)
        ]
        return float(torch.cat(right).float().mean())
