from __future__ import annotations

import numpy as np
import pytest

from zsderm import KnowledgeBase
from zsderm.narratives.story_classifier import NONE
from zsderm.pretrain.narratives.chain import Chain
from zsderm.pretrain.narratives.config import NarrativesConfig
from zsderm.pretrain.narratives.rows import Story, classes_of, read_stories

BASE = KnowledgeBase.load("dermatology")
CLASSES = classes_of(read_stories(NarrativesConfig(card={}), None), BASE)
STORY = Story("1", "It itches.", "tinea pedis", "train", "1")


def _chain(**settings: object) -> Chain:
    return Chain(NarrativesConfig(card={}, **settings), CLASSES, BASE)  # type: ignore[arg-type]


def test_lists_shrink_an_epoch_each_and_begin_anew() -> None:
    chain = _chain(options="chapters")
    assert [chain.draw(STORY, 0, epoch).step for epoch in range(7)] == [
        "chapters",
        "all",
        "10",
        "5",
        "3",
        "2",
        "chapters",
    ]
    assert {chain.draw(STORY, index, 0).step for index in range(6)} == set(chain.steps)  # all of them in one epoch
    assert _chain(options="full").steps == _chain(options="none").steps == ("all",)


@pytest.mark.parametrize("options", ["none", "full", "chain", "chapters"])
def test_the_answer_is_always_among_the_options_and_the_loss_is_over_what_the_text_lists(options: str) -> None:
    chain = _chain(options=options)
    names = [*CLASSES, NONE, *chain.chapters]
    assert chain.outputs == len(names)
    for epoch in range(60):
        draw = chain.draw(STORY, 3, epoch)
        assert draw.allowed[draw.answer]
        allowed = {name for name, open_ in zip(names, draw.allowed, strict=True) if open_}
        assert allowed == (set(draw.listed) or set(CLASSES)) and len(draw.listed) in (0, len(allowed))
        if draw.step.isdigit():
            assert len(draw.listed) == int(draw.step) + 1
        assert names[draw.answer] in ("tinea pedis", NONE, "infectious")
        assert (names[draw.answer] == "tinea pedis") == ("tinea pedis" in draw.listed or options == "none")


def test_as_many_short_lists_lack_the_answer_as_is_said() -> None:
    chain = _chain(missed=0.2, lengths=(5, 3, 2))
    draws = [chain.draw(STORY, index, 0) for index in range(4000)]
    lacking = [STORY.label not in draw.listed for draw in draws if draw.step != "all"]
    assert np.mean(lacking) == pytest.approx(0.2, abs=0.03)


def test_look_alikes_stand_in_the_lists_more_often_than_others() -> None:
    chain = _chain(lengths=(3,))
    draws = [chain.draw(STORY, index, 0) for index in range(1800)]
    drawn = [name for draw in draws if draw.step == "3" for name in draw.listed]
    assert drawn.count("tinea corporis") > 3 * max(drawn.count("melanoma"), drawn.count("urticaria"))
    assert drawn.count("melanoma") > 5, "others come too"


def test_the_order_of_the_options_says_nothing() -> None:
    chain = _chain(options="full")
    places = [chain.draw(STORY, index, 0).listed.index("tinea pedis") for index in range(2000)]
    assert np.bincount(places, minlength=26).min() > 40


def test_options_of_an_image_model_are_taken_as_they_are() -> None:
    story = Story("1", "It itches.", "tinea pedis", "train", "1", options=("scabies", "psoriasis", "tinea pedis"))
    chain = _chain(lengths=(3, 2))
    draws = {draw.step: draw for draw in (chain.draw(story, 0, epoch) for epoch in range(3))}
    assert set(draws["3"].listed) == {"scabies", "psoriasis", "tinea pedis", NONE}
    assert set(draws["2"].listed) == {"scabies", "psoriasis", NONE} and draws["2"].answer == len(CLASSES)


def test_a_draw_is_the_same_whenever_it_is_asked_and_another_for_another_seed() -> None:
    one, again, other = _chain(), _chain(), _chain(seed=1)
    assert one.draw(STORY, 7, 4).listed == again.draw(STORY, 7, 4).listed != other.draw(STORY, 7, 4).listed
