from __future__ import annotations

import numpy as np
import pytest

from zsderm.errors import InputError
from zsderm.metrics.answers import AnsweredQuestion, by_caption, by_majority, by_text, cross_fitted


def _question(
    number: int, question: str, answer: str, form: str = "closed", options: tuple[str, ...] = ()
) -> AnsweredQuestion:
    return AnsweredQuestion(str(number), f"{number}.jpg", question, answer, "", "colour", form, "", options)


@pytest.mark.slow
def test_what_the_words_give_away_is_found_and_what_they_do_not_is_not() -> None:
    """Blue is always asked in vain; red half of the time."""
    rng = np.random.default_rng(0)
    rows = [_question(n, "Is the lesion blue?", "no") for n in range(40)]
    rows += [_question(40 + n, "Is the lesion red?", str(rng.choice(["yes", "no"]))) for n in range(40)]
    given_away = [guess.gives_away(row) for guess, row in zip(cross_fitted(rows), rows, strict=True)]
    assert all(given_away[:40])
    assert not any(given_away[40:])


@pytest.mark.slow
def test_an_option_that_is_right_wherever_it_stands_is_found() -> None:
    options = ("scale", "crust", "ulcer", "scar")
    always = [_question(n, "Which is seen?", "crust", "choice", options) for n in range(30)]
    fair = [_question(n, "Which is seen?", options[n % 4], "choice", options) for n in range(40)]
    for rows, share in ((always, 1.0), (fair, 0.0)):
        found = [guess.gives_away(row) for guess, row in zip(cross_fitted(rows), rows, strict=True)]
        assert np.mean(found) == share


def test_a_model_learns_from_no_question_on_the_same_image() -> None:
    """One image asks what nobody else asks, often: its answer cannot be known."""
    own = [AnsweredQuestion(f"a{n}", "a.jpg", "Zebra?", "stripes") for n in range(9)]
    others = [AnsweredQuestion(f"{n}", f"{n}.jpg", "What is the diagnosis?", "acne") for n in range(9)]
    assert {guess.answer for guess in cross_fitted([*own, *others])[:9]} == {"acne"}
    with pytest.raises(InputError, match="at least two images"):
        cross_fitted(own)


def test_baselines_answer_every_question() -> None:
    rows = [
        *(_question(n, "Is it red?", "yes") for n in range(6)),
        _question(7, "Is it red?", "no"),
        _question(8, "Which colour?", "red", "choice", ("blue", "red")),
        _question(9, "Which colour?", "red", "choice", ("blue", "red")),
        _question(10, "Describe it.", "a red plaque", "open"),
        _question(11, "Describe it.", "a red plaque", "open"),
    ]
    assert {row.prediction for row in by_majority(rows, rows) if row.form == "closed"} == {"yes"}
    assert [row.prediction for row in by_text(rows, rows)][-4:] == ["red", "red", "a red plaque", "a red plaque"]
    caption = "A red plaque with scale."
    told = by_caption(rows, [caption] * len(rows))
    assert [told[0].prediction, told[8].prediction, told[-1].prediction] == ["yes", "red", caption]
    assert by_caption([_question(1, "Is there any crust?", "no")], [caption])[0].prediction == "no"
