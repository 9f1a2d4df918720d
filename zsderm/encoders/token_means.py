"""The mean of the tokens of an image tower, before anything is pooled for the common space: features for a probe.

A vision transformer gives a token for each patch of an image; their mean, without the class token, says what is in the
image in the tower's own width. A convolutional tower has no tokens: there it is the mean over the places of its last
map, which is what such a tower pools itself.

The pipeline that embeds images keeps unit rows, and these means have lengths of their own. So a mean m travels as the
unit row (m, 1) / |(m, 1)|, one wider, from which `means_of` has it back by a division: nothing is lost but rounding.

Letters: N images, B batch, P tokens or places, W width inside the tower.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from zsderm.config import check_views
from zsderm.encoders.base import Encoder
from zsderm.encoders.home import EncoderHome
from zsderm.errors import CheckpointError, SettingsError

TOKENS, MAP = "tokens", "map"  # what the mean is of


class TokenMeanEncoder:
    """An encoder whose image rows are the means of the tokens of another encoder; see `means_of`.

    Args:
        encoder: as load_encoder gives it, with its model inside.

    Attributes:
        of: `TOKENS`, or `MAP` for a tower without tokens.

    Raises:
        CheckpointError: nothing can look into its image tower.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._tower = _tower_of(encoder)
        self._device = next(self._tower.parameters()).device
        blank = Image.new("RGB", (encoder.card.image_size,) * 2)
        with torch.inference_mode():
            places, self.of = places_of(self._tower, encoder.preprocess(blank)[None].to(self._device))
        self.card = replace(encoder.card, width=places.shape[2] + 1, views=1)

    @property
    def fingerprint(self) -> str:
        """16 hex digits, other ones than those of the encoder."""
        return hashlib.sha256(f"token means 1 {self._encoder.fingerprint}".encode()).hexdigest()[:16]

    @property
    def temperature(self) -> float:
        """Of the encoder."""
        return self._encoder.temperature

    @property
    def home(self) -> EncoderHome | None:
        """None: no home was measured of such rows."""
        return None

    def preprocess(self, image: Image.Image) -> Tensor:
        """One RGB image as (3, H, W) float32, as the encoder takes it."""
        return self._encoder.preprocess(image)

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) preprocessed images as (B, W + 1) unit rows."""
        with torch.inference_mode():
            places, _ = places_of(self._tower, pixels.to(self._device))
            rows = normalize(pad(places.float().mean(dim=1), (0, 1), value=1.0), dim=1)  # (B, W + 1)
        return rows.cpu().clone()

    def encode_images(self, images: Sequence[Image.Image | str | Path], views: int = 1) -> Tensor:
        """N images or paths as (N, W + 1) unit rows; there is one view.

        Raises:
            SettingsError: another number of views.
            ImageError: one of them cannot be read.
        """
        check_views(views)
        if views != 1:
            raise SettingsError(f"Expected one view for means of tokens, but got {views}.")
        encoder: Any = self._encoder
        return torch.cat([self.encode_pixels(encoder.pixels_of(image)[None]) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts have no such rows.

        Raises:
            SettingsError: always.
        """
        raise SettingsError("Texts have no means of image tokens; use the encoder itself.")


def means_of(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, W) the means that (N, W + 1) unit rows stand for; zeros for a row of zeros, a failed image."""
    last = rows[:, -1:]
    return np.divide(rows[:, :-1], last, out=np.zeros_like(rows[:, :-1]), where=last > 0)


def places_of(tower: nn.Module, pixels: Tensor) -> tuple[Tensor, str]:
    """(B, P, W) the last tokens of each image without the class token, after the tower's last norm; and what they are.

    Args:
        tower: the image tower of open_clip (VisionTransformer, TimmModel, ModifiedResNet) or of transformers.
        pixels: (B, 3, H, W) float32 on its device.

    Returns:
        The tokens and `TOKENS`, or the places of the last map of a convolutional tower and `MAP`.

    Raises:
        CheckpointError: it is another kind of tower.
    """
    if isinstance(tower, VisionTransformer):
        seen = tower.transformer(tower._embeds(pixels))[:, 1:]
        return (tower.ln_post(seen) if tower.attn_pool is None else seen), TOKENS  # else the norm is that of the pool
    if isinstance(tower, TimmModel):
        seen = tower.trunk.forward_features(pixels)
        if seen.ndim == 3:
            return seen[:, int(getattr(tower.trunk, "num_prefix_tokens", 0)) :], TOKENS
        if getattr(tower.trunk, "output_fmt", "NCHW") == "NHWC":
            return seen.flatten(1, 2), MAP
        return seen.flatten(2).transpose(1, 2), MAP
    if isinstance(tower, ModifiedResNet):
        seen = tower.layer4(tower.layer3(tower.layer2(tower.layer1(tower.stem(pixels)))))
        return seen.flatten(2).transpose(1, 2), MAP
    norm = getattr(tower, "post_layernorm", None)
    if isinstance(norm, nn.Module):  # a vision model of transformers
        seen = tower(pixel_values=pixels).last_hidden_state
        first = getattr(getattr(tower, "embeddings", None), "class_embedding", None)
        # CLIP's states end before its last norm and begin with the class token; SigLIP's are normed and have none.
        return (seen, TOKENS) if first is None else (norm(seen)[:, 1:], TOKENS)
    raise CheckpointError(f"the image tower {type(tower).__name__} gives no tokens that zsderm knows how to read")


def _tower_of(encoder: Encoder) -> nn.Module:
    model = getattr(encoder, "model", getattr(encoder, "_model", None))
    for name in ("visual", "vision_model"):
        tower = getattr(model, name, None)
        if isinstance(tower, nn.Module):
            return tower
    raise CheckpointError(
        f"'{encoder.card.name}' gives one feature per image and no tokens ({type(encoder).__name__}). Use its original "
        "checkpoint, or its embeddings (--features embedding)."
    )
