from __future__ import annotations

import random
import re
from collections import UserDict

import pytest

from zsderm import InputError
from zsderm.narratives import phrases
from zsderm.narratives.masking import masked
from zsderm.narratives.names import NameKeys
from zsderm.narratives.patient import ANSWERS, CASE, COLUMNS, PatientStory, stories_of
from zsderm.narratives.phrases import NO, UNKNOWN, YES

FORBIDDEN = ("gender", "biopsed", "diameter_1", "diameter_2", "fitspatrick", "label", "diagnostic", "split", "filename")


def rows(count: int = 200, **fixed: str) -> list[dict[str, str]]:
    """Answers drawn from a seed, with what nobody may read beside them."""
    dice = random.Random(5)
    found = []
    for number in range(count):
        row = {answer: dice.choice(("True", "False", "UNK")) for answer in ANSWERS}
        row |= {"age": str(dice.randint(1, 100)), "region": dice.choice([*phrases.REGIONS, "UNK"]), CASE: f"L{number}"}
        found.append(row | fixed)
    return found


def texts(found: list[PatientStory]) -> list[str]:
    return [story.text for story in found]


class Guarded(UserDict):
    """A row of which only what a story may say can be read."""

    def __getitem__(self, key: str) -> str:
        assert key in (*COLUMNS, CASE), f"{key} must not be read"
        return super().__getitem__(key)

    def items(self):
        raise AssertionError("all columns are read")

    values = __iter__ = items


@pytest.mark.parametrize("column", FORBIDDEN)
def test_nothing_but_the_answers_is_read(column: str) -> None:
    plain = rows(40)
    assert not set(COLUMNS) & set(FORBIDDEN)
    guarded = [Guarded(row | {column: "melanoma"}) for row in plain]
    assert stories_of(guarded, 0) == stories_of(plain, 0)


def test_a_seed_gives_the_same_stories_whatever_the_order_and_another_gives_others() -> None:
    plain = rows()
    found = stories_of(plain, 3)
    assert stories_of(plain[::-1], 3) == found[::-1] and stories_of(plain[:7], 3) == found[:7]
    assert sum(one != other for one, other in zip(texts(found), texts(stories_of(plain, 4)), strict=True)) > 190


def test_the_stories_of_a_seed_are_written_down() -> None:
    row = {"itch": "True", "grew": "UNK", "hurt": "False", "changed": "False", "bleed": "True", "elevation": "True"}
    found = stories_of([row | {"age": "63", "region": "FOREARM", CASE: f"case {number}"} for number in range(4)], 0)
    assert texts(found) == WRITTEN


def test_images_of_one_case_get_one_story() -> None:
    one, *others = stories_of(rows(1) * 3, 0)
    assert others == [one, one]
    alone = {key: cell for key, cell in rows(1)[0].items() if key != CASE}
    assert len(set(texts(stories_of([alone] * 20, 0)))) > 15


def test_what_is_told_agrees_with_the_answers(names: NameKeys) -> None:
    told, known = 0, 0
    for row, story in zip(rows(400), stories_of(rows(400), 1), strict=True):
        assert {row[answer] for answer in story.told} <= {"True", "False"}
        assert {row[answer] for answer in story.unknown} <= {"UNK"}
        assert set(story.told) or all(row[answer] == "UNK" for answer in ANSWERS)
        told += len(story.told)
        known += sum(row[answer] != "UNK" for answer in ANSWERS)
    assert 0.6 < told / known < 0.9  # some are left out


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(("cell", "state"), [("True", YES), ("False", NO), ("UNK", UNKNOWN)])
def test_an_answer_is_told_in_many_ways_and_never_as_another(answer: str, cell: str, state: str) -> None:
    alone = rows(150, **dict.fromkeys(ANSWERS, "UNK"), age="", region="")
    found = stories_of([row | {answer: cell} for row in alone], 2)
    of_it = [story for story in found if answer in (story.unknown if state == UNKNOWN else story.told)]
    assert len(of_it) == len(found) if state != UNKNOWN else 10 < len(of_it) < 100
    banks = [phrases.CLAUSES, phrases.FRAGMENTS, phrases.LEARNED]
    wrong = {
        said.replace("{I}", "i").replace("{me}", "me").replace("{am}", "am")
        for bank in banks
        for other in {YES, NO, UNKNOWN} - {state}
        for said in bank[answer].get(other, ())
        if len(said.split()) > 2 and not any(said in right for right in bank[answer][state])
    }
    if state != UNKNOWN:
        assert not [text for text in texts(found) if any(f"{said}." in text.lower() for said in wrong)]
        assert len(set(texts(found))) > 90


def test_what_is_not_known_may_be_left_out_of_all() -> None:
    unknown = rows(100, **dict.fromkeys(ANSWERS, "UNK"))
    assert any(story.unknown for story in stories_of(unknown, 0))
    assert not any(story.unknown for story in stories_of(unknown, 0, say_unknown=False))


def test_where_nothing_is_known_there_is_a_spot() -> None:
    found = stories_of([{CASE: str(number)} for number in range(60)], 0, say_unknown=False)
    assert (
        sum(bool(re.search("spot|thing|mark|place", text.lower())) for text in texts(found)) > 55
    )  # the rest has slips
    assert all(story.told == story.unknown == () for story in found)


def test_stories_are_short_and_long_plain_and_careless() -> None:
    found = texts(stories_of(rows(400), 0))
    lengths = sorted(len(text.split()) for text in found)
    assert lengths[20] < 15 and lengths[-20] > 45 and lengths[-1] < 100
    assert 40 < sum(text == text.lower() for text in found) < 160
    assert len(set(found)) > 390 and all(text.isascii() and "{" not in text and "  " not in text for text in found)


@pytest.mark.parametrize("age", ["3", "9.0"])
def test_somebody_else_writes_for_a_child(age: str) -> None:
    found = [text.lower() for text in texts(stories_of(rows(60, age=age), 0))]
    assert sum(bool(re.search("child|youngest|kid", text)) for text in found) > 55  # the rest has slips
    assert not [
        text for text in found if re.search(r"\b(my (face|back|chest|arm|nose|neck|ear|hand|foot)|i am \d)\b", text)
    ]


@pytest.mark.parametrize(
    ("age", "said"), [("69", "nearly 70|almost 70|69|sixty-nine"), ("45", "45|forty-five|forties"), ("100", "100")]
)
def test_an_age_is_said_in_digits_words_or_about(age: str, said: str) -> None:
    found = texts(stories_of(rows(200, age=age), 0))
    told = [text for text in found if re.search(said, text)]
    assert 100 < len(told) < 180
    assert {word for text in told for word in re.findall(said, text)} == set(said.split("|"))


def test_no_story_names_a_disease(names: NameKeys) -> None:
    found = [what for text in texts(stories_of(rows(300), 0)) if (what := masked(text, names).what)]
    assert len(found) <= 1  # "soore", which is a slip and German


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"itch": "maybe"}, "row 0: expected itch to be True, False or UNK, but got 'maybe'"),
        ({"age": "old", CASE: "L1"}, "L1: expected age to be a number of years, but got 'old'"),
        ({"age": "-3"}, "expected age"),
        ({"age": "1963"}, "expected age"),
    ],
)
def test_a_cell_that_is_no_answer_is_one_sentence(row: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        stories_of([row], 0)


def test_other_words_for_answers_and_places_are_understood() -> None:
    (story,) = stories_of([{"itch": " yes ", "hurt": "0", "bleed": "n/a", "region": "Left Knee", CASE: "a"}], 1)
    assert set(story.told) <= {"itch", "hurt"}
    assert any("left knee" in text.lower() for text in texts(stories_of(rows(9, region="Left Knee"), 0)))


def test_every_answer_has_words_in_every_bank() -> None:
    for bank in (phrases.CLAUSES, phrases.FRAGMENTS, phrases.LEARNED):
        assert tuple(bank) == ANSWERS
        assert all(set(said) == {YES, NO, UNKNOWN} and all(said.values()) for said in bank.values())
    assert all(len(said) >= 3 for states in phrases.CLAUSES.values() for said in states.values())


WRITTEN = [
    "i have got a spt on my lower arm. i am in my sixties. hard to put into words. thwre is an itch to it and "
    "it bleeds. it is not flat, it sticks out and it may have grown or not, i have not kept an eye on it.",
    "i am sixty-three, and there is a place on my lower arm. it is not sore. it stands out a bit, i feel it "
    "itching and it did bled. thanks for looking.",
    "god evening, sorry to trouble you. i have a spot on my lower arm. i am not one for going to the doctor. "
    "it is raised and it has been bleeding. it itches, but i have seen no change in it. i hope that helps.",
    "My place bleeds and it itches, I have to say. I can feel it with a finger. No pain and no change in how it looks.",
]
