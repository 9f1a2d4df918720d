"""A CLIP or SigLIP saved by transformers, run through transformers: its processor, its tokenizer, its towers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image

from zsderm import installation
from zsderm.encoders.base import EncoderCard
from zsderm.encoders.checkpoint import BUILD_ERRORS, Checkpoint, first_line
from zsderm.encoders.torch_encoder import TorchEncoder
from zsderm.errors import CheckpointError, MissingDependencyError


class TransformersEncoder(TorchEncoder):
    """A CLIPModel or SiglipModel of transformers in evaluation mode.

    SigLIP reads texts in lower case, padded to the whole context, because it was trained so; its sigmoid bias is kept
    as `logit_bias` and leaves class probabilities alone, for softmax does not see what all classes share.

    Args:
        checkpoint: where the model comes from; gives card and fingerprint.
        model: a CLIPModel or SiglipModel with its weights.
        tokenizer: of transformers.
        processor: makes pixels of images.
        device: where to run it.
        sigmoid: whether it is a SigLIP.

    Raises:
        CheckpointError: the parts do not fit together.
    """

    def __init__(
        self, checkpoint: Checkpoint, model: Any, tokenizer: Any, processor: Any, device: torch.device, *, sigmoid: bool
    ) -> None:
        self.card = checkpoint.card
        self.device = device
        self._checkpoint = checkpoint
        self._sigmoid = sigmoid
        self._tokenizer, self._processor = tokenizer, processor
        self._model = model.float().eval().requires_grad_(False).to(self.device)
        self.temperature = float(torch.exp(-model.logit_scale.detach().cpu()))
        self.logit_bias = float(model.logit_bias.detach().cpu()) if self._sigmoid else None
        self._check_tokenizer()
        self._check_image_size()

    @property
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer and preprocessing: equal means the same embeddings."""
        return self._checkpoint.fingerprint

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """One RGB image as (3, H, W) float32, resized and normalised the way the model was trained."""
        return self._processor(images=image, return_tensors="pt")["pixel_values"][0]

    def image_tower(self) -> torch.nn.Module:
        """The part of the model that turns (B, 3, H, W) float32 pixels into (B, D) rows of any length."""
        return _ImageTower(self._model.vision_model, None if self._sigmoid else self._model.visual_projection)

    def _embed_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.image_tower()(pixels.to(self.device))

    def _embed_texts(self, texts: list[str]) -> tuple[torch.Tensor, int]:
        texts = [text.lower() for text in texts] if self._sigmoid else texts
        length = self.card.context_length
        tokens = self._tokenizer(
            texts,
            padding="max_length" if self._sigmoid else "longest",
            truncation=True,
            max_length=length,
            return_attention_mask=True,
            return_tensors="pt",
        ).to(self.device)
        mask = {} if self._sigmoid else {"attention_mask": tokens["attention_mask"]}  # SigLIP was trained without one
        pooled = self._model.text_model(input_ids=tokens["input_ids"], **mask).pooler_output
        full = [text for text, kept in zip(texts, tokens["attention_mask"].sum(dim=1), strict=True) if kept == length]
        ids = self._tokenizer(full, truncation=False, verbose=False)["input_ids"] if full else []
        return pooled if self._sigmoid else self._model.text_projection(pooled), sum(len(row) > length for row in ids)

    def _check_tokenizer(self) -> None:
        """Refuse a tokenizer that cannot be the one the text tower was trained with."""
        known, rows = len(self._tokenizer), self._model.config.text_config.vocab_size
        if known > rows:
            raise CheckpointError(
                f"the tokenizer of '{self.card.name}' knows {known} tokens, but its text tower only {rows}: it belongs "
                "to another model. Put the right tokenizer files beside the weights."
            )
        if not self._sigmoid and type(self._model.config.text_config.eos_token_id) is not int:
            raise CheckpointError(
                f"the text_config of '{self.card.name}' says no eos_token_id, at which the tower reads a text"
            )
        if self._tokenizer.pad_token_id is None:
            raise CheckpointError(
                f"the tokenizer of '{self.card.name}' has no padding token. Its files are incomplete: "
                "tokenizer_config.json or special_tokens_map.json should name one."
            )

    def _check_image_size(self) -> None:
        """Refuse preprocessing that fails, or makes images of another size than the tower has positions for."""
        try:
            made = tuple(self.preprocess(Image.new("RGB", (64, 48))).shape)
        except BUILD_ERRORS as error:
            raise CheckpointError(
                f"the preprocessing of '{self.card.name}' cannot be done: {first_line(error)}. Its "
                "preprocessor_config.json is damaged, or belongs to another model."
            ) from error
        if made != (3, self.card.image_size, self.card.image_size):
            raise CheckpointError(
                f"the preprocessing of '{self.card.name}' makes images of {made[2]} x {made[1]} pixels, but its image "
                f"tower was trained with {self.card.image_size}: preprocessor_config.json belongs to another model."
            )


class _ImageTower(torch.nn.Module):
    """An image tower of transformers with what leads from its width to that of the common space, if anything does."""

    def __init__(self, vision_model: torch.nn.Module, projection: torch.nn.Module | None) -> None:
        super().__init__()
        self.vision_model, self.projection = vision_model, projection

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) pixels as (B, D) rows."""
        pooled = self.vision_model(pixel_values=pixels).pooler_output  # (B, D')
        return pooled if self.projection is None else self.projection(pooled)


def build(
    folder: Path, card: EncoderCard, kind: str, weights: Path, tokenizer_files: Sequence[Path]
) -> tuple[Any, Any, Any]:
    """Build model, tokenizer and image processor, without a network and without code from the checkpoint.

    Args:
        folder: as TransformersCheckpoint.tidy_folder gives it.
        card: of the checkpoint.
        kind: "clip" or "siglip".
        weights: its file, as the user knows it.
        tokenizer_files: its files.

    Raises:
        CheckpointError: the parts do not fit together.
        MissingDependencyError: the tokenizer needs a package that is not installed.
    """
    _need_sentencepiece(card, tokenizer_files)
    model_class: Any = transformers.CLIPModel if kind == "clip" else transformers.SiglipModel
    options = {"local_files_only": True, "trust_remote_code": False}
    with silence():
        try:
            model, report = model_class.from_pretrained(folder, local_files_only=True, output_loading_info=True)
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
            processor = transformers.AutoImageProcessor.from_pretrained(folder, **options, **pillow_only())
        except Exception as error:  # tokenizers have nothing above it
            raise CheckpointError(
                f"'{card.name}' cannot be built from {weights}: {first_line(error)}. "
                "Check that weights and configuration belong together."
            ) from error
    # Positions are computed; older files have them, newer ones do not.
    for which, said, would in (
        ("missing_keys", "lacks", "made them up"),
        ("unexpected_keys", "has no place for", "left them out"),
    ):
        if keys := sorted(key for key in report[which] if not key.endswith("position_ids")):
            raise CheckpointError(
                f"'{card.name}' {said} {len(keys)} tensors, {keys[0]} first: transformers would have {would}. "
                f"{weights} does not belong to its config.json."
            )
    return model, tokenizer, processor


def pillow_only() -> dict[str, Any]:
    """The option of from_pretrained that makes pixels with Pillow, as in training.

    The other backend of image processors resizes tensors, and its pixels differ in the last digits.
    """
    return {"backend": "pil"} if hasattr(transformers, "CLIPImageProcessorPil") else {"use_fast": False}


@contextmanager
def silence() -> Iterator[None]:
    """Keep transformers from printing bars and reports; errors are checked for and raised."""
    from transformers.utils import logging as talk

    verbosity, bars = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity_error()
    talk.disable_progress_bar()
    try:
        yield
    finally:
        talk.set_verbosity(verbosity)
        if bars:
            talk.enable_progress_bar()


def _need_sentencepiece(card: EncoderCard, tokenizer_files: Sequence[Path]) -> None:
    """SigLIP's own tokenizer is read by two packages that transformers does not bring."""
    if any(path.name == "spiece.model" for path in tokenizer_files):
        for module, package in (("sentencepiece", "sentencepiece"), ("google.protobuf", "protobuf")):
            if not _installed(module):
                raise MissingDependencyError(
                    f"the tokenizer of '{card.name}' needs {package}. Install it with: {installation.extra('siglip')}"
                )


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it is absent
        return False
