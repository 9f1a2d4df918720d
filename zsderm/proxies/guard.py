"""The judge of a refinement: do the new labels describe the images better than the text labels did?

Letters: N images, C classes, M components of the image space.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zsderm.proxies.mixture import held_out_log_density

MIN_EVIDENCE_IMAGES = 100  # below it one image is more than the one point of accuracy that the guard may cost
MIN_EVIDENCE_PER_CLASS = 3  # images: with fewer, forty clusters can be matched to forty classes by luck
LEAST_GAIN = 0.05  # nats per image
LEAST_GAIN_PER_CHANGE = 0.5  # nats per image whose label changes: on real features, harm lies below and good above
LEAST_Z = 5.0  # standard errors; benchmarks/prior_regimes.py shows what these cost and keep
# Text proxies that see one class in half of a folder or more are seldom wrong about that, so no refinement may take
# images from it: a class that fills a folder often has sub-clusters, which density alone mistakes for other classes.
DOMINANT_SHARE, DOMINANT_EXCESS = 0.5, 1.5  # at least this share, and this many times an even share
FOLDS = 5


@dataclass(frozen=True)
class Verdict:
    """How much better new labels predict where unseen images lie."""

    over_text: float  # nats per image against the text labels
    over_text_z: float  # the same in standard errors
    over_none: float  # nats per image against no labels, that is, one cluster of all images
    over_none_z: float
    changed: float  # share of images whose label changes
    dominant_share: float = 0.0  # of the class that the text labels name most often
    dominant_excess: float = 0.0  # that share as a multiple of an even one
    dominant_gain: float = 0.0  # how much that share rises with the new labels; negative where it falls

    @property
    def accepted(self) -> bool:
        """Whether both gains are large enough, and sure enough, to risk a change of labels."""
        if self.robs_dominant:
            return False
        sure = min(self.over_text_z, self.over_none_z) > LEAST_Z
        large = min(self.over_text, self.over_none) > LEAST_GAIN
        return sure and large and self.over_text > LEAST_GAIN_PER_CHANGE * self.changed

    @property
    def robs_dominant(self) -> bool:
        """Whether a class that fills half of the folder would lose images."""
        fills = self.dominant_share >= DOMINANT_SHARE and self.dominant_excess >= DOMINANT_EXCESS
        return fills and self.dominant_gain < 0

    @property
    def reason(self) -> str:
        """Why, as a clause for the person who reads the result."""
        text = f"{self.over_text:+.2f} nats an image over the text labels, {self.over_text_z:+.1f} standard errors"
        if self.accepted:
            return f"the refined labels predict where unseen images lie better than the text labels ({text})"
        if self.over_none <= LEAST_GAIN or self.over_none_z <= LEAST_Z:
            return "the images form no clusters that match these classes"
        if self.robs_dominant:
            return f"it would take images from the class that the text proxies see in {self.dominant_share:.0%} of them"
        return f"the refined labels do not describe the images clearly better than the text labels ({text})"


def judge(components: torch.Tensor, text_labels: torch.Tensor, new_labels: torch.Tensor, seed: int = 0) -> Verdict:
    """Compare two sets of labels, and no labels at all, on images that each mixture has not seen.

    From scores alone, a bias of the text proxies and a skewed folder look the same. On the images they differ: labels
    that follow clusters predict where unseen images lie, labels that cut one cluster in pieces do not. The comparison
    is paired by image and says nothing about which name a cluster deserves; that stays with the text proxies, from
    which the new labels start.

    Args:
        components: (N, M) float64 principal components of the image features.
        text_labels: (N, C) rows that sum to 1.
        new_labels: (N, C) rows that sum to 1.
        seed: of the split into folds.

    Returns:
        The verdict.
    """
    generator = torch.Generator().manual_seed(seed)
    folds = torch.randperm(len(components), generator=generator) % FOLDS
    none = torch.ones(len(components), 1)
    by_new, by_text, by_none = (
        held_out_log_density(components, labels, folds) for labels in (new_labels, text_labels, none)
    )
    over_text, over_none = by_new - by_text, by_new - by_none
    changed = (new_labels.argmax(dim=1) != text_labels.argmax(dim=1)).double().mean().item()
    shares = [torch.bincount(labels.argmax(dim=1), minlength=labels.shape[1]) for labels in (text_labels, new_labels)]
    before, after = (counts / len(components) for counts in shares)
    dominant = before.argmax()
    return Verdict(
        *_mean_and_z(over_text),
        *_mean_and_z(over_none),
        changed,
        dominant_share=before[dominant].item(),
        dominant_excess=before[dominant].item() * len(before),
        dominant_gain=(after[dominant] - before[dominant]).item(),
    )


def component_count(images: int, width: int, classes: int) -> int:
    """M: room for the differences between all classes, but sixteen images at least for every direction.

    With eight, a single cluster cut in six can look better than whole by a tenth of a nat.
    """
    return max(2, min(width, images // 16, max(16, classes + 8)))


def _mean_and_z(values: torch.Tensor) -> tuple[float, float]:
    mean, error = values.mean().item(), (values.std() / len(values) ** 0.5).item()
    return mean, mean / max(error, 1e-12)
