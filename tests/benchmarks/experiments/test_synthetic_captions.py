from __future__ import annotations

import random

import pytest

from zsderm import KnowledgeBase
from zsderm.benchmarks.experiments.synthetic_captions import SIGNS, Case, SyntheticCaption, misspelt, write_captions

LABELS = ("melanoma", "nevus", "basal cell carcinoma", "psoriasis", "actinic keratosis", "seborrheic keratosis")
CASES = [Case(f"{n}.jpg", LABELS[n % len(LABELS)], "back", "63.0", "male") for n in range(120)]


@pytest.fixture(scope="module")
def captions() -> list[SyntheticCaption]:
    return write_captions(CASES, KnowledgeBase.load("dermatology"))


def test_the_same_seed_gives_the_same_captions(captions: list[SyntheticCaption]) -> None:
    base = KnowledgeBase.load("dermatology")
    assert write_captions(CASES, base) == captions
    assert write_captions(CASES, base, seed=1) != captions


def test_what_is_said_and_what_is_denied_are_apart(captions: list[SyntheticCaption]) -> None:
    for caption in captions:
        assert not caption.concepts & caption.denied and caption.plain <= caption.concepts <= set(SIGNS)


def test_every_kind_of_caption_is_there(captions: list[SyntheticCaption]) -> None:
    assert any(caption.misspelt for caption in captions)
    assert any(caption.denied for caption in captions)
    assert any(not caption.disease for caption in captions)
    assert any(caption.concepts - caption.plain for caption in captions)
    for word in ("ruled out", "Suspicious", "History of", "63-year-old man", "back"):
        assert any(word in caption.text for caption in captions), word


@pytest.mark.parametrize("seed", range(20))
def test_a_slip_of_the_pen_keeps_the_first_letter(seed: int) -> None:
    word = misspelt("carcinoma", random.Random(seed))
    assert word[0] == "c" and abs(len(word) - 9) <= 1
