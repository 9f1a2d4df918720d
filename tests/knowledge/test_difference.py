from __future__ import annotations

from dataclasses import replace

from zsderm import KnowledgeBase
from zsderm.knowledge.difference import Change, changes


def test_equal_content_gives_nothing_whatever_the_order() -> None:
    base = KnowledgeBase.load("dermatology")
    turned = KnowledgeBase(base.card, [replace(d, aliases=d.aliases[::-1]) for d in reversed(base.diseases.values())])
    assert list(changes(base, turned)) == []


def test_every_difference_is_named() -> None:
    base = KnowledgeBase.load("dermatology")
    vitiligo = base.find("vitiligo")
    first = vitiligo.descriptions[0]
    changed = replace(vitiligo, aliases=(*vitiligo.aliases, "white spot"), descriptions=vitiligo.descriptions[1:])
    others = [d for d in base.diseases.values() if d.name not in ("vitiligo", "scabies")]
    found = list(changes(base, KnowledgeBase(base.card, [*others, changed])))
    assert Change("+", "vitiligo", "alias", "white spot") in found
    assert Change("-", "vitiligo", f"{first.aspect} ({first.modality})", first.text) in found
    assert Change("-", "scabies", "disease", "scabies") in found
    assert {change.disease for change in found} == {"vitiligo", "scabies"}
