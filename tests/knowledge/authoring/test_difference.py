from __future__ import annotations

from dataclasses import replace

from zsderm import KnowledgeBase
from zsderm.knowledge import KnowledgeCard, Report
from zsderm.knowledge.authoring.difference import Change, changes


def test_equal_content_gives_nothing_whatever_the_order() -> None:
    base = KnowledgeBase.load("dermatology")
    turned = KnowledgeBase(
        base.card,
        [replace(d, aliases=d.aliases[::-1]) for d in reversed(base.diseases.values())],
        reported=lambda: dict(reversed(base.reported.items())),
    )
    assert list(changes(base, turned)) == []


def test_every_difference_is_named() -> None:
    base = KnowledgeBase.load("dermatology")
    vitiligo = base.find("vitiligo")
    first = vitiligo.descriptions[0]
    changed = replace(vitiligo, aliases=(*vitiligo.aliases, "white spot"), descriptions=vitiligo.descriptions[1:])
    others = [d for d in base.diseases.values() if d.name not in ("vitiligo", "pilonidal sinus")]
    said = {name: reports for name, reports in base.reported.items() if name != "pilonidal sinus"}
    found = list(changes(base, KnowledgeBase(base.card, [*others, changed], reported=lambda: said)))
    assert Change("+", "vitiligo", "alias", "white spot") in found
    assert Change("-", "vitiligo", f"{first.aspect} ({first.modality}, {first.shows})", first.text) in found
    assert Change("-", "pilonidal sinus", "disease", "pilonidal sinus") in found
    assert {change.disease for change in found} == {"vitiligo", "pilonidal sinus"}


def test_another_word_for_what_a_sentence_shows_is_a_difference() -> None:
    disease = KnowledgeBase.load("dermatology").find("vitiligo")
    first = disease.descriptions[0]
    changed = replace(disease, descriptions=(replace(first, shows="number"), *disease.descriptions[1:]))
    before, after = (KnowledgeBase(KnowledgeCard("mine"), [one]) for one in (disease, changed))
    where = f"{first.aspect} ({first.modality}, "
    assert list(changes(before, after)) == [
        Change("-", "vitiligo", f"{where}{first.shows})", first.text),
        Change("+", "vitiligo", f"{where}number)", first.text),
    ]


def test_what_an_alias_covers_and_what_is_asked_back_are_differences() -> None:
    disease = KnowledgeBase.load("dermatology").find("psoriasis")
    cards = [
        KnowledgeCard("mine", subtypes={"psoriasis": {"plaque psoriasis": names}}, ambiguous={"PV": meant})
        for names, meant in (((), ()), (("psoriasis vulgaris",), ("psoriasis",)))
    ]
    assert [(c.sign, c.what, c.text) for c in changes(*(KnowledgeBase(card, [disease]) for card in cards))] == [
        ("-", "subtype", "plaque psoriasis"),
        ("+", "asked back", "PV"),
        ("+", "subtype", "plaque psoriasis = psoriasis vulgaris"),
    ]


def test_a_member_that_joins_or_leaves_a_group_is_a_difference() -> None:
    diseases = list(KnowledgeBase.load("dermatology").diseases.values())[:2]
    one, other = (disease.name for disease in diseases)
    before = KnowledgeBase(KnowledgeCard("mine", groups={"lumps": (one,)}), diseases)
    after = KnowledgeBase(KnowledgeCard("mine", groups={"lumps": (other,)}), diseases)
    assert list(changes(before, after)) == [
        Change("-", "lumps", "member", one),
        Change("+", "lumps", "member", other),
    ]


def test_what_patients_report_is_a_difference() -> None:
    diseases = list(KnowledgeBase.load("dermatology").diseases.values())[:2]
    (one, other), card = (disease.name for disease in diseases), KnowledgeCard("mine")
    before = KnowledgeBase(card, diseases, reported=lambda: {one: (Report("It itches.", one, "itch"),)})
    after = KnowledgeBase(card, diseases, reported=lambda: {other: (Report("It hurts.", other, "pain"),)})
    assert set(changes(before, after)) == {
        Change("-", one, "reported (itch)", "It itches."),
        Change("+", other, "reported (pain)", "It hurts."),
    }
