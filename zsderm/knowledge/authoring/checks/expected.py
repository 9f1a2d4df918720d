"""What a base says that it ought to hold: its files expected.json and common_names.json, where it has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge import library

EXPECTED_FILE = "expected.json"
NAMES_FILE = "common_names.json"

Reasons = Mapping[str, str]


@dataclass(frozen=True)
class Expected:
    """What a base ought to hold.

    Attributes:
        common: diseases that most people with skin trouble have; each is described on brown or black skin.
        dermoscopic: diseases that are no neoplasms, of which dermoscopic signs are published.
        without_dermoscopy: neoplasm -> why it has fewer dermoscopic sentences than others.
        accepted: text of a description -> why a finding about its words is left as it is.
    """

    common: tuple[str, ...] = ()
    dermoscopic: tuple[str, ...] = ()
    without_dermoscopy: Reasons = field(default_factory=dict)
    accepted: Reasons = field(default_factory=dict)


def read_expected(location: Path) -> Expected | None:
    """What a base ought to hold, or None where it says nothing.

    Raises:
        InputError: if the file is not of this form.
    """
    file = location / EXPECTED_FILE
    if not location.is_dir() or not file.is_file():
        return None
    stored = library.parse_object(EXPECTED_FILE, library.read_text(file))
    return Expected(
        library.texts_field(EXPECTED_FILE, stored, "common"),
        library.texts_field(EXPECTED_FILE, stored, "dermoscopic"),
        _reasons(stored, "without_dermoscopy"),
        _reasons(stored, "accepted"),
    )


def read_common_names(location: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    """Names as people and data sets write them: source -> disease -> names. Empty where a base has no such list.

    Raises:
        InputError: if the file is not of this form.
    """
    file = location / NAMES_FILE
    if not location.is_dir() or not file.is_file():
        return {}
    stored = library.parse_object(NAMES_FILE, library.read_text(file))
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for source, names in stored.items():
        if not isinstance(names, dict):
            raise InputError(f"{NAMES_FILE}: expected {source!r} to be an object, but got {names!r:.80}.")
        found[source] = {disease: library.texts_field(NAMES_FILE, names, disease) for disease in names}
    return found


def _reasons(stored: Mapping[str, object], key: str) -> dict[str, str]:
    reasons = stored.get(key, {})
    if not isinstance(reasons, dict) or not all(isinstance(reason, str) and reason for reason in reasons.values()):
        raise InputError(f"{EXPECTED_FILE}: expected {key!r} to be an object of reasons, but got {reasons!r:.80}.")
    return reasons
