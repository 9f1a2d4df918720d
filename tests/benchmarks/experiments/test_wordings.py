from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from tests.conftest import TinyEncoder
from zsderm.benchmarks.experiments.wordings import alikeness, main, markdown, wordings, wordings_table
from zsderm.config import NAMES


def test_every_wording_names_every_class_once_and_there_are_ten_or_more() -> None:
    for known in wordings().values():
        assert len(known["wordings"]) >= 10
        assert known["wordings"]["as in training"] == known["labels"]
        for classes in known["wordings"].values():
            assert len({name.casefold() for name in classes}) == len(known["labels"])


@pytest.mark.slow
def test_a_row_is_the_worst_mean_and_best_of_its_wordings(photo_root: Path, tiny_encoder: TinyEncoder) -> None:
    rows = wordings_table(tiny_encoder, photo_root, ["pad"], ["class-name", "knowledge"])
    assert [(row["method"], row["names"]) for row in rows] == [
        (method, names) for method in ("class-name", "knowledge") for names in NAMES
    ]
    assert tiny_encoder.images_encoded == 16  # once, not once a wording
    for row in rows:
        for figure in ("accuracy", "balanced_accuracy"):
            values = [each[figure] for each in row["wordings"].values()]
            found = [row[f"{figure}_{which}"] for which in ("worst", "mean", "best")]
            assert found == pytest.approx([min(values), np.mean(values), max(values)], abs=1e-4)
        recalls = [recall for recall in row["recalls"].values() if recall is not None]
        assert np.mean(recalls) == pytest.approx(row["balanced_accuracy_worst"], abs=1e-4)
        assert row["recalls"]["melanoma"] is None  # no image of it here
    assert rows[0]["cosine_one_disease"] == rows[1]["cosine_one_disease"] == 1
    assert rows[0]["cosine"] > rows[2]["cosine"]  # known names depend less on the one typed


@pytest.mark.slow
def test_answers_of_a_wording_are_those_of_the_classifier(photo_root: Path, tiny_encoder: TinyEncoder) -> None:
    from zsderm import ZeroShotClassifier
    from zsderm.benchmarks.datasets import load

    images = load("pad", photo_root)
    classes = wordings()["pad"]["wordings"]["plurals"]
    labels = wordings()["pad"]["labels"]
    answers = ZeroShotClassifier.from_pretrained(tiny_encoder, classes=classes, method="templates").predict(
        images.images
    )
    right = [
        labels[classes.index(answer)] == images.classes[true]
        for answer, true in zip(answers.labels, images.labels, strict=True)
    ]
    row = wordings_table(tiny_encoder, photo_root, ["pad"], ["templates"], ["known"])[0]
    assert row["wordings"]["plurals"]["accuracy"] == pytest.approx(np.mean(right), abs=1e-4)


def test_alikeness_is_the_mean_over_classes_and_pairs() -> None:
    rows = torch.nn.functional.normalize(torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0)), dim=2)
    slow = [float(rows[a, c] @ rows[b, c]) for a in range(4) for b in range(a + 1, 4) for c in range(3)]
    assert alikeness(rows) == pytest.approx(np.mean(slow), abs=1e-6)
    assert alikeness(rows[:1].expand(4, 3, 5)) == pytest.approx(1, abs=1e-6)
    meant = [["a", "b", "c"], ["a", "x", "y"], ["z", "v", "w"], ["q", "r", "c"]]
    assert alikeness(rows, meant) == pytest.approx(
        float(rows[0, 0] @ rows[1, 0] + rows[0, 2] @ rows[3, 2]) / 2, abs=1e-6
    )


@pytest.mark.slow
def test_the_command_prints_the_table_and_writes_every_figure(photo_root: Path, tmp_path: Path) -> None:
    output = tmp_path / "wordings.json"
    options = ["--data-root", str(photo_root), "--dataset", "pad", "--method", "class-name", "--output", str(output)]
    result = CliRunner().invoke(main, options, catch_exceptions=False)
    rows = json.loads(output.read_text("utf-8"))["figures"]
    assert result.exit_code == 0 and markdown(rows) in result.output and len(rows) == 3
