from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from zsderm.encoders import mini
from zsderm.errors import CheckpointError, SettingsError
from zsderm.pretrain.supervised.config import SupervisedConfig, read_supervised_config
from zsderm.pretrain.supervised.start import begin_supervised, head_of, told_start

LITE0 = Path(__file__).parents[3] / "pretrain" / "configs" / "supervised_lite0.yaml"


@pytest.fixture
def config() -> SupervisedConfig:
    return read_supervised_config(LITE0)


@pytest.mark.slow
def test_the_image_tower_of_the_bundled_encoder_is_taken_with_a_new_head(config: SupervisedConfig) -> None:
    network = begin_supervised(replace(config, tower="tf_efficientnet_lite2", weights="zsderm-mini"), 3)
    with safe_open(mini.folder() / "model.safetensors", framework="pt") as stored:
        theirs = stored.get_tensor("visual.trunk.conv_stem.weight").float()
    assert torch.equal(network.state_dict()["conv_stem.weight"], theirs)
    assert [parameter.shape[0] for parameter in head_of(network)] == [3, 3]
    assert "HAM10000" in told_start("zsderm-mini"), "whose images it has seen is said"


@pytest.mark.slow
def test_imagenet_weights_come_from_the_package(config: SupervisedConfig) -> None:
    network, other = begin_supervised(config, 3), begin_supervised(config, 3)
    same = {name for name, tensor in network.state_dict().items() if torch.equal(tensor, other.state_dict()[name])}
    assert set(network.state_dict()) - same == {"classifier.weight", "classifier.bias"}, "only the head begins anew"


def test_a_file_of_weights_is_loaded_without_its_head(config: SupervisedConfig, tmp_path: Path) -> None:
    theirs = timm.create_model("test_efficientnet", num_classes=7)
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    config = replace(config, tower="test_efficientnet", weights=str(tmp_path / "theirs.safetensors"))
    network = begin_supervised(config, 3)
    assert torch.equal(network.state_dict()["conv_stem.weight"], theirs.state_dict()["conv_stem.weight"])
    with pytest.raises(CheckpointError, match="those of another network"):
        begin_supervised(replace(config, tower="test_resnet"), 3)


@pytest.mark.slow
def test_a_size_that_the_tower_does_not_take_is_refused(config: SupervisedConfig) -> None:
    with pytest.raises(SettingsError, match="does not take images of 80 pixels"):
        begin_supervised(replace(config, tower="vit_tiny_patch16_224", weights="none"), 3)


def test_weights_that_are_not_to_be_had_are_named(config: SupervisedConfig, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such file"):
        begin_supervised(replace(config, weights=str(tmp_path / "none.safetensors")), 3)
    (tmp_path / "odd.safetensors").write_bytes(b"odd")
    with pytest.raises(CheckpointError, match="cannot be read"):
        begin_supervised(replace(config, weights=str(tmp_path / "odd.safetensors")), 3)
    with pytest.raises(SettingsError, match="Set tower to tf_efficientnet_lite2"):
        begin_supervised(replace(config, weights="zsderm-mini"), 3)
