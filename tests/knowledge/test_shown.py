"""Which classes an encoder was never shown, through names, codes, kinds, pools and the ontology."""

from __future__ import annotations

import pytest

from zsderm import KnowledgeBase
from zsderm.encoders import mini
from zsderm.knowledge.card import KnowledgeCard
from zsderm.knowledge.disease import Disease
from zsderm.knowledge.shown import ShownClasses

DIAGNOSES = ("melanoma", "melanocytic nevus", "benign keratosis", "foot ulcer")


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


def never(classes: list[str], base: KnowledgeBase | None) -> tuple[str, ...]:
    found = ShownClasses.of(classes, DIAGNOSES, base)
    assert found is not None
    return found.never


@pytest.mark.parametrize(
    "shown",
    [
        "melanoma",
        "Malignant melanoma",  # another name
        "moles",  # and in another spelling
        "Melanom",  # and in another language
        "nodular melanoma",  # a kind of it: photographs of melanoma may show it
        "solar lentigo",  # of the pool
        "seborrheic keratosis",
        "ulcer",  # holds it
        "malignant",  # a group of the ontology
        "melanocytic",
    ],
)
def test_a_class_that_a_training_diagnosis_may_show_is_not_named(base: KnowledgeBase, shown: str) -> None:
    assert never([shown, "psoriasis"], base) == ("psoriasis",)


def test_codes_are_read_as_a_class_list_reads_them(base: KnowledgeBase) -> None:
    assert never(["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"], base) == ("akiec", "bcc", "df", "vasc")


def test_a_name_of_ones_own_is_known_by_its_aliases() -> None:
    own = KnowledgeBase(KnowledgeCard(name="own"), [Disease("naevus clinic 4", aliases=("mole", "spot"))])
    found = ShownClasses.of(["naevus clinic 4", "spot", "psoriasis"], DIAGNOSES, own)
    assert found is not None and found.never == ("psoriasis",)
    assert found.found == (("melanocytic nevus",), ("melanocytic nevus",), ())


def test_nothing_is_claimed_of_a_name_that_nobody_knows_or_of_an_encoder_that_says_nothing(base) -> None:
    found = ShownClasses.of(["xyzzy", "psoriasis"], DIAGNOSES, base)
    assert found is not None and (found.never, found.unclear) == (("psoriasis",), ("xyzzy",))
    assert ShownClasses.of(["psoriasis"], None, base) is None


def test_without_a_base_or_with_one_that_lacks_a_diagnosis_the_bundled_one_knows() -> None:
    own = KnowledgeBase(KnowledgeCard(name="own"), [])
    for other in (None, own):
        assert never(["psoriasis", "mole"], other) == ("psoriasis",)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["psoriasis", "mole"], "1 of your 2 classes was never shown to tiny: psoriasis; answers for it are guesses."),
        (
            ["psoriasis", "acne", "mole"],
            "2 of your 3 classes were never shown to tiny: psoriasis, acne; answers for them are guesses.",
        ),
        (["mole", "melanoma"], ""),
    ],
)
def test_the_note_in_words(base: KnowledgeBase, classes: list[str], expected: str) -> None:
    found = ShownClasses.of(classes, DIAGNOSES, base)
    assert found is not None and found.note("tiny") == expected


def test_a_long_list_is_cut_in_the_note(base: KnowledgeBase) -> None:
    found = ShownClasses.of(list(base.diseases), mini.card().diagnoses, base)
    assert found is not None and len(found.never) > 250
    assert found.note("tiny").endswith(f"and {len(found.never) - 30} more; answers for them are guesses.")
