"""The class mix of a folder: as the user states it, or learned from the images.

Letters: N images, C classes, M components of the image space.
"""

from __future__ import annotations

import torch

from zsderm.arrays import Array
from zsderm.config import MIXES
from zsderm.errors import SettingsError
from zsderm.proxies.mixture import fit_mixture

Prior = str | Array

EM_STEPS = 20
DAMPING = 0.1
_LEAST_LABEL = 1e-6  # a text label of 0 is not certainty


def resolve_prior(prior: Prior, text_labels: torch.Tensor) -> torch.Tensor:
    """Class shares from what a user may say: a word, or weights of any positive scale.

    Args:
        prior: "uniform"; "auto", the mix that the text labels predict; or (C,) weights.
        text_labels: (N, C) rows that sum to 1; read for "auto", and for C.

    Returns:
        (C,) float64 that sums to 1, on the device of the labels.

    Raises:
        SettingsError: for another word, a wrong shape, a negative or missing weight, or weights that are all zero.
    """
    class_count = text_labels.shape[1]
    if isinstance(prior, str):
        if prior == "uniform":
            return torch.full((class_count,), 1.0 / class_count, dtype=torch.float64, device=text_labels.device)
        if prior == "auto":
            return text_labels.double().mean(dim=0)
        words = ", ".join(map(repr, MIXES))
        raise SettingsError(f"Expected prior to be {words} or {class_count} weights, but got {prior!r}.")
    weights = torch.as_tensor(prior, dtype=torch.float64, device=text_labels.device).detach()
    if weights.shape != (class_count,):
        raise SettingsError(
            f"Expected prior to hold one weight per class, shape ({class_count},), but got shape "
            f"{tuple(weights.shape)}. Give the weights in the order of the classes."
        )
    if not torch.isfinite(weights).all() or (weights < 0).any():
        raise SettingsError("Expected prior weights to be finite and 0 or more. Replace NaN, infinities and negatives.")
    if not weights.sum() > 0:
        raise SettingsError("Expected at least one prior weight above 0, but all are 0. Use 'auto' when unsure.")
    return weights / weights.sum()


def estimate_prior(
    components: torch.Tensor,
    text_labels: torch.Tensor,
    damping: float = DAMPING,
    anchor: float = 0.0,
    steps: int = EM_STEPS,
    learned_from: torch.Tensor | None = None,
) -> torch.Tensor:
    """Estimate the class mix from where the images lie, starting from the text labels.

    Scores alone cannot tell a bias of the text proxies from a skewed folder. Images can: clusters stay where they are
    when a proxy is biased. Expectation-maximisation of a mixture with one shared covariance starts from the
    text labels, so that each cluster keeps its class, and ends with the shares of the clusters. Plain EM is unstable;
    damping mixes every estimate of the shares with the uniform mix, and the anchor keeps images near their text labels.

    Args:
        components: (N, M) float64 principal components of the image features.
        text_labels: (N, C) rows that sum to 1, the start.
        damping: share of the uniform mix in each estimate, 0 to 1; plain EM (0) loses classes that the text proxies
            under-rate.
        anchor: weight of the log of the text labels beside the log density, 0 or more. Without it many classes with
            few images each drift toward even shares.
        steps: how many times to alternate; the shares settle long before the labels do.
        learned_from: (n,) rows that the mixture is learned from; all by default. The mix is that of all rows: copies
            teach nothing, but they are part of the folder.

    Returns:
        (C,) float64 positive shares that sum to 1.

    Source: Dempster, Laird and Rubin 1977; the start from zero-shot labels, and the anchor to them, follow TransCLIP
    (Zanella et al. 2024).
    """
    rows = slice(None) if learned_from is None else learned_from
    labels = text_labels.double()
    by_text = anchor * labels.clamp_min(_LEAST_LABEL).log()  # (N, C)
    for _ in range(steps):
        by_place = fit_mixture(components[rows], labels[rows], damping).log_joint(components)  # (N, C)
        labels = torch.softmax(by_place + by_text, dim=1)
    return damped(labels.mean(dim=0), damping)


def damped(shares: torch.Tensor, damping: float) -> torch.Tensor:
    """Mix class shares with the uniform mix: (1 - damping) * shares + damping / C."""
    return (1.0 - damping) * shares + damping / len(shares)
