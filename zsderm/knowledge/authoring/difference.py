"""What changed between two knowledge bases: the question a reviewer asks before trusting a new version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zsderm.knowledge.base import KnowledgeBase


@dataclass(frozen=True)
class Change:
    """One difference: "+" only in the second base, "-" only in the first."""

    sign: str
    disease: str
    what: str  # "disease", "alias", "concept", "member", "subtype", "asked back", an aspect, "reported (itch)", ...
    text: str


def changes(before: KnowledgeBase, after: KnowledgeBase) -> Iterator[Change]:
    """Every difference, disease by disease and group by group in alphabetical order, removals before additions.

    Equal content gives nothing, whatever the order of lines, files and texts.

    Args:
        before: the base to compare with.
        after: the base to compare.
    """
    for name in sorted({*before.diseases, *before.groups, *after.diseases, *after.groups}):
        old, new = _facts(before, name), _facts(after, name)
        yield from (Change("-", name, what, text) for what, text in sorted(old - new))
        yield from (Change("+", name, what, text) for what, text in sorted(new - old))


def _facts(base: KnowledgeBase, name: str) -> set[tuple[str, str]]:
    disease, card = base.diseases.get(name) or base.groups.get(name), base.card
    facts = {("member", m) for lists in (card.groups, card.pools, card.kinds) for m in lists.get(name, ())}
    facts |= {(f"name in {language}", text) for language, names in card.names.items() for text in names.get(name, ())}
    if disease is None:
        return set()
    facts |= {("asked back", asked) for asked, meanings in card.ambiguous.items() if name in meanings}
    facts |= {("alias", alias) for alias in disease.aliases}
    subtypes = card.subtypes.get(name, {})
    facts |= {("subtype", " = ".join((kind, *sorted(of)))) for kind, of in subtypes.items()}
    facts |= {("subtype", f"{kind} holds {member}") for kind in subtypes for member in card.kinds.get(kind, ())}
    if name in card.groups:
        return facts
    return facts | {
        ("disease", name),
        ("ontology", " > ".join(disease.ontology)),
        *(("site", site) for site in disease.sites),
        *(("concept", concept) for concept in disease.concepts),
        *((f"{d.aspect} ({d.modality}, {d.shows})", d.text) for d in disease.descriptions),
        *((f"reported ({report.about})", report.text) for report in base.reported.get(name, ())),
    }
