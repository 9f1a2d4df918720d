from __future__ import annotations

from pathlib import Path

import pytest

from zsderm import KnowledgeBase
from zsderm.narratives.answers import _known_words
from zsderm.narratives.reading import BRIEF, FOREIGN, NOTHING, note_on
from zsderm.narratives.written import written_stories


@pytest.fixture(scope="module")
def known(base: KnowledgeBase) -> frozenset[str]:
    return _known_words(base)


@pytest.mark.parametrize(
    ("story", "note"),
    [
        ("", NOTHING),
        ("12, 13!", NOTHING),
        ("[...]", NOTHING),
        ("itchy", BRIEF),
        ("ok", BRIEF),
        ("flaky scalp in winter, shampoo helps little", ""),
        ("i keep scrathing it at nigth becuase it iches so much", ""),
        ("Seit drei Wochen juckt es nachts, und mein Bruder hat es auch.", FOREIGN),
        ("J'ai une tache sur le nez depuis deux ans qui saigne parfois.", FOREIGN),
        ("Me pica mucho por la noche desde hace tres semanas.", FOREIGN),
        ("Tenho uma mancha nas costas que cresceu e sangra", FOREIGN),
        ("\u6211\u7684\u624b\u5f88\u75d2", FOREIGN),
        ("\u0443 \u043c\u0435\u043d\u044f \u043f\u044f\u0442\u043d\u043e", FOREIGN),
        ("asdf qwer zxcv hjkl", FOREIGN),
    ],
)
def test_what_a_story_is_told_of_itself(known: frozenset[str], story: str, note: str) -> None:
    assert note_on(story, known) == note


def test_no_written_story_is_called_foreign(known: frozenset[str]) -> None:
    assert not [story.id for story in written_stories() if note_on(story.narrative, known) == FOREIGN]


def test_without_words_to_know_english_by_nothing_latin_is_called_foreign() -> None:
    assert note_on("Me pica mucho por la noche.", frozenset()) == ""


def test_a_base_of_few_sentences_does_not_make_english_foreign(tmp_path: Path) -> None:
    (tmp_path / "small.jsonl").write_text('{"name": "scabies", "descriptions": []}\n', "utf-8")
    known = _known_words(KnowledgeBase.load(tmp_path))
    assert note_on("My brother has it too, and it itches at night.", known) == ""
    assert note_on("Me pica mucho por la noche desde hace tres semanas.", known) == FOREIGN
