"""The figures of trust: halves that divide no patient, rules that agree where they should, and Markdown."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from zsderm.benchmarks.experiments.calibration import halves, main
from zsderm.benchmarks.experiments.temperature_rules import RULES, fitted_across, surprise, synthetic_texts, unavoidable

LABELS = ("nevus", "melanoma", "basal cell carcinoma") * 4


def test_random_halves_never_divide_a_patient() -> None:
    units = np.array(["a", "a", "b", "c", "c", "c", "d"])
    for half in halves(units, repeats=10):
        assert len(set(units[half])) == 2 and not set(units[half]) & set(units[~half])


def test_an_encoder_that_is_right_about_single_sentences_is_left_right_about_them() -> None:
    for texts in synthetic_texts(2):
        rng = np.random.default_rng(0)
        drawn = texts.drawn(rng)
        right = surprise(drawn / texts.encoder_temperature, texts.labels)
        assert right["loss"] < surprise(drawn / (3 * texts.encoder_temperature), texts.labels)["loss"]
        assert right["loss"] < surprise(3 * drawn / texts.encoder_temperature, texts.labels)["loss"]


def test_rules_that_trust_the_encoder_follow_it_and_the_others_do_not() -> None:
    texts = next(synthetic_texts(1))
    moved = {name: rule(texts.distorted(2)) / rule(texts) for name, rule in RULES.items()}
    expected = {"encoder": 2, "spread": 2, "length": 2, "wordings agree": 1, "neighbours agree": 1}
    assert moved == pytest.approx(expected)


def test_labels_of_the_other_half_undo_any_distortion() -> None:
    texts = next(synthetic_texts(1))
    half = np.arange(len(texts.labels)) % 2 == 0
    losses = [fitted_across(factor * texts.scores, texts.labels, half)["loss"] for factor in (5, 20)]
    assert losses[0] == pytest.approx(losses[1], abs=0.02)


def test_chance_alone_shrinks_with_the_number_of_images() -> None:
    logits = torch.randn(4000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    few, many = unavoidable(logits[:100], draws=50), unavoidable(logits, draws=50)
    assert 0.05 < few < 0.2 and many < 0.3 * few


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "pad").mkdir()
    with (tmp_path / "pad" / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "label", "split", "patient_id"])
        for n, label in enumerate(LABELS):
            pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pad" / f"{n}.png")
            writer.writerow([f"{n}.png", label, "dev", f"P{n // 2}"])
    return tmp_path


def test_the_script_prints_every_table_and_says_which_data_set_is_absent(data: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    few = ["--repeats", "2", "--worlds", "1", "--wording", "class-name", "--wording", "knowledge"]
    result = CliRunner().invoke(main, ["--data-root", str(data), "--cache-dir", str(cache), *few])
    assert result.exit_code == 0, result.output
    assert "ham10000: no " in result.stderr
    for start in ("| pad (12) | class-name | ", "| pad | spread |", "| 1 synthetic worlds | length |"):
        assert start in result.stdout
    assert "| pad (12) | knowledge | lac, by class |" in result.stdout
    assert "| pad (12) | knowledge | energy |" in result.stdout
    assert len(list(cache.iterdir())) == 1
