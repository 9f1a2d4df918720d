from __future__ import annotations

import pytest

from zsderm import KnowledgeBase, SettingsError
from zsderm.knowledge import Disease, KnowledgeCard
from zsderm.tasks.knowledge_quality.suggest_names import suggest_names


@pytest.fixture
def base() -> KnowledgeBase:
    diseases = [
        Disease("basal cell carcinoma", ("BCC", "rodent ulcer")),
        Disease("solar keratosis", ("sun spot",)),
        Disease("wart"),
    ]
    return KnowledgeBase(KnowledgeCard("mine"), diseases)


def test_the_nearest_alias_speaks_for_its_disease(tiny_encoder, base: KnowledgeBase) -> None:
    assert suggest_names(tiny_encoder, base, "spot of the sun", k=1) == ["solar keratosis"]
    assert suggest_names(tiny_encoder, base, "an ulcer like a rodent", k=1) == ["basal cell carcinoma"]


def test_suggestions_equal_scoring_every_name(tiny_encoder) -> None:
    whole = KnowledgeBase.load("dermatology")
    base = KnowledgeBase(KnowledgeCard("thirty"), list(whole.diseases.values())[:30])
    query = tiny_encoder.encode_texts(["chronic lupus of the scalp"])[0]
    nearness = {
        disease.name: max(
            float(tiny_encoder.encode_texts([name])[0] @ query) for name in (disease.name, *disease.aliases)
        )
        for disease in base.diseases.values()
    }
    expected = sorted(nearness, key=lambda name: -nearness[name])
    assert suggest_names(tiny_encoder, base, "chronic lupus of the scalp", k=5) == expected[:5]


def test_equally_near_ones_come_in_the_order_of_the_base(tiny_encoder) -> None:
    diseases = [Disease("spot sun"), Disease("wart"), Disease("sun spot of", ("sun the spot",))]
    base = KnowledgeBase(KnowledgeCard("mine"), diseases)
    assert suggest_names(tiny_encoder, base, "sun spot", k=1) == ["spot sun"]


def test_k_is_clipped_to_the_number_of_diseases_and_at_least_one(tiny_encoder, base: KnowledgeBase) -> None:
    assert sorted(suggest_names(tiny_encoder, base, "spot", k=9)) == sorted(base.diseases)
    with pytest.raises(SettingsError, match="at least 1"):
        suggest_names(tiny_encoder, base, "spot", k=0)
