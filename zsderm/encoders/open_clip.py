"""Any checkpoint that open_clip can build, as an encoder whose parts have been checked against each other."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image

from zsderm.encoders.checkpoint import Checkpoint
from zsderm.encoders.model import build, first_line
from zsderm.errors import FallbackWarning, InputError, SettingsError
from zsderm.images import open_image

IMAGE_BATCH, TEXT_BATCH = 32, 64


class OpenClipEncoder:
    """An open_clip model in evaluation mode: CLIP, custom text towers, CoCa, timm image towers.

    Args:
        checkpoint: the parts, as found by zsderm.encoders.names.find_checkpoint.
        device: a torch device; None takes a GPU where there is one, else the processor.

    Raises:
        CheckpointError: the parts do not fit together.
        SettingsError: there is no such device.
    """

    def __init__(self, checkpoint: Checkpoint, device: str | torch.device | None = None) -> None:
        self.card = checkpoint.card
        self.device = _choose_device(device)
        self._checkpoint = checkpoint
        model, self._tokenizer = build(checkpoint)
        settings = PreprocessCfg(**model.visual.preprocess_cfg)
        self._transform: Callable[[Image], torch.Tensor] = image_transform_v2(settings, is_train=False)
        self._model = model.float().eval().requires_grad_(False).to(self.device)
        self.temperature = float(torch.exp(-self._model.logit_scale.detach().float().cpu()))

    @property
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer and preprocessing: equal means the same embeddings."""
        return self._checkpoint.fingerprint

    def preprocess(self, image: Image) -> torch.Tensor:
        """One RGB image as (3, H, W) float32, resized and normalised the way the model was trained."""
        return self._transform(image)

    def encode_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """Encode a batch of preprocessed images.

        Args:
            pixels: (B, 3, H, W) float32, rows as preprocess makes them.

        Returns:
            (B, D) float32 unit rows on the CPU.

        Raises:
            InputError: the shape is another one.
        """
        if pixels.ndim != 4 or pixels.shape[1] != 3:
            raise InputError(f"expected `pixels` of shape (B, 3, H, W), but got {tuple(pixels.shape)}")
        with torch.inference_mode():
            rows = self._model.encode_image(pixels.to(self.device), normalize=True)
        return rows.float().cpu().clone()  # a copy made outside inference mode may enter a loss

    def encode_images(self, images: Sequence[Image | str | Path]) -> torch.Tensor:
        """Encode images, decoded the way zsderm.images decodes them.

        Args:
            images: N images or paths.

        Returns:
            (N, D) float32 unit rows on the CPU.

        Raises:
            ImageError: one of them cannot be read.
            InputError: a single image instead of a list.
        """
        if isinstance(images, (str, Path, Image)):
            raise InputError(f"expected `images` to be a list of images or paths, but got one {type(images).__name__}")
        rows = [torch.empty(0, self.card.width)]
        for start in range(0, len(images), IMAGE_BATCH):
            batch = [self.preprocess(open_image(image)) for image in images[start : start + IMAGE_BATCH]]
            rows.append(self.encode_pixels(torch.stack(batch)))
        return torch.cat(rows)

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Encode texts; what does not fit the context is cut, with one warning for all.

        Args:
            texts: M strings.

        Returns:
            (M, D) float32 unit rows on the CPU.

        Raises:
            InputError: a single string instead of a list.
        """
        if isinstance(texts, str):
            raise InputError(f"expected `texts` to be a list of strings, but got one string: {texts[:40]!r}")
        rows, cut = [torch.empty(0, self.card.width)], 0
        for start in range(0, len(texts), TEXT_BATCH):
            batch = list(texts[start : start + TEXT_BATCH])
            tokens = self._tokenizer(batch)  # (B, L)
            cut += self._count_cut(batch, tokens)
            with torch.inference_mode():
                encoded = self._model.encode_text(self._without_padding(tokens).to(self.device), normalize=True)
            rows.append(encoded.float().cpu())
        if cut:
            warnings.warn(
                f"{cut} of {len(texts)} texts are longer than the {self.card.context_length} tokens that "
                f"'{self.card.name}' reads; their ends were cut.",
                FallbackWarning,
                stacklevel=2,
            )
        return torch.cat(rows)

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


def _choose_device(device: str | torch.device | None) -> torch.device:
    """The device asked for, or the best one."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without CUDA
        raise SettingsError(
            f"device '{device}' cannot be used here: {first_line(error)}. Use 'cpu', or leave it out."
        ) from error
    return chosen
