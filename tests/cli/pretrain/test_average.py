"""``zsderm pretrain average`` at the command line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from zsderm.cli import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["pretrain", "average", *map(str, arguments)])


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two exports as far as averaging looks: a row of weights and a temperature of 0.04 and of 0.02."""
    found = []
    for name, values, temperature in (("one", [1.0, 2.0], 0.04), ("two", [3.0, 6.0], 0.02)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}}))
        (folder / "zsderm.json").write_text(json.dumps({"licence": "CC BY 4.0", "pretraining": {"run": name}}))
        weights = {"row": torch.tensor(values), "logit_scale": torch.tensor(-math.log(temperature))}
        save_file(weights, str(folder / "model.safetensors"))
        found.append(folder)
    return found


def test_the_mean_is_written_and_its_folder_printed(folders: list[Path], tmp_path: Path) -> None:
    done = run(*folders, "--output", tmp_path / "mean")
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'mean'}\n")
    weights = load_file(tmp_path / "mean" / "model.safetensors")
    assert weights["row"].tolist() == [2.0, 4.0]
    assert weights["logit_scale"].exp().item() == pytest.approx(math.sqrt(25 * 50))
    card = json.loads((tmp_path / "mean" / "zsderm.json").read_text())
    assert card == {"licence": "CC BY 4.0", "pretraining": {"mean_of": [{"run": "one"}, {"run": "two"}]}}


@pytest.mark.parametrize(("second", "expected"), [(["eczema", "acne"], ["acne", "eczema", "psoriasis"]), (None, None)])
def test_the_mean_was_shown_what_any_of_them_was_and_has_no_home_yet(
    folders: list[Path], tmp_path: Path, second: list[str] | None, expected: list[str] | None
) -> None:
    for folder, diagnoses in zip(folders, (["psoriasis", "acne"], second), strict=True):
        (folder / "zsderm.json").write_text(json.dumps({"diagnoses": diagnoses}))
        (folder / "home.safetensors").write_bytes(b"of other weights")
    assert run(*folders, "--output", tmp_path / "mean").exit_code == 0
    assert json.loads((tmp_path / "mean" / "zsderm.json").read_text()).get("diagnoses") == expected
    assert not (tmp_path / "mean" / "home.safetensors").exists()


def test_a_temperature_may_be_given(folders: list[Path], tmp_path: Path) -> None:
    done = run(*folders, "--output", tmp_path / "mean", "--answer-temperature", 0.05)
    assert done.exit_code == 0
    assert load_file(tmp_path / "mean" / "model.safetensors")["logit_scale"].exp().item() == pytest.approx(20)


def test_one_encoder_is_one_sentence_and_exit_code_1(folders: list[Path], tmp_path: Path) -> None:
    done = run(folders[0], "--output", tmp_path / "mean")
    assert done.exit_code == 1 and "at least two encoders to average, but got 1" in done.stderr
    assert not (tmp_path / "mean").exists()
