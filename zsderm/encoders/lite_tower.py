"""The image tower of zsderm-mini in torch alone: EfficientNet-Lite2 and a projection.

It has the names and the arithmetic of the tower that open_clip builds with timm, and gives the same rows to the bit.
But timm, torchvision and what they import take longer to start than torch itself.

Letters: B batch, H and W pixels, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, batch_norm, pad, relu6

STEM, HEAD, EXPANSION, EPSILON = 32, 1280, 6, 1e-3
# Blocks, kernel, stride of the first block, channels. Source: Tan and Le, EfficientNet, ICML 2019, table 1, with the
# depth and width of Lite2 (github.com/tensorflow/tpu, models/official/efficientnet/lite).
STAGES = ((1, 3, 1, 16), (3, 3, 2, 24), (3, 5, 2, 48), (4, 3, 2, 88), (4, 5, 1, 120), (5, 5, 2, 208), (1, 3, 1, 352))


class LiteTower(nn.Module):
    """(B, 3, H, W) float32 pixels to (B, D) rows of any length.

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.trunk = _Trunk()
        self.head = nn.ModuleDict({"proj": nn.Linear(HEAD, width, bias=False)})

    @classmethod
    def of(cls, weights: Mapping[str, Tensor]) -> LiteTower:
        """A tower in evaluation mode.

        Args:
            weights: by name, as in a checkpoint of open_clip below "visual.".

        Raises:
            RuntimeError: they are not those of this tower.
        """
        with torch.device("meta"):  # nothing is made up only to be replaced
            tower = cls(weights["head.proj.weight"].shape[0])
        tower.load_state_dict(dict(weights), assign=True)
        return tower.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) pixels as (B, D) rows."""
        return self.head["proj"](adaptive_avg_pool2d(self.trunk(pixels), 1).flatten(1))


class _Trunk(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _Convolution(3, STEM, 3, 2)
        self.bn1 = _Norm(STEM)
        self.blocks = nn.Sequential(*_stages())
        self.conv_head = _Convolution(STAGES[-1][-1], HEAD)
        self.bn2 = _Norm(HEAD)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, HEAD, h, w)."""
        return relu6(self.bn2(self.conv_head(self.blocks(relu6(self.bn1(self.conv_stem(pixels)))))))


def _stages() -> Iterator[nn.Sequential]:
    before = STEM
    for count, kernel, stride, channels in STAGES:
        if before == STEM:
            yield nn.Sequential(_First(before, channels, kernel))
        else:
            first = _Block(before, channels, kernel, stride)
            yield nn.Sequential(first, *(_Block(channels, channels, kernel, 1) for _ in range(count - 1)))
        before = channels


class _First(nn.Module):
    """Depthwise, then pointwise: the one block that does not widen first."""

    def __init__(self, before: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = _Convolution(before, before, kernel, groups=before)
        self.bn1 = _Norm(before)
        self.conv_pw = _Convolution(before, channels)
        self.bn2 = _Norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv_pw(relu6(self.bn1(self.conv_dw(x)))))


class _Block(nn.Module):
    """Widen, depthwise, narrow; what comes in is added where the shape stays."""

    def __init__(self, before: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = EXPANSION * before
        self.conv_pw = _Convolution(before, wide)
        self.bn1 = _Norm(wide)
        self.conv_dw = _Convolution(wide, wide, kernel, stride, wide)
        self.bn2 = _Norm(wide)
        self.conv_pwl = _Convolution(wide, channels)
        self.bn3 = _Norm(channels)
        self._adds = stride == 1 and before == channels

    def forward(self, x: Tensor) -> Tensor:
        inner = relu6(self.bn2(self.conv_dw(relu6(self.bn1(self.conv_pw(x))))))
        narrow = self.bn3(self.conv_pwl(inner))
        return narrow + x if self._adds else narrow


class _Convolution(nn.Conv2d):
    """A convolution that pads as TensorFlow does: with stride 2 perhaps one row more at the end than at the start."""

    def __init__(self, before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            before, after, kernel, stride, padding=0 if stride > 1 else kernel // 2, groups=groups, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        if (stride := self.stride[0]) > 1:
            missing = [
                max(-(-side // stride) * stride - stride + self.kernel_size[0] - side, 0) for side in x.shape[2:]
            ]
            x = pad(x, [part for m in reversed(missing) for part in (m // 2, m - m // 2)])
        return super().forward(x)


class _Norm(nn.BatchNorm2d):
    """Batch normalisation in evaluation mode."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
