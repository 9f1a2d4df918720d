"""What the bundled base promises of the field's benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zsderm import KnowledgeBase
from zsderm.errors import UnknownClassError

BENCHMARKS = json.loads((Path(__file__).parents[2] / "benchmarks" / "classes.json").read_text(encoding="utf-8"))
NO_DISEASE = {"abnormal", "other"}  # what remains when everything with a name has been sorted out


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_class_of_a_benchmark_is_found_in_its_own_spelling(base: KnowledgeBase, name: str) -> None:
    for label in set(BENCHMARKS[name]["classes"]) - set(BENCHMARKS[name].get("undescribed", ())):
        assert base.find(label).descriptions, label


@pytest.mark.parametrize("label", sorted(NO_DISEASE))
def test_a_class_that_names_no_disease_is_not_guessed_at(base: KnowledgeBase, label: str) -> None:
    with pytest.raises(UnknownClassError):
        base.find(label)


# Folder names as Dermnet is handed around, and single diseases that its chapters are about.
FOLDERS = """
Acne and Rosacea Photos|Actinic Keratosis Basal Cell Carcinoma and other Malignant Lesions|Atopic Dermatitis Photos
Bullous Disease Photos|Cellulitis Impetigo and other Bacterial Infections|Eczema Photos|Exanthems and Drug Eruptions
Hair Loss Photos Alopecia and other Hair Diseases|Herpes HPV and other STDs Photos|Urticaria Hives
Light Diseases and Disorders of Pigmentation|Lupus and other Connective Tissue diseases|Vasculitis Photos
Melanoma Skin Cancer Nevi and Moles|Nail Fungus and other Nail Disease
Psoriasis pictures Lichen Planus and related diseases
Poison Ivy Photos and other Contact Dermatitis|Scabies Lyme Disease and other Infestations and Bites|Systemic Disease
Seborrheic Keratoses and other Benign Tumors|Tinea Ringworm Candidiasis and other Fungal Infections|Vascular Tumors
Warts Molluscum and other Viral Infections
"""
SINGLE = """
acne|rosacea|actinic keratosis|basal cell carcinoma|cellulitis|impetigo|alopecia areata|genital warts|lupus
melanoma|nevi|moles|nail fungus|poison ivy|contact dermatitis|psoriasis|lichen planus|scabies|Lyme disease
insect bites|seborrheic keratoses|tinea corporis|ringworm|candidiasis|urticaria|hives|molluscum
atopic dermatitis|eczema|vasculitis|drug eruptions|viral exanthem|bullous disease
"""


@pytest.mark.parametrize("label", FOLDERS.strip().replace("\n", "|").split("|"))
def test_the_folders_of_dermnet_are_found(base: KnowledgeBase, label: str) -> None:
    assert len(base.find(label).descriptions) >= 20


@pytest.mark.parametrize("label", SINGLE.strip().replace("\n", "|").split("|"))
def test_the_single_diseases_that_chapters_of_dermnet_name_are_found(base: KnowledgeBase, label: str) -> None:
    assert base.find(label).name in base.diseases


@pytest.mark.parametrize("label", ["alopecia", "tinea", "bites", "exanthems", "warts"])
def test_a_name_of_a_family_pools_its_members(base: KnowledgeBase, label: str) -> None:
    pooled = base.find(label)
    assert pooled.name in base.groups and len({text.disease for text in pooled.descriptions}) >= 2


@pytest.mark.parametrize(
    ("label", "disease"),
    [
        ("intraepithelial carcinoma", "bowen disease"),
        ("Squamous cell carcinoma/keratoacanthoma", "squamous cell carcinoma or keratoacanthoma"),
        ("actinic keratosis/intraepidermal carcinoma", "actinic keratosis / intraepithelial carcinoma"),
        ("Melanocytic nevus, any type", "melanocytic nevus"),
        ("Vascular lesions and hemorrhage", "vascular lesion"),
    ],
)
def test_the_full_names_of_codes_are_found(base: KnowledgeBase, label: str, disease: str) -> None:
    assert base.find(label).name == disease


def test_every_disease_has_at_least_20_descriptions_in_at_least_7_aspects(base: KnowledgeBase) -> None:
    assert len(base.diseases) >= 300
    for name, disease in base.diseases.items():
        assert len(disease.descriptions) >= 20, name
        assert len({text.aspect for text in disease.descriptions}) >= 7, name


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


ULCERS = ["diabetic foot ulcer", "stasis ulcer", "arterial ulcer", "pressure ulcer"]


@pytest.mark.parametrize(
    ("label", "disease"),
    [
        ("foot ulcer", "foot ulcer"),
        ("Foot ulcers", "foot ulcer"),
        ("sore on the foot", "foot ulcer"),
        ("diabetic foot", "diabetic foot ulcer"),
        ("DFU", "diabetic foot ulcer"),
        ("neuropathic ulcers", "diabetic foot ulcer"),
        ("venous leg ulcer", "stasis ulcer"),
        ("VLU", "stasis ulcer"),
        ("Ischemic ulcer", "arterial ulcer"),
        ("ischaemic foot ulcers", "arterial ulcer"),
        ("bed sores", "pressure ulcer"),
        ("pressure injuries", "pressure ulcer"),
        ("leg ulcers", "leg ulcer"),
        ("nail dystrophy", "nail dystrophy"),
        ("nail dystrophies", "nail dystrophy"),
        ("onychomycosis", "onychomycosis"),
        ("nail fungus", "onychomycosis"),
        ("fungal infection of the nail", "onychomycosis"),
    ],
)
def test_wounds_of_foot_and_leg_and_the_labels_of_nails_are_found(
    base: KnowledgeBase, label: str, disease: str
) -> None:
    assert base.find(label).name == disease


def test_foot_ulcer_speaks_for_itself_and_leg_ulcer_for_its_kinds(base: KnowledgeBase) -> None:
    assert {text.disease for text in base.find("foot ulcer").descriptions} == {"foot ulcer"}
    assert {text.disease for text in base.find("leg ulcer").descriptions} == {"stasis ulcer", "arterial ulcer"}


@pytest.mark.parametrize("name", ULCERS)
def test_each_kind_of_ulcer_is_told_apart_by_what_a_photograph_shows(base: KnowledgeBase, name: str) -> None:
    texts = base.find(name).descriptions
    assert sum(text.modality == "clinical" and text.aspect == "look-alikes" for text in texts) >= 2
    assert "ulcer" in base.find(name).concepts
