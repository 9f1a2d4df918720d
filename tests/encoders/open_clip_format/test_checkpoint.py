from __future__ import annotations

import logging
import os
import pickle

import pytest
import torch
from huggingface_hub import constants
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import load_file, save_file

from zsderm.encoders import load_encoder
from zsderm.encoders.resolve import find_checkpoint
from zsderm.errors import CheckpointError, FallbackWarning

MAKE_KEYS = {"sigma": 0.3, "patch_embeddings": True}


def fingerprint(folder):
    return find_checkpoint(str(folder)).fingerprint


@pytest.mark.slow
def test_unknown_keys_are_left_out_with_a_debug_line_and_sigma_is_kept(clip_folder, copy_of, photo, caplog):
    folder = copy_of(clip_folder, vision_cfg={**MAKE_KEYS, "output_tokens": True}, text_cfg={"something": 1})
    with caplog.at_level(logging.DEBUG, logger="zsderm"):
        encoder = load_encoder(folder)
    assert "vision_cfg.sigma, vision_cfg.patch_embeddings, text_cfg.something; left out" in caplog.text
    assert encoder.card.metadata == MAKE_KEYS
    assert torch.equal(encoder.encode_images([photo]), load_encoder(clip_folder).encode_images([photo]))


def test_a_folder_without_weights_is_refused(clip_folder, copy_of):
    folder = copy_of(clip_folder)
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no weights.* Expected model.safetensors"):
        load_encoder(folder)


def test_a_preferred_name_wins_and_several_other_names_are_refused(clip_folder, copy_of):
    folder = copy_of(clip_folder)
    preferred = folder / "open_clip_model.safetensors"
    (folder / "model.safetensors").write_bytes(b"another library's")
    assert find_checkpoint(str(folder)).weights == preferred
    (folder / "model.safetensors").unlink()
    preferred.rename(folder / "epoch_15.safetensors")
    assert find_checkpoint(str(folder)).weights.name == "epoch_15.safetensors"
    (folder / "epoch_14.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"several weight files: epoch_14.pt, epoch_15.safetensors"):
        find_checkpoint(str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "epoch_15.pt"])
def test_pickled_tensors_load(clip_folder, copy_of, name):
    folder = copy_of(clip_folder)
    weights = folder / "open_clip_model.safetensors"
    torch.save({"epoch": 15, "state_dict": load_file(weights)}, folder / name)
    weights.unlink()
    texts = ["melanoma"]
    assert torch.equal(load_encoder(folder).encode_texts(texts), load_encoder(clip_folder).encode_texts(texts))


class Burglar:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_pickled_code_is_refused_and_does_not_run(clip_folder, copy_of, tmp_path):
    folder = copy_of(clip_folder)
    (folder / "open_clip_model.safetensors").unlink()
    (folder / "open_clip_pytorch_model.bin").write_bytes(pickle.dumps(Burglar(str(tmp_path / "loot")), protocol=2))
    with pytest.raises(CheckpointError, match="cannot be built from"):
        load_encoder(folder)
    assert not (tmp_path / "loot").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [({"mean": None, "std": None}, "mean and std"), ({"std": None}, "std")],
)
def test_colours_that_the_folder_does_not_state_are_assumed_aloud(clip_folder, copy_of, change, said):
    folder = copy_of(clip_folder, preprocess_cfg=change)
    with pytest.warns(FallbackWarning, match=f"does not say the {said} of its training images; OpenAI's are assumed"):
        find_checkpoint(str(folder))


@pytest.mark.parametrize("change", [{"interpolation": "nearest"}, {"resize_mode": "stretch"}])
def test_preprocessing_that_open_clip_cannot_do_is_refused(clip_folder, copy_of, change):
    with pytest.raises(CheckpointError, match=r"expected preprocess_cfg\.\w+ of .* to be one of"):
        find_checkpoint(str(copy_of(clip_folder, preprocess_cfg=change)))


def test_the_tidy_folder_is_gone_afterwards(bert_folder):
    with find_checkpoint(str(bert_folder)).tidy_folder() as folder:
        names = {path.name for path in folder.iterdir()}
    assert names == {
        "open_clip_config.json",
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert not folder.exists()


def test_files_are_copied_where_the_system_makes_no_links(bert_folder, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    expected = load_encoder(bert_folder).encode_texts(["melanoma"])
    monkeypatch.setattr(os, "symlink", refuse)
    assert torch.equal(load_encoder(bert_folder).encode_texts(["melanoma"]), expected)


def test_an_empty_tokenizer_setting_is_no_setting(clip_folder, copy_of):
    folder = copy_of(clip_folder, text_cfg={"tokenizer_kwargs": None})
    assert isinstance(load_encoder(folder)._tokenizer, SimpleTokenizer)


def test_equal_parts_give_an_equal_fingerprint_wherever_they_lie(bert_folder, copy_of):
    folder = copy_of(bert_folder, preprocess_cfg={"fill_color": 0})  # the default, said aloud
    assert fingerprint(folder) == fingerprint(bert_folder)
    (folder / "zsderm.json").unlink()
    (folder / "model.safetensors").rename(folder / "open_clip_model.safetensors")
    assert fingerprint(folder) == fingerprint(bert_folder)


def change_weights(folder):
    state = load_file(folder / "model.safetensors")
    state["logit_scale"] = state["logit_scale"] + 1
    save_file(state, folder / "model.safetensors")


def change_tokenizer(folder):
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"lowercase": true', '"lowercase": false'))


def change_tower(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"gelu"', '"relu"'))


@pytest.mark.parametrize("change", [change_weights, change_tokenizer, change_tower])
def test_another_part_gives_another_fingerprint(bert_folder, copy_of, change):
    folder = copy_of(bert_folder)
    before = fingerprint(folder)
    change(folder)
    assert fingerprint(folder) != before == fingerprint(bert_folder)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("preprocess_cfg", {"interpolation": "bilinear"}),
        ("text_cfg", {"context_length": 12}),
        ("text_cfg", {"hf_pooler_type": "cls_pooler"}),
    ],
)
def test_another_setting_gives_another_fingerprint(bert_folder, copy_of, part, change):
    assert fingerprint(copy_of(bert_folder, **{part: change})) != fingerprint(bert_folder)


@pytest.mark.parametrize("size", [64, [32, 48], "big", 0])
def test_preprocessing_of_another_size_than_the_tower_is_refused(clip_folder, copy_of, size):
    with pytest.raises(CheckpointError, match=r"preprocess_cfg.size .* but vision_cfg.image_size is 32: one of them"):
        find_checkpoint(str(copy_of(clip_folder, preprocess_cfg={"size": size})))


@pytest.mark.parametrize("size", [32, [32, 32]])
def test_preprocessing_of_the_size_of_the_tower_is_taken(clip_folder, copy_of, size):
    folder = copy_of(clip_folder, preprocess_cfg={"size": size})
    assert fingerprint(folder) == fingerprint(clip_folder)


@pytest.mark.parametrize(
    "change", [{"mean": "x"}, {"mean": [0.5, 0.5]}, {"std": [0.2, 0.0, 0.2]}, {"std": float("nan")}]
)
def test_colours_that_are_not_three_numbers_are_refused(clip_folder, copy_of, change):
    with pytest.raises(CheckpointError, match=r"preprocess_cfg.(mean|std) of .* to be three numbers"):
        find_checkpoint(str(copy_of(clip_folder, preprocess_cfg=change)))


@pytest.mark.parametrize("name", ["hf-hub:someone/tower", "local-dir:/elsewhere", "someone/tower", 7])
def test_an_image_tower_by_an_address_is_refused_before_anybody_is_asked(bert_folder, copy_of, name):
    with pytest.raises(CheckpointError, match=r"expected vision_cfg.timm_model_name .* Write the value of `arch"):
        load_encoder(copy_of(bert_folder, vision_cfg={"timm_model_name": name}))


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json"])
def test_a_folder_does_not_make_anybody_ask_the_hub(bert_folder, copy_of, hub_cache, monkeypatch, missing):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # the hub could be asked
    folder = copy_of(bert_folder)
    (folder / missing).unlink()
    with pytest.raises(CheckpointError, match=r"the hub was not asked. With a network, run `hf download nobody/bert"):
        load_encoder(folder)
