"""Labels, parts, patients and divided words, as they stand in captions."""

from __future__ import annotations

import pytest

from zsderm.pretrain.pages.captions import read_label
from zsderm.pretrain.pages.panels import letters_in, split_caption
from zsderm.pretrain.pages.patients import Patient, without_patient
from zsderm.pretrain.pages.words import joined_lines


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Fig. 3.12 Psoriasis", "3.12"),
        ("FIGURE 1", "1"),
        ("Figure 12 | A rash", "12"),
        ("Fig. 3-12: plaque", "3-12"),
        ("Plate XII Acne", "XII"),
        ("Fig. 3a–c Clinical", "3"),
        ("Abb. 4: Ekzem", "4"),
        ("Figura 2. Lesión", "2"),
        ("图 3 皮损", "3"),
        ("图3-2：基底细胞癌", "3-2"),
        ("Figure A1. Plaque", "A1"),
        ("Figure 12A–C. Plaque", "12"),
        ("Fig. 8a, b Plaque", "8"),
        ("Figures 9 and 10. Both", "9"),
        ("Fig. 3 cont'd. Plaque", "3"),
        ("图 3（续）皮损", "3"),
    ],
)
def test_a_caption_begins_with_a_label_and_a_number(text: str, number: str) -> None:
    found = read_label(text)
    assert found is not None and found["number"] == number


@pytest.mark.parametrize(
    "text",
    [
        "Figure 3 shows",
        "Fig. 3) bar",
        "Figs. 3 and 4",
        "Imagery 3",
        "Plate Civil",
        "图3 所示为",
        "Figure 1 and Figure 2",
        "Figures 9 and 10 show",
        "Fig. 3 continued from here",
    ],
)
def test_a_sentence_on_a_figure_is_no_caption(text: str) -> None:
    assert read_label(text) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Acne. (a) Face. (b) Back.", {"a": "Acne. Face.", "b": "Acne. Back."}),
        ("Acne: (a, b) face; (c) back", {"a": "Acne. Face.", "b": "Acne. Face.", "c": "Acne. Back."}),
        ("(a–b) Clinical. (c) Histology", {"a": "Clinical.", "b": "Clinical.", "c": "Histology."}),
        ("A. Elbow plaque. B. Nail pits.", {"a": "Elbow plaque.", "b": "Nail pits."}),
        ("a Clinical picture. b Dermoscopy", {"a": "Clinical picture.", "b": "Dermoscopy."}),
        ("Elbow plaque (a). Nail pits (b).", {"a": "Elbow plaque.", "b": "Nail pits."}),
    ],
)
def test_a_caption_is_cut_at_its_letters_and_keeps_what_is_said_of_all(text: str, parts: dict[str, str]) -> None:
    found = split_caption(text)
    assert found is not None and letters_in(text) == list(parts)
    assert {letter: found.caption(letter) for letter in found.texts} == parts


@pytest.mark.parametrize("text", ["Acne of the face (a) and the back (b).", "Vitamin A. B cells are seen.", "Acne."])
def test_a_sentence_is_not_cut_in_two(text: str) -> None:
    assert split_caption(text) is None


@pytest.mark.parametrize(
    ("text", "left", "age", "sex"),
    [
        ("A 60-year-old man with melanoma on his back.", "A patient with melanoma on the back.", "60", "male"),
        ("Acne in a 6-month-old infant.", "Acne in a patient.", "0.5", ""),
        ("Acne in a 45-year-old diabetic woman.", "Acne in a diabetic patient.", "45", "female"),
        ("Nevus (male, 34 years)", "Nevus", "34", "male"),
        ("Nevus, aged 45 years.", "Nevus.", "45", ""),
        ("The elbow of an elderly woman.", "The elbow of an elderly patient.", "", "female"),
        ("Mujer de 45 años con melanoma", "Paciente con melanoma", "45", "female"),
        ("患者，女，45岁，躯干皮损", "患者，躯干皮损", "45", "female"),
        ("A 4-year-old boy and a 5-year-old girl.", "A patient and a patient.", "", ""),
        ("Male-pattern baldness, 4 mm (3)", "Male-pattern baldness, 4 mm (3)", "", ""),
    ],
)
def test_age_and_sex_go_into_fields(text: str, left: str, age: str, sex: str) -> None:
    assert without_patient(text) == (left, Patient(age, sex))


def test_words_that_were_divided_become_whole_and_others_keep_their_hyphen() -> None:
    assert joined_lines(["hyper-", "keratosis, well-", "defined, 45-", "year-old"]) == (
        "hyperkeratosis, well-defined, 45-year-old"
    )
    assert joined_lines(["a band-", "like plaque"], {"band-like infiltrate"}) == "a band-like plaque"
    assert joined_lines(["躯干散在", "红色斑块"]) == "躯干散在红色斑块"
