"""The answers for photographs, joined with narratives where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zsderm.knowledge.base import KnowledgeBase
    from zsderm.narratives.trained_words import TrainedWords
    from zsderm.narratives.words_model import WordsModel
    from zsderm.predictions import Predictions


def trained_words(
    model: WordsModel | str | Path | None,
    classes: Sequence[str],
    knowledge: KnowledgeBase | None,
    options: int | None,
    device: str = "cpu",
) -> TrainedWords | None:
    """See `zsderm.narratives.trained_words.TrainedWords.of`, which is imported only if there is a model."""
    if model is None:
        return None
    from zsderm.narratives.trained_words import TrainedWords

    return TrainedWords.of(model, classes, knowledge, options, device)


def with_narratives(
    answers: Predictions,
    narratives: Sequence[str | None] | None,
    knowledge: KnowledgeBase | None,
    weight: float,
    cache: str | Path | None,
    trained: TrainedWords | None = None,
) -> Predictions:
    """See `zsderm.narratives.answers.with_words`, which is imported only if there are narratives."""
    if narratives is None:
        return answers
    from zsderm.narratives.answers import with_words

    return with_words(answers, narratives, knowledge, weight, cache=cache, trained=trained)
