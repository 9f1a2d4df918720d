"""The line of a group in the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zsderm.errors import InputError
from zsderm.groups import GroupPredictions, ImageGroups, group_predictions
from zsderm.predictions import Predictions
from zsderm.report import write_report
from zsderm.report.group_row import group_rows, group_table

IMAGES = ("1.jpg", "2.jpg", "3.jpg", "4.jpg")


def answered(names: tuple[str, ...], table: list[list[float]]) -> Predictions:
    failed = {name: "torn" for name, row in zip(names, table, strict=True) if np.isnan(row).any()}
    rows = torch.tensor(table)
    return Predictions(names, ("nevus", "<wart>"), rows, "knowledge", "none", "kpl", ((),) * len(names), failed)


@pytest.fixture
def found() -> GroupPredictions:
    torn = [np.nan, np.nan]
    members = ImageGroups.of(["a & b", "a & b", "c", "d"], IMAGES)
    photographs = answered(IMAGES, [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], torn])
    return group_predictions(photographs, answered(members.names, [[0.7, 0.3], [0.2, 0.8], torn]), members, "lesion")


def test_a_line_says_answer_photographs_agreement_and_label(found: GroupPredictions) -> None:
    first, second, third = group_rows(found, np.array([0, -1, 0, 1]))
    assert (first.label, first.images, first.agreement, first.true, first.verdict) == (
        "nevus",
        2,
        0.5,
        "nevus",
        "right",
    )
    assert (second.label, second.agreement, second.verdict, second.error) == ("<wart>", 1.0, "wrong", "")
    assert (third.label, third.unreadable, third.error, third.true, third.verdict) == ("", 1, "torn", "<wart>", "")


def test_several_labels_in_one_group_are_neither_right_nor_wrong(found: GroupPredictions) -> None:
    first = next(group_rows(found, np.array([0, 1, -1, -1])))
    assert first.mixed and (first.true, first.verdict) == ("", "")


@pytest.mark.parametrize(("method", "of"), [("knowledge", "their embeddings"), ("supervised", "the roots of their")])
def test_the_page_says_of_what_a_group_is_the_mean(
    found: GroupPredictions, tmp_path: Path, method: str, of: str
) -> None:
    page = tmp_path / "report.html"
    write_report(replace(found.photographs, method=method), page, groups=found)
    assert f"from the mean of {of}" in page.read_text(encoding="utf-8")


def test_the_page_has_the_groups_and_none_without_them(found: GroupPredictions, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_report(found.photographs, page, groups=found, true=[0, 0, 0, -1])
    text = page.read_text(encoding="utf-8")
    assert "3 groups by lesion" in text and "<b>1 of 2</b> groups with a label" in text
    assert "a &amp; b" in text and "labelled nevus" in text and '<td class="bad" colspan="2">torn</td>' in text
    write_report(found.photographs, page, groups=found)
    low = replace(found, answers=replace(found.answers, minimum=0.75))
    write_report(found.photographs, page.with_name("low.html"), groups=low)
    assert page.with_name("low.html").read_text(encoding="utf-8").count("(less than 75 %)") == 1
    assert "groups with a label" not in page.read_text(encoding="utf-8")
    write_report(found.photographs, page)
    assert "groups by" not in page.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="`groups` of 3 images, but got 4"):
        write_report(answered(IMAGES[:3], [[0.5, 0.5]] * 3), page, groups=found)


def test_photographs_of_no_group_are_one_line_of_their_own(tmp_path: Path) -> None:
    members = ImageGroups.of(["c", "", "c", ""], IMAGES)
    torn = [np.nan, np.nan]
    photographs = answered(IMAGES, [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], torn])
    found = group_predictions(photographs, answered(members.names, [[0.7, 0.3], [0.4, 0.6], torn]), members, "patient")
    table = group_table(found, np.array([0, 1, 0, 1]))
    assert [line.group for line in table.lines] == ["c"]
    assert [line.group for line in table.unknown] == ["2.jpg", "4.jpg"]
    assert (table.right, table.labelled, table.unknown_right, table.unknown_labelled) == (1, 1, 1, 1)
    write_report(photographs, tmp_path / "report.html", groups=found, true=[0, 1, 0, 1])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "1 group by patient, 2 photographs without one" in page and "1 of 1 as labelled" in page
    assert '<th scope="row">unknown</th>' in page and "which draws by patient, each" in page
