"""Answers by stories, as the library gives them, for tables of probabilities that an experiment has made itself.

Letters: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache as once
from pathlib import Path

import numpy as np
import torch

from zsderm import KnowledgeBase, Predictions
from zsderm.benchmarks.experiments.resampled_figures import Table
from zsderm.encoders.sentence_model import SentenceModel
from zsderm.narratives.answers import with_words
from zsderm.narratives.fusion import by_both
from zsderm.narratives.given import WEIGHT


class Remembered:
    """A sentence model that embeds each text once: drawn stories say the same things in the same words."""

    def __init__(self) -> None:
        self._model, self._rows = SentenceModel(), dict[str, torch.Tensor]()
        self.card, self.fingerprint = self._model.card, self._model.fingerprint

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """(M, D) float32 unit rows."""
        if missing := [text for text in dict.fromkeys(texts) if text not in self._rows]:
            self._rows |= dict(zip(missing, self._model.encode_texts(missing), strict=True))
        return torch.stack([self._rows[text] for text in texts])


@once
def sentence_model() -> Remembered:
    """The bundled one, loaded once."""
    return Remembered()


def answers_of(names: Sequence[str], classes: Sequence[str], rows: Table) -> Predictions:
    """(N, C) probabilities as answers for photographs."""
    evidence = ((),) * len(names)
    table = torch.from_numpy(np.asarray(rows)).float()
    return Predictions(tuple(names), tuple(classes), table, "given", "given", "given", evidence)


def even_rows(count: int, classes: int) -> Table:
    """(count, classes) equal probabilities: a photograph that says nothing."""
    return np.full((count, classes), 1 / classes)


def by_words(answers: Predictions, stories: Sequence[str], knowledge: KnowledgeBase, cache: Path | None) -> Table:
    """(N, C) probabilities by stories alone, NaN where nothing was told.

    Args:
        answers: for N photographs; their probabilities play no part.
        stories: N texts.
        knowledge: says what patients report.
        cache: folder that keeps the embeddings of its sentences.
    """
    told = with_words(answers, stories, knowledge, cache=cache, model=sentence_model()).words
    return np.asarray(told.by_words).astype(float)  # type: ignore[union-attr]


def fused(image: Table, words: Table, weight: float = WEIGHT) -> Table:
    """(N, C) probabilities by both, as the library answers."""
    return by_both(torch.from_numpy(image), torch.from_numpy(words), weight).numpy().astype(float)
