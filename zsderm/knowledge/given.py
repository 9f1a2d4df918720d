"""The knowledge base that a user gives: by its name, or loaded already."""

from __future__ import annotations

from pathlib import Path

from zsderm.errors import WrongTypeError
from zsderm.knowledge.base import KnowledgeBase


def base_of(given: str | Path | KnowledgeBase) -> KnowledgeBase:
    """A knowledge base by its name or place, or one that is loaded already.

    Raises:
        WrongTypeError: it is none of these.
        UnknownKnowledgeBaseError, InputError: see `KnowledgeBase.load`.
    """
    if isinstance(given, str | Path):
        return KnowledgeBase.load(given)
    if not isinstance(given, KnowledgeBase):
        raise WrongTypeError(
            f"Expected a knowledge base by its name, its folder, or loaded, or None, but got {type(given).__name__}."
        )
    return given
