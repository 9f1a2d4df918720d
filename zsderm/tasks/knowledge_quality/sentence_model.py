"""A judge of meaning that has seen no skin: all-MiniLM-L6-v2, out of the bundled encoder.

The text tower of zsderm-mini is that sentence-transformers model, frozen, with a projection on top that was trained on
eight diagnoses. Without the projection it knows what words mean in general, which is what names and near-duplicates
are to be judged by.

Source: Reimers and Gurevych, Sentence-BERT (arXiv 1908.10084); weights sentence-transformers/all-MiniLM-L6-v2,
Apache-2.0.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zsderm.encoders.base import EncoderCard
from zsderm.errors import CheckpointError, InputError

if TYPE_CHECKING:
    import torch

NAME = "all-MiniLM-L6-v2"
TOWER = "text.transformer."  # where the weights stand in the bundled checkpoint
CONTEXT = 256  # tokens, as sentence-transformers publishes it
BATCH = 64


class TextEncoder(Protocol):
    """What embeds texts: an encoder, or a sentence model."""

    @property
    def card(self) -> EncoderCard:
        """Its name and width."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits: equal means the same embeddings."""

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """(M, D) float32 unit rows."""


class SentenceModel:
    """Texts to unit rows by meaning.

    Args:
        folder: an open_clip checkpoint folder whose text tower is a transformers model; None takes the bundled one.

    Raises:
        CheckpointError: the folder holds no such tower.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(str(resources.files("zsderm"))) / "weights" / "zsderm-mini"
        self.card = EncoderCard(NAME, int(self._config["hidden_size"]), image_size=0, context_length=CONTEXT)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over weights and tokenizer."""
        files = [self._folder / "model.safetensors", self._folder / "tokenizer.json"]
        return sha256(b"".join(sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:16]

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed texts; what is beyond the context is cut.

        Args:
            texts: M strings.

        Returns:
            (M, D) float32 unit rows on the CPU: the mean of the token embeddings.
        """
        import torch

        if isinstance(texts, str):
            raise InputError(f"expected `texts` to be a list of strings, but got one string: {texts[:40]!r}")
        tokenizer, model = self._parts
        rows = [torch.empty(0, self.card.width)]
        for start in range(0, len(texts), BATCH):
            tokens = tokenizer(
                list(texts[start : start + BATCH]),
                padding=True,
                truncation=True,
                max_length=CONTEXT,
                return_tensors="pt",
            )
            with torch.inference_mode():
                hidden = model(**tokens).last_hidden_state  # (B, L, D)
                kept = tokens["attention_mask"].unsqueeze(-1)  # (B, L, 1)
                mean = (hidden * kept).sum(dim=1) / kept.sum(dim=1)  # (B, D)
            rows.append(torch.nn.functional.normalize(mean.float(), dim=-1))
        return torch.cat(rows)

    @cached_property
    def _config(self) -> dict[str, Any]:
        file = self._folder / "config.json"
        if not file.is_file():
            raise CheckpointError(f"expected {str(file)!r} to describe a transformers text tower, but it is not there.")
        return json.loads(file.read_text(encoding="utf-8"))

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        from safetensors.torch import load_file
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        stored = load_file(self._folder / "model.safetensors")
        tower = {name.removeprefix(TOWER): rows for name, rows in stored.items() if name.startswith(TOWER)}
        if not tower:
            raise CheckpointError(f"expected {str(self._folder)!r} to hold weights named {TOWER}..., but it has none.")
        model = AutoModel.from_config(AutoConfig.from_pretrained(self._folder), add_pooling_layer=False)
        missing = model.load_state_dict(tower, strict=False).missing_keys
        if [name for name in missing if not name.endswith("position_ids")]:
            raise CheckpointError(f"the text tower of {str(self._folder)!r} lacks {', '.join(missing[:3])}.")
        return AutoTokenizer.from_pretrained(self._folder), model.float().eval().requires_grad_(False)
