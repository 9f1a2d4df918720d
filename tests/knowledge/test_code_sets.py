from __future__ import annotations

import pytest

from zsderm import KnowledgeBase
from zsderm.knowledge.code_sets import code_sets, read_codes

HAM10000 = ["AKIEC", "BCC", "BKL", "DF", "MEL", "NV", "VASC"]


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


@pytest.mark.parametrize("title", code_sets())
def test_a_whole_set_is_read_as_itself_in_any_case(title: str) -> None:
    codes = code_sets()[title]
    for written in (list(codes), [code.lower() for code in codes], [code.replace("_", " ") for code in codes]):
        reading = read_codes(written)
        assert [reading.meaning(name) for name in written] == list(codes.values())
    assert title in read_codes(list(codes)).sets


def test_a_code_that_is_ambiguous_alone_is_plain_beside_its_set() -> None:
    assert read_codes(HAM10000).meaning("DF") == "dermatofibroma"
    assert read_codes(["DF"]).meaning("DF") == "DF"
    assert read_codes(["DF", "acne", "psoriasis"]).codes == {}


def test_a_part_of_a_set_is_enough_when_nothing_else_is_listed() -> None:
    assert read_codes(["DF", "NV"]).codes == {"DF": "dermatofibroma", "NV": "melanocytic nevus"}


def test_two_spellings_of_one_code_are_no_company_for_each_other() -> None:
    assert read_codes(["AK photos", "AKs"]).codes == {}
    assert read_codes(["AK", "ak", "Ak_photos"]).codes == {}
    assert read_codes(["AK photos", "AKs", "BCC"]).codes.keys() == {"AK photos", "AKs", "BCC"}


def test_names_may_stand_between_half_the_codes_of_a_set_and_stay_as_they_are() -> None:
    reading = read_codes(["ACK", "SEK", "BCC", "mole"])  # three of six
    assert reading.meaning("ACK") == "actinic keratosis" and reading.meaning("mole") == "mole"
    assert read_codes(["ACK", "SEK", "mole"]).codes == {}  # two of six


def test_a_list_of_two_sets_takes_each_code_from_the_set_that_has_it() -> None:
    reading = read_codes(["AK", "BCC", "MEL", "NV", "SK", "SCC"])
    assert reading.sets == ("ISIC 2019", "Derm7pt")
    assert reading.meaning("AK") == "actinic keratosis" and reading.meaning("SK") == "seborrheic keratosis"


def test_sets_that_hold_the_same_codes_mean_the_same_by_them() -> None:
    meanings: dict[str, set[str]] = {}
    for codes in code_sets().values():
        for code, disease in codes.items():
            meanings.setdefault(code.casefold(), set()).add(disease)
    assert all(len(diseases) == 1 for diseases in meanings.values())


def test_the_base_knows_what_each_code_means_unless_it_is_a_class_of_leftovers(base: KnowledgeBase) -> None:
    loose = {"BEN_OTH", "MAL_OTH", "INF", "MISC", "SCCKA"}
    for codes in code_sets().values():
        for code, disease in codes.items():
            assert code in loose or base.find(disease).name == disease


@pytest.mark.parametrize("form", ["{}", "{} photos", "{}s", "{}_images", "{} Pictures"])
def test_what_a_folder_adds_to_a_code_does_not_hide_it(form: str) -> None:
    classes = [form.format(code) for code in ("AK", "BCC", "DF", "MEL", "NV", "SCC", "VASC", "BKL")]
    reading = read_codes(classes)
    assert reading.meaning(classes[0]) == "actinic keratosis" and reading.meaning(classes[2]) == "dermatofibroma"
