"""The regime table: figures of every prior, and Markdown from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from zsderm.benchmarks.experiments.prior_regimes import (
    PRIORS,
    figures_of,
    filled,
    home_overview,
    main,
    measure,
    overview,
    prior_of,
    regimes,
    sentences,
)
from zsderm.benchmarks.experiments.prior_worlds import World, real_worlds, synthetic_world
from zsderm.errors import InputError


def small_world() -> World:
    return synthetic_world("balanced", 3, 240, 0.6, 0.1, 1.0, (0.0, 0.0), seed=0)


def test_priors_are_what_their_names_say() -> None:
    world = small_world()
    true = np.bincount(world.labels, minlength=3)
    assert prior_of(world, "true mix").tolist() == true.tolist()
    np.testing.assert_allclose(prior_of(world, "sqrt true"), np.sqrt(true))
    text = torch.softmax(torch.from_numpy(world.image_features @ world.text_proxies.T).double() / 0.01, dim=1)
    torch.testing.assert_close(prior_of(world, "mean^0.8"), text.mean(dim=0) ** 0.8)
    assert prior_of(world, "learned").sum().item() == pytest.approx(1)
    assert prior_of(world, "auto") == "auto"


def test_figures_are_changes_in_points_against_the_text_proxies() -> None:
    row = figures_of(small_world())
    assert np.isnan(row["home"]), "the training images of a made encoder are not known"
    for name in set(PRIORS) - {"home"}:
        assert -100 <= row[name] <= 100
        assert -100 <= row[f"{name} balanced"] <= 100
    assert row["text"] == pytest.approx(100 * small_world().text_accuracy())
    assert row["true mix"] > 0


@pytest.fixture
def features_file(tmp_path: Path) -> Path:
    world = small_world()
    file = tmp_path / "features.npz"
    arrays = {"image_features": world.image_features, "labels": world.labels, "text_proxies": world.text_proxies}
    np.savez(file, **arrays)
    return file


def table() -> pd.DataFrame:
    row = {"mix": "balanced", "classes": 3, "images": 200, "text": 50.0, "text balanced": 50.0, "refined": True}
    changes = {
        "uniform": 10.0,
        "mean^0.8": -2.0,
        "learned": 8.0,
        "auto": 6.0,
        "home": 4.0,
        "true mix": 20.0,
        "sqrt true": 15.0,
    }
    good = row | changes | {f"{name} balanced": 0.0 for name in PRIORS}
    bad = good | {"mix": "one class", "refined": False, "uniform": -60.0, "auto": 0.0}
    return pd.DataFrame([good, bad])


def test_the_overview_says_what_is_gained_lost_and_kept() -> None:
    lines = overview({"made up": table()}).splitlines()
    assert lines[2] == "| made up | 2 | uniform | -25.0 | -60.0 | -60.0 | 1 | +0.0 | 100% |"
    assert lines[5] == "| made up | 2 | auto | +3.0 | +0.0 | +0.0 | 0 | +0.0 | 60% |"


def test_the_regime_table_has_one_row_per_mix_and_number_of_classes() -> None:
    lines = regimes(table()).splitlines()
    assert lines[2].startswith("| balanced | 3 | 1 | 50.0 | +10.0, +10.0 | -2.0, -2.0 | +8.0, +8.0 | +6.0, +6.0 |")
    assert lines[3].startswith("| one class | 3 | 1 | 50.0 | -60.0, -60.0 |")


def test_home_takes_its_scores_off() -> None:
    world, mean = small_world(), small_world().image_features.mean(axis=0)
    row = figures_of(replace(world, home=mean), ["home"])
    scores = world.image_features @ world.text_proxies.T
    named = [
        max(range(3), key=lambda one: float(scores[image, one]) - float(mean @ world.text_proxies[one]))
        for image in range(len(world.labels))
    ]
    after = 100 * np.mean(np.array(named) == world.labels)
    assert row["home"] == pytest.approx(after - row["text"]) and row["home"] > 0
    assert "auto" not in row


def test_what_rows_lack_is_measured_on_the_same_folders(features_file: Path) -> None:
    worlds = list(real_worlds(features_file, range(1)))[:3]
    whole = measure(worlds).assign(source="features")
    found = filled(whole.drop(columns=["learned", "learned balanced"]), worlds)
    pd.testing.assert_frame_equal(found[whole.columns], whole)
    with pytest.raises(InputError, match="the rows are of other folders: natural"):
        filled(whole.drop(columns="learned"), worlds[1:] + worlds[:1])


def test_home_is_told_apart_by_source_and_bias() -> None:
    part = table().assign(mix=["natural, bias 0.0", "natural, bias 0.3"], home=[2.0, -3.0])
    lines = home_overview({"PAD": part, "nails-away": part.assign(home=np.nan)}).splitlines()
    assert lines[2] == "| of a source that the encoder knows | as they come | 1 | +2.0 / +0.0 | +2.0 | 0 |"
    assert lines[3] == "| of a source that the encoder knows | with a bias added | 1 | -3.0 / +0.0 | -3.0 | 1 |"
    assert len(lines) == 4


def test_rows_are_measured_once_and_shown_in_a_page(features_file: Path, tmp_path: Path) -> None:
    rows, page = tmp_path / "rows.csv", tmp_path / "page.md"
    measure(list(real_worlds(features_file, range(1)))[:2]).assign(source="features").to_csv(rows, index=False)
    stale = "\n".join(f"<!-- {name} -->\nstale\n<!-- end of {name} -->" for name in ("prior overview", "prior tables"))
    page.write_text(f"before\n{stale}\nafter\n")
    drawing = tmp_path / "dots.png"
    result = CliRunner().invoke(main, ["--rows", str(rows), "--document", str(page), "--picture", str(drawing)])
    assert result.exit_code == 0, result.output
    assert drawing.read_bytes().startswith(b"\x89PNG")
    assert "### features" in result.output
    assert "| natural, bias 0.0 | 3 | 1 |" in result.output
    assert page.read_text().startswith("before\n<!-- prior overview -->\n\n| source |")
    assert "<!-- prior tables -->\n\n| source |" in page.read_text()
    assert "### real, of a source that the encoder knows\n\n| mix |" in page.read_text()
    assert page.read_text().endswith("<!-- end of prior tables -->\nafter\n")
    assert "stale" not in page.read_text()


def test_the_prose_quotes_the_worst_and_what_is_kept() -> None:
    real = table().assign(mix=["natural, bias 0.0", "one class, bias 0.0"], learned=[1.0, -7.5])
    found = sentences({"synthetic": table(), "PAD": real})
    assert "Synthetic: on 2 folders auto changes accuracy by +0.0 points at worst and 0 of them lose" in found["bounds"]
    assert "keeps 60% from 100 images on and no gain from 300 images on" in found["bounds"]
    assert (
        "+10.0 on PAD (points), and over 2 folders of real features by -25.0 on average and -60.0 at worst"
        in (found["headline"])
    )
    assert found["learned"] == "7.5"


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    rows, page = tmp_path / "rows.csv", tmp_path / "page.md"
    table().assign(source="made up").to_csv(rows, index=False)
    page.write_text("no marks")
    result = CliRunner().invoke(main, ["--rows", str(rows), "--document", str(page)])
    assert result.exit_code == 1
    assert "Expected a page with the lines" in result.output
    assert page.read_text() == "no marks"


def test_small_synthetic_folders_are_left_alone_by_auto() -> None:
    result = CliRunner().invoke(main, ["--seeds", "1", "--largest", "10", "--mix", "balanced"])
    assert result.exit_code == 0, result.output
    assert "| balanced | 2 |" in result.output and "| zipf |" not in result.output
    assert "| auto | +0.0 | +0.0 | +0.0 | 0 | +0.0 | no gain |" in result.output
