"""A small folder, answered alone and by what was learned from a larger one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from zsderm.benchmarks.experiments.fitted_folders import BASE, HOME, MIXES, WAYS, Line, draws, main, overview
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.errors import InputError

LABELS = np.repeat([0, 1, 2], [60, 12, 3])


def _data() -> LabelledImages:
    """75 images of three classes, three of each lesion."""
    units = np.array([f"L{number // 3}" for number in range(75)], dtype=object)
    images = tuple(f"{number}.png" for number in range(75))
    return LabelledImages("made", images, LABELS, ("a", "b", "c"), "all", 75, unit="lesion_id", units=units)


def test_no_lesion_is_in_a_small_folder_and_in_the_large_one() -> None:
    data = _data()
    assert data.units is not None
    for draw in draws(data, large=20, small=9, count=5, seed=3):
        assert len(set(draw.large)) == 20
        for rows in draw.small.values():
            assert len(set(rows)) == 9 and not set(data.units[rows]) & set(data.units[draw.large])


def test_one_small_folder_is_filled_evenly_and_the_other_as_the_data_set_is() -> None:
    found = list(draws(_data(), large=20, small=9, count=40, seed=0))
    natural = np.bincount(np.concatenate([LABELS[draw.small[MIXES[0]]] for draw in found]))
    np.testing.assert_allclose(natural / natural.sum(), np.array([60, 12, 3]) / 75, atol=0.05)
    assert all(np.bincount(LABELS[draw.small[MIXES[1]]]).tolist() == [3, 3, 3] for draw in found)


def test_a_class_that_is_used_up_is_passed_over() -> None:
    (draw,) = draws(_data(), large=5, small=15, count=1, seed=0)
    assert np.bincount(LABELS[draw.small[MIXES[1]]]).tolist() == [6, 6, 3]


def test_the_same_seed_draws_the_same_folders_and_another_one_others() -> None:
    first, again, other = (next(draws(_data(), 20, 9, 1, seed)) for seed in (1, 1, 2))
    assert first.large.tolist() == again.large.tolist() != other.large.tolist()


def test_a_data_set_that_is_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="expected 70 images of made beside two folders of 9"):
        next(draws(_data(), large=70, small=9, count=1, seed=0))


def test_a_way_that_an_encoder_cannot_do_leaves_the_others_in_their_columns() -> None:
    numbers = (9, 50.0, 50.0, 1.0, 1.0, 1, 0, 0, 0, 0)
    lines = [Line("made", "ab12", 20, 9, MIXES[0], way, *numbers) for way in WAYS if way != HOME]
    head, _, row = ([cell.strip() for cell in line.split("|")] for line in overview(lines).splitlines())
    cells = dict(zip(head, row, strict=True))
    assert cells.pop(HOME) == "not possible"
    assert all(cells[way] == "+1.0 (0)" for way in WAYS if way not in (BASE, HOME))


def page_of(tables: str) -> str:
    """A page with a place for the overview, and none for the tables in full."""
    return f"above\n<!-- fitted folders -->\n\n{tables}\n\n<!-- end of fitted folders -->\nbelow\n"


@pytest.mark.slow
def test_what_was_learned_from_a_thousand_images_answers_twenty_others(data_root: Path, tmp_path: Path) -> None:
    output, page = tmp_path / "figures.json", tmp_path / "page.md"
    page.write_text(page_of("as it was"), encoding="utf-8")
    arguments = ["--data-root", data_root, "--draws", 3, "--output", output, "--document", page]
    done = CliRunner().invoke(main, [str(word) for word in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    lines = {(line["mix"], line["way"]): line for line in json.loads(output.read_text(encoding="utf-8"))["figures"]}
    assert set(lines) == {(mix, way) for mix in MIXES for way in WAYS}
    for mix in MIXES:
        base = lines[mix, BASE]
        assert (base["answers"], base["refined"], base["change"], base["gain"], base["lose"]) == (60, 0, 0, 0, 0)
        assert lines[mix, "fitted, stated mix"]["refined"] == 3
    for line in lines.values():
        base = lines[line["mix"], BASE]
        assert line["change"] == pytest.approx(line["accuracy"] - base["accuracy"])
    assert lines[MIXES[0], "fitted, stated mix"]["change"] > 0
    assert lines[MIXES[0], "fitted, uniform"]["change"] < -10, "the folder is not evenly filled"
    table = page.read_text(encoding="utf-8")
    overview = done.stdout.split("\n\n")[0]
    assert len(overview.splitlines()) == 4 and table == page_of(overview)
    assert "| fitted, stated mix | 3 of 3 |" in done.stdout
