"""Labels that a refinement could give to a folder: candidates, of which a judge takes one or none.

Every candidate is a pure function from the images and the text proxies to labels. "Streams" says that it needs only
sums over images, pass by pass, so that a folder may lie in a file; the others need all images at once.

Letters: N images, n of them distinct, C classes, D embedding width, M components of the image space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from zsderm.proxies import resolve_prior, smooth_labels, transport_labels
from zsderm.proxies.guard import component_count, distinct_images
from zsderm.proxies.mixture import fit_mixture
from zsderm.proxies.prior import DAMPING, EM_STEPS, estimate_prior
from zsderm.proxies.refinement import ANCHORS
from zsderm.proxies.transport import LABEL_TEMPERATURE

TEMPERED = 50.0  # StatA divides the log density by it
ROUNDS = 10  # of StatA
POWER = 0.8  # of the predicted mix
GAMMA = 0.3  # of LATA
WARM = 0.05  # a temperature at which text labels are soft enough for the images to speak
_LEAST = 1e-12
_LEAST_LABEL = 1e-6  # as in zsderm.proxies.prior: a text label of 0 is not certainty


@dataclass(frozen=True, eq=False)
class FolderImages:
    """The images of a folder, and what several candidates need of them, made once."""

    features: torch.Tensor  # (N, D) unit rows
    mirrored: torch.Tensor  # (N, D) unit rows, a second view of each image

    @cached_property
    def distinct(self) -> torch.Tensor:
        """(n,) rows of images of which none is nearly alike to another."""
        return distinct_images(self.features)

    @cached_property
    def _along_axes(self) -> torch.Tensor:
        """(N, min(n, D)) float64 along the principal axes of the distinct images, the widest first."""
        centred = self.features.double() - self.features[self.distinct].double().mean(dim=0)
        _, _, axes = torch.linalg.svd(centred[self.distinct], full_matrices=False)
        return centred @ axes.T

    def components(self, classes: int) -> torch.Tensor:
        """(N, M) float64 principal components of the distinct images, for all images; M depends on the classes."""
        return self._along_axes[:, : component_count(len(self.distinct), self.features.shape[1], classes)]


class HomeMeans(NamedTuple):
    """Mean images of an encoder's home; None where it is not known."""

    classes: torch.Tensor | None = None  # (D,) of the class means of training images, each class of the list once
    tables: torch.Tensor | None = None  # (D,) of the means of training tables, whose classes are as they come


NO_MEANS = HomeMeans()
Candidate = Callable[[FolderImages, torch.Tensor, HomeMeans], torch.Tensor]


def text_labels(features: torch.Tensor, proxies: torch.Tensor, temperature: float = LABEL_TEMPERATURE) -> torch.Tensor:
    """What the text proxies say: no refinement. Streams, image by image.

    Args:
        features: (N, D) unit rows.
        proxies: (C, D) unit rows.
        temperature: of the softmax, in units of cosine.

    Returns:
        (N, C) float64, each row sums to 1.
    """
    return torch.softmax(features.double() @ proxies.double().T / temperature, dim=1)


def anchored_gaussians(
    features: torch.Tensor,
    proxies: torch.Tensor,
    *,
    alpha: float = 1.0,
    hard: bool = True,
    shares: bool = False,
    temperature: float = LABEL_TEMPERATURE,
    tempered: float = TEMPERED,
    rounds: int = ROUNDS,
) -> torch.Tensor:
    """StatA without its graph: one Gaussian for each class, drawn to its text proxy where it has few images.

        z_i proportional to y_i exp(L_i / tempered), beginning with the text labels y
        beta_k = n_k / (n_k + alpha)
        mu_k   = norm(beta_k norm(mean of the images of k) + (1 - beta_k) t_k)
        v_k    = beta_k (mean squared distance to mu_k) + (1 - beta_k) (v_0 + (t_k - mu_k)^2)

    Streams: every round needs the sums over images of z, z f and z f^2.

    Args:
        features: (N, D) unit rows.
        proxies: (C, D) unit rows t.
        alpha: how many images a text proxy counts for.
        hard: n_k counts the images that k has the largest label of; else it is the sum of labels.
        shares: labels are also proportional to the share of each class in the labels before.
        temperature: of the text labels.
        tempered: divides the log density L.
        rounds: how often labels and classes are learned from each other.

    Returns:
        (N, C) float64, each row sums to 1.

    Source: StatA (arXiv 2501.03729); class shares and soft counts are ours.
    """
    images, anchors = features.double(), proxies.double()
    squares = images.square()
    by_text = (images @ anchors.T / temperature).log_softmax(dim=1)  # (N, C)
    labels, means = by_text.exp(), anchors

    def spread(around: torch.Tensor) -> torch.Tensor:
        """(C, D) sums over images of z (f - around)^2."""
        counts = labels.sum(dim=0)[:, None]
        return (labels.T @ squares - 2 * (labels.T @ images) * around + counts * around.square()).clamp_min(0)

    start = spread(anchors).sum(dim=0) / len(images) + _LEAST  # (D,) v_0
    variances = start.expand_as(anchors)
    log_shares = torch.zeros(len(anchors), dtype=torch.float64)
    for _ in range(rounds):
        heights = squares @ (1 / variances).T - 2 * images @ (means / variances).T
        heights = heights + (means.square() / variances).sum(dim=1) + variances.log().sum(dim=1)  # (N, C), -2 L
        labels = torch.softmax(by_text + log_shares - heights / (2 * tempered), dim=1)
        totals = labels.sum(dim=0)  # (C,)
        if shares:
            log_shares = ((totals + 1e-3) / (totals + 1e-3).sum()).log()
        counts = labels.argmax(dim=1).bincount(minlength=len(anchors)).double() if hard else totals
        trust = (counts / (counts + alpha))[:, None]  # (C, 1)
        centres = normalize(labels.T @ images, dim=1)
        means = normalize(trust * centres + (1 - trust) * anchors, dim=1)
        own = spread(means) / totals.clamp_min(_LEAST)[:, None]
        variances = trust * own + (1 - trust) * (start + (anchors - means).square()) + _LEAST
    return labels


def mixture_labels(images: FolderImages, proxies: torch.Tensor, *, anchor: float = 1.0) -> torch.Tensor:
    """The labels of the mixture by which "auto" learns a class mix, where "auto" itself keeps only the mix.

    Steps are those of version 0.2, by the distinct images alone; only the last one labels all images.

    Streams, if the distinct images are known: every step needs the sums of z and z x, and the scatter of all images.

    Args:
        images: N of them.
        proxies: (C, D) unit rows.
        anchor: weight of the log of the text labels beside the log density.

    Returns:
        (N, C) float64, each row sums to 1. Copies of an image count as one.
    """
    components, distinct = images.components(len(proxies)), images.distinct
    start = text_labels(images.features, proxies)
    by_text = anchor * start.clamp_min(_LEAST_LABEL).log()  # (N, C)
    labels = start[distinct]
    for _ in range(EM_STEPS):
        mixture = fit_mixture(components[distinct], labels, DAMPING)
        labels = torch.softmax(mixture.log_joint(components[distinct]) + by_text[distinct], dim=1)
    mixture = fit_mixture(components[distinct], labels, DAMPING)
    return torch.softmax(mixture.log_joint(components) + by_text, dim=1)


def learned_mix(images: FolderImages, proxies: torch.Tensor, *, anchor: float = 1.0) -> torch.Tensor:
    """Labels of the mix that "auto" learned in version 0.2, by transport, before proxies are fitted to them.

    It is the mix of the distinct images alone; "auto" now takes that of all (`learned_from` of `estimate_prior`).

    Streams, if the distinct images are known.

    Args:
        images: N of them.
        proxies: (C, D) unit rows.
        anchor: see `mixture_labels`.

    Returns:
        (N, C) float64, each row sums to 1.
    """
    components, distinct = images.components(len(proxies)), images.distinct
    mix = estimate_prior(components[distinct], text_labels(images.features, proxies)[distinct], anchor=anchor)
    return transport_labels(images.features @ proxies.T, mix).double()


def stated_mix(features: torch.Tensor, proxies: torch.Tensor, *, power: float) -> torch.Tensor:
    """Labels of the predicted mix to some power, by transport: 1 changes nothing, 0 is the uniform mix.

    Streams: transport needs the class totals of each sweep.

    Args:
        features: (N, D) unit rows.
        proxies: (C, D) unit rows.
        power: of the shares.

    Returns:
        (N, C) float64, each row sums to 1.
    """
    mix = resolve_prior("auto", text_labels(features, proxies)) ** power
    return transport_labels(features @ proxies.T, mix).double()


def smoothed(features: torch.Tensor, proxies: torch.Tensor, *, gamma: float = GAMMA) -> torch.Tensor:
    """Text labels drawn to those of the nearest images (LATA). Does not stream: needs all images and all labels.

    Args:
        features: (N, D) unit rows.
        proxies: (C, D) unit rows.
        gamma: how strongly.

    Returns:
        (N, C) float64, each row sums to 1.
    """
    return smooth_labels(features, text_labels(features, proxies), gamma).double()


def home_offsets(
    features: torch.Tensor, proxies: torch.Tensor, home: torch.Tensor | None, *, share: float = 1.0
) -> torch.Tensor:
    """Text labels less what each class scores on the mean of the encoder's home: a bias seen there is taken off.

    Streams, image by image: what an image is labelled does not depend on the folder at all.

    Args:
        features: (N, D) unit rows.
        proxies: (C, D) unit rows.
        home: (D,) one of `HomeMeans`; None where it is not known, and then nothing changes.
        share: how much of the bias is taken off.

    Returns:
        (N, C) float64, each row sums to 1.
    """
    if home is None:
        return text_labels(features, proxies)
    offsets = share * (proxies.double() @ home.double())  # (C,)
    return torch.softmax((features.double() @ proxies.double().T - offsets) / LABEL_TEMPERATURE, dim=1)


def views_averaged(features: torch.Tensor, mirrored: torch.Tensor, proxies: torch.Tensor) -> torch.Tensor:
    """Text labels of the mean of two views. Streams, image by image, if both views are embedded.

    Args:
        features: (N, D) unit rows.
        mirrored: (N, D) unit rows, the same images in another view.
        proxies: (C, D) unit rows.

    Returns:
        (N, C) float64, each row sums to 1.
    """
    return text_labels(normalize(features + mirrored, dim=1), proxies)


def _alone(labels: Callable[..., torch.Tensor], **settings: float | bool) -> Candidate:
    """A candidate that knows nothing of the encoder's home, nor of the folder but its features."""
    made = partial(labels, **settings)
    return lambda images, proxies, _home: made(images.features, proxies)


def _placed(labels: Callable[..., torch.Tensor], anchor: float) -> Candidate:
    """A candidate that needs to know where the distinct images lie."""
    return lambda images, proxies, _home: labels(images, proxies, anchor=anchor)


def _from_home(share: float) -> Candidate:
    return lambda images, proxies, home: home_offsets(images.features, proxies, home.classes, share=share)


def _from_tables(share: float) -> Candidate:
    return lambda images, proxies, home: home_offsets(images.features, proxies, home.tables, share=share)


CANDIDATES: Mapping[str, Candidate] = {
    "anchored, alpha 1": _alone(anchored_gaussians),
    "anchored, alpha 10": _alone(anchored_gaussians, alpha=10.0),
    "anchored, with shares": _alone(anchored_gaussians, shares=True),
    "anchored, warm": _alone(anchored_gaussians, temperature=WARM),
    **{f"mixture, anchor {anchor:g}": _placed(mixture_labels, anchor) for anchor in ANCHORS},
    **{f"learned mix, anchor {anchor:g}": _placed(learned_mix, anchor) for anchor in ANCHORS},
    f"predicted mix ^ {POWER:g}": _alone(stated_mix, power=POWER),
    "uniform mix": _alone(stated_mix, power=0.0),
    f"smoothed, gamma {GAMMA:g}": _alone(smoothed),
    "home offsets": _from_home(1.0),
    "home offsets, half": _from_home(0.5),
    "home mean": _from_tables(1.0),
    "home mean, half": _from_tables(0.5),
    "views averaged": lambda images, proxies, _home: views_averaged(images.features, images.mirrored, proxies),
}
