"""Names, aliases and texts across the diseases of a base."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge import library
from zsderm.knowledge.authoring.checks.problem import WARNING, Problem
from zsderm.knowledge.authoring.vocabulary import CONCEPTS
from zsderm.knowledge.base import Disease
from zsderm.knowledge.card import KnowledgeCard
from zsderm.knowledge.code_sets import code_sets
from zsderm.knowledge.names import spelling, words

# What codes of data sets mean where they mean no disease and no pool of some, but what is left over.
LEFT_OVER = {
    "other benign growth of the skin",
    "other malignant growth of the skin",
    "inflammatory or infectious skin disease",
    "miscellaneous skin lesion",
    "squamous cell carcinoma or keratoacanthoma",
}
# Words that a name may have or lack: "pemphigus of the skin" is "cutaneous pemphigus".
FILLERS = {"of", "the", "a", "an", "in", "on", "and", "with", "skin", "cutaneous", "disease", "syndrome", "nos"}


def shared_names(diseases: Iterable[Disease]) -> Iterator[Problem]:
    """Names and aliases that mean two diseases, in any spelling."""
    owners: dict[str, str] = {}
    seen: set[str] = set()
    for disease in diseases:
        if disease.name in seen:
            yield Problem(disease.name, "comes twice; merge the two lines")
        seen.add(disease.name)
        for name in (disease.name, *disease.aliases):
            owner = owners.setdefault(spelling(name), disease.name)
            if owner != disease.name:
                yield Problem(disease.name, f"name or alias {name!r} also stands for {owner!r}", "alias")


def alike_names(diseases: Iterable[Disease]) -> Iterator[Problem]:
    """Aliases of two diseases that differ in the order of their words or in words that add nothing."""
    owners: dict[tuple[str, ...], tuple[str, str]] = {}
    for disease in diseases:
        for name in (disease.name, *disease.aliases):
            key = tuple(sorted(set(words(name)) - FILLERS))
            owner, written = owners.setdefault(key, (disease.name, name))
            if owner != disease.name and len(key) > 1 and spelling(written) != spelling(name):
                reason = f"name or alias {name!r} has the words of {written!r}, which stands for {owner!r}"
                yield Problem(disease.name, reason, "alias", WARNING)


def shared_texts(diseases: Iterable[Disease]) -> Iterator[Problem]:
    """Descriptions that two diseases have in common, whatever their case and punctuation."""
    owners: dict[str, str] = {}
    for disease in diseases:
        for text in disease.descriptions:
            owner = owners.setdefault(spelling(text.text), disease.name)
            if owner != disease.name:
                yield Problem(disease.name, f"same text as {owner!r}: {text.text!r}", "repeat", text=text.text)


def foreign_names(diseases: Sequence[Disease]) -> Iterator[Problem]:
    """Descriptions that name another disease, and so pull an image of this one towards it.

    Names that are also signs (a scar, an ulcer) may be said: other diseases show them too.
    """
    signs = {disease.name for disease in diseases if disease.name in CONCEPTS}
    owners = {spelling(name): disease.name for disease in diseases for name in (disease.name, *disease.aliases)}
    longest = max((len(words(name)) for disease in diseases for name in (disease.name, *disease.aliases)), default=0)
    for disease in diseases:
        for text in disease.descriptions:
            folded = words(text.text)
            for start, length in product(range(len(folded)), range(1, longest + 1)):
                owner = owners.get("".join(folded[start : start + length]), disease.name)
                if owner not in (disease.name, *signs) and start + length <= len(folded):
                    yield Problem(disease.name, f"name of {owner!r} in: {text.text!r}", "name", text=text.text)


def card_names(location: Path, diseases: Iterable[Disease]) -> Iterator[Problem]:
    """Abbreviations and groups of base.json that name diseases which are not in the base, or take the name of one."""
    try:
        card = KnowledgeCard.read(location)
    except InputError:
        return  # said by the check of base.json
    diseases = list(diseases)
    canonical = {disease.name for disease in diseases}
    owners = {spelling(name): disease.name for disease in diseases for name in (disease.name, *disease.aliases)}
    for name, meanings in {**card.ambiguous, **card.groups, **_other_names(card)}.items():
        if owner := owners.get(spelling(name)):
            reason = f"{name!r} is asked back or pooled, but also stands for {owner!r}"
            yield Problem(library.CARD_FILE, reason, "alias")
        known = canonical if name not in card.ambiguous else {name for name in meanings if spelling(name) in owners}
        for meaning in meanings:
            if meaning not in known:
                yield Problem(library.CARD_FILE, f"{name!r} speaks of {meaning!r}, which is not in the base")
    yield from _narrower_names(card, diseases)


def _narrower_names(card: KnowledgeCard, diseases: Sequence[Disease]) -> Iterator[Problem]:
    """Subtypes that are no aliases of their disease, or mean two kinds; other names of what is no group."""
    known = {disease.name: {spelling(alias) for alias in disease.aliases} for disease in diseases}
    for names in card.names.values():
        for disease in names.keys() & known.keys():
            known[disease] |= {spelling(name) for name in names[disease]}
    owners: dict[str, str] = {}
    for disease, kinds in card.subtypes.items():
        for kind, others in kinds.items():
            for name in (kind, *others):
                if spelling(name) not in known.get(disease, ()):
                    yield Problem(library.CARD_FILE, f"subtypes: {name!r} is no alias of {disease!r}", "alias")
                if (owner := owners.setdefault(spelling(name), kind)) != kind:
                    yield Problem(library.CARD_FILE, f"subtypes: {name!r} means {owner!r} and {kind!r}", "alias")
    for group in card.group_aliases.keys() - card.groups.keys():
        yield Problem(library.CARD_FILE, f"group_aliases: {group!r} is no group of it", "alias")


def missing_names(
    location: Path, diseases: Iterable[Disease], common: Mapping[str, Mapping[str, Sequence[str]]]
) -> Iterator[Problem]:
    """Common names that the base does not know, or takes for another disease.

    A name that is asked back or pooled by base.json is known if its meanings hold the disease.

    Args:
        location: the folder of the base, for its base.json.
        diseases: all of the base.
        common: source of the names -> disease -> names.
    """
    try:
        card = KnowledgeCard.read(location)
    except InputError:
        return  # said by the check of base.json
    diseases = list(diseases)
    owners = {spelling(name): disease.name for disease in diseases for name in (disease.name, *disease.aliases)}
    pooled = {**card.ambiguous, **card.groups, **_other_names(card)}
    several = {spelling(name): (name, *found) for name, found in pooled.items()}
    canonical = {disease.name for disease in diseases} | set(card.groups)
    for source, names in common.items():
        for missing in (disease for disease in names if disease not in canonical):
            reason = f"{source} speak of {missing!r}, which is not in the base"
            yield Problem(library.CARD_FILE, reason, "alias", WARNING)
        for disease, name in _pairs(names, canonical):
            owner = owners.get(spelling(name))
            meanings = {owners.get(spelling(meaning), meaning) for meaning in several.get(spelling(name), ())}
            if owner and owner != disease:
                yield Problem(disease, f"{name!r} ({source}) stands for {owner!r}", "alias")
            elif not owner and disease not in meanings:
                yield Problem(disease, f"{name!r} ({source}) is no alias of it", "alias", WARNING)
    for title, codes in code_sets().items() if common else ():
        for code, disease in codes.items():
            if disease not in LEFT_OVER and spelling(disease) not in owners and spelling(disease) not in several:
                reason = f"code {code!r} of {title} means {disease!r}, which the base does not know"
                yield Problem(library.CARD_FILE, reason, "alias", WARNING)


def _other_names(card: KnowledgeCard) -> dict[str, Sequence[str]]:
    """Other names of groups, with the diseases that the groups pool."""
    return {name: card.groups.get(group, ()) for group, names in card.group_aliases.items() for name in names}


def _pairs(names: Mapping[str, Sequence[str]], known: Container[str]) -> Iterator[tuple[str, str]]:
    return ((disease, name) for disease in names if disease in known for name in names[disease])
