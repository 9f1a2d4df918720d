from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsderm.pretrain.extraction.sub_captions import split

PIECES = st.lists(st.sampled_from(["red", "scaly plaque", "no crust", "a nodule on the arm", "it is 1.5 cm wide"]))


@pytest.mark.parametrize(
    ("caption", "pieces"),
    [
        ("", []),
        ("...", []),
        ("A red plaque.", ["A red plaque"]),
        (
            "A red plaque on the arm. It is scaly and thick; no crust.",
            ["A red plaque on the arm", "It is scaly and thick", "no crust"],
        ),
        ("A nodule of 1.5 cm on the nose", ["A nodule of 1.5 cm on the nose"]),
        (
            "A large red plaque on the left arm, covered with silvery scale, but the nails and scalp are spared",
            ["A large red plaque on the left arm", "covered with silvery scale", "but the nails and scalp are spared"],
        ),
        (
            "A large red plaque on the arm of a woman, without scale, crust or ulceration on its surface",
            ["A large red plaque on the arm of a woman, without scale, crust or ulceration on its surface"],
        ),
    ],
)
def test_a_caption_is_cut_at_sentences_and_long_ones_at_commas(caption: str, pieces: list[str]) -> None:
    assert split(caption) == pieces


@given(PIECES, st.sampled_from([". ", "; ", "\n", ", "]))
def test_there_are_at_most_eight_pieces_and_no_word_is_lost(parts: list[str], joint: str) -> None:
    caption = joint.join(parts)
    pieces = split(caption)
    assert len(pieces) <= 8
    assert "".join(pieces).translate(DROP) == caption.translate(DROP)


DROP = str.maketrans("", "", ".;, \n")
