from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from zsderm import CheckpointError
from zsderm.cli import main
from zsderm.pretrain.config import read_config
from zsderm.pretrain.data.captions import CAPTIONS_PER_IMAGE
from zsderm.pretrain.estimate import estimate
from zsderm.pretrain.model.optimiser import create_optimiser
from zsderm.pretrain.model.start import begin, text_settings
from zsderm.pretrain.model.towers import build_towers, image_and_patch_features

CONFIGS = Path(__file__).parents[2] / "pretrain" / "configs"
RECIPES = runpy.run_path(str(Path(__file__).with_name("recipes.py")))
TINY, settings = RECIPES["TINY"], RECIPES["settings"]


def bytes_kept(model: nn.Module, forward: Callable[[], object]) -> int:
    """What a real forward pass keeps for backward, parameters left out."""
    kept: dict[int, torch.Tensor] = {}
    own = {id(parameter) for parameter in model.parameters()}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        base = tensor if tensor._base is None else tensor._base
        if id(base) not in own:
            kept[base.untyped_storage().data_ptr()] = base
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return sum(tensor.numel() * tensor.element_size() for tensor in kept.values())


def test_what_is_estimated_is_what_a_real_pass_keeps_or_a_little_more() -> None:
    config = read_config(CONFIGS / "mini.yaml", settings(**TINY))
    _, model, _ = begin(config)
    optimiser = create_optimiser(model, config)
    learning = [p for group in optimiser.param_groups for p in group["params"]]
    needs = estimate(config)
    real = bytes_kept(model, lambda: image_and_patch_features(model.train(), torch.zeros(6, 3, 32, 32)))
    assert real <= needs.image_activations <= 1.5 * real, "attention without its fused kernel keeps a little more"
    assert needs.learning_parameters == sum(p.numel() for p in learning)
    assert needs.optimiser == 2 * 4 * needs.learning_parameters
    assert (needs.steps_per_epoch, needs.steps, needs.images_drawn) == (3, 3, 18)


def test_the_published_recipe_needs_less_with_its_switches() -> None:
    base = estimate(read_config(CONFIGS / "make_vitb16.yaml"))
    assert 149e6 < base.image_parameters + base.text_parameters < 150e6, "ViT-B/16 of OpenAI"
    assert base.steps_per_epoch == 403_563 // 2048 and base.steps == 15 * base.steps_per_epoch
    plain = estimate(read_config(CONFIGS / "make_vitb16.yaml", {"gradient_checkpointing": False}))
    parts = estimate(read_config(CONFIGS / "make_vitb16.yaml", {"micro_batch": 256}))
    assert plain.image_activations > 5 * base.image_activations
    assert parts.image_activations == base.image_activations // 8 and parts.steps == base.steps


def test_processes_of_torchrun_share_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")
    needs = estimate(read_config(CONFIGS / "make_vitb16.yaml"))
    assert needs.processes == 8 and needs.images_at_a_time == 2048 // 8


def test_a_frozen_text_tower_keeps_nothing() -> None:
    needs = estimate(read_config(CONFIGS / "mini.yaml", settings()))
    assert needs.text_activations == 0 and needs.learning_parameters < 5e6 < needs.text_parameters


@pytest.mark.slow
def test_a_text_tower_of_transformers_that_learns_is_estimated_as_a_real_pass() -> None:
    config = read_config(CONFIGS / "mini.yaml", settings(train_text=True))
    text_cfg, _ = text_settings(config.model_cfg, config.text_start)
    towers = build_towers({**config.model_cfg, "text_cfg": {**text_cfg, "hf_model_pretrained": False}})
    text = towers.text.train()
    tokens = torch.ones(2, 77, dtype=torch.long)
    mask = torch.tensor([[1] * 77, [1] * 9 + [0] * 68])
    real = bytes_kept(text, lambda: text.transformer(input_ids=tokens, attention_mask=mask)) / len(tokens)
    needs = estimate(config)
    assert real <= needs.text_activations / (needs.images_at_a_time * CAPTIONS_PER_IMAGE) <= 1.5 * real


def test_a_text_tower_that_is_not_on_this_machine_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match=r"hf download microsoft/.* config.json"):
        estimate(read_config(CONFIGS / "pubmedbert_vitb16.yaml"))


def test_the_command_loads_neither_data_nor_weights(tmp_path: Path) -> None:
    config = str(CONFIGS / "make_vitb16.yaml")
    done = CliRunner().invoke(main, ["pretrain", "--config", config, "--dry-run", "--output", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert "GB" in done.stdout and "2,955 in all" in done.stdout and not (tmp_path / "run").exists()
