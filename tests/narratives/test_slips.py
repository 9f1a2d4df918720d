from __future__ import annotations

import random
from difflib import SequenceMatcher

import pytest

from zsderm.narratives.slips import with_slips

TEXT = "It doesn't itch, but it has grown quite a bit since I was 63; \"strange\", isn't it? Écrit à 3 pm."


def test_no_slips_change_nothing_and_draw_nothing() -> None:
    dice = random.Random(0)
    assert with_slips(TEXT, dice, 0) == TEXT and dice.random() == random.Random(0).random()


@pytest.mark.parametrize("seed", range(30))
def test_slips_touch_words_alone_and_a_letter_or_two_of_each(seed: int) -> None:
    found = with_slips(TEXT, random.Random(seed), 1.0)
    assert found != TEXT and len(found.split()) == len(TEXT.split())
    for word, slipped in zip(TEXT.split(), found.split(), strict=True):
        assert abs(len(word) - len(slipped)) <= 1
        assert len(word) < 4 or SequenceMatcher(None, word, slipped).ratio() > 0.6
    assert "63" in found and "3 pm" in found


def test_every_kind_of_slip_comes() -> None:
    found = {with_slips("grown", random.Random(seed), 1.0) for seed in range(300)}
    assert {"gorwn", "gown", "groown", "griwn"} <= found
    assert {with_slips("don't", random.Random(seed), 0.01) for seed in range(30)} >= {"dont", "don't"}


def test_a_share_of_the_words_is_mistyped() -> None:
    words = ["growing"] * 2000
    slipped = with_slips(" ".join(words), random.Random(1), 0.1).split()
    assert 130 < sum(word != "growing" for word in slipped) < 270
    assert with_slips("it is up", random.Random(0), 1.0) == "it is up"
