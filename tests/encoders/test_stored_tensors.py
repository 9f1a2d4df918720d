"""Shapes in a weights file; numpy's numbers in a pickled one are data, and anything else in it is refused."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from zsderm.encoders import load_encoder
from zsderm.encoders.stored_tensors import stored_shapes
from zsderm.errors import CheckpointError

SCALARS = {"lr": np.float64(0.1), "step": np.int64(3), "decay": np.float32(0.2), "amsgrad": np.bool_(False)}


def as_training_saves_it(state, **more):
    """As open_clip's training loop does: its schedule puts a number of numpy into the optimiser."""
    groups = [{"params": [0], **SCALARS}]
    return {
        "epoch": 15,
        "name": "run",
        "state_dict": {f"module.{key}": value for key, value in state.items()},
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": groups},
        **more,
    }


@pytest.mark.parametrize("zipped", [True, False], ids=["new files", "files of torch before 1.6"])
def test_a_training_file_with_numbers_of_numpy_loads(clip_folder, copy_of, zipped):
    folder = copy_of(clip_folder)
    weights = folder / "open_clip_model.safetensors"
    torch.save(as_training_saves_it(load_file(weights)), folder / "epoch_15.pt", _use_new_zipfile_serialization=zipped)
    weights.unlink()
    texts = ["melanoma"]
    assert torch.equal(load_encoder(folder).encode_texts(texts), load_encoder(clip_folder).encode_texts(texts))


def test_numbers_under_the_name_of_older_numpy_load(tmp_path):
    path = tmp_path / "epoch.pt"
    torch.save(as_training_saves_it({"a": torch.zeros(2, 3)}), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert stored_shapes(path) == {"a": (2, 3)}


class Burglar:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: np.array([it], dtype=object)], ids=["alone", "in an array"])
def test_other_pickled_objects_stay_refused_and_do_not_run(clip_folder, copy_of, tmp_path, wrap):
    folder, loot = copy_of(clip_folder), tmp_path / "loot"
    state = load_file(folder / "open_clip_model.safetensors")
    (folder / "open_clip_model.safetensors").unlink()
    torch.save(as_training_saves_it(state, note=wrap(Burglar(str(loot)))), folder / "epoch_15.pt")
    with pytest.raises(CheckpointError, match="cannot be built from"):
        load_encoder(folder)
    assert not loot.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 and no more", pickle.dumps([1, 2], 2), pickle.dumps({}, 2), b"\x80\x02\x8a\xff"],
    ids=["empty", "a cut archive", "a list", "nothing by name", "cut short"],
)
def test_a_file_without_tensors_is_refused_in_one_sentence(clip_folder, copy_of, content):
    folder = copy_of(clip_folder)
    (folder / "open_clip_model.safetensors").unlink()
    (folder / "epoch_15.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be built from"):
        load_encoder(folder)


@pytest.mark.parametrize("suffix", [".safetensors", ".bin", ".pt"])
@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("text_cfg", {"context_length": 20}, r"says context_length 20, but .* trained with 16. Set .* to 16"),
        ("vision_cfg", {"image_size": 16}, r"says image_size 16, but its weights were trained with 32. Set .* to 32"),
        ("vision_cfg", {"image_size": 48}, r"says image_size 48, but its weights were trained with 32. Set .* to 32"),
    ],
)
def test_stretched_positions_are_refused_in_every_kind_of_file(clip_folder, copy_of, suffix, part, change, said):
    folder = copy_of(clip_folder, **{part: change})
    weights = folder / "open_clip_model.safetensors"
    if suffix != ".safetensors":
        torch.save({"state_dict": load_file(weights)}, folder / f"weights{suffix}")
        weights.unlink()
    with pytest.raises(CheckpointError, match=said):
        load_encoder(folder)


def test_a_bias_that_open_clip_would_make_up_is_refused(clip_folder, copy_of):
    folder = copy_of(clip_folder)
    path = folder / "open_clip_config.json"
    path.write_text(path.read_text().replace('"embed_dim"', '"init_logit_bias": -10, "embed_dim"'))
    with pytest.raises(CheckpointError, match="weights hold no logit_bias"):
        load_encoder(folder)


def test_tensors_that_transformers_would_leave_out_are_refused(hf_clip_folder, tmp_path):
    import json
    import shutil

    folder = shutil.copytree(hf_clip_folder, tmp_path / "copy")
    path = folder / "config.json"
    content = json.loads(path.read_text())
    content["vision_config"]["num_hidden_layers"] = 1
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"has no place for .* transformers would have left them out"):
        load_encoder(folder)


def test_shapes_are_those_of_the_tensors(tmp_path):
    state = {"a": torch.zeros(2, 3), "b": torch.zeros(())}
    save_file(state, tmp_path / "weights.safetensors")
    torch.save(state, tmp_path / "weights.bin")
    assert stored_shapes(tmp_path / "weights.safetensors") == stored_shapes(tmp_path / "weights.bin")
