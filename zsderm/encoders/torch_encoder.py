"""What all loaded encoders have in common: batches, unit rows on the CPU, and a warning about texts that were cut.

A subclass defines how pixels and tokens go through its model, whichever library that comes from.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL.Image import Image

from zsderm.config import check_views
from zsderm.encoders.base import EncoderCard
from zsderm.encoders.views import encode_views
from zsderm.errors import FallbackWarning, ImageError, InputError, SettingsError
from zsderm.file_names import printable
from zsderm.images import file_behind, open_image
from zsderm.wording import agrees, counted

if TYPE_CHECKING:
    from zsderm.encoders.home import EncoderHome

IMAGE_BATCH, TEXT_BATCH = 32, 64


class TorchEncoder(ABC):
    """An image tower and a text tower that end in one space; see zsderm.encoders.base.Encoder."""

    card: EncoderCard
    device: torch.device  # where its towers run
    temperature: float  # softmax temperature for class probabilities, 1 / exp(logit_scale)
    logit_bias: float | None = None  # of a sigmoid head; softmax over classes does not see it
    _checkpoint: Any  # where it comes from: a Checkpoint of checkpoint.py, which imports this module

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer and preprocessing: equal means the same embeddings."""

    @cached_property
    def home(self) -> EncoderHome | None:
        """What the embeddings of its training images look like; None where that was not measured."""
        home: EncoderHome | None = self._checkpoint.home
        return home

    @abstractmethod
    def preprocess(self, image: Image) -> torch.Tensor:
        """One RGB image as (3, H, W) float32, resized and normalised the way the model was trained."""

    @abstractmethod
    def image_tower(self) -> torch.nn.Module:
        """The part of the model that turns (B, 3, H, W) float32 pixels into (B, D) rows of any length."""

    @abstractmethod
    def _embed_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) preprocessed images as (B, D) rows of any length and type."""

    @abstractmethod
    def _embed_texts(self, texts: list[str]) -> tuple[torch.Tensor, int]:
        """B texts as (B, D) rows of any length and type, and how many of them did not fit the context."""

    def compile(self) -> None:
        """Let torch.compile make the image tower faster; it is compiled when it is first used."""
        for module in self.image_tower().children():
            module.compile(dynamic=True)

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
            rows = _unit(self._embed_pixels(pixels))
        return rows.clone()  # a copy made outside inference mode may enter a loss

    def encode_images(self, images: Sequence[Image | str | Path], views: int = 1) -> torch.Tensor:
        """Encode images, decoded the way that the classifier decodes them: JPEG files at reduced size.

        Args:
            images: N images or paths.
            views: 1, 4 or 8 mirrored and turned views of each image are encoded and averaged; see
                zsderm.encoders.views.

        Returns:
            (N, D) float32 unit rows on the CPU.

        Raises:
            ImageError: one of them cannot be read.
            InputError: a single image instead of a list.
            SettingsError: another number of views, or quarter turns of images that are not square.
        """
        check_views(views)
        if isinstance(images, (str, Path, Image)):
            raise InputError(f"expected `images` to be a list of images or paths, but got one {type(images).__name__}")
        rows = [torch.empty(0, self.card.width)]
        for start in range(0, len(images), IMAGE_BATCH):
            batch = [self.pixels_of(image) for image in images[start : start + IMAGE_BATCH]]
            rows.append(encode_views(self, torch.stack(batch), views))
        return torch.cat(rows)

    def pixels_of(self, image: Image | str | Path) -> torch.Tensor:
        """(3, H, W) float32 pixels of an image or a file, as `encode_images` takes them.

        A JPEG file that PIL has opened but not decoded yet counts as the file.

        Raises:
            ImageError: it cannot be read.
        """
        source = image if isinstance(image, (str, Path)) else file_behind(image) or image
        try:
            return self.preprocess(open_image(source, at_least=self.card.decoded_side))
        except ImageError as error:
            raise ImageError(f"cannot read the image '{printable(str(image))}': {error}") from error

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
            with torch.inference_mode():
                encoded, too_long = self._embed_texts(list(texts[start : start + TEXT_BATCH]))
                rows.append(_unit(encoded))
            cut += too_long
        if cut:
            warnings.warn(
                f"{cut} of {counted(len(texts), 'text')} {agrees(cut, 'is', 'are')} longer than the "
                f"{self.card.context_length} tokens that '{self.card.name}' reads; what is beyond was cut off.",
                FallbackWarning,
                stacklevel=2,
            )
        return torch.cat(rows)


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device asked for, or the best one.

    Raises:
        SettingsError: there is no such device.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen).cpu()
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without CUDA; meta holds nothing
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise SettingsError(f"device '{device}' cannot be used here: {reason}. Use 'cpu', or leave it out.") from error
    return chosen


def _unit(rows: torch.Tensor) -> torch.Tensor:
    """(B, D) rows as float32 unit rows on the CPU."""
    return torch.nn.functional.normalize(rows.float(), dim=-1).cpu()
