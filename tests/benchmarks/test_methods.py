from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm.benchmarks.methods import Folder, main, mixes, read_split

LABELS = ("nevus",) * 9 + ("melanoma",) * 6 + ("basal cell carcinoma",) * 2


@pytest.fixture
def folder() -> Folder:
    return Folder("natural", tuple(f"{n}.jpg" for n in range(len(LABELS))), LABELS)


def test_the_natural_mix_comes_first_and_unchanged(folder: Folder) -> None:
    assert next(iter(mixes(folder))) == folder


def test_balanced_subsets_hold_every_class_alike_and_keep_images_with_their_labels(folder: Folder) -> None:
    balanced = [mix for mix in mixes(folder, seeds=3) if mix.name.startswith("balanced")]
    assert len({mix.images for mix in balanced}) == 3
    for mix in balanced:
        assert set(Counter(mix.labels).values()) == {2}
        assert all(
            LABELS[int(image.removesuffix(".jpg"))] == label
            for image, label in zip(mix.images, mix.labels, strict=True)
        )


def test_a_folder_of_one_class_holds_all_of_it_unless_it_is_tiny(folder: Folder) -> None:
    single = {mix.name: mix for mix in mixes(folder) if mix.name.startswith("only")}
    assert set(single) == {"only nevus", "only melanoma"}
    assert len(single["only nevus"].images) == 9 and set(single["only nevus"].labels) == {"nevus"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "pad").mkdir()
    with (tmp_path / "pad" / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "label", "split"])
        for n, label in enumerate(LABELS):
            pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pad" / f"{n}.png")
            writer.writerow([f"{n}.png", label, "train" if n == 0 else "dev"])
    return tmp_path


def test_only_the_split_that_was_asked_for_is_read(data: Path) -> None:
    assert len(read_split(data, "pad", "dev").images) == len(LABELS) - 1


def test_the_script_prints_both_tables_and_says_which_data_set_is_absent(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "figures.json"
    result = CliRunner().invoke(main, ["--data-root", str(data), "--output", str(output)])
    assert result.exit_code == 0, result.stderr
    assert "ham10000: no " in result.stderr
    assert "| pad | 16 | 0.500 | class-name |" in result.stdout
    assert "| pad | only nevus | 8 |" in result.stdout
    figures = json.loads(output.read_text())["figures"]
    assert {row["method"] for row in figures} >= {"kpl", "knowledge", "knowledge, unseen wording"}
