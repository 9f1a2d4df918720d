from __future__ import annotations

import math

import pytest

from zsderm.narratives.ages import FLOOR, WIDTH, AgesOfClass, age_in


@pytest.mark.parametrize(
    ("story", "age"),
    [
        ("I am 72 and retired.", 72),
        ("im 23", 23),
        ("age 41", 41),
        ("A woman, 64 years old", 64),
        ("I'm seventy-two.", 72),
        ("I am in my early fifties", 55),
        ("My son, 5, has spots", 5),
        ("our 4 year old woke up", 4),
        ("The baby is six weeks old", 6 / 52),
        ("my daughter is eleven", 11),
        ("I am a pensioner", 70),
    ],
)
def test_an_age_is_read_in_numbers_and_words(story: str, age: float) -> None:
    assert age_in(story) == pytest.approx(age)


@pytest.mark.parametrize(
    "story",
    [
        "It began three weeks ago.", "I have had it for 10 years", "it is 3 cm wide", "I am 900",
        "It is 2 months since", "there are about 5 of them", "It is one of many", "I am 6 months pregnant", "",
    ],
)  # fmt: skip
def test_other_numbers_are_no_ages(story: str) -> None:
    assert age_in(story) is None


def test_ages_of_a_disease_are_read_from_what_is_said_of_it() -> None:
    ages = AgesOfClass.of(
        ["I am seventy-two.", "I was past sixty before it came."], ["On the scalp of an elderly man.", "A red ring."]
    )
    assert ages == AgesOfClass(frozenset({72.0}), frozenset({60.0}))


def test_agreement_falls_with_the_distance_of_square_roots() -> None:
    ages = AgesOfClass(frozenset({64.0}))
    assert ages.agreement(64) == 0
    assert ages.agreement(25) == pytest.approx(math.log(FLOOR + (1 - FLOOR) * math.exp(-((3 / WIDTH) ** 2) / 2)))
    assert ages.agreement(1) >= math.log(FLOOR)
    assert math.isnan(AgesOfClass().agreement(30))


def test_beyond_the_age_at_which_it_begins_every_age_fits() -> None:
    ages = AgesOfClass(since=frozenset({60.0}))
    assert ages.agreement(60) == ages.agreement(95) == 0 > ages.agreement(40) > ages.agreement(20)
