from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from zsderm import InputError, KnowledgeBase
from zsderm.narratives.masking import masked
from zsderm.narratives.names import NameKeys
from zsderm.narratives.written import SPLITS, STORIES, WrittenStory, written_stories

ROOT = Path(__file__).resolve().parents[2]
# The only stories in which a name of a disease is masked at all, and what is masked there: never their own disease.
MASKED = {"cellulitis-06": ("birthmark",)}


def test_there_are_ten_stories_or_more_of_each_of_26_diseases_of_the_base(base: KnowledgeBase) -> None:
    counts = Counter(story.label for story in written_stories())
    assert len(counts) == 26 and min(counts.values()) >= 10
    assert all(base.find(label).name == label for label in counts)


def test_each_story_stands_in_one_split_and_each_disease_in_all() -> None:
    stories = written_stories()
    assert len({story.id for story in stories}) == len({story.narrative for story in stories}) == len(stories)
    parts = [written_stories(split) for split in SPLITS]
    assert sorted(story.id for part in parts for story in part) == sorted(story.id for story in stories)
    for part, count in zip(parts, (7, 2, 3), strict=True):
        assert set(Counter(story.label for story in part).values()) == {count}


def test_no_two_stories_share_six_words_in_a_row() -> None:
    seen: dict[tuple[str, ...], str] = {}
    for story in written_stories():
        words = story.narrative.lower().split()
        for start in range(len(words) - 5):
            assert seen.setdefault(tuple(words[start : start + 6]), story.id) == story.id


def test_what_a_story_is_of_and_that_it_is_written() -> None:
    for story in written_stories():
        assert story.source == "written" and story.id.rsplit("-", 1)[0] == story.label.replace(" ", "-")
        assert 17 <= len(story.narrative.split()) <= 180 and story.narrative.isascii()


@pytest.mark.slow
def test_no_story_names_its_disease_or_an_alias_of_it_in_any_language(base: KnowledgeBase, names: NameKeys) -> None:
    """Nothing at all is masked in a story, but for the one that is listed above; so what is masked is seen to work."""
    found = {story: what for story in written_stories() if (what := masked(story.narrative, names).what)}
    assert {story.id: what for story, what in found.items()} == MASKED
    assert all(name not in _names_of(base, story.label) for story, what in found.items() for name in what)
    for label in {story.label for story in written_stories()}:
        for name in _names_of(base, label):
            assert name == "mel" or masked(f"They call it {name}.", names).what  # "mel" in small letters is honey


def test_the_sources_count_what_is_there() -> None:
    page = (STORIES.parent / "SOURCES.md").read_text("utf-8")
    assert f"{len(written_stories())} short stories over 26 common skin diseases, twelve each" in page
    for split in SPLITS:
        assert f"| {split} | {len(written_stories(split))} |" in page


GOOD = {"id": "wart-01", "label": "wart", "split": "dev", "source": "written", "narrative": "It hurts."}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", r"mine.jsonl:2: expected a JSON object, but"),
        ("[]", r"mine.jsonl:2: expected a JSON object, but got list"),
        ("{}", r"mine.jsonl:2: expected an object with id, label, split, source, narrative"),
        (json.dumps({**GOOD, "more": 1}), "expected an object with"),
        (json.dumps({**GOOD, "narrative": " "}), "expected 'narrative' to be a text"),
        (json.dumps({**GOOD, "split": "val"}), "expected 'split' to be one of train, dev, test, but got 'val'"),
    ],
)
def test_a_line_that_is_no_story_is_refused_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(f"{json.dumps(GOOD)}\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        written_stories(file=file)


def test_stories_of_another_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps(GOOD), encoding="utf-8")
    assert written_stories(file=file) == written_stories("dev", file) == [WrittenStory(**GOOD)]
    assert written_stories("test", file) == []
    odd = {**GOOD, "narrative": "It hurts\u2028at night."}  # in JSON no end of a line
    file.write_text(f"{json.dumps(odd, ensure_ascii=False)}\n\n{json.dumps(GOOD)}\n", encoding="utf-8")
    assert written_stories(file=file) == [WrittenStory(**odd), WrittenStory(**GOOD)]


def test_a_split_or_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected `split` to be one of train, dev, test, but got 'val'"):
        written_stories("val")
    with pytest.raises(InputError, match=r"none\.jsonl' cannot be read: No such file"):
        written_stories(file=tmp_path / "none.jsonl")


def _names_of(base: KnowledgeBase, label: str) -> list[str]:
    """The names of one disease in all languages of the base."""
    disease = base.find(label)
    return [disease.name, *disease.aliases, *(name for names in base.card.names.values() for name in names[label])]
