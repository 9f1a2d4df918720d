"""Aliases that mean only a kind of their disease, and other names of groups."""

from __future__ import annotations

import pytest

from zsderm import KnowledgeBase
from zsderm.errors import InputError
from zsderm.knowledge.authoring.validate import validate
from zsderm.knowledge.class_names import ClassNames
from zsderm.knowledge.same_disease import same_diseases

CARD = {"name": "mine", "subtypes": {"wart": {"filiform wart": ["finger-like wart"], "periungual wart": []}}}
ALIASES = ["filiform wart", "finger-like wart", "periungual wart"]


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


@pytest.mark.parametrize(
    "classes",
    [
        ("melanoma in situ", "nodular melanoma"),
        ("invasive melanoma", "lentigo maligna"),
        ("plaque psoriasis", "guttate psoriasis"),
        ("Psoriasis en placas", "guttate psoriasis"),
        ("nodular basal cell carcinoma", "morpheaform basal cell carcinoma"),
        ("superficial basal cell carcinoma", "solid cystic basal cell carcinoma"),
        ("intradermal nevus", "compound nevus"),
        ("common moles", "blue nevus"),
        ("bacterial folliculitis", "malassezia folliculitis"),
        ("nodular amyloidosis", "lichen amyloidosis"),
        ("chronic actinic dermatitis", "polymorphous light eruption"),
        ("pemphigus foliaceus", "pemphigus vulgaris"),
        ("morbilliform drug eruption", "AGEP"),
    ],
)
def test_a_kind_does_not_hold_the_other_kinds_of_its_disease(base: KnowledgeBase, classes: tuple[str, ...]) -> None:
    assert all(base.find(name) for name in classes)  # of names that are not known, the rest would say nothing
    assert ClassNames.read(classes, base).overlaps == ()
    assert not same_diseases([classes[1]], [classes[1]], [classes[0], "acne"], base).places


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("plaque psoriasis", "plaque psoriasis"),
        ("chronic plaque psoriasis (photos)", "plaque psoriasis"),
        ("psoriasis (plaque psoriasis)", "plaque psoriasis"),
        ("PV (psoriasis vulgaris)", "plaque psoriasis"),
        ("basal cell carcinoma (nodular)", "nodular basal cell carcinoma"),
        ("Verbrühung", "scald"),
        ("superficial BCC", "superficial basal cell carcinoma"),
        ("nodular bcc (left)", "nodular basal cell carcinoma"),
        ("MPHL", "male pattern hair loss"),
        ("BCC", "basal cell carcinoma"),
        ("psoriasis", "psoriasis"),
        ("guttate psoriasis", "guttate psoriasis"),
        ("SCCKA", "squamous cell carcinoma or keratoacanthoma"),  # another name of a group
        ("ulcus cruris", "leg ulcer"),
        ("warts", "wart"),
    ],
)
def test_what_a_name_covers(base: KnowledgeBase, name: str, covered: str) -> None:
    assert base.covered(name) == covered


def test_a_disease_holds_its_kinds_and_two_kinds_are_told_apart_by_their_names_only(base: KnowledgeBase) -> None:
    assert ClassNames.read(["melanoma", "melanoma in situ"], base).overlaps == ((0, 1),)
    two = ClassNames.read(["superficial basal cell carcinoma", "nodular basal cell carcinoma"], base)
    assert two.twins == ("basal cell carcinoma",) and two.overlaps == ()


def test_a_label_counts_for_its_kind_and_for_what_holds_it_and_no_further(base: KnowledgeBase) -> None:
    classes = ["melanoma in situ", "nodular basal cell carcinoma", "dermal nevus", "vitiligo"]
    labels = ["melanoma", "superficial basal cell carcinoma", "intradermal nevus", "segmental vitiligo"]
    labels.append("nodular melanoma")
    found = same_diseases(labels, labels, classes, base)
    assert (found.same, found.held) == ({"intradermal nevus": 2}, {"segmental vitiligo": 3})
    assert found.told(classes) == [
        "read as other names of the classes: intradermal nevus = dermal nevus",
        "read as diseases that the classes hold: segmental vitiligo = vitiligo",
    ]


def test_a_kind_without_an_entry_may_hold_others(base: KnowledgeBase) -> None:
    thin = ["melanoma (less than 0.76 mm)", "melanoma (in situ)"]
    assert same_diseases(thin, thin, ["invasive melanoma", "nevus"], base).held == {thin[0]: 0}
    assert ClassNames.read(["invasive melanoma", thin[0]], base).overlaps == ((0, 1),)


def test_subtypes_and_names_of_groups_change_the_checksum(write_base, disease) -> None:
    wart = disease("wart", "rough", aliases=ALIASES)
    plain = KnowledgeBase.load(write_base(wart, folder="plain", card={"name": "mine", "groups": {"lumps": ["wart"]}}))
    groups = {"groups": {"lumps": ["wart"]}}
    more = [{**CARD, **groups}, {"name": "mine", **groups, "group_aliases": {"lumps": ["bumps"]}}]
    others = [KnowledgeBase.load(write_base(wart, folder=f"b{n}", card=card)) for n, card in enumerate(more)]
    assert len({base.checksum for base in (plain, *others)}) == 3
    assert others[0].covered("finger-like warts") == "filiform wart" and others[1].find("bumps").name == "lumps"


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({"subtypes": {"wart": {"mosaic wart": []}}}, "subtypes: 'mosaic wart' is no alias of 'wart'"),
        ({"subtypes": {"zebra": {"filiform wart": []}}}, "subtypes: 'filiform wart' is no alias of 'zebra'"),
        (
            {"subtypes": {"wart": {"filiform wart": ["periungual wart"], "periungual wart": []}}},
            "'periungual wart' means 'filiform wart' and 'periungual wart'",
        ),
        ({"kinds": {"wart": ["zebra"]}}, "kinds: 'wart' speaks of 'zebra', which is no disease of the base"),
        ({"pools": {"zebra": ["wart"]}}, "pools: 'zebra' speaks of 'zebra', which is no disease of the base"),
        ({"group_aliases": {"lumps": ["bumps"]}}, "group_aliases: 'lumps' is no group"),
        ({"groups": {"lumps": ["wart"]}, "group_aliases": {"lumps": ["periungual wart"]}}, "also stands for 'wart'"),
        ({"subtypes": ["wart"]}, "expected 'subtypes' to be an object"),
        ({"subtypes": {"wart": ["filiform wart"]}}, "expected 'wart' to be an object"),
    ],
)
@pytest.mark.parametrize("profile", ["full", "minimal"])
def test_validate_says_what_is_wrong_with_them(write_base, disease, card, reason, profile) -> None:
    folder = write_base(disease("wart", "rough", aliases=ALIASES), card={"name": "mine", **card})
    assert any(reason in problem.reason for problem in validate(folder, profile)), list(validate(folder, profile))


def test_a_kind_of_two_names_that_clash_is_refused_at_once(write_base, disease) -> None:
    card = {"name": "mine", "subtypes": {"wart": {"filiform wart": ["periungual wart"], "periungual wart": []}}}
    base = KnowledgeBase.load(write_base(disease("wart", "rough", aliases=ALIASES), card=card))
    with pytest.raises(InputError, match="Keep it with one of them"):
        base.covered("filiform wart")
