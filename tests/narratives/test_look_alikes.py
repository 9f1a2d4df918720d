from __future__ import annotations

import numpy as np
import pytest

from zsderm import KnowledgeBase
from zsderm.narratives.look_alikes import chapter_of, likeness


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


def test_what_is_near_in_the_ontology_and_shows_the_same_signs_is_alike(base: KnowledgeBase) -> None:
    names = ["herpes simplex", "herpes zoster", "vitiligo", "melanoma"]
    table = likeness(names, base)
    assert np.array_equal(table, table.T) and np.allclose(np.diag(table), 2)
    assert table[0, 1] > max(table[0, 2], table[0, 3], table[1, 2])


def test_a_chapter_is_the_second_level(base: KnowledgeBase) -> None:
    assert [chapter_of(name, base) for name in ("melanoma", "scabies", "impetigo")] == [
        "malignant",
        "infestation",
        "infectious",
    ]
