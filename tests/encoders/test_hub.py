from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub import errors as hub_errors

from zsderm.encoders import hub, load_encoder
from zsderm.errors import CheckpointError, UnknownModelError

TEXTS = ["melanoma", "nevus"]


def test_a_cached_repository_loads_offline(bert_folder, hub_cache):
    hub_cache("someone/skin", bert_folder)
    cached, plain = load_encoder("hf-hub:someone/skin"), load_encoder(bert_folder)
    assert torch.equal(cached.encode_texts(TEXTS), plain.encode_texts(TEXTS))
    assert cached.fingerprint == plain.fingerprint
    assert cached.card.name == "hf-hub:someone/skin"


def test_the_card_of_a_repository_says_where_it_is_and_the_licence_of_its_page(clip_folder, copy_of, hub_cache):
    folder = copy_of(clip_folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Skin")
    hub_cache("someone/skin", folder)
    card = load_encoder("hf-hub:someone/skin").card
    assert (card.source, card.licence) == ("https://huggingface.co/someone/skin", "mit")


def test_a_repository_that_is_not_cached_is_an_error_with_the_command_and_the_folder(hub_cache, tmp_path):
    with pytest.raises(CheckpointError) as caught:
        load_encoder("hf-hub:xieji-x/MAKE")
    message = str(caught.value)
    assert "'xieji-x/MAKE' is not complete in the Hugging Face cache" in message
    assert "run `hf download xieji-x/MAKE`" in message
    assert f"to {tmp_path / 'hub' / 'models--xieji-x--MAKE'}" in message
    assert "HF_HUB_OFFLINE is set" in message


def test_a_cached_configuration_without_weights_is_the_same_error(clip_folder, hub_cache):
    snapshot = hub_cache("someone/skin", clip_folder)
    (snapshot / "open_clip_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="run `hf download someone/skin`"):
        load_encoder("hf-hub:someone/skin")


def test_cached_weights_without_a_configuration_are_the_same_error(clip_folder, hub_cache):
    snapshot = hub_cache("someone/skin", clip_folder)
    (snapshot / "open_clip_config.json").unlink()
    with pytest.raises(CheckpointError, match="run `hf download someone/skin`"):
        load_encoder("hf-hub:someone/skin")


@pytest.mark.slow
def test_the_environment_says_where_the_cache_is_and_that_there_is_no_network(clip_folder, hub_cache, tmp_path):
    snapshot = hub_cache("someone/skin", clip_folder)
    code = "from zsderm.encoders import hub; print(hub.fetch('someone/skin', ['*.json']))"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [str(snapshot)], done.stderr


@pytest.mark.parametrize("name", ["hf-hub:", "hf-hub:a/b/c", "hf-hub:with spaces/in it"])
def test_what_cannot_be_a_repository_is_an_unknown_model(name):
    with pytest.raises(UnknownModelError, match="expected 'hf-hub:org/name'"):
        load_encoder(name)


def response_error(kind):
    """An error of the hub client as it is raised, without the request that led to it."""
    error = kind.__new__(kind)
    Exception.__init__(error, "said the hub")
    return error


@pytest.mark.parametrize(
    ("kind", "raised", "message"),
    [
        (hub_errors.GatedRepoError, CheckpointError, "asks you to accept its terms first: open .*/someone/skin"),
        (hub_errors.RepositoryNotFoundError, UnknownModelError, "no repository 'someone/skin' that you can see"),
        (hub_errors.HfHubHTTPError, CheckpointError, "run `hf download someone/skin`"),
        (ConnectionError, CheckpointError, "run `hf download someone/skin`"),
    ],
)
def test_each_refusal_of_the_hub_says_what_to_do(monkeypatch, kind, raised, message):
    def refuse(*_: object, **__: object) -> str:
        raise response_error(kind)

    monkeypatch.setattr(hub, "snapshot_download", refuse)
    with pytest.raises(raised, match=message):
        hub.fetch("someone/skin", ["*"])


def test_weights_that_a_repository_does_not_have_are_told_from_a_missing_network(monkeypatch):
    def refuse(*_: object, **__: object) -> str:
        raise response_error(hub_errors.RemoteEntryNotFoundError)

    monkeypatch.setattr(hub, "hf_hub_download", refuse)
    with pytest.raises(CheckpointError, match=r"none of the files wanted: a\.bin, b\.bin"):
        hub.fetch_one("someone/skin", ["a.bin", "b.bin"], "main")


def test_a_mirror_that_cannot_be_reached_is_named(monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "https://mirror.example")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert "https://mirror.example could not be reached" in hub._absent("someone/skin", download=True)
    assert "set HF_ENDPOINT to its address" in hub._absent("someone/skin", download=True)


@pytest.mark.slow
def test_the_environment_names_the_mirror(tmp_path):
    code = "from zsderm.encoders import hub; print(hub._gated('a/b'))"
    environment = {**os.environ, "HF_ENDPOINT": "https://mirror.example"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "open https://mirror.example/a/b" in done.stdout, done.stderr


def test_a_mirror_is_named_where_terms_are_to_be_accepted(monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "https://mirror.example")
    assert re.search("open https://mirror.example/someone/skin", hub._gated("someone/skin"))
