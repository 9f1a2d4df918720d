from __future__ import annotations

import pytest

from zsderm.narratives.pieces import piece_of, pieces_of


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It does not itch", "It itch"),
        ("it doesn't hurt", "it hurt"),
        ("it doesnt bleed at all", "it bleed"),
        ("It has never bled.", "It has bled"),
        ("There is no pain", "There is pain"),
        ("no itching", "itching"),
        ("It is not raised", "It is raised"),
    ],
)
def test_what_is_denied_is_left_without_the_denial(text: str, said: str) -> None:
    piece = piece_of(text)
    assert (piece.said, piece.denied, piece.text) == (said, True, text)


@pytest.mark.parametrize(
    "text", ["It itches", "I cannot sleep", "nothing helps", "not only at night", "never without pain", "I can't stop"]
)
def test_what_is_no_denial_of_a_complaint_is_none(text: str) -> None:
    assert not piece_of(text).denied


def test_a_denial_reaches_to_the_end_of_its_clause() -> None:
    found = pieces_of("It does not itch, but it bleeds and it has grown. No pain.")
    assert [(piece.said, piece.denied) for piece in found] == [
        ("It itch", True),
        ("it bleeds", False),
        ("it has grown", False),
        ("pain", True),
    ]


def test_what_a_patient_does_not_know_says_nothing() -> None:
    assert pieces_of("I do not know whether it has grown. I am not sure about the colour. No idea since when.") == []


@pytest.mark.parametrize("story", ["", " ", "?!", "12 34", "[...]", "[...], [...]!", "\u2603" * 50])
def test_what_says_nothing_has_no_pieces(story: str) -> None:
    assert pieces_of(story) == []


def test_each_thing_counts_once() -> None:
    assert len(pieces_of("It itches. " * 500)) == 1


def test_one_word_is_a_piece_of_its_own_where_nothing_stands_before_it() -> None:
    assert [piece.text for piece in pieces_of("itchy")] == ["itchy"]
    assert [piece.text for piece in pieces_of("red spots, bumps")] == ["red spots bumps"]
