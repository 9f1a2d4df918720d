from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from zsderm import CheckpointError, SettingsError, load_encoder
from zsderm.pretrain.config import TrainConfig, read_config
from zsderm.pretrain.model.export import export_folder
from zsderm.pretrain.model.start import begin, create_model
from zsderm.pretrain.model.towers import image_and_patch_features

MINI = Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml"
RECIPES = runpy.run_path(str(Path(__file__).parents[1] / "recipes.py"))
TINY, DROPPING, settings = RECIPES["TINY"], RECIPES["DROPPING"], RECIPES["settings"]


def config_of(**changes: object) -> TrainConfig:
    return read_config(MINI, settings(**changes))


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An untrained model of open_clip's own towers, as training exports it."""
    torch.manual_seed(0)
    config, model, tokenizer = begin(config_of(**TINY))
    export_folder(model, tokenizer, config, {"epochs_done": 0}, tmp_path / "encoder")
    return tmp_path / "encoder"


def test_plain_open_clip_loads_towers_of_its_own_and_agrees_with_load_encoder(exported: Path) -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{exported}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{exported}")
    encoder = load_encoder(f"local-dir:{exported}")
    image = Image.new("RGB", (50, 40), (150, 90, 70))
    with torch.no_grad():
        theirs = model.eval().encode_image(preprocess(image)[None], normalize=True)
        texts = model.encode_text(tokenizer(["melanoma", "nevus"]), normalize=True)
    torch.testing.assert_close(encoder.encode_images([image]), theirs, rtol=0, atol=1e-5)
    torch.testing.assert_close(encoder.encode_texts(["melanoma", "nevus"]), texts, rtol=0, atol=1e-5)
    assert encoder.card.metadata["sigma"] == 0.3, "sigma travels with the checkpoint, and not where open_clip trips"


def test_the_export_answers_with_the_temperature_that_is_set_and_the_model_keeps_the_learned_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, model, tokenizer = begin(config_of(**TINY, temperature=0.01))
    learned, weights = model.logit_scale.item(), {}
    for name, asked, answers in (("learned", 0.0, 0.01), ("set", 0.08, 0.08)):
        with caplog.at_level("INFO"):
            export_folder(model, tokenizer, replace(config, answer_temperature=asked), {}, tmp_path / name)
        encoder = load_encoder(tmp_path / name)
        assert encoder.temperature == pytest.approx(answers, rel=2e-3)  # weights are float16
        told = encoder.card.metadata["pretraining"]
        assert (told["learned_temperature"], told["answer_temperature"]) == (0.01, answers)
        assert f"temperature: 0.01000 learned, {answers:.5f} exported" in caplog.text
        weights[name] = load_file(tmp_path / name / "model.safetensors")
        assert model.logit_scale.item() == learned and weights[name]["logit_scale"].shape == ()
    others = [name for name in weights["set"] if name != "logit_scale"]
    assert others and all(torch.equal(weights["set"][name], weights["learned"][name]) for name in others)


def test_training_starts_from_any_checkpoint_that_load_encoder_takes(exported: Path) -> None:
    changes = {name: value for name, value in TINY.items() if name not in ("model_cfg", "image_start", "text_start")}
    start = {"start": f"local-dir:{exported}", "model_cfg": {}, "preprocess_cfg": {}}
    config, model, tokenizer = begin(config_of(**changes, **start))
    assert config.model_cfg["embed_dim"] == 16 and config.preprocess_cfg["mean"] and config.image_size == 32
    theirs = open_clip.create_model(f"local-dir:{exported}")
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, rtol=0, atol=0, msg=name)
    assert tokenizer(["nevus"]).shape == (1, 77)


def test_training_starts_from_the_bundled_encoder() -> None:
    config, model, _ = begin(config_of(start="zsderm-mini", model_cfg={}, preprocess_cfg={}))
    image, patches = image_and_patch_features(model, torch.zeros(1, 3, config.image_size, config.image_size))
    assert image.shape == (1, 384) and patches.shape == (1, (config.image_size // 32) ** 2, 384)


def test_an_image_tower_starts_from_a_checkpoint(exported: Path) -> None:
    theirs = open_clip.create_model(f"local-dir:{exported}")
    model, _ = create_model(TINY["model_cfg"], f"local-dir:{exported}", "random", 0.05)
    for name, tensor in theirs.visual.state_dict().items():
        torch.testing.assert_close(model.visual.state_dict()[name], tensor, rtol=0, atol=0, msg=name)
    wider = {**TINY["model_cfg"], "embed_dim": 24}
    with pytest.raises(CheckpointError, match="does not fit vision_cfg"):
        create_model(wider, f"local-dir:{exported}", "random", 0.05)


def test_a_text_tower_of_another_kind_cannot_start_from_minilm() -> None:
    with pytest.raises(SettingsError, match=r"`text_start` to be one of random for the text tower of open_clip"):
        create_model(TINY["model_cfg"], "random", "all-MiniLM-L6-v2", 0.05)


def test_a_text_tower_that_cannot_be_had_says_what_to_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    text_cfg = {"hf_model_name": "nobody/nothing", "hf_tokenizer_name": "nobody/nothing", "hf_proj_type": "mlp"}
    with pytest.raises(CheckpointError, match="hf download nobody/nothing"):
        create_model({**TINY["model_cfg"], "text_cfg": text_cfg}, "random", "hub", 0.05)
