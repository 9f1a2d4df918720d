"""The text tower of zsderm-mini in torch alone: a BERT encoder, the mean over its tokens, and a projection.

It has the names and the arithmetic of the tower that open_clip builds with transformers, and gives the same rows to the
bit. But transformers and what it imports take longer to start than torch itself.

Letters: B batch, L tokens, W width inside the tower, D embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention


class BertTower(nn.Module):
    """(B, L) token ids to (B, D) rows of any length.

    Args:
        config: of the BERT encoder, as its config.json states it.
        width: D.

    Source: Devlin et al., BERT, NAACL 2019; with the layer norms after each addition, and no pooler of its own.
    """

    def __init__(self, config: Mapping[str, int | float], width: int) -> None:
        super().__init__()
        self.padding = int(config["pad_token_id"])
        self.transformer = _Transformer(config)
        self.proj = nn.Linear(int(config["hidden_size"]), width, bias=False)

    @classmethod
    def of(cls, config: Mapping[str, int | float], weights: Mapping[str, Tensor]) -> BertTower:
        """A tower in evaluation mode.

        Args:
            config: see the class.
            weights: by name, as in a checkpoint of open_clip below "text.".

        Raises:
            RuntimeError: they are not those of this tower.
        """
        with torch.device("meta"):  # nothing is made up only to be replaced
            tower = cls(config, weights["proj.weight"].shape[0])
        tower.load_state_dict(dict(weights), assign=True)
        return tower.eval().requires_grad_(False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) token ids, filled up with padding, as (B, D) rows."""
        kept = tokens != self.padding  # (B, L)
        words = self.transformer(tokens, kept)  # (B, L, W)
        count = kept.long().sum(-1, keepdim=True)  # (B, 1)
        return self.proj((words * kept.long().unsqueeze(-1)).sum(dim=1) / count)


class _Transformer(nn.Module):
    def __init__(self, config: Mapping[str, int | float]) -> None:
        super().__init__()
        self.embeddings, self.encoder = _Embeddings(config), _Encoder(config)

    def forward(self, tokens: Tensor, kept: Tensor) -> Tensor:
        """(B, L) ids and which of them are no padding, to (B, L, W)."""
        mask = None if bool(kept.all()) else kept[:, None, None, :].expand(-1, 1, tokens.shape[1], -1)
        return self.encoder(self.embeddings(tokens), mask)


class _Embeddings(nn.Module):
    def __init__(self, config: Mapping[str, int | float]) -> None:
        super().__init__()
        width = int(config["hidden_size"])
        self.word_embeddings = _table(int(config["vocab_size"]), width)
        self.position_embeddings = _table(int(config["max_position_embeddings"]), width)
        self.token_type_embeddings = _table(int(config["type_vocab_size"]), width)
        self.LayerNorm = nn.LayerNorm(width, eps=config["layer_norm_eps"])

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) to (B, L, W)."""
        words = self.word_embeddings(tokens) + self.token_type_embeddings(torch.zeros_like(tokens))
        return self.LayerNorm(words + self.position_embeddings.weight[: tokens.shape[1]])


def _table(rows: int, width: int) -> nn.Embedding:
    """A table without values; to draw some for a tensor without memory takes torch two seconds of imports."""
    return nn.Embedding.from_pretrained(torch.empty(rows, width))


class _Encoder(nn.Module):
    def __init__(self, config: Mapping[str, int | float]) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer(config) for _ in range(int(config["num_hidden_layers"])))

    def forward(self, words: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, W) to (B, L, W)."""
        for layer in self.layer:
            words = layer(words, mask)
        return words


class _Layer(nn.Module):
    def __init__(self, config: Mapping[str, int | float]) -> None:
        super().__init__()
        width, inner = int(config["hidden_size"]), int(config["intermediate_size"])
        self.attention, self.intermediate = _Attention(config), _Wide(width, inner)
        self.output = _Added(inner, width, config)

    def forward(self, words: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, W) to (B, L, W)."""
        words = self.attention(words, mask)
        return self.output(self.intermediate(words), words)


class _Attention(nn.Module):
    def __init__(self, config: Mapping[str, int | float]) -> None:
        super().__init__()
        width = int(config["hidden_size"])
        self.self, self.output = _Mixing(width, int(config["num_attention_heads"])), _Added(width, width, config)

    def forward(self, words: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, W) to (B, L, W)."""
        return self.output(self.self(words, mask), words)


class _Mixing(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, words: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, W) to (B, L, W)."""
        size = (*words.shape[:2], self._heads, -1)
        query, key, value = (part(words).view(size).transpose(1, 2) for part in (self.query, self.key, self.value))
        return scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).reshape(words.shape)


class _Wide(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.dense = nn.Linear(before, after)

    def forward(self, words: Tensor) -> Tensor:
        """(B, L, before) to (B, L, after)."""
        return gelu(self.dense(words))


class _Added(nn.Module):
    """What a part of a layer has found, brought to the width of the layer and added to what came in."""

    def __init__(self, before: int, after: int, config: Mapping[str, int | float]) -> None:
        super().__init__()
        self.dense = nn.Linear(before, after)
        self.LayerNorm = nn.LayerNorm(after, eps=config["layer_norm_eps"])

    def forward(self, inner: Tensor, words: Tensor) -> Tensor:
        """(B, L, before) and (B, L, after) to (B, L, after)."""
        return self.LayerNorm(self.dense(inner) + words)
