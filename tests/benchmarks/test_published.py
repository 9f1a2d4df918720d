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


def test_figures_on_skincap_of_models_trained_on_derm1m_tell_of_the_near_copies() -> None:
    notes = {row.model: row.note for row in published("skincap", task=None)}
    assert set(notes) == {"MAKE", "DermLIP-PanDerm", "MONET"}
    for model in ("MAKE", "DermLIP-PanDerm"):
        assert "83.6 % of SkinCAP has a near copy in Derm1M" in notes[model] and "0.75" in notes[model]
    assert not notes["MONET"]  # trained on other images
    assert not any(row.note for row in published(task="zero-shot"))


def test_a_note_stands_once_below_the_figures_it_is_on() -> None:
    rows = published(task="retrieval")
    text = to_markdown(rows)
    assert text.count("near copy") == 1 < sum(bool(row.note) for row in rows)
    assert "*MAKE* on SkinCAP, *DermLIP-PanDerm* on SkinCAP: 83.6 %" in text
    assert text.count("\n\n") == 2 and text.endswith(WARNING)


def test_all_tasks_are_given_where_none_is_named() -> None:
    assert {row.task for row in published(task=None)} == {"zero-shot", "concepts", "retrieval"}
