"""What makes a knowledge base fit for use, checked line by line: the rules behind ``zsderm kb validate``.

Two profiles. ``full`` is what the bundled base keeps to: fields, vocabularies, wording, shares. ``minimal`` is what any
base has to keep to so that it works: it can be loaded, its names are told apart, every class has a description, none
twice, and each is a printable text of at most `LONGEST` characters. A base says in its base.json which it keeps to.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge import library
from zsderm.knowledge.authoring.lists import list_problems
from zsderm.knowledge.authoring.vocabulary import ASPECTS, CONCEPTS, MODALITIES
from zsderm.knowledge.base import Description, Disease
from zsderm.knowledge.card import KnowledgeCard
from zsderm.knowledge.names import spelling, words

CARD_KEYS = ("name", "version", "licence", "language", "description")
DISEASE_KEYS = ("name", "aliases", "ontology", "sites", "concepts", "descriptions")
DESCRIPTION_KEYS = ("aspect", "modality", "text")

WORDS = (8, 30)  # a sign in fewer words fits many diseases; in more it outgrows a context of 77 tokens with its prompt
CONCEPT_COUNT = (4, 12)
MIN_DESCRIPTIONS = 12  # below that, retrieval has nothing to choose from
MIN_ASPECTS = 7
FULL, MINIMAL = PROFILES = ("full", "minimal")
LONGEST = 2000  # characters of a description; beyond that it is no sentence, and most often a quote that is not closed
DERMOSCOPIC_ASPECT = "dermoscopic structures"


@dataclass(frozen=True)
class Problem:
    """One thing to mend."""

    disease: str  # its name; the place ("tumours.jsonl:12") where the line cannot be read, or the file
    reason: str


def validate(name_or_path: str | Path, profile: str | None = None) -> list[Problem]:
    """Everything that is wrong with a knowledge base, in the order of its lines; empty for a sound one.

    Args:
        name_or_path: as for `KnowledgeBase.load`.
        profile: "full" or "minimal"; None: what its base.json says, and full where it says nothing.

    Raises:
        UnknownKnowledgeBaseError: if there is no such base.
        InputError: if its folder or file cannot be read at all.
    """
    location = library.locate(name_or_path)
    problems = list(_card_problems(location))
    full = (profile or profile_of(location)) != MINIMAL
    diseases = []
    for place, line in library.read_lines(location):
        try:
            record = library.parse_object(place, line)
            disease = Disease.from_record(place, record, source=str(name_or_path))
        except InputError as error:
            problems.append(Problem(place, str(error).removeprefix(f"{place}: ")))
        else:
            own = (*_key_problems(record), *disease_problems(disease)) if full else minimal_problems(disease)
            problems += [Problem(disease.name, reason) for reason in own]
            diseases.append(disease)
    if not diseases and not problems:
        problems.append(Problem(location.name, "no line holds a disease"))
    if not full:
        return [*problems, *shared_names(diseases), *card_names(location, diseases)]
    across = (shared_names(diseases), shared_texts(diseases), foreign_names(diseases), card_names(location, diseases))
    lists = (Problem(file, reason) for file, reason in list_problems(location, diseases))
    return [*problems, *(problem for found in across for problem in found), *lists]


def disease_problems(disease: Disease) -> Iterator[str]:
    """What is wrong with one disease, whatever the others say."""
    yield from _field_problems(disease)
    for text in disease.descriptions:
        yield from _vocabulary_problems(text)
        yield from _text_problems(text, (disease.name, *disease.aliases))
    yield from _repeats(disease)
    yield from _shortages(disease)


def minimal_problems(disease: Disease) -> Iterator[str]:
    """What keeps one disease from being used at all, whatever the others say."""
    if not disease.descriptions:
        yield "expected at least one description, but got none"
    yield from _repeats(disease)
    for description in disease.descriptions:
        if description.modality not in MODALITIES:
            yield f"expected a modality {' or '.join(MODALITIES)}, but got {description.modality!r}"
    texts = {"name": disease.name, **{f"description {n}": d.text for n, d in enumerate(disease.descriptions, 1)}}
    for what, text in texts.items():
        if odd := next((character for character in text if unicodedata.category(character) in ("Cc", "Cs")), ""):
            yield f"its {what} holds {odd!r}, which is no printable character"
        if len(text) > LONGEST:
            yield f"its {what} has {len(text):,} characters, more than {LONGEST:,}; a quote may not be closed"


def profile_of(location: Path) -> str:
    """The profile that base.json names; "full" where it names none."""
    try:
        return str(library.read_card(location).get("profile", FULL))
    except InputError:
        return FULL  # what is wrong is said by _card_problems


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
                yield Problem(disease.name, f"name or alias {name!r} also stands for {owner!r}")


def shared_texts(diseases: Iterable[Disease]) -> Iterator[Problem]:
    """Descriptions that two diseases have in common, whatever their case and punctuation."""
    owners: dict[str, str] = {}
    for disease in diseases:
        for text in disease.descriptions:
            owner = owners.setdefault(spelling(text.text), disease.name)
            if owner != disease.name:
                yield Problem(disease.name, f"same text as {owner!r}: {text.text!r}")


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
                    yield Problem(disease.name, f"name of {owner!r} in: {text.text!r}")


def card_names(location: Path, diseases: Iterable[Disease]) -> Iterator[Problem]:
    """Abbreviations and groups of base.json that name diseases which are not in the base, or take the name of one."""
    try:
        card = KnowledgeCard.read(location)
    except InputError:
        return  # said by _card_problems
    diseases = list(diseases)
    canonical = {disease.name for disease in diseases}
    owners = {spelling(name): disease.name for disease in diseases for name in (disease.name, *disease.aliases)}
    for name, meanings in {**card.ambiguous, **card.groups}.items():
        if owner := owners.get(spelling(name)):
            yield Problem(library.CARD_FILE, f"{name!r} is asked back or pooled, but also stands for {owner!r}")
        known = canonical if name in card.groups else {name for name in meanings if spelling(name) in owners}
        for meaning in meanings:
            if meaning not in known:
                yield Problem(library.CARD_FILE, f"{name!r} speaks of {meaning!r}, which is not in the base")


def _card_problems(location: Path) -> Iterator[Problem]:
    if not location.is_dir():
        return
    try:
        card = library.read_card(location)
        KnowledgeCard.read(location)
    except InputError as error:
        yield Problem(library.CARD_FILE, str(error))
        return
    if (profile := card.get("profile", FULL)) not in PROFILES:
        yield Problem(library.CARD_FILE, f"expected 'profile' to be one of {', '.join(PROFILES)}, but got {profile!r}")
    for key in CARD_KEYS:
        if not isinstance(card.get(key), str) or not card[key]:
            yield Problem(library.CARD_FILE, f"expected {key!r} to be a text, but got {card.get(key)!r}")


def _key_problems(record: Mapping[str, object]) -> Iterator[str]:
    yield from _key_differences("", record, DISEASE_KEYS)
    descriptions = record.get("descriptions")
    for number, item in enumerate(descriptions if isinstance(descriptions, list) else (), start=1):
        yield from _key_differences(f"description {number}: ", item, DESCRIPTION_KEYS, optional=("source",))


def _key_differences(
    prefix: str, record: Mapping[str, object], wanted: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[str]:
    yield from (f"{prefix}key {key!r} is missing" for key in wanted if key not in record)
    yield from (f"{prefix}key {key!r} is unknown" for key in record if key not in (*wanted, *optional))


def _field_problems(disease: Disease) -> Iterator[str]:
    if not disease.ontology:
        yield "expected 'ontology' to be a path, general to specific, but it is empty"
    if not disease.sites:
        yield "expected 'sites' to name at least one body site, but it is empty"
    for key in ("aliases", "ontology", "sites", "concepts"):
        values = getattr(disease, key)
        yield from (f"{key}: {value!r} stands twice" for value in sorted(set(values)) if values.count(value) > 1)
    lower = (disease.name, *disease.ontology, *disease.sites)
    yield from (f"{value!r} is not in lower case" for value in lower if value != value.lower())
    unknown = (concept for concept in disease.concepts if concept not in CONCEPTS)
    yield from (f"concept {concept!r} is not in the vocabulary" for concept in unknown)
    fewest, most = CONCEPT_COUNT
    if not fewest <= len(set(disease.concepts)) <= most:
        yield f"expected {fewest} to {most} concepts, but got {len(set(disease.concepts))}"


def _vocabulary_problems(text: Description) -> Iterator[str]:
    if text.aspect not in ASPECTS:
        yield f"aspect {text.aspect!r} is not in the vocabulary"
    if text.modality not in MODALITIES:
        yield f"modality {text.modality!r} is not in the vocabulary"
    if text.aspect == DERMOSCOPIC_ASPECT and text.modality != "dermoscopic":
        yield f"aspect {text.aspect!r} with modality {text.modality!r}: {text.text!r}"


def _text_problems(text: Description, names: Iterable[str]) -> Iterator[str]:
    fewest, most = WORDS
    if not fewest <= (count := len(text.text.split())) <= most:
        yield f"expected {fewest} to {most} words, but got {count}: {text.text!r}"
    folded = " ".join(words(text.text))
    yield from (f"its own name {name!r} in: {text.text!r}" for name in names if _names(folded, words(name)))


def _names(folded_text: str, name: list[str]) -> bool:
    """Whether a text says a name, in any spelling; a long word also as a stem ("melanomatous")."""
    stem = len(name) == 1 and len(name[0]) >= 6
    return f" {' '.join(name)}{'' if stem else ' '}" in f" {folded_text} "


def _repeats(disease: Disease) -> Iterator[str]:
    seen: set[str] = set()
    for text in disease.descriptions:
        key = spelling(text.text)
        if key in seen:
            yield f"the same text twice: {text.text!r}"
        seen.add(key)


def _shortages(disease: Disease) -> Iterator[str]:
    if len(disease.descriptions) < MIN_DESCRIPTIONS:
        yield f"expected at least {MIN_DESCRIPTIONS} descriptions, but got {len(disease.descriptions)}"
    covered = {text.aspect for text in disease.descriptions} & set(ASPECTS)
    if len(covered) < MIN_ASPECTS:
        missing = ", ".join(aspect for aspect in ASPECTS if aspect not in covered)
        yield f"expected at least {MIN_ASPECTS} aspects, but got {len(covered)}; missing: {missing}"
