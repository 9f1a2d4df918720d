from __future__ import annotations

import pytest

from zsderm import AmbiguousClassError, ClassListError, KnowledgeBase
from zsderm.knowledge.base import Disease
from zsderm.knowledge.card import KnowledgeCard
from zsderm.knowledge.class_names import ClassNames, is_code, names_of


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


def test_two_names_of_one_disease_stand_for_the_same_names(base: KnowledgeBase) -> None:
    one, other = (ClassNames.read([name, "acne"], base).spoken[0] for name in ("mole", "Naevi"))
    assert one == other and one[0] == "melanocytic nevus" and "mole" in one


def test_the_bases_own_name_comes_first_and_no_abbreviation_is_spoken(base: KnowledgeBase) -> None:
    assert names_of(base.find("BCC"))[0] == "basal cell carcinoma"
    assert not any(is_code(name) for disease in base.diseases.values() for name in names_of(disease)[1:])


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("BCC", True),
        ("cSCC", True),
        ("SCC in situ", True),
        ("nv", True),
        ("akiec", True),
        ("mole", False),
        ("wart", False),
        ("Bowen disease", False),
        ("Lyme disease", False),
        ("neurofibromatosis type I", False),
    ],
)
def test_a_code_has_two_capitals_in_a_word_or_is_of_a_data_set(name: str, code: bool) -> None:
    assert is_code(name) is code


def test_a_disease_whose_only_name_is_a_code_keeps_it() -> None:
    assert names_of(Disease("PUPPP", ("PEP",))) == ("PUPPP",)


def test_classes_that_mean_the_same_disease_keep_the_names_they_were_given(base: KnowledgeBase) -> None:
    names = ClassNames.read(["mole", "BCC", "nevus"], base)
    assert names.twins == ("melanocytic nevus",)
    assert names.described == ("mole", "basal cell carcinoma", "nevus")
    assert names.spoken[0] == ("mole",) and names.spoken[2] == ("nevus",)


def test_a_name_that_no_base_knows_stands_for_itself(base: KnowledgeBase) -> None:
    for knowledge in (base, None):
        names = ClassNames.read(["zebra", "unicorn"], knowledge)
        assert names.meant == names.canonical == ("zebra", "unicorn")
        assert names.spoken == (("zebra",), ("unicorn",)) and names.note == ""


def test_codes_are_asked_for_by_what_they_mean_and_named_in_the_note(base: KnowledgeBase) -> None:
    names = ClassNames.read(["AKIEC", "BCC", "BKL", "df", "MEL", "NV", "VASC"], base)
    assert names.canonical[3] == "dermatofibroma" and "fibrous histiocytoma" in names.spoken[3]
    assert "codes of HAM10000 and ISIC 2018" in names.note and "df = dermatofibroma" in names.note


def test_without_a_base_a_code_stands_for_one_name() -> None:
    assert ClassNames.read(["SEK", "ACK"], None).spoken == (("seborrheic keratosis",), ("actinic keratosis",))


def test_a_base_of_ones_own_says_what_its_own_codes_mean() -> None:
    own = KnowledgeBase(KnowledgeCard("own"), [Disease("digital fibroma", ("DF",)), Disease("melanoma", ("MEL",))])
    names = ClassNames.read(["DF", "MEL"], own)
    assert names.canonical == ("digital fibroma", "melanoma")
    assert "DF = " not in names.note and "MEL = melanoma" in names.note


def test_as_typed_means_as_typed_and_the_canonical_name_beside_descriptions(base: KnowledgeBase) -> None:
    names = ClassNames.read(["AKIEC", "mole"], base)
    canonical = (("actinic keratosis / intraepithelial carcinoma",), ("melanocytic nevus",))
    assert names.in_prompts("class-name", "typed") == (("AKIEC",), ("mole",))
    assert names.in_prompts("knowledge", "typed") == names.in_prompts("templates", "canonical") == canonical


def test_two_spellings_of_an_ambiguous_code_are_asked_back() -> None:
    diseases = [Disease("actinic keratosis"), Disease("acne keloidalis")]
    own = KnowledgeBase(KnowledgeCard("own", ambiguous={"AK": ("actinic keratosis", "acne keloidalis")}), diseases)
    names = ClassNames.read(["AK photos", "AKs"], own)
    with pytest.raises(AmbiguousClassError, match="'AK photos' may mean 'actinic keratosis' or 'acne keloidalis'"):
        own.descriptions_for(names.meant)


def test_several_of_an_abbreviation_are_that_abbreviation(base: KnowledgeBase) -> None:
    assert base.find("AKs").name == "actinic keratosis" and base.find("BCC's photos").name == "basal cell carcinoma"


@pytest.mark.parametrize("classes", [["AK photos", "AKs"], ["nevus", "acne", "naevi"], ["Melanoma", "melanoma_photos"]])
def test_one_name_in_two_spellings_is_no_pair_of_classes(base: KnowledgeBase, classes: list[str]) -> None:
    with pytest.raises(ClassListError, match=f"{classes[0]!r} and {classes[-1]!r} are one name in two spellings"):
        ClassNames.read(classes, base).check_spellings()


def test_names_that_the_base_does_not_know_may_differ_by_a_sign_alone(base: KnowledgeBase) -> None:
    ClassNames.read(["HPV+", "HPV-", "mole", "nevus"], base).check_spellings()
