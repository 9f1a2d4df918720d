from __future__ import annotations

import pytest

from zsderm import KnowledgeBase
from zsderm.pretrain.extraction.reading import CaptionReader


@pytest.fixture(scope="session")
def reader() -> CaptionReader:
    return CaptionReader(KnowledgeBase.load("dermatology"))
