from __future__ import annotations

import pytest

from zsderm import KnowledgeBase
from zsderm.pretrain.extraction.reading import CaptionReader
from zsderm.pretrain.questions.facts import FactReader
from zsderm.pretrain.questions.grounding import Grounding
from zsderm.pretrain.questions.look_alikes import LookAlikes
from zsderm.pretrain.questions.verdicts import Verdicts

TABLE = ("psoriasis", "melanoma", "melanocytic nevus", "basal cell carcinoma", "lichen planus", "nummular eczema")


@pytest.fixture(scope="session")
def facts_of() -> FactReader:
    return FactReader(CaptionReader(KnowledgeBase.load("dermatology")))


@pytest.fixture(scope="session")
def verdicts(facts_of: FactReader) -> Verdicts:
    return Verdicts(facts_of, LookAlikes(facts_of.reader), TABLE)


@pytest.fixture(scope="session")
def grounding(facts_of: FactReader, verdicts: Verdicts) -> Grounding:
    return Grounding(facts_of, verdicts)
