"""The command from configuration to classifier, and the classifier in the benchmark beside a zero-shot model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm.cli import main

LITE0 = Path(__file__).parents[3] / "pretrain" / "configs" / "supervised_lite0.yaml"
TINY = {
    "tower": "test_efficientnet",
    "weights": "none",
    "preprocess_cfg": {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3},
    "train": [{"table": "index.csv", "split": "train"}],
    "evaluate": [],
    "epochs": 1,
    "samples_per_epoch": 8,
    "batch_size": 4,
    "keep_decoded": False,
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "data", np.random.default_rng(0)
    folder.mkdir()
    lines = ["filename,label,split,patient_id"]
    for n in range(12):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(folder / f"{n}.png")
        lines.append(f"{n}.png,{('nevus', 'melanoma')[n % 2]},{'train' if n < 6 else 'dev'},P{n // 2}")
    (folder / "index.csv").write_text("\n".join(lines))
    return folder


def told(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout.strip(), result.stderr


@pytest.mark.slow
def test_a_classifier_is_trained_and_measured_beside_a_zero_shot_model(data: Path, tmp_path: Path) -> None:
    changes = [part for name, value in TINY.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    code, folder, _ = told(
        "pretrain", "supervised", "--config", LITE0, "--data-root", data, "-o", tmp_path / "run", *changes
    )
    assert code == 0 and Path(folder) == tmp_path / "run" / "classifier"
    results = tmp_path / "results"
    asked = ("benchmark", "--dataset", data / "index.csv", "--output", results, "--method", "class-name")
    code, _, said = told(*asked, "--model", "zsderm-mini", "--model", f"supervised:{folder}")
    assert code == 0, said
    name = "index-dev--run-classifier--supervised"
    result = json.loads((results / f"{name}.json").read_text())
    assert result["metrics"]["n"] == 6 and result["used"] == {"method": "supervised", "prior": "none"}
    (pair,) = json.loads((results / "index-dev--between-models--comparison.json").read_text())["rows"]
    assert (pair["first"], pair["second"], pair["variant"]) == ("zsderm-mini", "run/classifier", "class-name")
    before = (results / f"{name}.json").stat().st_mtime_ns
    assert "there already" in told(*asked, "--model", f"supervised:{folder}")[2]
    assert (results / f"{name}.json").stat().st_mtime_ns == before
    code, table, _ = told("benchmark", "--tables", results)
    assert code == 0 and "| supervised |" in table

    (data / "index.csv").write_text((data / "index.csv").read_text().replace("nevus", "vitiligo"))
    code, _, said = told(*asked, "--model", f"supervised:{folder}")
    assert code == 1 and "was not trained on vitiligo: it answers only melanoma, nevus" in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "--config"),
        (("--config", LITE0, "--set", "tower=resnet5"), 1, "Did you mean 'resnet50'"),
        (("--config", LITE0), 1, "No data folder is named"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: tuple[object, ...], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZSDERM_DATA", raising=False)
    found, _, message = told("pretrain", "supervised", *arguments)
    assert found == code and said in message
