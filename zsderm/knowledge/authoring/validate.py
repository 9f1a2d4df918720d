"""What makes a knowledge base fit for use, checked line by line: the rules behind ``zsderm kb validate``.

Two profiles. ``full`` is what the bundled base keeps to: fields, vocabularies, wording, shares. ``minimal`` is what any
base has to keep to so that it works: it can be loaded, its names are told apart, every class has a description, none
twice, and each is a printable text of at most `LONGEST` characters. A base says in its base.json which it keeps to.

What is an error has to be mended, what is a warning should be looked at. The words of sentences, names and what is
missing are checked by the modules of ``checks``; what needs a model is in `zsderm.tasks.knowledge_quality`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge import library
from zsderm.knowledge.authoring.checks.coverage import coverage
from zsderm.knowledge.authoring.checks.expected import Expected, read_common_names, read_expected
from zsderm.knowledge.authoring.checks.lists import list_problems
from zsderm.knowledge.authoring.checks.names import (
    alike_names,
    card_names,
    foreign_names,
    missing_names,
    shared_names,
    shared_texts,
)
from zsderm.knowledge.authoring.checks.problem import Problem
from zsderm.knowledge.authoring.checks.reading import hard_sentences
from zsderm.knowledge.authoring.checks.reported import reported_problems
from zsderm.knowledge.authoring.checks.wording import wording
from zsderm.knowledge.authoring.vocabulary import ASPECTS, CONCEPTS, MODALITIES, SHOWS
from zsderm.knowledge.base import Description, Disease
from zsderm.knowledge.card import KnowledgeCard
from zsderm.knowledge.names import spelling, words

CARD_KEYS = ("name", "version", "licence", "language", "description")
DISEASE_KEYS = ("name", "aliases", "ontology", "sites", "concepts", "descriptions")
DESCRIPTION_KEYS = ("aspect", "modality", "text")

WORDS = (8, 30)  # a sign in fewer words fits many diseases; in more it outgrows a context of 77 tokens with its prompt
CONCEPT_COUNT = (4, 12)
FEW_CONCEPTS = 2  # of nails and hair, whose shape the vocabulary hardly speaks of
MIN_DESCRIPTIONS = 12  # below that, retrieval has nothing to choose from
MIN_ASPECTS = 7
FULL, MINIMAL = PROFILES = ("full", "minimal")
LONGEST = 2000  # characters of a description; beyond that it is no sentence, and most often a quote that is not closed
DERMOSCOPIC_ASPECT = "dermoscopic structures"


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
    shows: dict[Description, str] = {}
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
            shows |= _shown(record, disease)
    if not diseases and not problems:
        problems.append(Problem(location.name, "no line holds a disease"))
    if not full:
        return [*problems, *_consistency(location, diseases, complete=False)]
    return [*problems, *_across(location, diseases), *_quality(location, diseases, shows)]


def _across(location: Path, diseases: Sequence[Disease]) -> Iterator[Problem]:
    """What is wrong between the diseases of a base."""
    yield from shared_texts(diseases)
    yield from foreign_names(diseases)
    yield from alike_names(diseases)
    yield from _consistency(location, diseases, complete=True)


def _consistency(location: Path, diseases: Sequence[Disease], *, complete: bool) -> Iterator[Problem]:
    """Names of two diseases, lists that speak of what is not there, what patients report: in both profiles."""
    yield from shared_names(diseases)
    yield from card_names(location, diseases)
    lists = list_problems(location, diseases, complete=complete)
    yield from (Problem(file, reason) for file, reason in lists)
    yield from reported_problems(location, diseases, complete=complete)


def _quality(location: Path, diseases: Sequence[Disease], shows: Mapping[Description, str]) -> Iterator[Problem]:
    """What readers of a base would find fault with, without what its expected.json accepts."""
    try:
        expected, names = read_expected(location), read_common_names(location)
    except InputError as error:
        yield Problem(location.name, str(error))
        return
    accepted = (expected or Expected()).accepted
    found = chain(*(wording(disease, shows) for disease in diseases), hard_sentences(diseases))
    yield from (problem for problem in found if problem.text not in accepted)
    yield from missing_names(location, diseases, names)
    if expected:
        yield from coverage(diseases, expected, shows)


def _shown(record: Mapping[str, object], disease: Disease) -> dict[Description, str]:
    """Description -> what its line says that it shows, where it says so."""
    stored = record.get("descriptions")
    lines = stored if isinstance(stored, list) else []
    pairs = zip(disease.descriptions, lines, strict=True)
    return {text: str(line["shows"]) for text, line in pairs if line.get("shows")}


def disease_problems(disease: Disease) -> Iterator[str]:
    """What is wrong with one disease, whatever the others say."""
    yield from _field_problems(disease)
    names = {name: words(name) for name in (disease.name, *disease.aliases)}
    for text in disease.descriptions:
        yield from _vocabulary_problems(text)
        yield from _text_problems(text, names)
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
        if description.shows not in SHOWS:
            yield f"expected it to show {' or '.join(SHOWS)}, but got {description.shows!r}"
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
        yield from _key_differences(f"description {number}: ", item, DESCRIPTION_KEYS, optional=("source", "shows"))


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
    if any(part.startswith(("nail", "hair")) for part in disease.ontology):
        fewest = FEW_CONCEPTS
    if not fewest <= len(set(disease.concepts)) <= most:
        yield f"expected {fewest} to {most} concepts, but got {len(set(disease.concepts))}"


def _vocabulary_problems(text: Description) -> Iterator[str]:
    if text.aspect not in ASPECTS:
        yield f"aspect {text.aspect!r} is not in the vocabulary"
    if text.modality not in MODALITIES:
        yield f"modality {text.modality!r} is not in the vocabulary"
    if text.shows not in SHOWS:
        yield f"what it shows, {text.shows!r}, is not in the vocabulary: {text.text!r}"
    if text.aspect == DERMOSCOPIC_ASPECT and text.modality != "dermoscopic":
        yield f"aspect {text.aspect!r} with modality {text.modality!r}: {text.text!r}"


def _text_problems(text: Description, names: Mapping[str, list[str]]) -> Iterator[str]:
    fewest, most = WORDS
    if not fewest <= (count := len(text.text.split())) <= most:
        yield f"expected {fewest} to {most} words, but got {count}: {text.text!r}"
    folded = " ".join(words(text.text))
    yield from (f"its own name {name!r} in: {text.text!r}" for name, said in names.items() if _names(folded, said))


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
