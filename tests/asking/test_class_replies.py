from __future__ import annotations

import pytest

from zsderm import KnowledgeBase
from zsderm.asking import NamedClasses, first_substring

CLASSES = ("nevus", "melanoma", "basal cell carcinoma", "benign keratosis", "actinic keratosis")


@pytest.fixture(scope="module")
def names() -> NamedClasses:
    return NamedClasses(CLASSES, KnowledgeBase.load("dermatology"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "answer", "published"),
    [
        ("Melanoma", "melanoma", "melanoma"),
        ("This is a melanocytic naevus.", "nevus", None),
        ("superficial basal cell carcinomas", "basal cell carcinoma", "basal cell carcinoma"),
        ("BCC", "basal cell carcinoma", None),
        ("An ulcer of the skin.", None, None),
        ("seborrheic keratosis", "benign keratosis", None),
        ("Not a melanoma but a nevus.", "nevus", "nevus"),
        ("melanoma rather than nevus", "melanoma", "nevus"),
        ("It is a skin lesion. It looks like melanoma. A nevus is rounder.", "melanoma", "nevus"),
        ("nevus, melanoma, basal cell carcinoma", None, "nevus"),
        ("psoriasis", None, None),
        ("", None, None),
    ],
)
def test_the_class_that_a_reply_names(names: NamedClasses, reply: str, answer: str | None, published: str) -> None:
    found, first = names.read(reply), first_substring(reply, CLASSES)
    assert (None if found is None else CLASSES[found]) == answer
    assert (None if first is None else CLASSES[first]) == published


def test_the_longest_name_wins_where_both_are_classes() -> None:
    classes = ("nevus", "blue nevus")
    names = NamedClasses(classes)
    assert names.read("a blue naevus") == 1 and first_substring("a blue nevus", classes) == 0
    assert names.read("a nevus") == 0 and names.read("a mole") is None
