from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from zsderm.benchmarks.experiments import pretraining_ablation
from zsderm.benchmarks.experiments.pretraining_ablation import TRANSFER, VARIANTS, main, markdown, settings_of
from zsderm.pretrain.config import CAPTION_KINDS, read_config

TINY = {
    "card": {"name": "tiny"},
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    "image_start": "random",
    "text_start": "random",
    "batch_size": 4,
    "workers": 0,
    "train": [
        {"table": "pad/index.csv", "split": "dev", "modality": "clinical"},
        {"table": "pad/index.csv", "split": "train", "modality": "dermoscopic"},
    ],
}
FIGURES = {"accuracy": 0.5, "balanced_accuracy": 0.4, "macro_auroc": 0.6, "calibration_error": 0.1}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return tmp_path / "tiny.yaml"


def ablation(recipe: Path, data_root: Path, *options: str) -> Result:
    budget = ["--epochs", "1", "--samples", "8", "--pixels", "32", "--dataset", "pad", "--seed", "1"]
    files = ["--config", str(recipe), "--data-root", str(data_root), "--runs", str(recipe.parent / "runs")]
    return CliRunner().invoke(main, [*budget, *files, *options])


def test_every_variant_is_trained_once_and_asked_on_dev(
    recipe: Path, photo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, output = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("before\n<!-- ablation -->old<!-- end of ablation -->\nafter\n")
    files = ["--output", str(output), "--document", str(page)]
    first = ablation(recipe, photo_root, *files)
    assert first.exit_code == 0, first.output
    rows = json.loads(output.read_text())["figures"]
    assert [row["variant"] for row in rows[::2]] == [*VARIANTS, TRANSFER]
    assert {row["method"] for row in rows} == {"class-name", "knowledge"} and {row["n"] for row in rows} == {16}
    assert all(0 <= row[name] <= 1 for row in rows for name in FIGURES) and all(row["loss"] > 0 for row in rows)
    assert "| + weights | 1 |" in page.read_text() and page.read_text().endswith("\nafter\n")
    monkeypatch.setattr(pretraining_ablation, "run", None)  # a second training would fail
    second = ablation(recipe, photo_root, *files)
    assert second.output == first.output, "what is finished is kept"


def test_runs_of_other_settings_are_not_taken_for_these(recipe: Path, photo_root: Path) -> None:
    assert ablation(recipe, photo_root, "--variant", "+ weights").exit_code == 0
    other = ablation(recipe, photo_root, "--variant", "+ weights", "--samples", "12")
    assert other.exit_code == 1 and "other settings" in other.output


def test_a_variant_adds_one_part_of_the_method_to_the_one_before(recipe: Path) -> None:
    def config_of(variant: str) -> tuple[object, ...]:
        config = read_config(recipe, settings_of(recipe, variant, 1, 3, 8, 32))
        return config.captions, config.lambda_m, config.lambda_s, config.guided_weights

    assert [config_of(variant) for variant in VARIANTS] == [
        (("caption",), 1.0, 0.0, False),
        (CAPTION_KINDS, 1.0, 0.0, False),
        (CAPTION_KINDS, 1.0, 0.7, False),
        (CAPTION_KINDS, 1.0, 0.7, True),
    ]
    transfer = read_config(recipe, settings_of(recipe, TRANSFER, 1, 3, 8, 32))
    assert [source.modality for source in transfer.train] == ["dermoscopic"]


def test_the_table_has_the_mean_and_both_ends_over_the_seeds() -> None:
    told = {"variant": "+ weights", "dataset": "pad", "method": "knowledge"}
    rows = [{**told, **FIGURES, "seed": seed, "accuracy": value} for seed, value in ((1, 0.5), (2, 0.7))]
    assert markdown(rows).splitlines() == [
        "| knowledge | seeds | pad accuracy | pad balanced | pad AUROC | pad calibration error |",
        "|---|--:|---|---|---|---|",
        "| + weights | 2 | 0.600 (0.500–0.700) | 0.400 (0.400–0.400) | 0.600 (0.600–0.600) | 0.100 (0.100–0.100) |",
    ]


def test_the_model_card_shows_the_committed_figures() -> None:
    root = Path(__file__).parents[3]
    rows = json.loads((root / "docs" / "pretraining_ablation.json").read_text())["figures"]
    assert {row["seed"] for row in rows} == {1, 2, 3} and {row["variant"] for row in rows} == {*VARIANTS, TRANSFER}
    assert f"<!-- ablation -->\n\n{markdown(rows)}\n\n<!-- end of ablation -->" in (root / "MODEL_CARD.md").read_text()
