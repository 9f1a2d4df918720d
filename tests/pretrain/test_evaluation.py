from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from zsderm import InputError
from zsderm.pretrain.config import read_config
from zsderm.pretrain.evaluation import check_tables, evaluate_encoder

ROOT = Path(__file__).parents[2]
MINI = ROOT / "pretrain" / "configs" / "mini.yaml"
ENCODER = ROOT / "zsderm" / "weights" / "zsderm-mini"
ASKED = [
    {"task": "classification", "table": "seen.csv", "name": "examples"},
    {"task": "retrieval", "table": "seen.csv", "cutoffs": [1, 3]},
    {"task": "concepts", "table": "seen.csv", "name": "concepts"},
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photographs in examples/ with their labels, a caption and two concepts."""
    folder = tmp_path_factory.mktemp("evaluation")
    examples = ROOT / "examples"
    with (examples / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "seen.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", "caption", "papule", "scale"])
        for n, row in enumerate(rows):
            image = next((examples / "images").rglob(Path(row["image"]).name))
            writer.writerow([image, row["label"], f"a photo of {row['label']}", n % 2, (n // 2) % 2])
    return folder


def test_three_tasks_are_asked_through_the_code_that_users_use(root: Path) -> None:
    rows = evaluate_encoder(read_config(MINI, {"evaluate": ASKED}), root, ENCODER, epoch=3)
    figures = {(row["name"], row["metric"]): row["value"] for row in rows}
    assert {row["epoch"] for row in rows} == {3}
    assert 0 <= figures["examples", "accuracy"] <= 1 and figures["examples", "macro_auroc"] > 0.5
    assert (
        figures["retrieval seen.csv", "image_to_text_recall_at_3"]
        >= figures["retrieval seen.csv", "image_to_text_recall_at_1"]
    )
    mean = (figures["concepts", "auroc_papule"] + figures["concepts", "auroc_scale"]) / 2
    assert figures["concepts", "mean_auroc"] == pytest.approx(mean, abs=1e-3)


def test_nothing_asked_loads_nothing(tmp_path: Path) -> None:
    assert evaluate_encoder(read_config(MINI), tmp_path, tmp_path / "no encoder", epoch=1) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [({"table": "none.csv"}, "none.csv"), ({"column": "lable"}, "label"), ({"split": "dev"}, "split")],
)
def test_a_mistake_shows_before_the_first_epoch(root: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_tables(read_config(MINI, {"evaluate": [{**ASKED[0], **change}]}), root)


@pytest.mark.slow
def test_what_could_not_be_measured_is_nan_with_a_reason(root: Path, tmp_path: Path) -> None:
    seen = (root / "seen.csv").read_text().splitlines()
    one_class = [line for line in seen[1:] if line.split(",")[1] == seen[1].split(",")[1]]
    (tmp_path / "one.csv").write_text("\n".join([seen[0], *one_class]))
    (tmp_path / "none.csv").write_text("image,papule\n" + "".join(f"{line.split(',')[0]},1\n" for line in seen[1:]))
    asked = [
        {"task": "classification", "table": "one.csv", "name": "one"},
        {"task": "concepts", "table": "none.csv", "name": "none"},
    ]
    rows = evaluate_encoder(read_config(MINI, {"evaluate": asked}), tmp_path, ENCODER, epoch=1)
    unmeasured = {(row["name"], row["metric"]): row["reason"] for row in rows if math.isnan(row["value"])}
    assert "at least two classes" in unmeasured["one", "none"]
    assert "expected a concept with images that show it" in unmeasured["none", "none"]
    assert all(row["reason"] == "" for row in rows if not math.isnan(row["value"]))


def test_images_that_cannot_be_read_show_before_the_first_epoch(tmp_path: Path) -> None:
    (tmp_path / "gone.csv").write_text("image,label\na.png,melanoma\nb.png,nevus\n")
    with pytest.raises(InputError, match=r"2 of the 2 images of gone\.csv cannot be read"):
        check_tables(read_config(MINI, {"evaluate": [{"task": "classification", "table": "gone.csv"}]}), tmp_path)
