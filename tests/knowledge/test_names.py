from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsderm.errors import InputError
from zsderm.knowledge.names import NameTable, spelling, words

TABLE = NameTable(
    "small",
    [
        ("melanoma", ["malignant melanoma"]),
        ("melanocytic nevus", ["nevus", "mole"]),
        ("congenital nevus", []),
        ("actinic keratosis", ["AK"]),
        ("basal cell carcinoma", ["BCC"]),
        ("seborrheic keratosis", []),
        ("lentigo", []),
        ("café-au-lait macule", []),
        ("bowen disease", []),
        ("herpes simplex", []),
        ("scabies", []),
    ],
)


@pytest.mark.parametrize(
    ("written", "disease"),
    [
        ("melanoma", "melanoma"),
        ("malignant melanoma", "melanoma"),
        ("  MELANOMA ", "melanoma"),
        ("bcc", "basal cell carcinoma"),
        ("BCCs", "basal cell carcinoma"),
        ("AKs", "actinic keratosis"),
        ("AK's (left)", "actinic keratosis"),
        ("basal_cell_carcinoma", "basal cell carcinoma"),
        ("Basal-cell carcinomas", "basal cell carcinoma"),
        ("BasalCellCarcinoma", "basal cell carcinoma"),
        ("basal cell carcinomata", "basal cell carcinoma"),
        ("moles", "melanocytic nevus"),
        ("naevi", "melanocytic nevus"),
        ("Melanocytic naevus", "melanocytic nevus"),
        ("seborrhoeic keratoses", "seborrheic keratosis"),
        ("lentigines", "lentigo"),
        ("cafe au lait macules", "café-au-lait macule"),
        ("Bowen's disease", "bowen disease"),
        ("Bowen’s Diseases", "bowen disease"),
        ("Herpes-simplex", "herpes simplex"),
        ("SCABIES", "scabies"),
        ("basal cell carcinoma (BCC)", "basal cell carcinoma"),
        ("BCC (basal cell carcinoma)", "basal cell carcinoma"),
        ("melanoma (suspected)", "melanoma"),
        ("nevus (congenital)", "congenital nevus"),
    ],
)
def test_a_name_is_found_in_any_spelling(written, disease):
    assert TABLE.resolve(written) == disease


@pytest.mark.parametrize("written", ["", "(", "melanocyte", "basal cell", "melanoma, nevus", "皮肤"])
def test_a_name_that_means_nothing_here_is_none(written):
    assert TABLE.resolve(written) is None


def test_a_gloss_that_names_another_disease_makes_the_name_unknown():
    assert TABLE.resolve("mole (melanoma)") is None


@pytest.mark.parametrize(
    ("singular", "plural"),
    [
        ("nose", "noses"),
        ("toe", "toes"),
        ("disease", "diseases"),
        ("abscess", "abscesses"),
        ("metastasis", "metastases"),
        ("candidiasis", "candidiases"),
        ("verruca", "verrucae"),
        ("callus", "calli"),
        ("xanthelasma", "xanthelasmata"),
        ("bulla", "bullae"),
        ("allergy", "allergies"),
        ("mycosis", "mycoses"),
        ("lichen", "lichens"),
    ],
)
def test_plural_and_singular_are_one_spelling(singular, plural):
    assert spelling(singular) == spelling(plural)


@pytest.mark.parametrize(
    ("british", "american"),
    [
        ("haemangioma", "hemangioma"),
        ("oedema", "edema"),
        ("tumour", "tumor"),
        ("grey colour", "gray color"),
        ("generalised", "generalized"),
        ("leucoplakia", "leukoplakia"),
        ("keratinisation", "keratinization"),
    ],
)
def test_british_and_american_are_one_spelling(british, american):
    assert spelling(british) == spelling(american)


def test_different_diseases_keep_different_spellings():
    pairs = [("lichen planus", "lichen nitidus"), ("xanthoma", "xanthelasma"), ("pemphigus", "pemphigoid")]
    assert all(spelling(one) != spelling(other) for one, other in pairs)


@given(st.text(max_size=40))
def test_case_and_surrounding_punctuation_never_matter(name):
    assert words(f" «{name}»! ") == words(name)
    assert all(words(name))


def test_a_name_in_two_spellings_for_two_diseases_is_an_error():
    with pytest.raises(InputError, match="'naevi' to stand for one disease of knowledge base 'small'"):
        NameTable("small", [("mole", ["nevus"]), ("birthmark", ["naevi"])])


def test_a_disease_may_repeat_its_own_name_in_other_spellings():
    assert NameTable("small", [("tumor", ["tumour", "tumours"])]).resolve("Tumours") == "tumor"


def test_the_nearest_names_come_once_per_disease():
    assert TABLE.nearest("malignant melanom") == ["malignant melanoma"]
    assert TABLE.nearest("basalcelcarcinoma")[0] == "basal cell carcinoma"
    assert len(TABLE.nearest("nevus nevus", count=1)) <= 1


def test_the_hint_is_a_sentence_or_nothing():
    assert TABLE.hint("Melanma") == " Did you mean 'melanoma'?"
    assert TABLE.hint("zzzzzz") == ""
