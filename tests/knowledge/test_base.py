from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from zsderm.errors import AmbiguousClassError, FallbackWarning, InputError, UnknownClassError
from zsderm.knowledge import Description, KnowledgeBase, KnowledgeCard
from zsderm.knowledge.store import write_base


@pytest.fixture(scope="module")
def bundled() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


@pytest.fixture
def small(write_base, disease) -> KnowledgeBase:
    melanoma = disease("melanoma", "several shades", "notched edges", aliases=["malignant melanoma"])
    nevus = disease("melanocytic nevus", "one even brown", aliases=["nevus", "mole"])
    return KnowledgeBase.load(write_base(melanoma, nevus))


def test_the_bundled_base_holds_every_class_of_pad_and_ham10000(bundled):
    pad = "nevus, basal cell carcinoma, actinic keratosis, seborrheic keratosis, squamous cell carcinoma, melanoma"
    ham = "melanocytic nevus, dermatofibroma, vascular lesion, benign keratosis-like lesion"
    for name in f"{pad}, {ham}, actinic keratosis / intraepithelial carcinoma".split(", "):
        assert len(bundled.find(name).descriptions) >= 12


def test_synonyms_of_the_bundled_base_lead_to_their_disease(bundled):
    assert bundled.find("BCC").name == "basal cell carcinoma"
    assert bundled.find("solar keratosis").name == "actinic keratosis"
    assert bundled.find("mole").name == "melanocytic nevus"


def test_descriptions_for_answers_under_the_name_as_given(bundled):
    found = bundled.descriptions_for(["BCC", "mole"])
    assert list(found) == ["BCC", "mole"]
    assert {text.disease for text in found["BCC"]} == {"basal cell carcinoma"}
    assert all(isinstance(text, Description) for text in found["mole"])


def test_a_description_knows_its_disease_aspect_modality_and_source(small):
    first = small.find("melanoma").descriptions[0]
    assert first == Description("several shades", "melanoma", "colour", "clinical", source="mine")


def test_the_length_is_the_number_of_descriptions(small, bundled):
    assert len(small) == len(small.descriptions) == 3
    assert len(bundled) == sum(len(disease.descriptions) for disease in bundled.diseases.values())


def test_name_version_and_licence_come_from_base_json(write_base, disease):
    card = {"name": "skin", "version": "2.1", "licence": "CC0", "language": "en", "description": "A few."}
    base = KnowledgeBase.load(write_base(disease("wart", "rough"), card=card))
    assert (base.name, base.version, base.card.licence) == ("skin", "2.1", "CC0")
    assert base.descriptions[0].source == "skin"


def test_without_base_json_the_folder_or_file_gives_the_name(write_base, disease):
    folder = write_base(disease("wart", "rough"), folder="mine", file="warts.jsonl")
    assert KnowledgeBase.load(folder).name == "mine"
    assert KnowledgeBase.load(str(folder / "warts.jsonl")).name == "warts"
    assert KnowledgeBase.load(folder).version == "unversioned"


def test_an_unknown_class_is_an_error_with_what_to_do(small):
    with pytest.raises(UnknownClassError) as caught:
        small.find("melanma")
    assert str(caught.value).startswith("class 'melanma' is not in knowledge base 'mine' (2 classes).")
    assert "Did you mean 'melanoma'?" in str(caught.value)
    assert re.search(r"See: zsderm kb show \S+mine$", str(caught.value))


@pytest.mark.parametrize("name", ["", "   ", "...", "()"])
def test_an_empty_class_name_is_unknown(small, name):
    with pytest.raises(UnknownClassError):
        small.find(name)


def test_a_class_that_is_not_in_the_base_gets_an_empty_list_and_a_warning(small):
    with pytest.warns(FallbackWarning, match=r"class 'melanma' is not in .* Did you mean 'melanoma'") as caught:
        found = small.descriptions_for(["melanma", "mole"])
    assert found["melanma"] == []
    assert len(found["mole"]) == 1
    assert [warning.filename for warning in caught] == [__file__]


def test_a_disease_without_descriptions_gets_an_empty_list_and_a_warning(small):
    without = small.subset(lambda text: text.disease != "melanoma")
    with pytest.warns(FallbackWarning, match="'mine' does not describe 'melanoma'"):
        assert without.descriptions_for(["malignant melanoma"]) == {"malignant melanoma": []}


def test_a_subset_keeps_the_diseases_and_has_its_own_checksum(small):
    kept = small.subset(lambda text: "edges" in text.text)
    assert list(kept.diseases) == list(small.diseases)
    assert [text.text for text in kept.descriptions] == ["notched edges"]
    assert kept.checksum != small.checksum
    assert len(small) == 3
    assert small.subset(lambda text: True).checksum == small.checksum


def test_the_checksum_does_not_change_with_the_order_or_number_of_files(write_base, disease):
    one, two = disease("wart", "rough"), disease("corn", "a waxy core")
    together = KnowledgeBase.load(write_base(one, two, folder="together"))
    write_base(two, folder="apart", file="a.jsonl")
    apart = KnowledgeBase.load(write_base(one, folder="apart", file="b.jsonl"))
    assert together.checksum == apart.checksum
    assert re.fullmatch("[0-9a-f]{16}", together.checksum)


def test_the_checksum_does_not_change_with_spacing_or_key_order(tmp_path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_text('{"name":"wart","sites":["hand"],"descriptions":[{"aspect":"colour","text":"rough"}]}')
    second.write_text(
        '\n{"descriptions": [{"text": "rough", "aspect": "colour"}], "sites": ["hand"], "name": "wart"}\r\n'
    )
    assert KnowledgeBase.load(first).checksum == KnowledgeBase.load(second).checksum


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "corn"},
        {"aliases": ["verruca"]},
        {"ontology": ["infection"]},
        {"sites": ["sole"]},
        {"concepts": ["papule"]},
        {"descriptions": [{"text": "smooth", "aspect": "colour", "modality": "clinical"}]},
        {"descriptions": [{"text": "rough", "aspect": "evolution", "modality": "clinical"}]},
        {"descriptions": [{"text": "rough", "aspect": "colour", "modality": "either"}]},
    ],
)
def test_the_checksum_changes_with_the_content(write_base, disease, changed):
    plain = disease("wart", "rough")
    before = KnowledgeBase.load(write_base(plain, folder="before")).checksum
    assert KnowledgeBase.load(write_base({**plain, **changed}, folder="after")).checksum != before


def test_an_alias_that_points_to_two_diseases_is_an_error_when_loading(write_base, disease):
    folder = write_base(
        disease("wart", "rough", aliases=["Grey spot"]), disease("corn", "hard", aliases=["gray-spots"])
    )
    with pytest.raises(InputError, match=r"'gray-spots' to stand for one disease .* 'wart' and 'corn'"):
        KnowledgeBase.load(folder)


def test_a_disease_that_comes_twice_is_an_error_when_loading(write_base, disease):
    write_base(disease("wart", "rough"), file="a.jsonl")
    folder = write_base(disease("wart", "hard"), file="b.jsonl")
    with pytest.raises(InputError, match="'wart' comes twice"):
        KnowledgeBase.load(folder)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"descriptions": []}, r"all.jsonl:1: expected 'name' to be a text, but got None"),
        ({"name": " "}, "expected 'name' to be a text"),
        ({"name": "wart", "aliases": "verruca"}, "expected 'aliases' to be a list of texts, but got 'verruca'"),
        ({"name": "wart", "sites": ["hand", 3]}, "expected 'sites' to be a list of texts"),
        ({"name": "wart", "descriptions": {"text": "rough"}}, "expected 'descriptions' to be a list of objects"),
        ({"name": "wart", "descriptions": ["rough"]}, "expected 'descriptions' to be a list of objects"),
        ({"name": "wart", "descriptions": [{"aspect": "colour"}]}, "expected 'text' to be a text, but got None"),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error_with_its_place(write_base, record, reason):
    with pytest.raises(InputError, match=reason):
        KnowledgeBase.load(write_base(record))


def test_an_empty_base_is_an_error(write_base):
    with pytest.raises(InputError, match="one disease per line, but it is empty"):
        KnowledgeBase.load(write_base())


def test_only_name_and_text_are_demanded(write_base):
    base = KnowledgeBase.load(write_base({"name": "wart", "descriptions": [{"text": "rough"}]}))
    assert base.descriptions[0] == Description("rough", "wart", "unspecified", "either", "mine")


def test_a_base_survives_pickling(small):
    copy = pickle.loads(pickle.dumps(small))
    assert copy.checksum == small.checksum
    assert copy.find("Moles").name == "melanocytic nevus"


def test_repr_says_what_is_inside(small):
    assert repr(small).startswith("KnowledgeBase(name='mine', version='unversioned', diseases=2, descriptions=3")


def test_loading_a_base_needs_neither_torch_nor_faiss():
    script = (
        "import sys; from zsderm import KnowledgeBase; KnowledgeBase.load('dermatology').find('BCC');"
        "sys.exit(bool({'torch', 'faiss', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("name", ["HS", "hs", "PG", "TC"])
def test_an_abbreviation_of_several_diseases_is_asked_back(name):
    base = KnowledgeBase.load("dermatology")
    for ask in (base.find, lambda one: base.descriptions_for([one])):
        with pytest.raises(AmbiguousClassError, match="Write the one you mean"):
            ask(name)


def test_every_meaning_of_an_abbreviation_is_in_the_base_and_none_is_an_alias():
    base = KnowledgeBase.load("dermatology")
    for short, meanings in base.card.ambiguous.items():
        assert len({base.find(meaning).name for meaning in meanings}) >= 2, short
        assert not any(short in disease.aliases for disease in base.diseases.values())


@pytest.fixture
def grouped(write_base, disease):
    card = {"name": "mine", "groups": {"lumps and bumps": ["wart", "corn"]}}
    return write_base(disease("wart", "rough"), disease("corn", "hard", "clear core"), card=card)


def test_a_group_pools_the_descriptions_of_its_members(grouped):
    base = KnowledgeBase.load(grouped)
    found = base.find("Lumps and Bumps Photos")
    assert [(text.disease, text.text) for text in found.descriptions] == [
        ("wart", "rough"),
        ("corn", "hard"),
        ("corn", "clear core"),
    ]
    assert base.descriptions_for(["lumps and bumps"])["lumps and bumps"] == list(found.descriptions)
    assert len(base) == 3 and list(base.diseases) == ["wart", "corn"]


def test_a_group_of_a_subset_pools_what_is_left(grouped):
    base = KnowledgeBase.load(grouped).subset(lambda text: text.text != "hard")
    assert [text.text for text in base.find("lumps and bumps").descriptions] == ["rough", "clear core"]


def test_a_group_changes_the_checksum(grouped):
    base = KnowledgeBase.load(grouped)
    plain = KnowledgeBase(KnowledgeCard("mine"), base.diseases.values())
    assert base.checksum != plain.checksum


def test_a_group_that_pools_a_disease_which_is_not_there_is_an_error(write_base, disease):
    folder = write_base(disease("wart", "rough"), card={"name": "mine", "groups": {"lumps": ["wart", "zebra"]}})
    with pytest.raises(InputError, match=r"group 'lumps' to be diseases .* 'zebra' is none"):
        KnowledgeBase.load(folder)


def test_a_group_with_the_name_of_a_disease_is_an_error(write_base, disease):
    folder = write_base(disease("wart", "rough"), card={"name": "mine", "groups": {"Warts": ["wart"]}})
    with pytest.raises(InputError, match="'Warts' to stand for one disease"):
        KnowledgeBase.load(folder)


FORMS = ["PGs", "pgs", "PG's", "PG photos", "PG_photos", "Photos of PG", "PG images", "PG (left)", "PG [clinical]"]
FORMS += ["PG {x}", "PG (keloid)", "01_PG", "PG, trunk", "melanoma (PG)", "EMs (2)", "herpes photos", "Herpes (face)"]


@pytest.mark.parametrize("name", FORMS)
def test_an_open_short_form_is_asked_back_whatever_stands_beside_it(bundled, name):
    with pytest.raises(AmbiguousClassError, match=f"class .*{re.escape(name[:2])}.* may mean"):
        bundled.descriptions_for([name])


@pytest.mark.parametrize(
    ("name", "disease"),
    [
        ("AK (actinic keratosis)", "actinic keratosis"),
        ("AK [solar keratoses]", "actinic keratosis"),
        ("actinic keratosis (AK)", "actinic keratosis"),
        ("DF (dermatofibroma) photos", "dermatofibroma"),
        ("BCCs", "basal cell carcinoma"),
        ("BCC_photos", "basal cell carcinoma"),
        ("melanoma images", "melanoma"),
        ("melanoma [left arm]", "melanoma"),
        ("herpes zoster (face)", "herpes zoster"),
    ],
)
def test_brackets_that_say_which_and_words_that_say_nothing_are_understood(bundled, name, disease):
    assert bundled.find(name).name == disease


def test_the_checksum_covers_the_names_that_are_asked_back_and_is_the_same_without_any(small):
    cards = [
        replace(small.card, ambiguous=meanings) for meanings in ({}, {"M": ("melanoma", "mole")}, {"M": ("mole",)})
    ]
    bases = [KnowledgeBase(card, small.diseases.values()) for card in cards]
    assert len({base.checksum for base in bases}) == 3
    assert bases[0].checksum == small.checksum == bases[1]._checksum(with_ambiguous=False)
    assert bases[1].has_checksum(small.checksum) and not small.has_checksum(bases[1].checksum)


def test_what_a_text_shows_follows_from_its_aspect_where_the_file_does_not_say(tmp_path: Path) -> None:
    texts = [("size and number", None), ("colour", None), ("unspecified", None), ("colour", "place")]
    record = {"name": "wart", "descriptions": [{"aspect": a, "text": f"{a} {s}"} for a, s in texts]}
    (tmp_path / "old.jsonl").write_text(json.dumps(record))
    old = KnowledgeBase.load(tmp_path / "old.jsonl")
    assert [text.shows for text in old.descriptions] == ["number", "lesion", "lesion", "lesion"]
    assert old.checksum == "fbc863255644d39b", "bases from before there was `shows` keep their checksum"
    record["descriptions"][3]["shows"] = "place"
    (tmp_path / "new.jsonl").write_text(json.dumps(record))
    new = KnowledgeBase.load(tmp_path / "new.jsonl")
    assert new.descriptions[3].shows == "place" and new.checksum != old.checksum
    write_base(tmp_path / "copy", new.card, new.diseases.values(), {})
    assert KnowledgeBase.load(tmp_path / "copy").checksum == new.checksum
    assert [text.shows for text in KnowledgeBase.load(tmp_path / "copy").descriptions][2:] == ["lesion", "place"]


def test_a_text_that_shows_no_word_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"name": "wart", "descriptions": [{"text": "rough", "shows": 3}]}))
    with pytest.raises(InputError, match="expected 'shows' to be a text, but got 3"):
        KnowledgeBase.load(tmp_path / "a.jsonl")
