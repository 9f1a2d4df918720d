"""A classifier of stories: a language model of transformers, and one score for each class on top of it.

The text is the story, then the options in some order: "My heel itches at night. Options: scabies; tinea pedis; none of
these." The options stand in a second segment, so that a long story is cut and never its options.

Letters: N stories, L tokens, D width of the language model, O scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

NONE = "none of these"  # an option of every list that may lack the answer
POOLINGS = ("mean", "last")
_LARGEST = 100_000  # characters of a story that are looked at; what a model reads is far shorter


def listed(options: Sequence[str]) -> str:
    """The second segment of the text."""
    return f" Options: {'; '.join(options)}."


def readable(narrative: str) -> str:
    """A story as tokenizers take it: blanks and line breaks made one, halves of characters replaced."""
    whole = narrative[:_LARGEST].encode("utf-8", "replace").decode("utf-8")
    return " ".join(whole.split())


def prepared(tokenizer: Any) -> Any:
    """A tokenizer that fills texts up on the right, with a token to do so."""
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def tokens_of(
    tokenizer: Any, narratives: Sequence[str], lists: Sequence[Sequence[str]], most: int
) -> dict[str, Tensor]:
    """Texts as the classifier takes them.

    Args:
        tokenizer: a fast one of transformers, as `prepared` gives it.
        narratives: N stories.
        lists: N lists of options; empty lists, all of them, for a text without options.
        most: tokens of a text; stories are cut.

    Returns:
        What the tokenizer names, (N, L) int64 each, and "story", (N, L) bool: which tokens are of the story.
    """
    stories = [readable(text) for text in narratives]
    tails = [listed(options) for options in lists] if any(lists) else None
    cut = "only_first" if tails else True
    batch = tokenizer(stories, tails, truncation=cut, max_length=most, padding=True, return_tensors="pt")
    of_story = [[part == 0 for part in batch.sequence_ids(row)] for row in range(len(stories))]
    return {**batch, "story": torch.tensor(of_story)}


class StoryClassifier(nn.Module):
    """Scores of stories.

    Args:
        body: a model of transformers that gives last_hidden_state.
        width: D.
        outputs: O.
        pooling: "mean" of the tokens of the story, as sentence models are trained, which have seen the options by
            attention; "last" token, for models whose tokens see only what stands before them.
        dropout: of the pooled vector, while training.
    """

    def __init__(self, body: nn.Module, width: int, outputs: int, pooling: str, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = body
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, outputs)
        nn.init.zeros_(self.head.weight)  # all classes alike, until something is learned
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """(N, O) float32 scores of what `tokens_of` gives."""
        texts = {name: rows for name, rows in batch.items() if name != "story"}
        hidden = self.body(**texts).last_hidden_state.float()  # (N, L, D)
        if self.pooling == "last":
            ends = texts["attention_mask"].sum(dim=1) - 1
            pooled = hidden[torch.arange(len(hidden), device=hidden.device), ends]  # (N, D)
        else:
            weights = batch["story"].unsqueeze(-1).float()
            pooled = (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
        pooled = nn.functional.layer_norm(pooled, pooled.shape[-1:])  # one size, whatever the language model
        return self.head(self.dropout(pooled))
