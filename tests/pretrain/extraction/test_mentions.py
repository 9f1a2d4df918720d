from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsderm.pretrain.extraction.mentions import PhraseTable, Speller, slips_between, tokens_of

TABLE = PhraseTable(
    [
        ("nevus", "nevus"),
        ("blue nevus", "blue nevus"),
        ("a blue lesion", "blue"),
        ("birth mark", "birthmark"),
        ("Bowen disease", "bowen"),
        ("seborrhoeic keratosis", "sk"),
        ("BCC", "bcc"),
        ("nv", "nevus"),
        ("maculopapular", "macule"),
        ("maculopapular", "papule"),
    ]
)
SPELLER = Speller(frozenset(TABLE.words), frozenset({"module"}))


def found(text: str, speller: Speller | None = None) -> list[tuple[str, str]]:
    return [(" ".join(m.meanings), m.text) for m in TABLE.find(tokens_of(text, speller))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A blue naevus beside two nevi.", [("blue nevus", "blue naevus"), ("nevus", "nevi")]),
        ("a Blue Lesion", [("blue", "Blue Lesion")]),
        ("BIRTHMARKS and birth-mark", [("birthmark", "BIRTHMARKS"), ("birthmark", "birth mark")]),
        ("Bowen's disease", [("bowen", "Bowen's disease")]),
        ("seborrheic keratoses", [("sk", "seborrheic keratoses")]),
        ("maculopapular", [("macule papule", "maculopapular")]),
        ("BCC, not Bcc or bcc; NV, Nv and nv", [("bcc", "BCC"), *(("nevus", nv) for nv in ("NV", "Nv", "nv"))]),
        ("", []),
        ("1.5 cm", []),
    ],
)
def test_phrases_are_found_in_any_spelling_the_longest_first(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_a_mention_says_which_tokens_it_is() -> None:
    (mention,) = TABLE.find(tokens_of("old blue nevus here"))
    assert (mention.first, mention.last, mention.corrected) == (1, 3, False)


@pytest.mark.parametrize("word", ["seborheic", "seborrhiec", "seborrheicc", "seborrehic"])
def test_a_slip_of_the_pen_is_read_as_the_word_it_is_nearest_to(word: str) -> None:
    (mention,) = TABLE.find(tokens_of(f"{word} keratosis", SPELLER))
    assert mention.meanings == ("sk",) and mention.corrected and mention.text == f"{word} keratosis"
    assert not found(f"{word} keratosis")


@pytest.mark.parametrize("word", ["nevis", "xeratosis", "keratin", "module", "keratosis"])
def test_words_that_are_short_ordinary_far_away_or_right_are_left_alone(word: str) -> None:
    assert SPELLER.read(word) == word


def test_a_word_between_two_is_not_corrected() -> None:
    speller = Speller(frozenset({"keratosis", "keratasis"}))
    assert speller.read("keratusis") == "keratusis"


LETTERS = st.text("abc", max_size=6)


@given(LETTERS, LETTERS)
def test_slips_are_what_a_plain_recursion_counts(one: str, other: str) -> None:
    assert slips_between(one, other) == recursion(one, other) == slips_between(other, one)


def recursion(one: str, other: str) -> int:
    if not one or not other:
        return len(one) + len(other)
    ways = [
        recursion(one[:-1], other) + 1,
        recursion(one, other[:-1]) + 1,
        recursion(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    ]
    if len(one) > 1 and len(other) > 1 and one[-1] == other[-2] and one[-2] == other[-1]:
        ways.append(recursion(one[:-2], other[:-2]) + 1)
    return min(ways)
