from __future__ import annotations

import pytest

from zsderm.pretrain.extraction.reading import CaptionReader
from zsderm.pretrain.extraction.rules import RuleEngine


@pytest.fixture(scope="module")
def engine(reader: CaptionReader) -> RuleEngine:
    return RuleEngine(reader)


@pytest.mark.parametrize(
    ("caption", "disease"),
    [
        ("Rodent ulcer of the nose", "basal cell carcinoma"),
        ("BCC of the nose", "basal cell carcinoma"),
        ("a naevus", "melanocytic nevus"),
        ("a nevus, in fact a blue nevus", "blue nevus"),
        ("actinic keratosis (AK)", "actinic keratosis"),
        ("psoraisis", "psoriasis"),
        ("a scar", "scar"),
        ("PG", ""),
        ("no melanoma", ""),
        ("possible melanoma", ""),
        ("history of melanoma", ""),
        ("a red plaque with an ulcer and a scar", ""),
        ("a red plaque", ""),
        ("", ""),
    ],
)
def test_the_longest_name_that_the_caption_affirms_is_the_disease(
    engine: RuleEngine, caption: str, disease: str
) -> None:
    assert engine.extract(caption).disease == disease


def test_what_was_not_taken_has_a_reason(engine: RuleEngine) -> None:
    answer = engine.extract("PG or nevus; no scaling, possible melanoma, erythamatous. Seborrheic keratosis.")
    assert {(r.kind, r.term, r.reason, r.detail) for r in answer.rejected} == {
        ("disease", "PG", "it may mean several diseases", "pyoderma gangrenosum or pyogenic granuloma"),
        ("disease", "melanocytic nevus", "another has the longer name, or came first", "seborrheic keratosis"),
        ("disease", "melanoma", "the caption only suspects it", "possible"),
        ("concept", "scaling", "the caption denies it", "no"),
        ("spelling", "erythamatous", "it was read as the nearest name", "erythema"),
    }
    assert answer.disease == "seborrheic keratosis" and answer.concepts == ("erythema",)


def test_no_scaling_is_not_scale(engine: RuleEngine) -> None:
    assert engine.extract("Red plaque with no scaling").concepts == ("plaque", "erythema")
    assert engine.extract("Red plaque with scaling").concepts == ("plaque", "scale", "erythema")
