from __future__ import annotations

import random
from collections import Counter

import pytest

from zsderm.metrics.answers import CLOSED
from zsderm.pretrain.questions import question as q
from zsderm.pretrain.questions.balance import balanced, with_options
from zsderm.pretrain.questions.facts import FactReader
from zsderm.pretrain.questions.grounding import Grounding
from zsderm.pretrain.questions.question import Choice, Pair, Question
from zsderm.pretrain.questions.rules import RuleQuestions
from zsderm.pretrain.questions.table import ask_all, read_facts
from zsderm.pretrain.questions.verdicts import Verdicts

CAPTIONS = {
    "Psoriasis. Multiple red plaques with silvery scale on the elbows, no ulceration.": "clinical",
    "Melanoma. A black nodule with an eroded surface on the back.": "clinical",
    "Melanocytic nevus. A tidy oval patch of brown pigment on the cheek.": "clinical",
    "Basal cell carcinoma. A pearly papule with telangiectasia and crust on the nose. It measures 8 mm.": "clinical",
    "Basal cell carcinoma. Blue-grey globules and sharp red vessels.": "dermoscopic",
    "Melanoma. Atypical pigment network with streaks, blue and black areas.": "dermoscopic",
    "Lichen planus. Violaceous flat-topped papules on the wrist, itchy for 3 months.": "clinical",
}


@pytest.fixture(scope="module")
def asked(facts_of: FactReader, verdicts: Verdicts, grounding: Grounding) -> list[Question]:
    pairs = [Pair(n, f"{n}.jpg", caption, kind) for n, (caption, kind) in enumerate([*CAPTIONS.items()] * 6, start=2)]
    return ask_all(pairs, read_facts(pairs, facts_of), RuleQuestions(verdicts), grounding, seed=1)[0]


def test_every_form_and_most_kinds_are_asked(asked: list[Question]) -> None:
    assert {one.form for one in asked} == {"open", "closed", "choice"}
    assert {one.kind for one in asked} >= {q.DISEASE, q.MORPHOLOGY, q.COLOUR, q.NUMBER, q.SITE, q.MODALITY}


def test_a_term_is_asked_as_often_with_yes_as_with_no(asked: list[Question]) -> None:
    counts = Counter((one.kind, one.term, one.answer) for one in asked if one.form == CLOSED)
    terms = {(kind, term) for kind, term, _ in counts}
    assert terms
    assert all(counts[(*term, q.YES)] == counts[(*term, q.NO)] for term in terms)


def test_no_question_about_something_else_names_a_diagnosis(asked: list[Question], facts_of: FactReader) -> None:
    assert not [one.text for one in asked if one.kind != q.DISEASE and facts_of.names_disease(one.text)]


def test_nothing_is_said_of_sizes_and_symptoms(asked: list[Question]) -> None:
    words = " ".join(f"{one.text} {one.answer} {' '.join(one.options)}" for one in asked if one.kind != q.DISEASE)
    assert not [word for word in ("8", "mm", "3", "month", "itchy") if word in words.split()]


def test_a_choice_has_one_right_answer(asked: list[Question], verdicts: Verdicts, facts_of: FactReader) -> None:
    choices = [one for one in asked if one.form == "choice" and one.kind == q.DISEASE]
    assert choices
    for one in choices:
        known = verdicts.known(one.kind, one.pair, facts_of.read(one.pair))
        assert 3 <= len(one.options) <= 4
        assert set(one.options) & set(known.shown) == {one.answer}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_questions(
    facts_of: FactReader, verdicts: Verdicts, grounding: Grounding, asked: list[Question]
) -> None:
    pairs = [one.pair for one in asked][:20]
    told = [ask_all(pairs, read_facts(pairs, facts_of), RuleQuestions(verdicts, 5), grounding, seed=5)[0] for _ in "ab"]
    assert told[0] == told[1]


def test_a_sign_the_caption_is_silent_on_is_denied_only_with_a_reason(facts_of: FactReader, verdicts: Verdicts) -> None:
    def absent(caption: str) -> set[str]:
        pair = Pair(2, "a.jpg", caption, "clinical")
        return set(verdicts.known(q.MORPHOLOGY, pair, facts_of.read(pair)).absent)

    assert "scale" not in absent("Psoriasis. A red plaque.")  # the base gives it to psoriasis
    assert absent("A red plaque.") == set()  # nobody knows of which disease
    assert absent("A red plaque without scale.") == {"scale"}
    assert "plaque" not in absent("Melanocytic nevus. A brown papule.")  # one may be called the other


def test_wrong_options_are_right_for_other_pictures() -> None:
    pairs = [Pair(n, f"{n}.jpg", "", "") for n in range(40)]
    terms = ("a", "b", "c", "d")
    choices = [
        Choice(
            Question(pair, q.DISEASE, "choice", terms[n % 4], "Which?", terms[n % 4]),
            {t: t for t in (*terms, "x", "y", "z", "w") if t != terms[n % 4]},
        )
        for n, pair in enumerate(pairs)
    ]
    found, dropped = with_options(choices, random.Random(0))
    beside = Counter(option for one in found for option in one.options if option != one.answer)
    assert not dropped
    assert set(beside) == set(terms)
    assert max(beside.values()) - min(beside.values()) <= 3


def test_what_has_no_counterpart_is_dropped_with_that_reason() -> None:
    pair = Pair(2, "a.jpg", "", "")
    kept, dropped = balanced([Question(pair, q.SITE, CLOSED, "nose", "Is this on the nose?", q.YES)], random.Random(0))
    assert (kept, [one.reason for one in dropped]) == ([], ["no picture has the other answer to the same question"])
