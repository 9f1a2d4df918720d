from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from zsderm.encoders import load_encoder
from zsderm.errors import CheckpointError


def test_weights_that_do_not_fit_the_configuration_are_refused(clip_folder, copy_of):
    with pytest.raises(CheckpointError, match=r"cannot be built from .*size mismatch.*belong together"):
        load_encoder(copy_of(clip_folder, vision_cfg={"width": 48}))


def test_a_missing_tensor_is_refused(bert_folder, copy_of):
    folder = copy_of(bert_folder)
    state = load_file(folder / "model.safetensors")
    state.pop(next(name for name in state if "encoder.layer.1" in name))
    save_file(state, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="Missing key"):
        load_encoder(folder)


def test_a_refusal_names_the_keys_that_open_clip_does_not_know(clip_folder, copy_of):
    folder = copy_of(clip_folder, vision_cfg={"width": 48, "pretrain_path": "/home/colleague/tower.pth"})
    with pytest.raises(CheckpointError, match=r"keys unknown to open_clip: vision_cfg.pretrain_path"):
        load_encoder(folder)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1"])
def test_a_file_that_is_no_weights_file_is_refused(clip_folder, copy_of, content):
    folder = copy_of(clip_folder)
    (folder / "open_clip_model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be built from"):
        load_encoder(folder)


def test_an_image_tower_that_timm_does_not_know_is_refused(bert_folder, copy_of):
    with pytest.raises(CheckpointError, match="Unknown model"):
        load_encoder(copy_of(bert_folder, vision_cfg={"timm_model_name": "no_such_tower"}))


def test_a_stretched_context_is_refused(clip_folder, copy_of):
    with pytest.raises(CheckpointError, match=r"says context_length 20, but its weights were trained with 16"):
        load_encoder(copy_of(clip_folder, text_cfg={"context_length": 20}))


def test_a_context_beyond_the_positions_of_the_tower_is_refused(bert_folder, copy_of):
    with pytest.raises(CheckpointError, match=r"context_length of .* to be at most 32, .* but got 40"):
        load_encoder(copy_of(bert_folder, text_cfg={"context_length": 40}))


def test_the_tokenizer_of_another_model_is_refused(bert_folder, copy_of):
    folder = copy_of(bert_folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] |= {f"word{number}": number for number in range(61, 100)}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(CheckpointError, match="knows 100 tokens, but its text tower only 64"):
        load_encoder(folder)


def test_another_padding_token_is_refused(bert_folder, copy_of):
    folder = copy_of(bert_folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pad_token": "[MASK]"}))
    with pytest.raises(CheckpointError, match="expects padding token 0, but its tokenizer pads with 4"):
        load_encoder(folder)


def test_a_stored_half_precision_does_not_touch_full_precision_weights(bert_folder, copy_of):
    folder = copy_of(bert_folder)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float16"
    torch.manual_seed(4)
    state = {
        name: torch.randn_like(tensor, dtype=torch.float32) if tensor.is_floating_point() else tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    save_file(state, folder / "model.safetensors")
    loaded = load_encoder(folder)._model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())
