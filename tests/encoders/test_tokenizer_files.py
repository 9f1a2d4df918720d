from __future__ import annotations

import json
import shutil

import pytest
import torch

from zsderm.encoders import load_encoder
from zsderm.errors import CheckpointError

BERT_NAME = "nobody/bert-of-two-layers"
TOWER_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json"]


@pytest.fixture
def bare_folder(bert_folder, copy_of, tmp_path):
    """A checkpoint whose text tower is described in another repository, as BiomedCLIP's and DermLIP's are."""
    folder, tower = copy_of(bert_folder), tmp_path / "tower"
    tower.mkdir()
    for name in TOWER_FILES:
        shutil.move(folder / name, tower / name)
    return folder


@pytest.fixture
def tower(bare_folder, tmp_path):
    return tmp_path / "tower"


def test_a_tower_described_elsewhere_is_found_in_the_hub_cache(bare_folder, tower, hub_cache, bert_folder, photo):
    hub_cache(BERT_NAME, tower)
    found, whole = load_encoder(bare_folder), load_encoder(bert_folder)
    assert torch.equal(found.encode_texts(["melanoma"]), whole.encode_texts(["melanoma"]))
    assert torch.equal(found.encode_images([photo]), whole.encode_images([photo]))
    assert found.fingerprint == whole.fingerprint


def test_a_tower_that_is_not_cached_is_an_error_with_the_command_that_fetches_it(bare_folder, hub_cache):
    with pytest.raises(CheckpointError, match=f"run `hf download {BERT_NAME}`.*copy the folder") as caught:
        load_encoder(bare_folder)
    assert "models--nobody--bert-of-two-layers" in str(caught.value)


def test_the_configuration_of_a_whole_clip_is_not_taken_for_that_of_a_text_tower(bare_folder, tower, hub_cache):
    hub_cache(BERT_NAME, tower)
    (bare_folder / "config.json").write_text(json.dumps({"model_type": "clip"}))
    load_encoder(bare_folder)


def test_a_repository_without_what_is_wanted_is_an_error(bare_folder, tower, hub_cache):
    vocabulary, config = tower / "tokenizer.json", tower / "config.json"
    snapshot = hub_cache(BERT_NAME, tower)
    (snapshot / vocabulary.name).unlink()
    with pytest.raises(CheckpointError, match="found none of its vocabulary files"):
        load_encoder(bare_folder)
    shutil.copy(vocabulary, snapshot)
    (snapshot / config.name).unlink()
    with pytest.raises(CheckpointError, match=r"config.json to describe a text tower \(roberta"):
        load_encoder(bare_folder)


def test_a_vocabulary_is_never_made_up(bert_folder, copy_of, hub_cache):
    folder = copy_of(bert_folder)
    (folder / "tokenizer.json").unlink()  # transformers would go on with five tokens
    with pytest.raises(CheckpointError, match=f"hf download {BERT_NAME}"):
        load_encoder(folder)


def test_a_tower_without_a_named_tokenizer_is_refused(bert_folder, copy_of):
    with pytest.raises(CheckpointError, match="a tokenizer is never guessed"):
        load_encoder(copy_of(bert_folder, text_cfg={"hf_tokenizer_name": None}))


def test_a_tower_may_be_a_folder_of_its_own(bare_folder, tower, bert_folder):
    path = bare_folder / "open_clip_config.json"
    path.write_text(path.read_text().replace(BERT_NAME, str(tower)))
    texts = ["melanoma of skin"]
    assert torch.equal(load_encoder(bare_folder).encode_texts(texts), load_encoder(bert_folder).encode_texts(texts))


def test_a_folder_on_somebody_elses_machine_is_an_error_that_says_what_to_copy(bare_folder):
    path = bare_folder / "open_clip_config.json"
    path.write_text(path.read_text().replace(BERT_NAME, "/home/colleague/models/bert"))
    with pytest.raises(CheckpointError, match=r"is a folder that is not on this machine\. Copy its files \(tokenizer"):
        load_encoder(bare_folder)
