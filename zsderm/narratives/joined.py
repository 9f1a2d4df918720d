"""The answers for photographs, joined with narratives where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zsderm.knowledge.base import KnowledgeBase
    from zsderm.predictions import Predictions


def with_narratives(
    answers: Predictions,
    narratives: Sequence[str | None] | None,
    knowledge: KnowledgeBase | None,
    weight: float,
    cache: str | Path | None,
) -> Predictions:
    """See `zsderm.narratives.answers.with_words`, which is imported only if there are narratives."""
    if narratives is None:
        return answers
    from zsderm.narratives.answers import with_words

    return with_words(answers, narratives, knowledge, weight, cache=cache)
