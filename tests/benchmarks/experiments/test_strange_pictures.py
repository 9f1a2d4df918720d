"""The table of docs/familiarity.md, of a folder of a few photographs."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from zsderm.benchmarks.experiments import strange_pictures
from zsderm.benchmarks.experiments.made_pictures import KINDS, made_pictures
from zsderm.benchmarks.experiments.strange_pictures import auroc, main

EXAMPLES = Path(__file__).parents[3] / "examples" / "images"


def test_pictures_are_the_same_for_a_seed_and_of_every_kind() -> None:
    first, again, other = (list(made_pictures(1, seed=seed)) for seed in (3, 3, 4))
    assert [kind for kind, _ in first] == list(KINDS)
    for (_, one), (_, same), (_, different) in zip(first, again, other, strict=True):
        assert one.mode == "RGB" and 200 <= min(one.size) <= max(one.size) <= 400
        assert one.tobytes() == same.tobytes() != different.tobytes()


def test_a_tie_counts_half() -> None:
    assert auroc(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0])) == pytest.approx((1 + 0.5 + 1 + 1) / 4)


@pytest.mark.slow
def test_the_table_is_put_into_the_page_and_what_cannot_be_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strange_pictures, "OF_EACH", 2)
    data, pictures, page = tmp_path / "pad", tmp_path / "pictures", tmp_path / "page.md"
    data.mkdir()
    pictures.mkdir()
    photos = sorted(EXAMPLES.iterdir())[:3]
    with (data / "index.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["filename", "split"])
        for photo, split in zip(photos, ("dev", "dev", "train"), strict=True):
            shutil.copyfile(photo, data / photo.name)
            rows.writerow([photo.name, split])
    Image.new("RGB", (64, 64), (0, 0, 255)).save(pictures / "blue.png")
    (pictures / "torn.png").write_bytes(b"torn")
    page.write_text("before\n<!-- strange -->\n<!-- end of strange -->\nafter\n", encoding="utf-8")
    where = ["--data-root", tmp_path, "--pictures", pictures, "--document", page, "--cache-dir", tmp_path / "cache"]
    done = CliRunner().invoke(main, list(map(str, where)))
    assert done.exit_code == 0, done.output
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "before" and lines[-1] == "after" and done.stdout.strip() in page.read_text(encoding="utf-8")
    assert any(line.startswith("| pad, dev | 2 | 0.0% | ") for line in lines)
    assert any(line.startswith("- made pictures: 16, of which ") for line in lines)
    assert "- other pictures: 1, of which 100% get the note" in lines
