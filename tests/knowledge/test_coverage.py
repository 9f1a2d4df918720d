"""What the bundled base promises of the field's benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zsderm import KnowledgeBase

BENCHMARKS = json.loads((Path(__file__).parents[2] / "benchmarks" / "classes.json").read_text(encoding="utf-8"))
NO_DISEASE = {"abnormal", "other"}  # what remains when everything with a name has been sorted out
GROUPED = "Dermnet"  # its classes are chapters ("scabies, Lyme disease and other infestations and bites")


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


@pytest.mark.parametrize("name", sorted(set(BENCHMARKS) - {GROUPED}))
def test_every_class_of_a_benchmark_is_found_in_its_own_spelling(base: KnowledgeBase, name: str) -> None:
    for label in set(BENCHMARKS[name]["classes"]) - NO_DISEASE:
        assert base.find(label).descriptions, label


def test_the_single_diseases_of_dermnet_are_found(base: KnowledgeBase) -> None:
    single = [label for label in BENCHMARKS[GROUPED]["classes"] if " and " not in label and label != "systemic disease"]
    assert {"atopic dermatitis", "bullous disease", "eczema", "urticaria", "vasculitis"} <= set(single)
    for label in set(single) - {"vascular tumors"}:
        assert base.find(label).descriptions, label


def test_classes_of_one_benchmark_share_a_disease_only_where_they_are_synonyms(base: KnowledgeBase) -> None:
    twins = set()
    for benchmark in BENCHMARKS.values():
        owners: dict[str, str] = {}
        for label in benchmark["classes"]:
            try:
                name = base.find(label).name
            except LookupError:
                continue
            if name in owners:
                twins.add(tuple(sorted((owners[name], label))))
            owners[name] = label
    assert twins == {
        ("AIMP", "atypical melanocytic proliferation"),
        ("acne", "acne vulgaris"),
        ("disseminated actinic porokeratosis", "porokeratosis actinic"),
        ("granuloma pyogenic", "pyogenic granuloma"),
        ("lichen simplex", "neurodermatitis"),
        ("lichen simplex chronicus", "neurodermatitis"),
        ("malignant melanoma", "melanoma"),
    }


def test_every_disease_speaks_of_light_and_dark_skin(base: KnowledgeBase) -> None:
    silent = [
        name for name, d in base.diseases.items() if not any(x.aspect == "light and dark skin" for x in d.descriptions)
    ]
    assert not silent
