"""The figures are drawn and hold what they should; that they are good to look at, only eyes can tell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zsderm.benchmarks import figures
from zsderm.benchmarks.results import Result, read_results
from zsderm.errors import SettingsError
from zsderm.images import open_image


@pytest.fixture
def runs(results: Path) -> list[Result]:
    return read_results(results)


def test_the_confusion_matrix_shows_every_count_that_is_not_zero(runs: list[Result]) -> None:
    axis = figures.confusion(runs[0]).axes[0]
    shown = sorted(int(text.get_text()) for text in axis.texts)
    assert shown == sorted(count for row in runs[0]["confusion"] for count in row if count)


def test_the_reliability_diagram_shows_the_accuracy_of_each_bin(runs: list[Result]) -> None:
    top, bottom = figures.reliability(runs[0]).axes
    heights = [bar.get_height() for bar in top.containers[0]]
    expected = [np.nan if value is None else value for value in runs[0]["reliability"]["accuracy"]]
    np.testing.assert_allclose(heights, expected)
    assert sum(bar.get_height() for bar in bottom.containers[0]) == 16


def test_the_ablation_has_a_line_a_method_from_the_plainest_at_the_top(runs: list[Result]) -> None:
    axis = figures.ablation(runs).axes[0]
    ticks = sorted(zip(axis.get_yticks(), (label.get_text() for label in axis.get_yticklabels()), strict=True))
    assert [name for _, name in ticks] == ["kpl", "knowledge", "class-name"]


def test_the_curve_over_k_has_a_point_for_each_k_in_its_place(runs: list[Result]) -> None:
    assert figures.curve_over_k(runs) is None  # one k only
    several = []
    for k, accuracy in ((16, 0.5), (None, 0.7), (2, 0.3)):
        run = json.loads(json.dumps(runs[1]))
        run["config"] |= {"k": k, "variant": f"knowledge, k = {k}" if k else "knowledge"}
        run["metrics"]["accuracy"] = accuracy
        run["manifest"]["settings"]["k"] = k or 10
        several.append(run)
    figure = figures.curve_over_k([*several, runs[0]])
    assert figure is not None and len(figure.axes) == 2
    line = figure.axes[0].lines[0]
    assert list(line.get_xdata()) == [2, 10, 16] and list(line.get_ydata()) == [0.3, 0.7, 0.5]
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["2", "10", "16"]


def test_groups_too_small_for_the_gap_are_hollow(runs: list[Result]) -> None:
    run = json.loads(json.dumps(runs[0]))
    run["groups"]["sex"]["least"] = 8
    for grouping, hollow in (("sex", False), ("age", True)):
        points = [line for line in figures.group_gap(run, grouping).axes[0].lines if line.get_marker() == "o"]
        assert all((line.get_markerfacecolor() == "white") is hollow for line in points)


def test_images_of_no_group_have_a_row(runs: list[Result]) -> None:
    axis = figures.group_gap(runs[0], "skin type").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()][-1] == "unknown (n = 6)"


def test_every_figure_is_written_and_svg_only_when_asked_for(runs: list[Result], tmp_path: Path) -> None:
    written = figures.draw_all(runs[:2], tmp_path, svg=False)
    assert {path.suffix for path in written} == {".png"} and len(written) == 6
    assert all(open_image(path).size[0] > 300 for path in written)
    files = figures.save(figures.reliability(runs[0]), tmp_path / "one", svg=True)
    assert [path.name for path in files] == ["one.png", "one.svg"] and "<svg" in files[1].read_text()


@pytest.mark.parametrize("name", ["one.png", "one.svg"])
def test_a_figure_of_the_user_is_not_replaced_and_an_earlier_one_is(
    runs: list[Result], tmp_path: Path, name: str
) -> None:
    for _ in range(2):
        figures.save(figures.reliability(runs[0]), tmp_path / "one", svg=True)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes().replace(b"zsderm", b"others"))
    with pytest.raises(SettingsError, match="not what zsderm writes there"):
        figures.save(figures.reliability(runs[0]), tmp_path / "one", svg=True)
