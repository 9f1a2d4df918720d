"""A mixture of bell-shaped classes with one shared covariance: how well do labels describe where images lie?

Letters: N images, C classes, M components of the image space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

SHRINKAGE = 0.05  # of the covariance toward its diagonal; more when images are few for their components
FREEDOM = 30.0  # degrees of Student's t: without heavy tails, cutting one cluster in pieces gains just by widening it
PSEUDO_COUNT = 1.0  # weight, in images, of the prior belief that a class sits at the overall mean
_VARIANCE_FLOOR = 1e-3  # of the total variance: keeps a component that the labels explain fully from dividing by zero


@dataclass(frozen=True)
class Mixture:
    """Class shares, class means and the covariance they share, under Student's t."""

    log_shares: torch.Tensor  # (C,)
    means: torch.Tensor  # (C, M), drawn toward the overall mean where images are few
    spread: torch.Tensor  # (C,) factor of the covariance, above 1 where a mean rests on few images
    factor: torch.Tensor  # (M, M) lower Cholesky factor of the covariance

    def log_joint(self, components: torch.Tensor) -> torch.Tensor:
        """Log of share times density of each class.

        Args:
            components: (N, M) float64.

        Returns:
            (N, C); its logsumexp over classes is the log density, its softmax the labels that the mixture gives.
        """
        width = components.shape[1]
        images = torch.linalg.solve_triangular(self.factor, components.T, upper=False).T  # (N, M) whitened
        means = torch.linalg.solve_triangular(self.factor, self.means.T, upper=False).T  # (C, M) whitened
        squared = images.square().sum(1)[:, None] - 2 * images @ means.T + means.square().sum(1)  # (N, C)
        tail = 0.5 * (FREEDOM + width) * torch.log1p(squared.clamp_min(0) / (FREEDOM * self.spread))  # (N, C)
        height = math.lgamma((FREEDOM + width) / 2) - math.lgamma(FREEDOM / 2)
        volume = self.factor.diagonal().log().sum() + 0.5 * width * (self.spread * FREEDOM * math.pi).log()  # (C,)
        return self.log_shares + height - volume - tail


def fit_mixture(components: torch.Tensor, labels: torch.Tensor, damping: float = 0.0) -> Mixture:
    """Fit the mixture to labelled images in one step.

    Means are posterior means and densities are predictive: a class seen on two images is drawn to the overall mean and
    spread out, so that a lucky mean earns nothing on images it has not seen.

    Args:
        components: (N, M) float64, centred.
        labels: (N, C) rows that sum to 1.
        damping: share of the uniform mix in the class shares, 0 to 1.

    Returns:
        The mixture.
    """
    image_count, width = components.shape
    labels = labels.double()
    counts = labels.sum(dim=0)  # (C,)
    means = (labels.T @ components) / counts.clamp_min(1e-6)[:, None]  # (C, M)
    scatter = components.T @ components - (means * counts[:, None]).T @ means  # (M, M)
    freedom = max(image_count - int((counts > 0.5).sum()), 0.2 * image_count)
    total = components.square().mean(dim=0)  # (M,)
    floor = _VARIANCE_FLOOR * total + 1e-12
    shrinkage = max(SHRINKAGE, min(0.5, 0.25 * width / image_count))
    covariance = (1 - shrinkage) * scatter / freedom
    diagonal = (scatter.diagonal() / freedom).clamp(floor, total + floor)
    covariance = covariance + torch.diag(shrinkage * diagonal + floor)
    shares = (counts + 1e-3) / (counts + 1e-3).sum()
    trust = counts / (counts + PSEUDO_COUNT)
    return Mixture(
        log_shares=((1 - damping) * shares + damping / len(shares)).log(),
        means=means * trust[:, None],
        spread=1 + 1 / (counts + PSEUDO_COUNT),
        factor=torch.linalg.cholesky(covariance),
    )


def held_out_log_density(components: torch.Tensor, labels: torch.Tensor, folds: torch.Tensor) -> torch.Tensor:
    """Log density of each image under the mixture that the other folds' labels give.

    Labels that follow the clusters of the images predict where unseen images lie; labels that cut through a cluster
    predict no better than no labels at all.

    Args:
        components: (N, M) float64.
        labels: (N, C) rows that sum to 1; (N, 1) ones for no labels at all.
        folds: (N,) fold of each image.

    Returns:
        (N,) in nats.
    """
    densities = components.new_empty(len(components))
    for fold in folds.unique():
        unseen = folds == fold
        seen = components[~unseen]
        mixture = fit_mixture(seen - seen.mean(dim=0), labels[~unseen])
        densities[unseen] = torch.logsumexp(mixture.log_joint(components[unseen] - seen.mean(dim=0)), dim=1)
    return densities


def principal_components(features: torch.Tensor, count: int, of: torch.Tensor | None = None) -> torch.Tensor:
    """The directions in which images differ most.

    Args:
        features: (N, D).
        count: M, at most D.
        of: (n,) rows that decide about the directions, and whose mean is the centre; all by default.

    Returns:
        (N, M) float64, centred, in order of falling variance.
    """
    rows = features.double()
    deciding = rows if of is None else rows[of]
    mean = deciding.mean(dim=0)
    _, axes = torch.linalg.eigh((deciding - mean).T @ (deciding - mean))  # (D, D), rising
    return (rows - mean) @ axes.flip(1)[:, :count]
