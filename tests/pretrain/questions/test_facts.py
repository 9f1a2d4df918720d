from __future__ import annotations

import pytest

from zsderm.pretrain.questions.facts import FactReader, Facts
from zsderm.pretrain.questions.question import Pair


def _facts(reader: FactReader, caption: str, modality: str = "clinical", **fields: str) -> Facts:
    return reader.read(Pair(2, "a.jpg", caption, modality, **fields))


def test_a_caption_is_taken_at_its_word(facts_of: FactReader) -> None:
    facts = _facts(
        facts_of, "Psoriasis. Multiple red plaques with silvery scale on the elbows and knees, no ulceration."
    )
    assert facts.disease == "psoriasis"
    assert {one.text for group in facts.affirmed.values() for one in group} >= {"plaques", "scale"}
    assert (facts.denied, facts.single) == (frozenset({"ulcer"}), False)
    assert (facts.place, facts.colours) == ("the elbows and knees", ("red", "silvery"))
    assert not facts_of.names_disease(" ".join(facts.description))


@pytest.mark.parametrize(
    ("caption", "told"),
    [
        ("The plaques are often scaly.", "type"),  # of the disease, not of this picture
        ("On darker skin a scaly plaque.", "type"),
        ("A lesion like a scaly plaque.", "type"),
        ("A papule or a plaque.", "type"),
        ("A red plaque.", "secondary feature"),
        ("Horn plugs and pale cysts.", "type"),  # of a keratosis
    ],
)
def test_what_holds_in_general_or_by_comparison_is_no_fact(facts_of: FactReader, caption: str, told: str) -> None:
    assert told not in _facts(facts_of, caption).affirmed


@pytest.mark.parametrize(
    ("caption", "single"),
    [
        ("A solitary nodule.", True),
        ("Numerous small papules.", False),
        ("One bump is inflamed, while neighbours stay dry.", None),
        ("A single nodule among several papules.", None),
        ("A plaque.", None),
    ],
)
def test_lesions_are_counted_only_where_the_caption_counts_them(
    facts_of: FactReader, caption: str, single: bool | None
) -> None:
    assert _facts(facts_of, caption).single is single


def test_a_picture_through_a_dermatoscope_has_no_place_and_no_number(facts_of: FactReader) -> None:
    facts = _facts(facts_of, "Multiple papules on the back.", "dermoscopic", site="back")
    assert (facts.place, facts.count) == ("", "")


@pytest.mark.parametrize(
    ("caption", "place"),
    [
        ("Spots across the trunk, each of them brown.", "the trunk"),
        ("Rings come back around a black head.", ""),
        ("A plaque on the nose or the cheek.", ""),
        ("A plaque with a coin-like edge.", ""),
    ],
)
def test_a_place_is_one_that_is_named(facts_of: FactReader, caption: str, place: str) -> None:
    assert _facts(facts_of, caption).place == place


def test_colours_of_hair_skin_and_vessels_are_not_those_of_the_lesion(facts_of: FactReader) -> None:
    assert _facts(facts_of, "A brown spot with red vessels, between black hairs.").colours == ("brown",)
    assert _facts(facts_of, "A brown spot. Black or grey dots.").colours == ()  # the caption leaves it open


def test_two_diagnoses_are_none(facts_of: FactReader) -> None:
    assert _facts(facts_of, "Psoriasis beside a melanoma.").disease == ""
    assert _facts(facts_of, "A red plaque.", disease="psoriasis").disease == "psoriasis"


def test_the_stain_of_a_section_is_read(facts_of: FactReader) -> None:
    assert _facts(facts_of, "Nests of melanocytes (H&E).", "pathological").stain == "H&E"
    assert _facts(facts_of, "Nests of melanocytes (H&E).", "clinical").stain == ""


@pytest.mark.parametrize(
    "caption", ["No scale is seen.", "Neither crust nor ulceration;", "The Nikolsky sign is negative."]
)
def test_what_is_not_there_is_no_description(facts_of: FactReader, caption: str) -> None:
    assert _facts(facts_of, caption).description == ()
    assert _facts(facts_of, f"A red plaque on the arm; {caption}").description == ("A red plaque on the arm",)


def test_the_colour_of_the_skin_around_is_not_that_of_the_lesion(facts_of: FactReader) -> None:
    assert _facts(facts_of, "Normal skin next to the lesion is white. The lesion is black.").colours == ()
