"""BERTScore: the similarity of the tokens of an answer and of a reference in a text model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from zsderm.errors import CheckpointError, InputError

BATCH = 32
LAYERS = 0.75  # of the layers: 9 of 12 and 18 of 24. The published choice for bert-base is 9, for roberta-large 17.


class BertSimilarity:
    """Precision, recall and F of tokens that are matched greedily by cosine, without idf weights and rescaling.

    As in the published code, other tokens may be matched to the special tokens, which are not counted themselves.

    Source: Zhang et al., "BERTScore: Evaluating Text Generation with BERT", ICLR 2020, section 3.

    Args:
        folder: a text model with its tokenizer, as transformers saves it. Nothing is downloaded.
        layer: whose hidden states are compared, from 1; None: three quarters of the layers.

    Raises:
        CheckpointError: the folder holds no model and tokenizer that transformers can read.
        InputError: the model has no such layer.
    """

    def __init__(self, folder: str | Path, layer: int | None = None) -> None:
        from transformers import AutoModel, AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
        except (OSError, ValueError, KeyError) as error:
            said = " ".join(str(error).split())
            raise CheckpointError(
                f"expected a text model with its tokenizer in {folder}, as transformers saves it with safetensors, but "
                f"it cannot be read: {said:.200}"
            ) from error
        self.layers = int(self._model.config.num_hidden_layers)
        self.layer = round(LAYERS * self.layers) if layer is None else layer
        if not 1 <= self.layer <= self.layers:
            raise InputError(f"expected a layer from 1 to {self.layers} of {folder}, but got {self.layer}")
        self.name = Path(folder).name

    def score(self, answers: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
        """(N, 3) precision, recall and F of each answer; 0 for one that has no token."""
        texts = sorted({*answers, *references}, key=lambda text: (len(text), text))
        states: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        for start in range(0, len(texts), BATCH):
            part = texts[start : start + BATCH]
            states |= dict(zip(part, self._states(part), strict=True))
        rows = [_matched(*states[a], *states[r]) for a, r in zip(answers, references, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(len(rows), 3)

    @torch.inference_mode()
    def _states(self, texts: Sequence[str]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """For each text (T, D) unit rows of its tokens, and (T,) bool, which of them count."""
        longest = min(int(getattr(self._model.config, "max_position_embeddings", 512)) - 2, 510)
        given = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=longest,
            return_tensors="pt",
            return_special_tokens_mask=True,
        )
        special = given.pop("special_tokens_mask").bool()  # (B, T)
        found = self._model(**given, output_hidden_states=True).hidden_states[self.layer]  # (B, T, D)
        rows = torch.nn.functional.normalize(found, dim=-1)
        real = given["attention_mask"].bool()
        return [(rows[n][real[n]], ~special[n][real[n]]) for n in range(len(texts))]


def _matched(
    answer: torch.Tensor, counts: torch.Tensor, reference: torch.Tensor, expected: torch.Tensor
) -> tuple[float, float, float]:
    """Precision, recall, F of one pair."""
    if not counts.any() or not expected.any():
        return 0.0, 0.0, 0.0
    cosines = answer @ reference.T  # (T answer, T reference)
    precision = float(cosines.max(dim=1).values[counts].mean())
    recall = float(cosines.max(dim=0).values[expected].mean())
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0
