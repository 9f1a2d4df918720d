"""The mean of several encoders: the weights of a plain loop, one architecture, nothing lost."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import zsderm
from zsderm import CheckpointError, SettingsError
from zsderm.encoders import mini
from zsderm.pretrain.model.soup import average_encoders


def other(folder: Path, seed: int) -> Path:
    """The bundled encoder with weights that are off by a little."""
    shutil.copytree(mini.folder(), folder)
    torch.manual_seed(seed)
    weights = load_file(folder / "model.safetensors")
    for name, tensor in weights.items():
        if tensor.is_floating_point() and name.startswith("visual.head"):
            weights[name] = (tensor.float() + 0.1 * torch.randn(tensor.shape)).to(tensor.dtype)
    save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})
    return folder


@pytest.mark.slow
def test_every_weight_is_the_mean_and_the_encoder_answers(tmp_path: Path) -> None:
    folders = [other(tmp_path / str(seed), seed) for seed in (1, 2, 3)]
    average_encoders(folders, tmp_path / "mean", answer_temperature=0.05)
    three, mean = (
        [load_file(folder / "model.safetensors") for folder in folders],
        load_file(tmp_path / "mean" / "model.safetensors"),
    )
    assert mean.keys() == three[0].keys()
    for name, tensor in mean.items():
        if name == "logit_scale":
            assert tensor.item() == pytest.approx(-math.log(0.05), rel=1e-3)
        elif tensor.is_floating_point():
            expected = sum(weights[name].double() for weights in three) / 3
            torch.testing.assert_close(tensor.double(), expected, rtol=1e-3, atol=1e-3)
        else:
            assert torch.equal(tensor, three[0][name])
    card = json.loads((tmp_path / "mean" / "zsderm.json").read_text())
    assert len(card["pretraining"]["mean_of"]) == 3
    assert zsderm.load_encoder(f"local-dir:{tmp_path / 'mean'}").temperature == pytest.approx(0.05, rel=1e-3)


def test_what_cannot_be_averaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least two"):
        average_encoders([mini.folder()], tmp_path / "mean")
    with pytest.raises(SettingsError, match="twice"):
        average_encoders([mini.folder()] * 2, tmp_path / "mean")
    with pytest.raises(SettingsError, match="temperature"):
        average_encoders([mini.folder(), tmp_path], tmp_path / "mean", answer_temperature=-1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="cannot read"):
        average_encoders([mini.folder(), tmp_path / "empty"], tmp_path / "mean")
    wider = tmp_path / "wider"
    shutil.copytree(mini.folder(), wider, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((wider / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["size"] = 32
    (wider / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="one architecture"):
        average_encoders([mini.folder(), wider], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
