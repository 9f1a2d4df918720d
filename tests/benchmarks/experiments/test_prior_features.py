"""The file that folders of real features are drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm import ZeroShotClassifier
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.experiments.prior_features import features_of, main, worse
from zsderm.benchmarks.experiments.prior_worlds import real_worlds


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Forty photographs of two diseases."""
    rng = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(tmp_path / f"{number:02d}.png")
    names = [f"{number:02d}.png" for number in range(40)]
    labels = ["melanoma", "nevus", "nevus", "nevus"] * 10
    pd.DataFrame({"filename": names, "label": labels}).to_csv(tmp_path / "index.csv", index=False)
    return tmp_path / "index.csv"


def test_rows_are_those_of_the_encoder_and_proxies_those_that_answer(tiny_encoder, table: Path) -> None:
    data = load(str(table), None, "all")
    found = features_of(tiny_encoder, data, "class-name")
    rows = tiny_encoder.encode_images([str(path) for path in data.images]).numpy()
    np.testing.assert_allclose(found["image_features"], rows, atol=1e-6)
    assert found["labels"].tolist() == list(data.labels)
    subject = ZeroShotClassifier.from_pretrained(tiny_encoder, classes=list(data.classes), method="class-name", views=1)
    answers = subject.predict(list(data.images)).probabilities.argmax(dim=1)
    assert ((rows @ found["text_proxies"].T).argmax(axis=1) == answers.numpy()).all()


@pytest.mark.slow
def test_folders_are_drawn_from_the_file(table: Path) -> None:
    file = table.parent / "mine.npz"
    asked = ["--dataset", table, "--split", "all", "--data-root", table.parent, "--output", file]
    done = CliRunner().invoke(main, [str(part) for part in asked], catch_exceptions=False)
    assert done.exit_code == 0 and done.stdout.startswith("40 images, 2 classes")
    with np.load(file) as arrays:
        np.testing.assert_allclose(np.linalg.norm(arrays["text_proxies"], axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(arrays["image_features"], axis=1), 1, atol=1e-3)
    assert not list(real_worlds(file, [0]))  # folders of fewer than sixty photographs are none


def test_noise_and_projection_make_a_worse_encoder_the_same_each_time() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((50, 12))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    given = {"image_features": rows, "text_proxies": rows[:3], "labels": np.zeros(50, int)}
    noised, again = (worse(given, 0.4, None) for _ in range(2))
    assert (noised["image_features"] == again["image_features"]).all()
    np.testing.assert_allclose(noised["text_proxies"], rows[:3], atol=1e-7)
    cosines = (noised["image_features"] * rows).sum(axis=1)
    assert abs(np.mean(cosines) - 1 / np.sqrt(1 + 0.4**2)) < 0.03  # the noise is about at right angles
    narrow = worse(given, 0.0, 4)
    assert narrow["image_features"].shape == (50, 4) and narrow["text_proxies"].shape == (3, 4)
    np.testing.assert_allclose(narrow["image_features"][:3], narrow["text_proxies"], atol=1e-6)  # by the same axes
