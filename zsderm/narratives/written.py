"""The written stories that come with the package: 26 common diseases, twelve stories each, divided into splits.

A language model wrote them in a patient's voice; no patient is behind any of them. What that means for figures is said
in knowledge_bases/narratives/SOURCES.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge import library

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
    found = [_story(place, line) for place, line in library.read_lines(file)]
    return [story for story in found if split in (None, story.split)]


def _story(place: str, line: str) -> WrittenStory:
    record = library.parse_object(place, line)
    if set(record) != set(_FIELDS):
        raise InputError(f"{place}: expected an object with {', '.join(_FIELDS)}, but got {line:.60}")
    story = WrittenStory(**{name: library.text_field(place, record, name) for name in _FIELDS})
    if story.split not in SPLITS:
        raise InputError(f"{place}: expected 'split' to be one of {', '.join(SPLITS)}, but got {story.split!r:.40}")
    return story
