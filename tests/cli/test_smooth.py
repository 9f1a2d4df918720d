"""``--smooth``: the number it stands for, and the calibration that goes with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from zsderm.cli import main

HOW = ("--classes", "melanoma, nevus, psoriasis", "--method", "knowledge")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Thirty photographs, and a table of labels beside their folder."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(30):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / f"{n:02d}.png")
    true = ["melanoma", "nevus", "psoriasis"] * 10
    pd.DataFrame({"image": sorted(path.name for path in folder.iterdir()), "true_label": true}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    return folder


@pytest.fixture
def run(tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    monkeypatch.setattr("zsderm.classifier.load_encoder", lambda name, device=None: tiny_encoder)
    monkeypatch.setenv("ZSDERM_CACHE", str(tmp_path / "cache"))
    return lambda *arguments: CliRunner().invoke(main, [*map(str, arguments)])


@pytest.mark.parametrize(("said", "gamma"), [(["--smooth"], 0.3), (["--smooth", "0.1"], 0.1), (["--smooth=1"], 1.0)])
def test_the_number_may_be_left_out(run, photos: Path, tmp_path: Path, said: list[str], gamma: float) -> None:
    done = run("classify", photos, *said, *HOW, "-o", tmp_path / "answers.csv", "--report", tmp_path / "page.html")
    assert done.exit_code == 0, done.output
    manifest = json.loads((tmp_path / "answers.csv.manifest.json").read_text())["manifest"]
    assert manifest["smoothing"]["gamma"] == manifest["settings"]["smooth"] == gamma
    assert manifest["smoothing"]["images"] == 30
    sentence = f"(gamma {gamma:g}). {manifest['smoothing']['changed']} of 30 answers changed."
    assert sentence in done.stderr and sentence in (tmp_path / "page.html").read_text()


def test_calibrated_and_classified_alike(run, photos: Path, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    done = run("calibrate", photos, *HOW, "--smooth", "--labels", tmp_path / "labels.csv", "-o", record)
    assert done.exit_code == 0, done.output
    made_with = json.loads(record.read_text())["made_with"]
    assert (made_with["smooth"], made_with["smooth_neighbours"]) == (0.3, 5)
    how = ("classify", photos, *HOW, "--calibration", record, "-o", tmp_path / "answers.csv")
    assert run(*how, "--smooth").exit_code == 0
    assert "prediction_set" in pd.read_csv(tmp_path / "answers.csv")
    for said, words in ((["--smooth", "0.1"], "smoothing (gamma 0.1)"), ([], "no smoothing")):
        refused = run(*how, *said)
        assert refused.exit_code == 1 and f"but these were made with {words}" in refused.stderr


def test_a_fitted_classifier_is_smoothed_when_it_is_asked(run, photos: Path, tmp_path: Path) -> None:
    fitted = tmp_path / "fitted"
    assert run("classify", photos, *HOW, "--fit", fitted, "-o", tmp_path / "first.csv").exit_code == 0
    done = run("classify", photos, "--fitted", fitted, "--smooth", "0.2", "-o", tmp_path / "second.csv")
    assert done.exit_code == 0 and "(gamma 0.2)" in done.stderr
    done = run("classify", photos, *HOW, "--smooth", "--fit", tmp_path / "again", "-o", tmp_path / "third.csv")
    assert done.exit_code == 0 and "smoothing is no part of the fit: give --smooth again" in done.stderr


def test_what_a_prior_and_smoothing_change_is_counted_together(run, photos: Path, tmp_path: Path) -> None:
    output, report = tmp_path / "answers.csv", tmp_path / "report.html"
    done = run(
        "classify", photos, *HOW, "--method", "kpl", "--prior", "uniform", "--smooth", "-o", output, "--report", report
    )
    assert done.exit_code == 0, done.output
    table = pd.read_csv(output)
    changed = int((table["label"] != table["unrefined_label"]).sum()) or "None"
    sentence = f"{changed} of 30 answers changed, by this and the smoothing together."
    assert sentence in done.stderr and sentence in report.read_text()
    assert "is written about the classes alone, not smoothed, with the same settings." in report.read_text()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["--smooth", "photos"], "expected a number, such as 0.3, but got 'photos'"),
        (["--smooth", "inf"], "expected a number from 0 on, such as 0.3, but got 'inf'"),
        (["--smooth", "nan"], "expected a number from 0 on"),
    ],
)
def test_what_is_no_number_is_refused_as_wrong_usage(run, photos: Path, said: list[str], words: str) -> None:
    refused = run("classify", photos, *HOW, *said)
    assert refused.exit_code == 2 and words in refused.stderr


def test_a_supervised_classifier_is_not_smoothed(run, photos: Path) -> None:
    refused = run("classify", photos, "--smooth", "--model", "supervised:nowhere")
    assert refused.exit_code == 2
    assert "--smooth cannot be given with --model supervised:FOLDER" in refused.stderr


def test_groups_are_refused_in_one_sentence(run, photos: Path) -> None:
    refused = run("classify", photos, *HOW, "--smooth", "--group-by", "folder", "-o", photos.parent / "answers.csv")
    assert refused.exit_code == 1, refused.stderr
    assert "answers for groups cannot be smoothed" in refused.stderr
