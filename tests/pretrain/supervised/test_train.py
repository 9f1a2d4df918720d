from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from zsderm.errors import PretrainingDataError, SettingsError
from zsderm.pretrain import run_supervised
from zsderm.supervised import SupervisedClassifier

LITE0 = Path(__file__).parents[3] / "pretrain" / "configs" / "supervised_lite0.yaml"
CLASSES = ("melanoma", "vascular lesion", "vitiligo")


def settings(**changes: object) -> dict[str, object]:
    return {
        "tower": "test_efficientnet",
        "weights": "none",
        "preprocess_cfg": {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "mode": "RGB"},
        "train": [{"table": "index.csv"}],
        "evaluate": [],
        "epochs": 2,
        "samples_per_epoch": 18,
        "batch_size": 6,
        "warm_up_steps": 2,
        "keep_decoded": False,
        **changes,
    }


def run(output: Path, data: Path, **changes: object) -> dict[str, torch.Tensor]:
    return load_file(run_supervised(LITE0, output, data, settings(**changes)) / "model.safetensors")


def test_a_run_writes_a_classifier_with_a_card_and_a_log(tmp_path: Path, data: Path) -> None:
    asked = [{"task": "classification", "table": "index.csv"}]
    run(tmp_path / "run", data, evaluate=asked, evaluate_every=2, log_every=1)
    card = json.loads((tmp_path / "run" / "classifier" / "supervised.json").read_text())
    assert card["classes"] == list(CLASSES) and card["images_of_class"] == [6, 6, 6]
    assert card["preprocess_cfg"]["size"] == 32 and card["licence"] == "CC BY 4.0" and card["views"] == 8
    assert card["starting_weights"] == "random numbers" and card["training"]["epochs_done"] == 2
    assert card["training"]["seed"] == 0 and card["training"]["mixup"] == 0.2 and len(card["training"]["data"]) == 16
    page = (tmp_path / "run" / "classifier" / "CARD.md").read_text()
    assert "| vitiligo | 6 |" in page and "CC BY 4.0" in page
    log = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))
    assert [row["epoch"] for row in log] == ["1", "2"] and all(float(row["loss"]) > 0 for row in log)
    assert all(0 <= float(row["accuracy"]) <= 1 for row in log) and (tmp_path / "run" / "loss_curve.png").is_file()
    figures = list(csv.DictReader((tmp_path / "run" / "evaluation.csv").read_text().splitlines()))
    assert {row["metric"] for row in figures} >= {"accuracy", "balanced_accuracy"} and figures[0]["epoch"] == "2"


@pytest.mark.slow
def test_a_colour_is_learned_and_the_exported_classifier_answers_it(tmp_path: Path, data: Path) -> None:
    changes = {"epochs": 8, "samples_per_epoch": 72, "batch_size": 12, "learning_rate": 3e-3, "mixup": 0.0}
    changes |= {"augmentation": {"jitter_probability": 0.0}, "average": 0.0, "head_learning_rate": 1e-2}
    run(tmp_path / "run", data, **changes)
    classifier = SupervisedClassifier.load(tmp_path / "run" / "classifier")
    answers = classifier.probabilities([data / f"{n}.png" for n in range(18)]).argmax(dim=1)
    assert (answers == torch.arange(18) % 3).float().mean() >= 0.9  # chance is a third


@pytest.mark.parametrize(("saves", "average"), [(1, 0.0), (2, 0.9), (3, 0.9)])
def test_a_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(
    saves: int,
    average: float,
    tmp_path: Path,
    data: Path,
    stopped_after: Callable[[int], AbstractContextManager[None]],
) -> None:
    changes = {"average": average, "checkpoint_every": 2, "log_every": 1, "drop": 0.3}  # dropout and mixup draw
    whole = run(tmp_path / "whole", data, **changes)
    with stopped_after(saves):
        run(tmp_path / "stopped", data, **changes)
    torch.manual_seed(99)
    resumed = run(tmp_path / "stopped", data, **changes)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    logs = [(tmp_path / name / "steps.csv").read_text().splitlines() for name in ("whole", "stopped")]
    assert [line.split(",")[:3] for line in logs[0]] == [line.split(",")[:3] for line in logs[1]]


def test_a_seed_decides_the_weights_and_views_may_change_afterwards(tmp_path: Path, data: Path) -> None:
    first, same, other = (run(tmp_path / name, data, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["conv_stem.weight"], other["conv_stem.weight"])
    run(tmp_path / "a", data, seed=1, views=4)
    assert SupervisedClassifier.load(tmp_path / "a" / "classifier").views == 4
    with pytest.raises(SettingsError, match=r"begun with other settings \(mixup\)"):
        run(tmp_path / "a", data, seed=1, mixup=0.0)


def test_a_folder_of_classes_is_a_table(tmp_path: Path, data: Path) -> None:
    for n in range(18):
        place = tmp_path / "photos" / CLASSES[n % 3].replace(" ", "_")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / f"{n}.png", place)
    run(tmp_path / "run", tmp_path, train=[{"table": "photos"}])
    assert SupervisedClassifier.load(tmp_path / "run" / "classifier").classes == CLASSES


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"leave_out": ["melanoma", "vitiligo"]}, "at least two classes"),
        ({"classes": ["melanoma", "vitiligo"]}, "lacks vascular lesion"),
        ({"classes": [*CLASSES, "psoriasis"]}, "names psoriasis, but no table"),
        ({"train": [{"table": "captions.csv"}]}, "no column 'label'"),
        ({"train": [{"table": "index.csv"}, {"table": "others.csv"}]}, "in one row and 'psoriasis' in another"),
        (
            {"train": [{"table": "index.csv"}, {"table": "capitals.csv"}]},
            "labels 'Melanoma' and 'melanoma' are one name",
        ),
        ({"evaluate": [{"task": "classification", "table": "others.csv"}]}, "'psoriasis', which is none"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path: Path, data: Path, changes: dict[str, object], said: str) -> None:
    for name, lines in {
        "index.csv": (data / "index.csv").read_text().replace("\n", f"\n{data}/").removesuffix(f"{data}/"),
        "captions.csv": f"filename,caption\n{data}/0.png,a spot\n",
        "others.csv": f"filename,label\n{data}/0.png,psoriasis\n",
        "capitals.csv": f"filename,label\n{data}/capitals.png,Melanoma\n",
    }.items():
        (tmp_path / name).write_text(lines)
    shutil.copy(data / "0.png", data / "capitals.png")
    with pytest.raises(PretrainingDataError, match=said):
        run(tmp_path / "run", tmp_path, **changes)


def test_it_is_one_process(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match="one process"):
        run(tmp_path / "run", data)
