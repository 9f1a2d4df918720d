"""``zsderm pretrain home`` at the command line."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image

from zsderm import load_encoder
from zsderm.cli import main
from zsderm.encoders import mini

MINI = Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml"
TABLES = [{"table": "photos/index.csv"}, {"table": "cut_outs/index.csv", "home": False}]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["pretrain", "home", *map(str, arguments)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Sixty small pictures of skin colour, one of which is torn, and five cut-outs."""
    random = np.random.default_rng(0)
    for table, count in (("photos", 60), ("cut_outs", 5)):
        folder = tmp_path / "data" / table
        folder.mkdir(parents=True)
        with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["filename", "label"])
            for n in range(count):
                pixels = np.clip(random.normal((190, 140, 120), 20, (24, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{n}.png")
                rows.writerow([f"{n}.png", "melanoma"])
    (tmp_path / "data" / "photos" / "7.png").write_bytes(b"torn")
    settings = yaml.safe_load(MINI.read_text(encoding="utf-8")) | {"train": TABLES}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path / "data"


@pytest.mark.slow
def test_the_file_is_written_beside_the_weights_and_cut_outs_do_not_count(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(mini.folder(), folder)
    done = run(folder, "--config", tmp_path / "config.yaml", "--data-root", data, "--device", "cpu")
    assert (done.exit_code, done.stdout) == (0, f"{folder / 'home.safetensors'}\n"), done.output
    assert done.stderr.startswith("59 training images; an image is familiar from ")
    home = load_encoder(folder, "cpu").home
    assert home is not None and home.images == 59 and len(home.axes) == 48


@pytest.mark.slow
def test_a_measurement_that_fails_leaves_the_file_of_before(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(mini.folder(), folder)
    before = (folder / "home.safetensors").read_bytes()
    index = data / "photos" / "index.csv"
    index.write_text("".join(index.read_text(encoding="utf-8").splitlines(keepends=True)[:10]), encoding="utf-8")
    done = run(folder, "--config", tmp_path / "config.yaml", "--data-root", data, "--device", "cpu")
    assert done.exit_code == 1 and "at least 50 training images" in done.stderr, done.output
    assert (folder / "home.safetensors").read_bytes() == before


def test_without_a_data_folder_it_is_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZSDERM_DATA", raising=False)
    done = run(tmp_path, "--config", MINI)
    assert done.exit_code == 2 and "Missing option '--data-root'" in done.stderr
