"""What a word in a column of classes means."""

from __future__ import annotations

from pathlib import Path

import pytest

from zsderm.class_labels import NO_LABEL, class_indices
from zsderm.errors import InputError, ZsdermWarning

CLASSES = ("melanoma", "Nævus café", "basal cell carcinoma")
TABLE = Path("labels.csv")


@pytest.mark.parametrize(
    ("label", "index"),
    [
        ("Melanoma ", 0),
        ("Nævus cafe\u0301", 1),
        ("basal_cell  carcinoma", 2),
        ("Basal-Cell Carcinoma", 2),
        ("2", 2),
        ("1.0", 1),
        ("", NO_LABEL),
    ],
)
def test_a_label_is_a_name_in_any_spelling_or_an_index(label: str, index: int) -> None:
    assert class_indices([label], CLASSES, TABLE).tolist() == [index]


@pytest.mark.parametrize("label", ["NA", "nan", "none", "unknown", "3", "-1", "01", "1.5", "melanma"])
def test_what_is_no_class_is_refused_and_no_word_means_unknown(label: str) -> None:
    with pytest.raises(InputError, match=rf"labels.csv has the label '{label}', which is none of the 3 classes"):
        class_indices([label, ""], CLASSES, TABLE)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("squamous cell carcinoma", r"\. The classes are: melanoma, .*\. Leave it\.$"),  # a disease of its own
        ("basal cel carcinoma", r"\. Did you mean 'basal cell carcinoma'\? Leave it\.$"),
    ],
)
def test_another_class_is_suggested_for_a_slip_and_not_for_another_disease(label: str, said: str) -> None:
    with pytest.raises(InputError, match=f"'{label}', which is none of the 3 classes" + said):
        class_indices([label], CLASSES, TABLE, advice="Leave it.")
    with pytest.raises(InputError, match=r"none of the 3 classes \(nor are 2 other labels\)\."):
        class_indices([label, "odd", "odder"], CLASSES, TABLE)


@pytest.mark.parametrize("classes", [("01", "02", "03"), ("1", "2", "3"), ("0e1", "nevus", "wart")])
def test_where_a_class_is_called_like_a_number_numbers_are_names(classes: tuple[str, ...]) -> None:
    assert class_indices(classes, classes, TABLE).tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="the label '0'"):
        class_indices(["0"], classes, TABLE)


def test_words_for_unknown_may_be_classes() -> None:
    assert class_indices(["None", "NA", "nan"], ("na", "nan", "none"), TABLE).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["nv", "mel", "bcc"], ("melanoma", "nevus", "basal cell carcinoma")),  # codes of a data set, in company
        (["mole", "malignant melanoma", "BCC"], ("MEL", "NV", "BCC")),
    ],
)
def test_codes_and_other_names_are_read_as_classify_reads_them_and_said(
    labels: list[str], classes: tuple[str, ...]
) -> None:
    with pytest.warns(ZsdermWarning, match=rf"labels.csv: read as other names of the classes: {labels[0]} = "):
        assert class_indices(labels, classes, TABLE).tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("label", "classes", "index"),
    [
        ("solar lentigo", ("melanoma", "benign keratosis"), 1),
        ("Stucco keratoses", ("melanoma", "BKL"), 1),  # a kind of a member
        ("angioma", ("nevus", "vascular lesion"), 1),  # a group whose members the class holds, every one
        ("allergic contact dermatitis", ("eczema", "contact dermatitis", "acne"), 1),  # the narrowest
        ("melanoma nodular", ("melanoma", "nevus"), 0),
        ("lunar", ("melanoma", "nevus"), 1),  # Spanish for the class itself
    ],
)
def test_a_disease_counts_for_the_class_that_holds_it(label: str, classes: tuple[str, ...], index: int) -> None:
    with pytest.warns(ZsdermWarning, match=f"labels.csv: read as .*: {label} = {classes[index]}"):
        assert class_indices([label], classes, TABLE).tolist() == [index]


@pytest.mark.parametrize("label", ["nodular melanoma", "melanoma", "invasive melanoma", "acral melanoma"])
def test_what_is_no_kind_of_a_class_that_is_a_kind_itself_is_refused(label: str) -> None:
    with pytest.raises(InputError, match=f"the label '{label}'"):
        class_indices(["nevus", label], ("melanoma in situ", "nevus"), TABLE)


def test_a_class_of_its_own_and_a_disease_that_nothing_narrow_holds_are_left_as_they_are() -> None:
    assert class_indices(["solar lentigo"], ("benign keratosis", "solar lentigo"), TABLE).tolist() == [1]
    with pytest.raises(InputError, match="the label 'solar lentigo'"):
        class_indices(["solar lentigo"], ("lentigo", "benign keratosis"), TABLE)


def test_a_disease_that_two_classes_are_called_by_is_not_guessed() -> None:
    with pytest.raises(InputError, match="the label 'mole'"):
        class_indices(["mole"], ("nevus", "melanocytic nevus"), TABLE)
