"""The encoder of a model that open_clip has built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image

from zsderm.encoders.checkpoint import Checkpoint
from zsderm.encoders.colour_constancy import PLAIN, norm_of, shades_of_grey
from zsderm.encoders.pixels import normalised
from zsderm.encoders.torch_encoder import TorchEncoder


class OpenClipEncoder(TorchEncoder):
    """An open_clip model in evaluation mode: CLIP, SigLIP, custom text towers, CoCa, timm image towers.

    Args:
        checkpoint: where the model comes from; gives card and fingerprint.
        model: an open_clip model with its weights.
        tokenizer: from a list of strings to (B, L) token ids.
        device: where to run it.
        mode: colours that the image tower expects, see zsderm.encoders.colour_constancy.
    """

    def __init__(
        self, checkpoint: Checkpoint, model: Any, tokenizer: Any, device: torch.device, mode: str = PLAIN
    ) -> None:
        self.card = checkpoint.card
        self.device = device
        self._checkpoint = checkpoint
        self._tokenizer = tokenizer
        self._transform = inference_transform(PreprocessCfg(**model.visual.preprocess_cfg), mode)
        self._model = model.float().eval().requires_grad_(False).to(self.device)
        self._model.visual.to(memory_format=torch.channels_last)  # convolutions on a processor want it so
        self.temperature = float(torch.exp(-self._model.logit_scale.detach().float().cpu()))
        bias = getattr(self._model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias.detach().float().cpu())

    @property
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer and preprocessing: equal means the same embeddings."""
        return self._checkpoint.fingerprint

    def preprocess(self, image: Image) -> torch.Tensor:
        """One RGB image as (3, H, W) float32, resized and normalised the way the model was trained."""
        return self._transform(image)

    def image_tower(self) -> torch.nn.Module:
        """The part of the model that turns (B, 3, H, W) float32 pixels into (B, D) rows of any length."""
        return _ImageTower(self._model.visual)

    def _embed_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.to(self.device, memory_format=torch.channels_last)
        return self._model.encode_image(pixels, normalize=True)

    def _embed_texts(self, texts: list[str]) -> tuple[torch.Tensor, int]:
        tokens = self._tokenizer(texts)  # (B, L)
        rows = self._model.encode_text(self._without_padding(tokens).to(self.device), normalize=True)
        return rows, self._count_cut(texts, tokens)

    def _count_cut(self, texts: Sequence[str], tokens: torch.Tensor) -> int:
        """How many texts lost their end: given one more token, these have more to say."""
        kept = tokens != self._padding  # (B, L); not their number but their reach: "!" is 0 in CLIP's vocabulary too
        reach = (kept * torch.arange(1, tokens.shape[1] + 1)).amax(dim=1)  # (B,)
        # A tokenizer may keep a place free for a special token, so nearly full rows are looked at as well.
        full = [row for row in range(len(texts)) if reach[row] >= tokens.shape[1] - 1]
        if not full:
            return 0
        longer = self._tokenizer([texts[row] for row in full], context_length=tokens.shape[1] + 1)
        return int(((longer != self._padding).sum(dim=1) > kept[full].sum(dim=1)).sum())

    def _without_padding(self, tokens: torch.Tensor) -> torch.Tensor:
        """Drop the columns at the end that are padding in every row, where the tower masks padding anyway."""
        if not isinstance(getattr(self._model, "text", None), HFTextEncoder):
            return tokens
        last = (tokens != self._padding).any(dim=0).nonzero().max()
        return tokens[:, : last + 1]

    @property
    def _padding(self) -> int:
        """Id of the token that fills a row up."""
        inner = getattr(self._tokenizer, "tokenizer", None)  # CLIP's own tokenizer has none, and fills with 0
        return 0 if inner is None else int(inner.pad_token_id)


def inference_transform(settings: PreprocessCfg, mode: str) -> Callable[[Image], torch.Tensor]:
    """From an image to what an image tower sees of it.

    Args:
        settings: as in open_clip_config.json.
        mode: colours that the image tower expects, see zsderm.encoders.colour_constancy.

    Returns:
        A function from an RGB image to (3, H, W) float32.
    """
    transform = image_transform_v2(settings, is_train=False)
    if norm := norm_of(mode):
        transform.transforms.insert(-2, partial(shades_of_grey, norm=norm))  # on the square that the tower sees
    return on_one_thread(transform)


def on_one_thread(transform: Any) -> Callable[[Image], torch.Tensor]:
    """A transform of open_clip whose arithmetic is left to numpy: the same numbers, see `zsderm.encoders.pixels`.

    Args:
        transform: as image_transform_v2 gives it for inference; another is given back as it is.
    """
    steps = list(getattr(transform, "transforms", ()))
    if len(steps) < 2 or not (hasattr(steps[-1], "mean") and type(steps[-2]).__name__ == "MaybeToTensor"):
        return transform

    def run(image: Image) -> torch.Tensor:
        for step in steps[:-2]:
            image = step(image)
        return normalised(image, steps[-1].mean, steps[-1].std)

    return run


class _ImageTower(torch.nn.Module):
    """An image tower that gives its rows alone; those of CoCa give tokens as well."""

    def __init__(self, visual: torch.nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) pixels as (B, D) rows."""
        rows = self.visual(pixels)
        return rows[0] if isinstance(rows, tuple) else rows
