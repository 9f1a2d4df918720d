"""Do heat maps show what the answer depends on? Cover the places with the largest values and measure the margin.

Letters: N images, C classes, D embedding width, h and w of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from zsderm.errors import InputError
from zsderm.images import ImageSource, open_image
from zsderm.metrics import interval
from zsderm.tasks.explanation.heat_map import check_method, covered, occlusion_map, patch_map

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

SHARE = 0.2  # of the places that are covered
DRAWS = 5  # random covers per image
RESAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class DeletionTest:
    """How much the margin of winner over runner-up falls when a fifth of the places is covered; (N,) each, in cosine.

    Three covers stand beside that of the hottest places: random places; the hottest places of another image's map,
    which have the same shape and the same love of the middle; and the middle of the picture, which needs no map.
    """

    margin: NDArray[np.float64]  # before
    hottest: NDArray[np.float64]
    random: NDArray[np.float64]  # mean over the draws
    other: NDArray[np.float64]
    middle: NDArray[np.float64]

    def advantage(self, control: str = "random") -> tuple[float, float, float]:
        """How much more the hottest places cost than a control does: mean and its 95 % bootstrap interval."""
        gained = self.hottest - getattr(self, control)
        draws = np.random.default_rng(0).integers(0, len(gained), (RESAMPLES, len(gained)))
        low, high = interval(gained[draws].mean(axis=1))
        return float(gained.mean()), low, high

    def to_markdown(self) -> str:
        """The test as a Markdown table."""
        lines = [
            f"{len(self.margin)} images, margin before: {self.margin.mean():.3f}",
            "",
            "| covered | margin lost | hottest loses more by (95 % interval) | in |",
            "|---|---:|---:|---:|",
            f"| the hottest places | {self.hottest.mean():.3f} | | |",
        ]
        for control, title in (("random", "random places"), ("other", "another image's"), ("middle", "the middle")):
            mean, low, high = self.advantage(control)
            wins = (self.hottest > getattr(self, control)).mean()
            lost = getattr(self, control).mean()
            lines.append(f"| {title} | {lost:.3f} | {mean:+.3f} ({low:+.3f} to {high:+.3f}) | {wins:.0%} |")
        return "\n".join(lines)


def deletion_test(
    encoder: Encoder,
    photographs: Sequence[ImageSource],
    proxies: Tensor,
    *,
    method: str = "occlusion",
    share: float = SHARE,
    seed: int = 0,
) -> DeletionTest:
    """Run the deletion test over some photographs.

    Places are covered by a blur, and the hottest are those of the map with the winner and runner-up of the whole
    picture. A map by occlusion was made by covering, so this test is close to how it was made; one by patches was not.

    Args:
        encoder: with patch features if the method wants them.
        photographs: at least two paths or pictures that can be read; all are held at the size of the encoder's input.
        proxies: (C, D) unit rows, at least two.
        method: of the heat maps.
        share: of the places that are covered, above 0 and below 1.
        seed: of the random places.

    Raises:
        InputError: too few photographs or proxies.
        ImageError: one of them cannot be read.
        CheckpointError, SettingsError: see zsderm.tasks.explanation.heat_map.heat_map.

    Source: Petsiuk, Das and Saenko 2018, "RISE", section 4.1, for deletion as a measure.
    """
    check_method(method)
    if len(photographs) < 2 or len(proxies) < 2:
        raise InputError(
            f"expected at least 2 photographs and 2 proxies, but got {len(photographs)} and {len(proxies)}"
        )
    maker = {"occlusion": occlusion_map, "patches": patch_map}[method]
    rng = np.random.default_rng(seed)
    directions = normalize(torch.as_tensor(proxies).float(), dim=1)
    whole = [encoder.preprocess(open_image(photograph)) for photograph in photographs]
    towards = [_towards(encoder, pixels, directions) for pixels in whole]
    hottest = [_hottest(maker(encoder, *pair), share) for pair in zip(whole, towards, strict=True)]
    others = [*hottest[1:], hottest[0]]
    rows = []
    for pixels, direction, own, other in zip(whole, towards, hottest, others, strict=True):
        noise = [_hottest(torch.from_numpy(rng.random(tuple(own.shape))), share) for _ in range(DRAWS)]
        covers = torch.stack([own, other, _hottest(_middle(own), share), *noise])
        rows.append(_margins(encoder, pixels, covers, direction))
    table = np.stack(rows)  # (N, 4 + DRAWS): whole, hottest, other, middle, random ...
    falls = table[:, :1] - table[:, 1:]
    return DeletionTest(table[:, 0], falls[:, 0], falls[:, 3:].mean(axis=1), falls[:, 1], falls[:, 2])


def _towards(encoder: Encoder, pixels: Tensor, directions: Tensor) -> Tensor:
    """(D,) the winner's proxy minus the runner-up's."""
    first, second = (encoder.encode_pixels(pixels[None])[0] @ directions.T).topk(2).indices
    return directions[first] - directions[second]


def _hottest(values: Tensor, share: float) -> Tensor:
    """(h, w) float32, 1 at the given share of the places with the largest values."""
    cover = torch.zeros(values.numel())
    cover[values.flatten().topk(max(1, round(share * values.numel()))).indices] = 1
    return cover.view(values.shape)


def _middle(like: Tensor) -> Tensor:
    """(h, w) values that grow towards the middle."""
    rows, columns = (torch.linspace(-1, 1, length) ** 2 for length in like.shape)
    return -(rows[:, None] + columns[None])


def _margins(encoder: Encoder, pixels: Tensor, covers: Tensor, towards: Tensor) -> NDArray[np.float64]:
    """The margin of the whole picture, and under each cover."""
    shown = torch.cat([pixels[None], covered(pixels, covers)])
    return (encoder.encode_pixels(shown) @ towards).double().numpy()
