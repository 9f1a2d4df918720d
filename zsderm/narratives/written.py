"""The written stories that come with the package: 26 common diseases, twelve stories each, divided into splits.

A language model wrote them in a patient's voice; no patient is behind any of them. What that means for figures is said
in knowledge_bases/narratives/SOURCES.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from zsderm.errors import InputError
from zsderm.stored_json import parse_json

SPLITS = ("train", "dev", "test")
STORIES = Path(str(resources.files("zsderm.knowledge_bases"))) / "narratives" / "stories.jsonl"
_FIELDS = ("id", "label", "split", "source", "narrative")


@dataclass(frozen=True)
class WrittenStory:
    """One story.

    Attributes:
        id: the label with hyphens, and a number ("scabies-03").
        label: canonical name of the disease in the knowledge base `dermatology`.
        split: one of `SPLITS`.
        source: "written" in all of them.
        narrative: the story; it names no disease.
    """

    id: str
    label: str
    split: str
    source: str
    narrative: str


def written_stories(split: str | None = None, file: Path = STORIES) -> list[WrittenStory]:
    """The stories in the order of the file.

    Args:
        split: "train", "dev" or "test"; None for all.
        file: JSON Lines with the fields of `WrittenStory`.

    Raises:
        InputError: there is no such split, the file cannot be read, or a line is no story.
    """
    if split is not None and split not in SPLITS:
        raise InputError(f"expected `split` to be one of {', '.join(SPLITS)}, but got {split!r:.40}")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"expected {file} to be written stories in UTF-8, but cannot read it: {error}") from error
    found = [_story(f"{file.name}:{number}", line) for number, line in enumerate(lines, start=1)]
    return [story for story in found if split in (None, story.split)]


def _story(place: str, line: str) -> WrittenStory:
    try:
        record = parse_json(line)
    except ValueError as error:
        raise InputError(f"{place}: expected one JSON object a line, but {error}") from error
    if not isinstance(record, dict) or set(record) != set(_FIELDS):
        raise InputError(f"{place}: expected an object with {', '.join(_FIELDS)}, but got {line:.60}")
    for name in _FIELDS:
        if not isinstance(record[name], str) or not record[name].strip():
            raise InputError(f"{place}: expected {name!r} to be a text, but got {record[name]!r:.60}")
    if record["split"] not in SPLITS:
        raise InputError(f"{place}: expected 'split' to be one of {', '.join(SPLITS)}, but got {record['split']!r:.40}")
    return WrittenStory(**record)
