"""The test that a refinement has to pass: do the new labels describe the images better than the text labels?

Letters: N images, C classes, M components of the image space.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zsderm.proxies.mixture import held_out_log_density

# All constants were set on draws of benchmarks/experiments/prior_regimes.py that docs/priors.md does not report.
MIN_EVIDENCE_IMAGES = 100  # below it one image is more than the one point of accuracy that the guard may cost
MIN_EVIDENCE_PER_CLASS = 3  # images: with fewer, forty clusters can be matched to forty classes by luck
SPARE_ERRORS = 4.0  # standard errors taken off a gain before it counts
LEAST_GAIN = 0.15  # nats per image that must be left: cutting one real class in pieces leaves nothing
LEAST_GAIN_PER_CHANGE = 0.5  # nats per image whose label changes: on real features, harm lies below and good above
# Text proxies that see one class in two thirds of a folder are seldom wrong about that, so no refinement may take
# images from it: a class that fills a folder may have clusters of its own, which density mistakes for other classes.
DOMINANT_SHARE, DOMINANT_EXCESS = 2 / 3, 1.5  # at least this share, and this many times an even share
STILL_DOMINANT = 1 / 2  # or at least this share even by the new labels: then both say that the class fills the folder
NEAR_DUPLICATE = 0.02  # of the mean squared distance between images; 5 % of HAM10000 lie within 0.04 of another lesion
FOLDS = 5
_CHUNK = 1024  # rows compared with all others at a time, or fewer, so that not more than so many
_DISTANCES = 1 << 25  # distances are in memory at once: 128 MB


@dataclass(frozen=True)
class HeldOutGain:
    """How much better some labels predict where unseen images lie than others do, in nats per image."""

    mean: float
    error: float  # standard error of the mean

    @property
    def sure(self) -> float:
        """What is left of the gain when it is SPARE_ERRORS smaller than it looks."""
        return self.mean - SPARE_ERRORS * self.error

    def __str__(self) -> str:
        return f"{self.mean:+.2f} nats an image, standard error {self.error:.2f}"


@dataclass(frozen=True)
class DominantClass:
    """The shares of the class that the text labels name most often: by them, and by the new labels."""

    before: float
    after: float

    @classmethod
    def of(cls, by_text: torch.Tensor, by_new: torch.Tensor) -> DominantClass:
        """Of the classes (N,) that images have by both kinds of labels."""
        most = by_text.mode().values
        return cls(*((named == most).double().mean().item() for named in (by_text, by_new)))

    def shrinks(self, class_count: int) -> bool:
        """Whether it fills most of the folder, by the text labels or by both, and loses images."""
        excess = DOMINANT_EXCESS / class_count
        by_text = self.before >= max(DOMINANT_SHARE, excess)
        by_both = min(self.before, self.after) >= max(STILL_DOMINANT, excess)
        return (by_text or by_both) and self.after < self.before


@dataclass(frozen=True)
class RefinementTestResult:
    """What new labels gain, and what they change."""

    over_text: HeldOutGain  # against the text labels
    over_none: HeldOutGain  # against no labels, that is, one cluster of all images
    changed: float  # share of images whose label changes
    dominant: tuple[DominantClass, ...] = ()  # among all images, and among those that differ clearly
    class_count: int = 2

    @property
    def accepted(self) -> bool:
        """Whether both gains are certain and large enough to change labels, and no dominant class would shrink."""
        if self.shrinks_dominant_class:
            return False
        sure = min(self.over_text.sure, self.over_none.sure) > LEAST_GAIN
        return sure and self.over_text.mean > LEAST_GAIN_PER_CHANGE * self.changed

    @property
    def shrinks_dominant_class(self) -> bool:
        """Whether a class that fills most of the folder would lose images, copies counted or not."""
        return any(one.shrinks(self.class_count) for one in self.dominant)

    @property
    def reason(self) -> str:
        """Why, as a clause for the person who reads the result."""
        return self._why[0]

    @property
    def figures(self) -> str:
        """The gain over the text labels, where the reason is that gain; else empty."""
        return self._why[1]

    @property
    def _why(self) -> tuple[str, str]:
        if self.accepted:
            return "the photographs form groups that fit the refined answers better", str(self.over_text)
        if self.over_none.sure <= LEAST_GAIN:
            return "the photographs form no groups that match these classes", ""
        if self.shrinks_dominant_class:
            share = max(one.before for one in self.dominant if one.shrinks(self.class_count))
            filled = f"{100 * share:.0f} % of the photographs have one and the same answer"
            return f"{filled}, and refining would give some of these another", ""
        return "it is not clear that refined answers fit the groups of photographs any better", str(self.over_text)


@dataclass(frozen=True)
class RefinementTest:
    """Compares labels with the text labels, and with no labels at all, on images that each mixture has not seen.

    From scores alone, a bias of the text proxies and a skewed folder look the same. On the images they differ: labels
    that follow clusters predict where unseen images lie, labels that cut one cluster in pieces do not. The comparison
    is paired by image and does not say which class a cluster is; that comes from the text proxies, from which the new
    labels start.
    """

    components: torch.Tensor  # (N, M) float64 principal components of the image features
    folds: torch.Tensor  # (N,) fold in which an image is unseen
    named_by_text: torch.Tensor  # (N,) class
    all_named_by_text: torch.Tensor  # (N',) class of each image of the folder, copies as well
    by_text: torch.Tensor  # (N,) log density of each image under the text labels of the other folds
    by_none: torch.Tensor  # (N,) the same without labels

    @classmethod
    def of(
        cls,
        components: torch.Tensor,
        text_labels: torch.Tensor,
        seed: int = 0,
        all_named: torch.Tensor | None = None,
    ) -> RefinementTest:
        """Prepare the comparison with these text labels.

        Args:
            components: (N, M) float64.
            text_labels: (N, C) rows that sum to 1.
            seed: of the split into folds.
            all_named: (N',) classes that the text labels give to all images of the folder, where these N are not all.

        Returns:
            The test, which can be asked for the result of any new labels.
        """
        generator = torch.Generator().manual_seed(seed)  # the same folds on every device
        drawn = torch.randperm(len(components), generator=generator, device="cpu")
        folds = drawn.to(components.device) % FOLDS
        without = components.new_ones(len(components), 1)
        by_text, by_none = (held_out_log_density(components, labels, folds) for labels in (text_labels, without))
        named = text_labels.argmax(dim=1)
        return cls(components, folds, named, named if all_named is None else all_named, by_text, by_none)

    def result(self, new_labels: torch.Tensor, all_named: torch.Tensor | None = None) -> RefinementTestResult:
        """Compare new labels with the text labels and with no labels.

        Args:
            new_labels: (N, C) rows that sum to 1.
            all_named: (N',) classes that they give to all images of the folder, where these N are not all.
        """
        by_new = held_out_log_density(self.components, new_labels, self.folds)
        named = new_labels.argmax(dim=1)  # (N,)
        everywhere = DominantClass.of(self.all_named_by_text, named if all_named is None else all_named)
        return RefinementTestResult(
            over_text=_gain(by_new - self.by_text),
            over_none=_gain(by_new - self.by_none),
            changed=(named != self.named_by_text).double().mean().item(),
            dominant=(everywhere, DominantClass.of(self.named_by_text, named)),
            class_count=new_labels.shape[1],
        )


def distinct_images(features: torch.Tensor) -> torch.Tensor:
    """Images of which none is nearly alike to another, and one of which is nearly alike to each of the others.

    Ten copies of a photograph, or frames of a film, are evidence of one image. Left in, they would put the same image
    in several folds, and every image would pass for a class. What counts is how alike images are to the encoder: two
    photographs of one lesion, or of two that look the same, may be one image here.

    The images farthest from the mean are taken first, so that neither which are taken nor how many depends on the order
    of the files; that matters where their number decides whether anything is learned.

    Args:
        features: (N, D).

    Returns:
        (n,) int64 rows, the farthest from the mean first. Every other image lies nearer to an image before it than
        NEAR_DUPLICATE of the mean squared distance.
    """
    wide = features.double() - features.double().mean(dim=0)  # a sum of float32 rounds in the order of the rows
    order = torch.argsort(wide.square().sum(dim=1), descending=True, stable=True)
    centred = wide[order].to(features.dtype)
    squared = centred.square().sum(dim=1)  # (N,)
    radius = near_duplicate_distance(centred)
    distinct = torch.empty(len(centred), dtype=torch.bool, device=features.device)
    size = max(1, min(_CHUNK, _DISTANCES // len(centred)))
    for start in range(0, len(centred), size):
        rows = slice(start, start + size)
        distances = squared[rows, None] + squared - 2 * centred[rows] @ centred.T  # (n, N)
        distinct[rows] = ~(distances <= radius).tril(start - 1).any(dim=1)
    return order[distinct]


def near_duplicate_distance(centred: torch.Tensor) -> torch.Tensor:
    """() the squared distance within which two images are nearly the same to the encoder.

    Args:
        centred: (N, D) features less their mean.
    """
    return NEAR_DUPLICATE * 2 * centred.square().sum(dim=1).mean()


def component_count(images: int, width: int, classes: int) -> int:
    """M: room for the differences between all classes, but sixteen images at least for every direction.

    With eight, a single cluster cut in six can look better than whole by a tenth of a nat.
    """
    return max(2, min(width, images // 16, max(16, classes + 8)))


def _gain(differences: torch.Tensor) -> HeldOutGain:
    return HeldOutGain(differences.mean().item(), (differences.std() / len(differences) ** 0.5).item())
