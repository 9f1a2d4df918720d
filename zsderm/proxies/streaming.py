"""KPL for more images than memory holds: the features stay in their file and every step is a sum over chunks.

Letters: N images, C classes, D embedding width, n rows of a chunk.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import normalize

from zsderm.arrays import Array, check_positive, finite_rows
from zsderm.errors import ConvergenceWarning, SettingsError
from zsderm.progress import progress_bar
from zsderm.proxies.chunks import CHUNK_SIZE, FeatureChunks, KnownRows
from zsderm.proxies.cross_entropy import ChunkedCrossEntropy, CrossEntropy, TextLabels, match_marginal, text_mix
from zsderm.proxies.multimodal import MAX_ITERATIONS, PROXY_TEMPERATURE, TOLERANCE
from zsderm.proxies.prior import Prior, resolve_prior
from zsderm.proxies.refinement import Refinement, refine
from zsderm.proxies.sphere_descent import descend
from zsderm.proxies.transport import LABEL_TEMPERATURE, MAX_SWEEPS, transport, warn_of_residual
from zsderm.proxies.transport import TOLERANCE as TOTAL_TOLERANCE

SAMPLE_SIZE = 20_000  # images; enough to judge "auto" on, and as a start it saves most passes through the file


@dataclass(frozen=True, eq=False)
class StreamedRefinement:
    """Proxies to classify with, how they came about, and the rows they give, a chunk at a time."""

    proxies: torch.Tensor  # (C, D) float32 unit rows: multimodal when accepted, else the text proxies
    centre: torch.Tensor  # (D,) float32, to be subtracted from features before scoring; zeros unless asked for
    prior: torch.Tensor  # (C,) float64 class shares of the labels
    prior_name: str  # as in Refinement
    text: TextLabels  # text proxies and potentials, which make the labels of any row
    objective: float | None  # mean cross-entropy in nats; None where the text proxies stand
    iterations: int  # of the descent over all images; 0 when the text proxies stand
    passes: int  # through all images
    converged: bool
    accepted: bool  # False: the text proxies stand
    reason: str  # why, as a clause without a full stop

    @property
    def potentials(self) -> torch.Tensor:
        """What each class adds to its text logits (C,) float64; -inf for a class of weight 0."""
        return self.text.potentials

    def scores(self, features: Array, *, chunk_size: int = CHUNK_SIZE) -> Iterator[torch.Tensor]:
        """Score features, the ones that were refined on or others.

        Args:
            features: (N, D) of any float type, mapped or not.
            chunk_size: n.

        Returns:
            (n, C) float32 (features - centre) @ proxies.T, chunk by chunk in the order of the rows.

        Raises:
            SettingsError: for features of another width, and as they are read for NaN or infinity.
        """
        return ((chunk - self.centre) @ self.proxies.T for chunk in self._chunks(features, chunk_size).read())

    def labels(self, features: Array, *, chunk_size: int = CHUNK_SIZE) -> Iterator[torch.Tensor]:
        """The soft labels that the proxies rest on.

        Args:
            features: (N, D), the ones that were refined on.
            chunk_size: n.

        Returns:
            (n, C) float32, each row sums to 1, chunk by chunk in the order of the rows.

        Raises:
            SettingsError: for features of another width, and as they are read for NaN or infinity.
        """
        return (self.text.of(chunk) for chunk in self._chunks(features, chunk_size).read())

    def _chunks(self, features: Array, chunk_size: int) -> FeatureChunks:
        chunks = FeatureChunks(features, chunk_size)
        if chunks.width != len(self.centre):
            raise SettingsError(
                f"Expected image features of width {len(self.centre)}, as the proxies, but got {chunks.width}. "
                "Encode them with the same encoder."
            )
        return chunks


def write_rows(chunks: Iterable[torch.Tensor], out: np.ndarray) -> None:
    """Write scores or labels into an array that was made for them, for instance a mapped file.

    Args:
        chunks: (n, C) each, together N rows.
        out: (N, C) of any float type, for instance from numpy.lib.format.open_memmap.

    Raises:
        SettingsError: when rows and `out` do not have one shape.
    """
    start = 0
    for chunk in chunks:
        place = out[start : start + len(chunk)]
        if place.shape != tuple(chunk.shape):
            raise SettingsError(
                f"Expected room for rows {start} to {start + len(chunk)} of {chunk.shape[1]} columns, but got an array "
                f"of shape {out.shape}."
            )
        place[:] = chunk.numpy()
        start += len(chunk)
    if start != len(out):
        raise SettingsError(f"Expected an array of {start} rows to write to, but got {len(out)}.")


def refine_streamed(
    features: Array | KnownRows,
    text_proxies: Array,
    prior: Prior = "auto",
    *,
    chunk_size: int = CHUNK_SIZE,
    sample_size: int = SAMPLE_SIZE,
    label_temperature: float = LABEL_TEMPERATURE,
    proxy_temperature: float = PROXY_TEMPERATURE,
    centre: bool = False,
    tolerance: float = TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
    seed: int = 0,
    progress: bool = False,
) -> StreamedRefinement:
    """Refine text proxies on features that need not fit in memory: what `refine` does, chunk by chunk.

    A random sample is refined in memory first. With "auto" its verdict and its class mix hold for all images; with
    any prior its potentials and its proxies are the start of the passes through the file.

    Args:
        features: (N, D) unit rows, any float type; numpy.load(path, mmap_mode="r") leaves them in their file.
        text_proxies: (C, D) unit rows; not changed.
        prior: "auto", "uniform" or (C,) weights of any positive scale.
        chunk_size: n, rows in memory at a time; beyond rounding the result does not depend on it.
        sample_size: images in the sample.
        label_temperature: of the softmax behind the labels, in units of cosine.
        proxy_temperature: of the softmax behind the proxies, in units of cosine.
        centre: subtract the mean image before the proxies are learned and applied.
        tolerance: decrease of the objective, in nats, that is not worth another step.
        max_iterations: cap on the descent.
        seed: of the sample, and of the folds that judge "auto".
        progress: show a bar on stderr if that is a terminal.

    Returns:
        Proxies and the story. Scores and labels come from its methods, a chunk at a time.

    Raises:
        SettingsError: for features, proxies, a prior or a setting that cannot be used.

    Warns:
        ConvergenceWarning: when transport or descent met its cap.

    Source: KPL (arXiv 2501.11231).
    """
    check_positive(sample_size=sample_size, max_iterations=max_iterations, tolerance=tolerance)
    descent = _Descent(proxy_temperature, centre, tolerance, max_iterations)
    with progress_bar(len(features), progress) as announce:
        chunks = FeatureChunks(features, chunk_size, announce)
        announce("a sample", 0)
        sample = chunks.sample(sample_size, seed)
        started = refine(
            sample,
            text_proxies,
            prior,
            label_temperature=label_temperature,
            proxy_temperature=proxy_temperature,
            centre=centre,
            seed=seed,
        )
        proxies = normalize(finite_rows(text_proxies, "text proxies"), dim=1)
        text = TextLabels(proxies, label_temperature, torch.zeros(len(proxies), dtype=torch.float64))
        if not started.accepted:
            return _text_stands(chunks, text, started)
        mix = resolve_prior(started.prior if isinstance(prior, str) else prior, started.labels)
        text = replace(text, potentials=_sample_potentials(sample, text, mix))
        return _refined(chunks, sample, text, mix, started, descent)


class _Descent(NamedTuple):
    temperature: float
    centre: bool
    tolerance: float
    max_iterations: int


def _sample_potentials(sample: torch.Tensor, text: TextLabels, mix: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is only where the passes start
        return transport(sample @ text.proxies.T, mix, text.temperature).potentials


def _text_stands(chunks: FeatureChunks, text: TextLabels, started: Refinement) -> StreamedRefinement:
    return StreamedRefinement(
        proxies=text.proxies,
        centre=torch.zeros_like(text.proxies[0]),
        prior=text_mix(chunks, text),
        prior_name=started.prior_name,
        text=text,
        objective=None,
        iterations=0,
        passes=1,
        converged=True,
        accepted=False,
        reason=started.reason,
    )


def _refined(
    chunks: FeatureChunks,
    sample: torch.Tensor,
    text: TextLabels,
    mix: torch.Tensor,
    started: Refinement,
    settings: _Descent,
) -> StreamedRefinement:
    potentials, ending = match_marginal(chunks, text, mix, TOTAL_TOLERANCE, MAX_SWEEPS)
    if not (met := ending.residual < TOTAL_TOLERANCE):
        warn_of_residual(ending, TOTAL_TOLERANCE)
    text = replace(text, potentials=potentials)
    problem = ChunkedCrossEntropy(chunks, text, settings.temperature, centre=settings.centre)
    guess = CrossEntropy(sample - problem.centre, started.labels, settings.temperature).inverse_curvature()
    end = descend(problem, started.proxies.double(), guess.double(), settings.tolerance, settings.max_iterations)
    if not end.converged:
        warnings.warn(
            f"Multimodal proxies stopped at their cap of {end.iterations} iterations with objective "
            f"{end.objective:.6f}. They can be used; raise max_iterations to go on.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return StreamedRefinement(
        proxies=end.proxies.float(),
        centre=problem.centre,
        prior=mix,
        prior_name=started.prior_name,
        text=text,
        objective=end.objective,
        iterations=end.iterations,
        passes=ending.sweeps + problem.passes,
        converged=met and end.converged,
        accepted=True,
        reason=started.reason,
    )
