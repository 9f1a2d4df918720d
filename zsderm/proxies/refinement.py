"""KPL as one step: text proxies in, multimodal proxies out, or the text proxies back when refining is not safe.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from zsderm.arrays import Array, check_positive, finite_rows
from zsderm.errors import SettingsError
from zsderm.proxies.guard import (
    MIN_EVIDENCE_IMAGES,
    MIN_EVIDENCE_PER_CLASS,
    RefinementTest,
    RefinementTestResult,
    component_count,
    distinct_images,
)
from zsderm.proxies.mixture import principal_components
from zsderm.proxies.multimodal import PROXY_TEMPERATURE, learn_proxies
from zsderm.proxies.prior import Prior, estimate_prior, resolve_prior
from zsderm.proxies.transport import LABEL_TEMPERATURE, transport

MIN_IMAGES = 16  # fewer say nothing about a mix; the text proxies stand
ANCHORS = (0.3, 1.0)  # how firmly the estimates that "auto" tries hold on to the text labels


@dataclass(frozen=True)
class Refinement:
    """Proxies to classify with, and how they came about."""

    proxies: torch.Tensor  # (C, D) float32 unit rows: multimodal when accepted, else the text proxies
    centre: torch.Tensor  # (D,) float32, to be subtracted from features before scoring; zeros unless asked for
    scores: torch.Tensor  # (N, C) float32 (image features - centre) @ proxies.T
    labels: torch.Tensor  # (N, C) float32 that the proxies rest on, each row sums to 1
    prior: torch.Tensor  # (C,) float32 class shares of the labels
    prior_name: str  # "uniform", "given", "estimated" (auto, accepted) or "text" (the mix the text proxies predict)
    iterations: int  # of the descent; 0 when the text proxies stand
    converged: bool
    accepted: bool  # False: the text proxies stand
    reason: str  # why, as a clause without a full stop


def refine(
    image_features: Array,
    text_proxies: Array,
    prior: Prior = "auto",
    *,
    scores: Array | None = None,
    label_temperature: float = LABEL_TEMPERATURE,
    proxy_temperature: float = PROXY_TEMPERATURE,
    centre: bool = False,
    min_images: int = MIN_IMAGES,
    seed: int = 0,
) -> Refinement:
    """Refine text proxies on a batch of images, unless that would not be safe.

    With a stated prior ("uniform" or weights) the batch is labelled to that mix, as told. With "auto" three mixes are
    tried, the uniform one and two that are learned from the images, and the best must then earn its place: as labels
    for a mixture of clusters the refined ones must predict where unseen images lie better than the text labels do, and
    better than no labels at all. One cluster that a prior cuts into classes fails, whatever the scores say; a folder
    whose clusters agree with the text, or too small to tell, keeps its text proxies. See docs/method.md.

    Args:
        image_features: (N, D) unit rows, any float type; not changed.
        text_proxies: (C, D) unit rows; not changed.
        prior: "auto", "uniform" or (C,) weights of any positive scale.
        scores: (N, C) text scores to label by, where they are not image_features @ text_proxies.T, for instance when
            each image retrieves its own descriptions.
        label_temperature: of the softmax behind the labels, in units of cosine.
        proxy_temperature: of the softmax behind the proxies, in units of cosine.
        centre: subtract the mean image before the proxies are learned and applied.
        min_images: with fewer images the text proxies stand, whatever the prior.
        seed: of the folds that judge "auto".

    Returns:
        Proxies, labels and the story; `accepted` says whether anything was refined, `reason` why or why not.

    Raises:
        SettingsError: for features, proxies, a prior or a setting that cannot be used.

    Warns:
        ConvergenceWarning: when transport or descent met its cap.

    Source: KPL (arXiv 2501.11231) for labels and proxies; the guard is ours.
    """
    images = finite_rows(image_features, "image features")
    proxies = normalize(finite_rows(text_proxies, "text proxies"), dim=1)
    check_positive(label_temperature=label_temperature, proxy_temperature=proxy_temperature)
    if images.shape[1] != proxies.shape[1]:
        raise SettingsError(
            f"Expected image features and text proxies of one width, but got {images.shape[1]} and {proxies.shape[1]}. "
            "Encode both with the same encoder."
        )
    text_scores = images @ proxies.T if scores is None else finite_rows(scores, "scores")  # (N, C)
    if text_scores.shape != (len(images), len(proxies)):
        raise SettingsError(
            f"Expected scores of shape {(len(images), len(proxies))}, one per image and class, but got "
            f"{tuple(text_scores.shape)}."
        )
    text = _text_refinement(proxies, text_scores, label_temperature)
    stated = resolve_prior(prior, text.labels)
    if len(proxies) == 1:
        return replace(text, reason="one class leaves nothing to refine")
    if len(images) < min_images:
        return replace(text, reason=f"{len(images)} images are too few to refine on (at least {min_images})")
    settings = _Settings(label_temperature, proxy_temperature, centre)
    if isinstance(prior, str) and prior == "auto":
        return _guarded(images, text, settings, seed)
    name = "uniform" if isinstance(prior, str) else "given"
    return _refined(images, text, stated, name, settings)


class _Settings(NamedTuple):
    label_temperature: float
    proxy_temperature: float
    centre: bool


def _text_refinement(proxies: torch.Tensor, scores: torch.Tensor, label_temperature: float) -> Refinement:
    labels = torch.softmax(scores.double() / label_temperature, dim=1).float()
    return Refinement(
        proxies=proxies,
        centre=torch.zeros_like(proxies[0]),
        scores=scores,
        labels=labels,
        prior=labels.mean(dim=0),
        prior_name="text",
        iterations=0,
        converged=True,
        accepted=False,
        reason="the text proxies were not refined",
    )


def _refined(
    images: torch.Tensor, text: Refinement, mix: torch.Tensor, prior_name: str, settings: _Settings
) -> Refinement:
    plan = transport(text.scores, mix, settings.label_temperature)
    learned = learn_proxies(images, text.proxies, plan.labels, settings.proxy_temperature, centre=settings.centre)
    return Refinement(
        proxies=learned.proxies,
        centre=learned.centre,
        scores=(images - learned.centre) @ learned.proxies.T,
        labels=plan.labels,
        prior=mix.float(),
        prior_name=prior_name,
        iterations=learned.iterations,
        converged=plan.converged and learned.converged,
        accepted=True,
        reason=f"the images were labelled to the {prior_name} class mix",
    )


def _guarded(images: torch.Tensor, text: Refinement, settings: _Settings, seed: int) -> Refinement:
    class_count, width = text.proxies.shape
    distinct = distinct_images(images)  # (N,)
    count, least = int(distinct.sum()), max(MIN_EVIDENCE_IMAGES, MIN_EVIDENCE_PER_CLASS * class_count)
    if count < least:
        kind = "images" if count == len(images) else f"different images among {len(images)}"
        return replace(text, reason=f"{count} {kind} are too few to learn their class mix from (at least {least})")
    components = principal_components(images[distinct], component_count(count, width, class_count))
    text_labels = text.labels[distinct]
    test = RefinementTest.of(components, text_labels, seed)

    def trial(mix: torch.Tensor) -> tuple[Refinement, RefinementTestResult]:
        candidate = _refined(images, text, mix, "estimated", settings)
        logits = candidate.scores[distinct].double() / settings.proxy_temperature
        return candidate, test.result(torch.softmax(logits, dim=1))

    mixes = [estimate_prior(components, text_labels, anchor=anchor) for anchor in ANCHORS]
    trials = [trial(mix) for mix in (resolve_prior("uniform", text.labels), *mixes)]
    best, result = max(trials, key=lambda one: one[1].over_text.mean)
    return replace(best if result.accepted else text, reason=result.reason)
