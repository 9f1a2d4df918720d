"""A row says whether the answer is the label, and by what the page sorts it."""

from __future__ import annotations

import pytest

from zsderm.report import Row
from zsderm.report.row import short_names


def _row(ranked: list[tuple[str, float]], true: str) -> Row:
    return Row("folder/photo.jpg", "", ranked, (), "", true)


@pytest.mark.parametrize(
    ("ranked", "true", "verdict"),
    [
        ([("nevus", 0.9)], "nevus", "right"),
        ([("nevus", 0.9)], "wart", "wrong"),
        ([], "wart", ""),
        ([("a", 1.0)], "", ""),
    ],
)
def test_the_verdict_needs_an_answer_and_a_label(ranked, true: str, verdict: str) -> None:
    assert _row(ranked, true).verdict == verdict


def test_equal_names_in_two_folders_are_told_apart_by_as_many_folders_as_it_takes() -> None:
    images = ["x/a/1.jpg", "x/b/1.jpg", "y/b/1.jpg", "x/2.jpg", "3.jpg", "3.jpg", "/", "", "caf\udce9.jpg"]
    shown = ["a/1.jpg", "x/b/1.jpg", "y/b/1.jpg", "2.jpg", "3.jpg", "3.jpg", "/", "", "caf\\xe9.jpg"]
    assert short_names(images) == shown


def test_a_row_goes_by_its_file_name() -> None:
    assert _row([], "").name == "photo.jpg" and Row("", "", [], (), "", "").name == ""


def test_the_facts_of_a_row_are_those_that_the_page_sorts_by() -> None:
    row = Row(
        "-x.jpg",
        "",
        [("nevus", 0.75)],
        (),
        "",
        "",
        margin=0.5,
        abstained=True,
        before="wart",
        after="nevus",
        shown="é.jpg",
        cells=["=1+1"],
        below_minimum=True,
    )
    assert row.facts({"nevus": 1, "wart": 0}) == {
        "image": "'-x.jpg",
        "others": ["'=1+1"],
        "name": "é.jpg",
        "answer": 1,
        "label": -1,
        "probability": 0.75,
        "margin": 0.5,
        "familiarity": None,
        "is": ["abstained", "below", "changed"],
    }
    failed = Row("1.jpg", "", [], (), "torn", "wart").facts({"nevus": 1, "wart": 0})
    assert (failed["answer"], failed["label"], failed["probability"], failed["is"]) == (-1, 0, None, ["failed"])
