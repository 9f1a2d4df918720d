"""KPL as one step: text proxies in, multimodal proxies out, or the text proxies again when refining is not safe.

Letters: N images, C classes, D embedding width, n rows of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from zsderm.arrays import Array, check_positive, finite_rows
from zsderm.config import DEFAULT_PRIOR, Settings
from zsderm.errors import SettingsError
from zsderm.proxies.chunks import FeatureChunks, KnownRows
from zsderm.proxies.cross_entropy import CrossEntropy
from zsderm.proxies.dual import dual_gradient
from zsderm.proxies.guard import (
    MIN_EVIDENCE_IMAGES,
    MIN_EVIDENCE_PER_CLASS,
    RefinementTest,
    RefinementTestResult,
    component_count,
    distinct_images,
)
from zsderm.proxies.mixture import principal_components
from zsderm.proxies.multimodal import MAX_ITERATIONS, PROXY_TEMPERATURE, TOLERANCE, fit_proxies
from zsderm.proxies.prior import Prior, estimate_prior, resolve_prior
from zsderm.proxies.text_labels import TextLabels
from zsderm.proxies.transport import LABEL_TEMPERATURE, match_marginal
from zsderm.wording import counted

MIN_IMAGES = Settings.min_images  # fewer are not enough to learn a class mix; the text proxies are kept
ANCHORS = (0.3, 1.0)  # weight of the text labels in the two estimates of the mix that "auto" tries
SAMPLE_SIZE = 20_000  # images; enough to test "auto" on; starting from it saves most passes through a file


@dataclass(frozen=True, eq=False)
class Refinement:
    """Proxies to classify with, and how they came about; all on the CPU but `text`, which is where the images are."""

    proxies: torch.Tensor  # (C, D) float32 unit rows: multimodal when accepted, else the text proxies
    centre: torch.Tensor  # (D,) float32, to be subtracted from features before scoring; zeros unless asked for
    prior: torch.Tensor  # (C,) float32 class shares of the labels
    prior_name: str  # "uniform", "given", "estimated" (auto, accepted) or "text" (the mix the text proxies predict)
    text: TextLabels  # makes the labels that the proxies rest on
    images: FeatureChunks = field(repr=False)  # (N, D) that were refined on
    objective: float | None  # mean cross-entropy in nats; None when the text proxies are kept
    iterations: int  # of the descent; 0 when the text proxies stand
    passes: int  # through all images
    converged: bool
    accepted: bool  # False: the text proxies are kept
    reason: str  # why, as a clause without a full stop
    figures: str = ""  # of the test that the reason rests on; empty where there was none

    @cached_property
    def labels(self) -> torch.Tensor:
        """(N, C) float32 that the proxies rest on, each row sums to 1; made when first asked for."""
        return torch.cat([self.text.of(rows).cpu() for rows in self.images.read()])

    @cached_property
    def scores(self) -> torch.Tensor:
        """(N, C) float32 (image features - centre) @ proxies.T; made when first asked for."""
        if not self.accepted and self.text.scores is not None:
            return self.text.scores.cpu()
        return torch.cat(list(self.score_chunks(self.images)))

    def score_chunks(self, images: FeatureChunks) -> Iterator[torch.Tensor]:
        """Score images, the ones that were refined on or others, without keeping what was read.

        Args:
            images: (N', D).

        Returns:
            (n, C) float32 (images - centre) @ proxies.T on the CPU, chunk by chunk in the order of the rows.

        Raises:
            SettingsError: for features of another width, and as they are read for NaN or infinity.
        """
        _check_width(images, self.proxies)
        centre, proxies = self.centre.to(images.device), self.proxies.to(images.device)
        return (((rows.float() - centre) @ proxies.T).cpu() for rows in images.read())


def refine(
    image_features: Array | KnownRows | FeatureChunks,
    text_proxies: Array,
    prior: Prior = DEFAULT_PRIOR,
    *,
    scores: Array | None = None,
    label_temperature: float = LABEL_TEMPERATURE,
    proxy_temperature: float = PROXY_TEMPERATURE,
    centre: bool = False,
    min_images: int = MIN_IMAGES,
    sample_size: int = SAMPLE_SIZE,
    tolerance: float = TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
    seed: int = 0,
) -> Refinement:
    """Refine text proxies on a batch of images, unless that would not be safe.

    With a stated prior ("uniform" or weights) the batch is labelled to that mix without a test. With "auto" three mixes
    are tried, the uniform one and two that are estimated from the images, and the best is used only if it passes a
    test: as labels for a mixture of clusters the refined ones must predict where unseen images lie better than the text
    labels do, and better than no labels at all. One cluster that a prior cuts into classes does not pass, whatever the
    scores are; a folder whose clusters agree with the text, or that is too small for the test, keeps its text proxies.
    See docs/method.md.

    Images that are more than one chunk are refined in two steps: a random sample in memory, and then all of them, as
    sums over chunks that start from the proxies and potentials of the sample. The sample decides whether "auto" is
    accepted, and with which class mix.

    Args:
        image_features: (N, D) unit rows, any float type, in memory; or `FeatureChunks`, which may lie in a file:
            FeatureChunks(numpy.load(path, mmap_mode="r")). Not changed. What is computed is computed on their device:
            FeatureChunks(features, chunk_size, device="cuda").
        text_proxies: (C, D) unit rows; not changed.
        prior: "auto", "uniform" or (C,) weights of any positive scale.
        scores: (N, C) text scores to label by, where they are not image_features @ text_proxies.T, for instance when
            each image retrieves its own descriptions; only for images in memory.
        label_temperature: of the softmax behind the labels, in units of cosine.
        proxy_temperature: of the softmax behind the proxies, in units of cosine.
        centre: subtract the mean image before the proxies are learned and applied.
        min_images: with fewer images the text proxies are kept, whatever the prior.
        sample_size: images in the sample, where they are more than one chunk.
        tolerance: decrease of the objective, in nats, that is not worth another step; below 1e-7 it costs float64.
        max_iterations: cap on the descent.
        seed: of the sample, and of the folds that test "auto".

    Returns:
        Proxies and how they came about; `accepted` says whether anything was refined, `reason` why or why not. Labels
        and scores of all images are made when they are asked for.

    Raises:
        SettingsError: for features, proxies, a prior or a setting that cannot be used.

    Warns:
        ConvergenceWarning: when transport or descent met its cap.

    Source: KPL (arXiv 2501.11231) for labels and proxies; the guard is ours.
    """
    check_positive(
        label_temperature=label_temperature,
        proxy_temperature=proxy_temperature,
        sample_size=sample_size,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    settings = _Settings(proxy_temperature, centre, tolerance, max_iterations)
    images = image_features
    if not isinstance(images, FeatureChunks):
        images = FeatureChunks(images if hasattr(images, "ndim") else torch.as_tensor(images), None)
    if tolerance < TOLERANCE:
        images = replace(images, dtype=torch.float64)
    proxies = normalize(finite_rows(text_proxies, "text proxies", device=images.device), dim=1)
    _check_width(images, proxies)
    sample = images.sampled(sample_size, seed)
    text = TextLabels(proxies, label_temperature, proxies.new_zeros(len(proxies), dtype=torch.float64))
    on_sample = replace(text, images=sample.whole, scores=_text_scores(images, sample, proxies, scores))
    stated = resolve_prior(prior, on_sample.of(sample.load()))
    if len(proxies) == 1:
        return _text_stands(images, on_sample if sample is images else text, "there is only one class")
    if len(images) < min_images:
        reason = _only(len(images), len(images), min_images)
        return _text_stands(images, on_sample if sample is images else text, reason)
    if isinstance(prior, str) and prior == "auto":
        started = _guarded(sample, on_sample, settings, seed)
    else:
        name = prior if isinstance(prior, str) else "given"
        started = _refined(sample, on_sample, stated, name, settings)
    if sample is images:
        return started
    if not started.accepted:
        return replace(_text_stands(images, text, started.reason), figures=started.figures)
    started, on_sample = (
        replace(started, text=replace(started.text, images=None, scores=None)),
        text,
    )  # frees what the sample kept
    known = started.prior.to(stated.device).double()
    mix = known / known.sum() if started.prior_name == "estimated" else stated
    return _refined(images, text, mix, started.prior_name, settings, started)


class _Settings(NamedTuple):
    proxy_temperature: float
    centre: bool
    tolerance: float
    max_iterations: int


def _check_width(images: FeatureChunks, proxies: torch.Tensor) -> None:
    if images.width != proxies.shape[1]:
        raise SettingsError(
            f"Expected image features and text proxies of one width, but got {images.width} and {proxies.shape[1]}. "
            "Encode both with the same encoder."
        )


def _text_scores(
    images: FeatureChunks, sample: FeatureChunks, proxies: torch.Tensor, given: Array | None
) -> torch.Tensor:
    """(N, C) text scores of images in memory, or of their sample: the given ones, or cosines."""
    if given is None:
        return torch.cat([rows.float() @ proxies.T for rows in sample.read()])
    scores = finite_rows(given, "scores", device=images.device)
    if sample is not images:
        raise SettingsError("Expected scores only for images in one chunk: leave them out, or load the features.")
    if scores.shape != (len(images), len(proxies)):
        raise SettingsError(
            f"Expected scores of shape {(len(images), len(proxies))}, one per image and class, but got "
            f"{tuple(scores.shape)}."
        )
    return scores


def _text_stands(images: FeatureChunks, text: TextLabels, reason: str) -> Refinement:
    logits = (text.logits(rows) for rows in images.read("text labels"))
    return Refinement(
        proxies=text.proxies.cpu(),
        centre=torch.zeros_like(text.proxies[0]).cpu(),
        prior=dual_gradient(logits, torch.zeros_like(text.potentials), overlap=False).log_shares.exp().float().cpu(),
        prior_name="text",
        text=text,
        images=images,
        objective=None,
        iterations=0,
        passes=1,
        converged=True,
        accepted=False,
        reason=reason,
    )


def _refined(
    images: FeatureChunks,
    text: TextLabels,
    mix: torch.Tensor,
    prior_name: str,
    settings: _Settings,
    started: Refinement | None = None,
) -> Refinement:
    """Label the images to a class mix and fit proxies to them, from the text proxies or from those of a sample."""
    potentials, solution = match_marginal(
        lambda: (text.logits(rows) for rows in images.read("class totals")),
        mix,
        start=None if started is None else started.text.potentials,
    )
    text = replace(text, potentials=potentials)
    problem = CrossEntropy(images, text.of, settings.proxy_temperature, centre=settings.centre)
    start, spread = text.proxies, problem.images
    if started is not None:
        start, spread = started.proxies.to(images.device), started.images.centred(problem.centre)
    learned = fit_proxies(problem, start, spread.load(), settings.tolerance, settings.max_iterations)
    return Refinement(
        proxies=learned.proxies.cpu(),
        centre=learned.centre.cpu(),
        prior=mix.float().cpu(),
        prior_name=prior_name,
        text=text,
        images=images,
        objective=learned.objective,
        iterations=learned.iterations,
        passes=solution.sweeps + problem.passes,
        converged=solution.converged and learned.converged,
        accepted=True,
        reason=_stated(prior_name) if started is None else started.reason,
        figures="" if started is None else started.figures,
    )


def _only(count: int, images: int, least: int) -> str:
    """``only 8 photographs; at least 16 are needed``; copies count as one photograph."""
    differ = counted(count, "photograph") if count == images else f"{count} of {images} photographs differ clearly"
    return f"only {differ}; at least {least} are needed"


def _stated(prior_name: str) -> str:
    """Why images were labelled to a class mix without a test."""
    return "every class was stated to be equally common" if prior_name == "uniform" else "a class mix was stated"


def _guarded(images: FeatureChunks, text: TextLabels, settings: _Settings, seed: int) -> Refinement:
    class_count, width = text.proxies.shape
    features = images.load()  # (N, D)
    distinct = distinct_images(features)  # (n,) rows
    count, least = len(distinct), max(MIN_EVIDENCE_IMAGES, MIN_EVIDENCE_PER_CLASS * class_count)
    if count < least:
        return _text_stands(images, text, _only(count, len(images), least))
    components = principal_components(features, component_count(count, width, class_count), distinct)  # (N, M)
    labels = text.of(features)
    test = RefinementTest.of(components[distinct], labels[distinct], seed, labels.argmax(dim=1))

    def trial(mix: torch.Tensor) -> tuple[Refinement, RefinementTestResult]:
        candidate = _refined(images, text, mix, "estimated", settings)
        scores = candidate.scores.to(distinct.device)
        labels = torch.softmax(scores[distinct].double() / settings.proxy_temperature, dim=1)
        return candidate, test.result(labels, scores.argmax(dim=1))

    mixes = [estimate_prior(components, labels, anchor=anchor, learned_from=distinct) for anchor in ANCHORS]
    trials = [trial(mix) for mix in (resolve_prior("uniform", labels), *mixes)]
    best, result = max(trials, key=lambda one: one[1].over_text.mean)
    found = best if result.accepted else _text_stands(images, text, result.reason)
    return replace(found, reason=result.reason, figures=result.figures)
