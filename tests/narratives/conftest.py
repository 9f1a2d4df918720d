from __future__ import annotations

import pytest

from zsderm import KnowledgeBase
from zsderm.narratives.names import NameKeys


@pytest.fixture(scope="session")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


@pytest.fixture(scope="session")
def names(base: KnowledgeBase) -> NameKeys:
    return NameKeys.of(base)
