"""Sizes that a configuration states are held against what they may be before anything is built."""

from __future__ import annotations

import json
import shutil

import pytest

from zsderm.encoders import load_encoder
from zsderm.encoders.sizes import check_sizes, least_numbers
from zsderm.errors import CheckpointError

NO_SIZES = [-1, 0, "big", None, [224], [16, 16, 16], float("inf"), float("nan"), True, 224.5, 10**9, 10**400, {"a": 1}]


@pytest.mark.parametrize("value", NO_SIZES, ids=repr)
def test_an_image_size_that_cannot_be_is_refused_before_anything_is_built(clip_folder, copy_of, value):
    with pytest.raises(CheckpointError, match=r"vision_cfg.image_size of .* a whole number from 1 to 4,096"):
        load_encoder(copy_of(clip_folder, vision_cfg={"image_size": value}))


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("vision_cfg", {"layers": 10**9}, "vision_cfg.layers"),
        ("vision_cfg", {"layers": 900, "width": 8_192}, "at least"),
        ("vision_cfg", {"width": 60_000}, "at least"),
        ("vision_cfg", {"image_size": 4_096, "patch_size": 1}, "at least"),
        ("vision_cfg", {"patch_size": 0}, "vision_cfg.patch_size"),
        ("vision_cfg", {"mlp_ratio": 1e300}, "vision_cfg.mlp_ratio"),
        ("vision_cfg", {"head_width": 48}, "cannot be built"),
        ("text_cfg", {"layers": -3}, "text_cfg.layers"),
        ("text_cfg", {"vocab_size": 9_000_000}, "at least"),
        ("text_cfg", {"context_length": 10**12}, "text_cfg.context_length"),
        ("text_cfg", {"heads": 7}, "cannot be built"),
    ],
    ids=repr,
)
def test_sizes_that_the_weights_do_not_hold_are_refused_in_one_sentence(clip_folder, copy_of, part, change, said):
    with pytest.raises(CheckpointError, match=said):
        load_encoder(copy_of(clip_folder, **{part: change}))


@pytest.mark.parametrize(
    "change",
    [{"num_hidden_layers": 10**9}, {"hidden_size": 60_000}, {"num_hidden_layers": "two"}, {"vocab_size": None}],
    ids=repr,
)
def test_sizes_of_a_text_tower_of_transformers_are_checked_too(bert_folder, copy_of, change):
    folder = copy_of(bert_folder)
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CheckpointError, match=r"text_tower\.|at least"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("vision_config", {"image_size": None}),
        ("vision_config", {"num_hidden_layers": 10**9}),
        ("text_config", {"hidden_size": 50_000}),
        ("text_config", {"hidden_act": 7}),
    ],
    ids=repr,
)
def test_sizes_of_a_model_of_transformers_are_checked_too(hf_clip_folder, tmp_path, part, change):
    folder = shutil.copytree(hf_clip_folder, tmp_path / "copy")
    path = folder / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, part: {**content[part], **change}}))
    with pytest.raises(CheckpointError):
        load_encoder(folder)


def test_pixels_of_a_size_that_cannot_be_are_not_made(hf_clip_folder, tmp_path):
    folder = shutil.copytree(hf_clip_folder, tmp_path / "copy")
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "size": {"shortest_edge": 10**6}}))
    with pytest.raises(CheckpointError, match=r"size.shortest_edge in preprocessor_config.json of .* from 1 to 4,096"):
        load_encoder(folder)


def test_what_is_counted_is_never_more_than_a_model_has(clip_folder):
    from open_clip.model import CLIP

    config = json.loads((clip_folder / "open_clip_config.json").read_text())["model_cfg"]
    model = CLIP(**config)
    assert 0 < least_numbers(config) <= sum(tensor.numel() for tensor in model.state_dict().values())


def test_every_architecture_of_open_clip_passes():
    import open_clip

    for architecture in open_clip.list_models():
        check_sizes(architecture, open_clip.get_model_config(architecture))
