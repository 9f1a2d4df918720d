from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from zsderm.encoders import load_encoder
from zsderm.encoders.resolve import find_checkpoint
from zsderm.errors import CheckpointError

TEXTS = ["melanoma", "nevus"]


@pytest.fixture
def spoilt(hf_clip_folder, tmp_path):
    return shutil.copytree(hf_clip_folder, tmp_path / "copy")


def test_the_card_has_the_shapes_of_the_towers(hf_clip_folder, hf_siglip2_folder):
    for folder, width in ((hf_clip_folder, 20), (hf_siglip2_folder, 24)):
        card = find_checkpoint(str(folder)).card
        assert (card.name, card.width, card.image_size, card.context_length) == (str(folder), width, 32, 16)


def test_a_repository_in_the_hub_cache_loads_offline(hf_clip_folder, hub_cache):
    hub_cache("someone/skin", hf_clip_folder)
    cached, plain = load_encoder("hf-hub:someone/skin"), load_encoder(hf_clip_folder)
    assert torch.equal(cached.encode_texts(TEXTS), plain.encode_texts(TEXTS))
    assert cached.fingerprint == plain.fingerprint


@pytest.mark.slow
def test_weights_in_several_files_load_from_a_folder_and_from_the_hub_cache(hf_clip_folder, spoilt, hub_cache):
    state = load_file(spoilt / "model.safetensors")
    (spoilt / "model.safetensors").unlink()
    names = sorted(state)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, keys in parts.items():
        save_file({key: state[key] for key in keys}, spoilt / file, metadata={"format": "pt"})
    where = {key: file for file, keys in parts.items() for key in keys}
    index = {"metadata": {"total_size": 1}, "weight_map": where}
    (spoilt / "model.safetensors.index.json").write_text(json.dumps(index))
    expected = load_encoder(hf_clip_folder).encode_texts(TEXTS)
    assert torch.equal(load_encoder(spoilt).encode_texts(TEXTS), expected)
    snapshot = hub_cache("someone/skin", spoilt)
    assert torch.equal(load_encoder("hf-hub:someone/skin").encode_texts(TEXTS), expected)
    (snapshot / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match="run `hf download someone/skin`"):
        load_encoder("hf-hub:someone/skin")
    (spoilt / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks model-00002-of-00002\.safetensors"):
        load_encoder(spoilt)


@pytest.mark.parametrize("index", [{}, {"weight_map": {}}, {"weight_map": {"a": "../../secret.safetensors"}}])
def test_an_index_that_names_nothing_or_something_elsewhere_is_refused(spoilt, index):
    (spoilt / "model.safetensors").unlink()
    (spoilt / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="to name the files that hold the weights"):
        load_encoder(spoilt)


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        (["preprocessor_config.json"], "preprocessor_config.json"),
        (["vocab.json"], "a tokenizer"),
        (["model.safetensors", "vocab.json"], "a tokenizer and model.safetensors"),
    ],
)
def test_a_missing_part_is_named_and_never_guessed(spoilt, files, missing):
    for file in files:
        (spoilt / file).unlink()
    with pytest.raises(CheckpointError, match=f"lacks {missing}, and nothing is guessed"):
        load_encoder(spoilt)


@pytest.mark.parametrize("kind", ["siglip2", "blip", None])
def test_another_kind_of_model_is_refused(spoilt, kind):
    config = json.loads((spoilt / "config.json").read_text())
    (spoilt / "config.json").write_text(json.dumps({**config, "model_type": kind}))
    with pytest.raises(CheckpointError, match=f"to be clip or siglip, but got {kind!r}"):
        load_encoder(spoilt)


def test_open_clips_configuration_wins_where_both_lie_in_a_folder(clip_folder, hf_clip_folder, copy_of):
    folder = copy_of(clip_folder)
    shutil.copy(hf_clip_folder / "config.json", folder)
    assert load_encoder(folder).card.width == 24


@pytest.mark.parametrize("file", ["vocab.json", "preprocessor_config.json", "config.json"])
def test_another_part_gives_another_fingerprint(spoilt, hf_clip_folder, file):
    before = find_checkpoint(str(spoilt)).fingerprint
    assert before == find_checkpoint(str(hf_clip_folder)).fingerprint
    content = json.loads((spoilt / file).read_text())
    (spoilt / file).write_text(json.dumps({**content, "something": 1}))
    assert find_checkpoint(str(spoilt)).fingerprint != before


def test_finding_and_loading_print_nothing(hf_siglip2_folder, capfd):
    load_encoder(hf_siglip2_folder).encode_texts(TEXTS)
    assert capfd.readouterr() == ("", "")
