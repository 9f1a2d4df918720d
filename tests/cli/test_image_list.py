"""Odd files, odd names and what was passed over, in every command that is given photographs."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.images.test_files import odd_files, posix
from zsderm.cli import main

Run = Callable[..., Result]
CLASSES = ("--classes", "melanoma, nevus", "--method", "templates")


@pytest.fixture
def run(tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs ``zsderm`` with the small encoder in place of the bundled one, and with a cache."""
    for place in ("zsderm.load_encoder", "zsderm.classifier.load_encoder", "zsderm.encoders.load_encoder"):
        monkeypatch.setattr(place, lambda name, device=None: tiny_encoder)
    monkeypatch.setenv("ZSDERM_CACHE", str(tmp_path / "cache"))
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    "command",
    [
        ("classify", "--images", "photos", *CLASSES),
        ("embed", "--images", "photos", "--output", "rows.npy"),
        ("annotate", "--images", "photos", "--output", "concepts.csv"),
        ("audit", "--train", "photos", "--model", "none"),
        ("retrieve", "--index", "photos", "--query", "red"),
    ],
    ids=lambda command: command[0],
)
def test_odd_files_are_rows_with_a_reason_within_seconds(run: Run, photos: Path, monkeypatch, command) -> None:
    monkeypatch.chdir(photos)
    reasons = odd_files(photos)
    monkeypatch.chdir(photos.parent)
    started = time.monotonic()
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert time.monotonic() - started < 20
    if command[0] == "embed":
        with Path("rows.csv").open(encoding="utf-8") as file:
            said = {Path(row["image"]).name: row["error"] for row in csv.DictReader(file)}
        assert {name: said[name] for name in reasons} == reasons
    else:
        assert all(f"failed: photos/{name}: {reason}" in done.stderr for name, reason in list(reasons.items())[:8])


@pytest.mark.parametrize(
    "command",
    [
        ("classify", "--images", "no.jpg", *CLASSES),
        ("annotate", "--images", "no.jpg"),
        ("kb", "search", "--image", "no.jpg"),
        ("embed", "--images", "no.jpg", "--output", "rows.npy"),
    ],
    ids=lambda command: command[0],
)
def test_an_image_that_is_not_there_is_named_before_an_encoder_is_loaded(
    monkeypatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    for place in ("zsderm.load_encoder", "zsderm.classifier.load_encoder", "zsderm.encoders.load_encoder"):
        monkeypatch.setattr(place, lambda *_: pytest.fail("an encoder was loaded"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1 and "cannot read no.jpg: no such file" in done.stderr


@pytest.mark.slow
def test_what_was_passed_over_is_on_stderr_in_the_manifest_and_in_the_report(run: Run, photos: Path) -> None:
    for name in ("a.dng", "b.DNG", "c"):
        (photos / name).touch()
    linked = photos.parent / "linked"
    linked.mkdir()
    Image.new("RGB", (16, 16), "red").save(linked / "9.jfif", "JPEG")
    (photos / "link").symlink_to(linked)
    report = photos.parent / "report.html"
    done = run("classify", "--images", photos, *CLASSES, "--report", report)
    said = "2 .dng, 1 linked folder, 1 without a suffix"
    assert f"Passed over: {said}; --follow-links goes into links" in done.stderr and "3 images" in done.stderr
    page = report.read_text(encoding="utf-8")
    assert said in page and "passed_over › .dng" in page
    followed = run("classify", "--images", photos, *CLASSES, "--follow-links")
    assert "4 images" in followed.stderr and "Passed over: 2 .dng, 1 without a suffix\n" in followed.stderr
    audited = run("audit", "--train", photos, "--model", "none", "--json")
    assert json.loads(audited.stdout)["passed_over"][str(photos)][".dng"] == 2


@pytest.mark.slow
def test_equal_names_in_two_folders_are_told_apart_in_the_report(run: Run, photos: Path) -> None:
    for folder in ("left", "right"):
        (photos / folder).mkdir()
        os.link(photos / "0.png", photos / folder / "same.png")
    report = photos.parent / "report.html"
    assert run("classify", "--images", photos, *CLASSES, "--report", report).exit_code == 0
    page = report.read_text(encoding="utf-8")
    assert ">left/same.png</h3>" in page and ">right/same.png</h3>" in page and ">1.png</h3>" in page


@pytest.mark.slow
@posix
def test_names_that_are_not_utf8_are_written_the_same_way_everywhere(run: Run, photos: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.png")
    try:
        (photos / "0.png").rename(photos / odd)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (photos / "1.png").unlink()
    os.link(photos / odd, photos / os.fsdecode(b"twin\xff.png"))
    (photos / os.fsdecode(b"torn\xe9.png")).write_bytes(b"junk")
    name = r"caf\xe9.png"
    for suffix in (".csv", ".jsonl", ".parquet"):
        output = tmp_path / f"answers{suffix}"
        done = run("classify", "--images", photos, *CLASSES, "--output", output, "--group-by", "folder")
        assert done.exit_code == 0 and r"failed: " in done.stderr and r"torn\xe9.png" in done.stderr, done.output
        read = {".csv": pd.read_csv, ".parquet": pd.read_parquet}.get(suffix)
        table = pd.read_json(output, lines=True) if read is None else read(output)
        assert str(photos / name) in set(table["image"])
    assert name in run("classify", "--images", photos, *CLASSES).stdout
    page, heat = tmp_path / "report.html", tmp_path / "heat"
    done = run("classify", "--images", photos, *CLASSES, "--report", page, "--explain", heat)
    assert done.exit_code == 0 and name in page.read_text(encoding="utf-8"), done.output
    assert str(photos / name) in {
        json.loads(line)["image"] for line in (heat / "explanations.jsonl").read_text(encoding="utf-8").splitlines()
    }
    pairs, sheet = tmp_path / "pairs.csv", tmp_path / "sheet.html"
    done = run("audit", "--train", photos, "--model", "none", "--output", pairs, "--sheet", sheet)
    assert done.exit_code == 0 and name in pairs.read_text(encoding="utf-8"), done.output
    assert name in sheet.read_text(encoding="utf-8")
    assert run("embed", "--images", photos, "--output", tmp_path / "rows.npy").exit_code == 0
    assert name in (tmp_path / "rows.csv").read_text(encoding="utf-8")
    assert name in run("annotate", "--images", photos).stdout
    found = run("retrieve", "--index", photos, "--query", "red")
    assert found.exit_code == 0 and name in found.stdout, found.output
    labels = tmp_path / "labels.csv"  # names as zsderm has written them are found again
    labels.write_text(f"image,true_label\n{name},nevus\n2.png,melanoma\n", encoding="utf-8")
    done = run("classify", "--images", photos, *CLASSES, "--labels", labels, "--report", page)
    assert done.exit_code == 0 and "labelled" in page.read_text(encoding="utf-8"), done.output


def test_an_empty_name_is_no_folder(run: Run) -> None:
    done = run("classify", "--images", "", *CLASSES)
    assert done.exit_code == 2 and "the value is empty" in done.output
