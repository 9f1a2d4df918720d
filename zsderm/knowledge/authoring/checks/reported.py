"""What is wrong with what patients report: the folder ``reported`` of a base."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge import library
from zsderm.knowledge.authoring.checks.problem import Problem
from zsderm.knowledge.authoring.vocabulary import REPORTED
from zsderm.knowledge.base import Disease
from zsderm.knowledge.everyday import is_name
from zsderm.knowledge.names import spelling, words
from zsderm.knowledge.reported import FOLDER, KEY, Report, empty_files, reported_lines, reports_of

CHECK = "reported"
FEWEST = 5  # sentences of a disease
WORDS = (4, 30)
RECORD_KEYS = ("name", KEY)
REPORT_KEYS = ("about", "text")


def reported_problems(location: Path, diseases: Sequence[Disease], *, complete: bool) -> Iterator[Problem]:
    """What is wrong in the folder ``reported``; nothing for a base without one.

    Args:
        location: of the base.
        diseases: all of it.
        complete: whether every disease has to have sentences, and the sentences have to keep to the rules; otherwise
            only what keeps the folder from being used is found.
    """
    known = {disease.name for disease in diseases}
    found: dict[str, tuple[Report, ...]] = {}
    for place, line in reported_lines(location):
        try:
            record = library.parse_object(place, line)
            name, reports = reports_of(place, record)
        except InputError as error:
            yield Problem(place, str(error).removeprefix(f"{place}: "), CHECK)
            continue
        if name not in known:
            yield Problem(place, f"{name!r} is no canonical name of a disease of the base", CHECK)
        if name in found:
            yield Problem(name, f"has two lines in the folder {FOLDER}; merge the two", CHECK)
        found[name] = reports
        if complete:
            yield from (Problem(name, reason, CHECK) for reason in _key_problems(record))
    empty = empty_files(location)
    yield from (Problem(file, "no line holds what patients report; write some, or remove it", CHECK) for file in empty)
    if not complete or not found:
        return
    yield from (Problem(name, f"has no line in the folder {FOLDER}", CHECK) for name in sorted(known - found.keys()))
    yield from _sentence_problems(found)
    yield from _named(found, diseases)


def _key_problems(record: Mapping[str, object]) -> Iterator[str]:
    yield from (f"{FOLDER}: key {key!r} is unknown" for key in record if key not in RECORD_KEYS)
    stored = record[KEY]
    for number, item in enumerate(stored if isinstance(stored, list) else (), start=1):
        yield from (f"{FOLDER} {number}: key {key!r} is missing" for key in REPORT_KEYS if key not in item)
        yield from (f"{FOLDER} {number}: key {key!r} is unknown" for key in item if key not in REPORT_KEYS)


def _sentence_problems(found: Mapping[str, tuple[Report, ...]]) -> Iterator[Problem]:
    """Too few sentences, too long or short ones, about what is not in the vocabulary, or twice in the base."""
    fewest, most = WORDS
    owners: dict[str, str] = {}
    for name, reports in found.items():
        if len(reports) < FEWEST:
            yield Problem(
                name, f"expected at least {FEWEST} sentences that patients report, but got {len(reports)}", CHECK
            )
        for report in reports:
            said = f"{report.text!r}"
            if report.about not in REPORTED:
                yield _of(report, f"about {report.about!r} is not in the vocabulary: {said}")
            if not fewest <= (count := len(report.text.split())) <= most:
                yield _of(report, f"expected {fewest} to {most} words, but got {count}: {said}")
            key = spelling(report.text)
            if (owner := owners.get(key)) is not None:
                yield _of(report, f"the same sentence {'twice' if owner == name else f'as {owner!r}'}: {said}")
            owners.setdefault(key, name)


def _named(found: Mapping[str, tuple[Report, ...]], diseases: Iterable[Disease]) -> Iterator[Problem]:
    """Sentences that say the name of a disease: its own, or another one that a patient would then seem to guess."""
    names = {spelling(name): name for disease in diseases for name in (disease.name, *disease.aliases)}
    longest = max((len(words(name)) for name in names.values()), default=0)
    for reports in found.values():
        for report in reports:
            folded = words(report.text)
            spans = ((i, j) for i in range(len(folded)) for j in range(i + 1, min(i + longest, len(folded)) + 1))
            for i, j in spans:
                named = names.get("".join(folded[i:j]))
                # An abbreviation in small letters is most often another word: "carp", "mel".
                if named and is_name("".join(folded[i:j]), folded[i - 1] if i else "") and _as_written(named, report):
                    yield _of(report, f"name {named!r} in: {report.text!r}")


def _as_written(name: str, report: Report) -> bool:
    return name != name.upper() or name in report.text


def _of(report: Report, reason: str) -> Problem:
    return Problem(report.disease, reason, CHECK, text=report.text)
