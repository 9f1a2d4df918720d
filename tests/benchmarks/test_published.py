from __future__ import annotations

from zsderm.benchmarks.published import WARNING, published, to_markdown


def test_published_names_are_found_under_the_name_of_the_command_line() -> None:
    assert {row.dataset for row in published("f17k")} == {"F17K-113"}
    assert {row.dataset for row in published("sd-128")} == {"SD-128"}
    assert {row.dataset for row in published("pad")} == {"PAD"}
    assert published("mine") == []
    assert {row.task for row in published(task="retrieval")} == {"retrieval"}


def test_every_figure_has_a_source_and_is_a_share() -> None:
    for row in published():
        assert row.source and 0 < row.value < 1


def test_figures_of_others_are_in_italics_with_a_warning() -> None:
    text = to_markdown(published("pad"))
    assert "| *MAKE* | accuracy | *0.586* |" in text and text.endswith(WARNING)
    assert to_markdown([]) == ""
