"""What patients report about a disease: sentences in the folder ``reported`` of a base, which no photograph is held to.

They are kept apart from the descriptions, which say what a camera sees: nothing retrieves them for an image, and the
checksum of a base does not cover them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge import library
from zsderm.stored_json import checksum_of as json_checksum

FOLDER = KEY = "reported"


@dataclass(frozen=True)
class Report:
    """One thing that patients with a disease say, in their own words, without a name of it."""

    text: str
    disease: str  # canonical name
    about: str  # "itch", "duration", "triggers", ... (vocabulary.REPORTED)


Reports = Mapping[str, tuple[Report, ...]]


def read_reported(location: Path) -> dict[str, tuple[Report, ...]]:
    """What patients report, by the canonical name of the disease, in the order of files and lines.

    Args:
        location: the folder or file of a base; one without a folder ``reported`` gives nothing.

    Raises:
        InputError: a line is not {"name": text, "reported": [{"about": text, "text": text}]}, or a disease has two.
    """
    found: dict[str, tuple[Report, ...]] = {}
    for place, line in reported_lines(location):
        name, reports = reports_of(place, library.parse_object(place, line))
        if name in found:
            raise InputError(f"{place}: {name!r} has two lines in the folder {FOLDER}. Merge the two.")
        found[name] = reports
    return found


def reported_lines(location: Path) -> Iterator[tuple[str, str]]:
    """Every line of the folder ``reported`` with its place ("reported/tumours.jsonl:12"), as `library.read_lines`."""
    if location.is_dir() and (location / FOLDER).is_dir():
        yield from ((f"{FOLDER}/{place}", line) for place, line in library.read_lines(location / FOLDER))


def empty_files(location: Path) -> list[str]:
    """The files of the folder ``reported`` without a line ("reported/tumours.jsonl"), in alphabetical order."""
    if not (location.is_dir() and (location / FOLDER).is_dir()):
        return []
    files = sorted((location / FOLDER).glob("*.jsonl"))
    return [f"{FOLDER}/{file.name}" for file in files if not any(library.read_lines(file))]


def reports_of(place: str, record: Mapping[str, object]) -> tuple[str, tuple[Report, ...]]:
    """The disease that one line speaks of, and what is reported of it.

    Args:
        place: file and line, for the error.
        record: the parsed line.

    Raises:
        InputError: a value is not of the kind that its key asks for.
    """
    name = library.text_field(place, record, "name")
    stored = record.get(KEY)
    if not isinstance(stored, list) or not all(isinstance(item, dict) for item in stored):
        raise InputError(f"{place}: expected {KEY!r} to be a list of objects, but got {stored!r:.80}.")
    return name, tuple(
        Report(
            text=library.text_field(place, item, "text"),
            disease=name,
            about=library.text_field(place, item, "about", default="unspecified"),
        )
        for item in stored
    )


def files_of_diseases(location: Path) -> dict[str, str]:
    """Name of a disease -> the file of the folder ``reported`` whose line speaks of it."""
    folder = location / FOLDER
    return library.files_of_diseases(folder) if location.is_dir() and folder.is_dir() else {}


def record_of(name: str, reports: tuple[Report, ...]) -> dict[str, object]:
    """One line of a file of the folder ``reported``, as `reports_of` reads it."""
    return {"name": name, KEY: [{"about": report.about, "text": report.text} for report in reports]}


def checksum_of(reports: Reports) -> str:
    """16 hex digits that change with the content and not with the order or number of files."""
    return json_checksum([record_of(name, reports[name]) for name in sorted(reports)])
