"""Captions to embeddings: every distinct sentence once a batch, and once a run where the text tower is frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from open_clip.hf_model import HFTextEncoder
from torch import Tensor

from zsderm.pretrain.model.towers import OpenClipModel

LENGTH_STEP = 16  # tokens; lengths are rounded up to a multiple of it
FILLER = "-"
REMEMBERED = 200_000  # sentences; about 300 MB at 384 numbers each


class TextBank:
    """Encodes captions with the text tower of an open_clip model: a transformers encoder, or open_clip's own.

    Args:
        model: the open_clip model.
        tokenize: strings to (M, L) int64.
        trainable: whether gradients reach the tower; if not, its outputs are remembered per sentence. The projection
            of a transformers tower learns in any case.
        chunk: sentences in one pass through the tower.
    """

    def __init__(
        self, model: OpenClipModel, tokenize: Callable[[list[str]], Tensor], trainable: bool, chunk: int = 64
    ) -> None:
        self.model = model
        tower = getattr(model, "text", None)
        self.text_tower = tower if isinstance(tower, HFTextEncoder) else None
        self.tokenize = tokenize
        self.trainable = trainable
        self.chunk = chunk
        self._rows: dict[str, int] = {}  # of the sentences that are remembered
        self._pooled = torch.empty(0, 0)  # what the tower made of them

    def __call__(self, captions: Sequence[Sequence[str]]) -> Tensor:
        """Embed B lists of T captions.

        Args:
            captions: B lists of T strings; an empty string is never encoded.

        Returns:
            (B, T, D) float32, zeros where the caption is empty.
        """
        unique = sorted({text for row in captions for text in row if text}, key=lambda text: (len(text), text))
        unique = unique or [FILLER]  # where every caption is missing: so that the width is known
        pooled = self._pool(unique)
        features = (self.text_tower.proj(pooled) if self.text_tower else pooled).float()  # (U, D)
        padded = torch.cat([features, features.new_zeros(1, features.shape[1])])  # the last row stands for no caption
        place = {text: row for row, text in enumerate(unique)}
        rows = torch.tensor([[place.get(text, len(unique)) for text in row] for row in captions])  # (B, T)
        return padded[rows.to(padded.device)]

    def _pool(self, texts: list[str]) -> Tensor:
        if self.trainable or not texts:
            return self._forward(texts)
        unseen = [text for text in texts if text not in self._rows]
        if len(self._rows) + len(unseen) > REMEMBERED:
            self._rows, unseen = {}, texts
        if unseen:
            with torch.no_grad():
                self._remember(unseen, self._forward(unseen).float())
        rows = torch.tensor([self._rows[text] for text in texts])
        return self._pooled[rows.to(self._pooled.device)]

    def _remember(self, texts: list[str], pooled: Tensor) -> None:
        start, end = len(self._rows), len(self._rows) + len(texts)
        if end > len(self._pooled):
            wider = pooled.new_empty(max(end, 2 * len(self._pooled)), pooled.shape[1])
            if start:
                wider[:start] = self._pooled[:start]
            self._pooled = wider
        self._pooled[start:end] = pooled
        self._rows.update({text: start + place for place, text in enumerate(texts)})

    def _forward(self, texts: list[str]) -> Tensor:
        pooled = [self._forward_chunk(texts[i : i + self.chunk]) for i in range(0, len(texts), self.chunk)]
        return torch.cat(pooled)

    def _forward_chunk(self, texts: list[str]) -> Tensor:
        tokens = self.tokenize(texts)  # (m, L); texts come sorted by length, so a chunk holds little padding
        if self.text_tower is None:
            return self.model.encode_text(self._full(tokens), normalize=False)[: len(texts)]
        padding = self.text_tower.config.pad_token_id
        longest = int(tokens.ne(padding).sum(1).max())
        tokens = self._full(tokens[:, : -(-longest // LENGTH_STEP) * LENGTH_STEP])
        mask = tokens.ne(padding).long()
        output = self.text_tower.transformer(input_ids=tokens, attention_mask=mask)
        return self.text_tower.pooler(output, mask)[: len(texts)]

    def _full(self, tokens: Tensor) -> Tensor:
        device = next(self.model.parameters()).device
        if device.type == "cuda":
            return tokens.to(device)
        # Few distinct shapes: kernels are compiled and kept per shape, and new ones at every step fill the memory.
        filler = tokens[:1].expand(self.chunk - len(tokens), -1)
        return torch.cat([tokens, filler]).to(device)  # (chunk, L')
