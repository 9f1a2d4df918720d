from __future__ import annotations

import json

import open_clip
import pytest
import torch
from huggingface_hub import constants
from open_clip import factory, pretrained
from open_clip.model import CLIP
from safetensors.torch import save_file

from zsderm.encoders import load_encoder, resolve
from zsderm.encoders.open_clip_format.checkpoint import OpenClipCheckpoint
from zsderm.encoders.open_clip_format.listed import architecture_config, is_silent
from zsderm.encoders.resolve import FORMATS, find_checkpoint
from zsderm.errors import CheckpointError, FallbackWarning, UnknownModelError

TEXTS = ["melanoma", "nevus of skin"]


@pytest.mark.parametrize("spelling", ["local-dir:{}", "{}", "{}/"])
def test_a_folder_may_be_named_with_or_without_a_prefix(clip_folder, spelling):
    encoder = load_encoder(spelling.format(clip_folder))
    assert encoder.card.name == spelling.format(clip_folder)
    assert encoder.card.width == 24


@pytest.mark.slow
def test_a_folder_may_be_a_path_and_may_begin_at_home(clip_folder, monkeypatch):
    monkeypatch.setenv("HOME", str(clip_folder.parent))
    monkeypatch.setenv("USERPROFILE", str(clip_folder.parent))
    assert load_encoder(clip_folder).fingerprint == load_encoder(f"~/{clip_folder.name}").fingerprint


def test_a_folder_that_is_not_there_is_an_unknown_model(tmp_path):
    with pytest.raises(UnknownModelError, match=r"there is no folder .*nowhere"):
        load_encoder(f"local-dir:{tmp_path / 'nowhere'}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("zsderm-mni", r"'zsderm-mni'\. Did you mean 'zsderm-mini'\? See: zsderm models list"),
        ("xieji-x/MAKE", r"'hf-hub:xieji-x/MAKE'"),
        ("someone/quite-else", r"For a Hugging Face repository, write 'hf-hub:someone/quite-else'"),
        ("ViT-B-32", r"'ViT-B-32' is an architecture without weights\. .*Write for instance 'ViT-B-32/openai'"),
        ("ViT-B-32/opnai", r"'ViT-B-32' has no weights tagged 'opnai'\. Known tags: openai, "),
        ("ViTB32/openai", r"Did you mean 'ViT-B-32/openai'"),
        ("", r"no encoder goes by the name ''"),
        ("local-dir:", "there is no folder"),
        ("melanoma", r"no encoder goes by the name 'melanoma'\. See: zsderm models list"),
        ("epoch_15.pt", r"weights alone do not say .* write 'ViT-B-16@epoch_15\.pt'"),
        ("ViT-B-17@epoch_15.pt", r"knows no architecture 'ViT-B-17'.* Expected 'ARCHITECTURE@FILE'"),
        (
            "ViT-B-16@nowhere.pt",
            r"expected a weights file \(\.safetensors, .*\) after 'ViT-B-16@', but got 'nowhere.pt'",
        ),
    ],
)
def test_a_name_that_leads_nowhere_names_those_that_lead_somewhere(name, message):
    with pytest.raises(UnknownModelError, match=message):
        load_encoder(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("PanDerm", "has no text tower"), ("hf-hub:zwq803/SkinVL-MM", "answers questions in words")],
)
def test_a_listed_model_that_is_no_encoder_is_refused_before_anything_is_fetched(name, reason, monkeypatch):
    monkeypatch.setattr(resolve.hub, "fetch", lambda *_, **__: pytest.fail("asked the hub"))
    with pytest.raises(CheckpointError, match=f"'{name}' cannot be loaded as an encoder: it {reason}"):
        load_encoder(name)


def test_a_folder_of_that_name_is_still_a_folder(clip_folder, tmp_path, monkeypatch):
    (tmp_path / "PanDerm").symlink_to(clip_folder)
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint("PanDerm").card.width == 24


def test_an_architecture_whose_weights_are_not_cached_is_an_error_with_the_command(hub_cache):
    with pytest.raises(CheckpointError, match=r"run `hf download timm/vit_base_patch32_clip_224\.openai`"):
        load_encoder("ViT-B-32/openai")


@pytest.fixture
def tiny_architecture(clip_folder, tmp_path, monkeypatch, hub_cache):
    """An architecture and a tag of it, registered with open_clip, whose weights lie in the hub cache."""
    config = json.loads((clip_folder / "open_clip_config.json").read_text())["model_cfg"]
    (tmp_path / "Tiny-16.json").write_text(json.dumps(config))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", [tmp_path])
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", {})
    open_clip.add_model_config(tmp_path / "Tiny-16.json")
    listed = {
        "hf_hub": "someone/tiny.tagged/",
        "quick_gelu": True,
        "mean": (0.1, 0.2, 0.3),
        "std": (1.0, 1.0, 1.0),
        "interpolation": "bilinear",
        "resize_mode": "squash",
    }
    named = {**listed, "hf_hub": "someone/tiny.tagged/weights.bin"}
    monkeypatch.setitem(pretrained._PRETRAINED, "Tiny-16", {"tagged": listed, "named": named})
    torch.manual_seed(5)
    folder = tmp_path / "repository"
    folder.mkdir()
    model = CLIP(**config, quick_gelu=True).eval()
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    torch.save(model.state_dict(), folder / "weights.bin")
    hub_cache("someone/tiny.tagged", folder)
    return model


@pytest.mark.parametrize("name", ["Tiny-16/tagged", "Tiny-16/named"])
def test_a_tag_brings_its_activation_and_its_preprocessing(tiny_architecture, name):
    encoder = load_encoder(name)
    with torch.no_grad():
        tokens = open_clip.SimpleTokenizer(context_length=16)(TEXTS)
        expected = tiny_architecture.encode_text(tokens, normalize=True)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), expected)
    settings = find_checkpoint(name).preprocess_cfg
    assert (settings["interpolation"], settings["resize_mode"], settings["mean"]) == (
        "bilinear",
        "squash",
        (0.1, 0.2, 0.3),
    )
    assert encoder.card.source == "https://huggingface.co/someone/tiny.tagged"


def test_nothing_is_downloaded_when_told_not_to(hub_cache, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("hf-hub:xieji-x/MAKE", "ViT-B-32/openai"):
        with pytest.raises(CheckpointError, match="the hub was not asked"):
            find_checkpoint(name, download=False)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["tiny.safetensors", "epoch_15.pt", "odd@name.bin"])
@pytest.mark.parametrize("wrap", [False, True], ids=["bare", "as training saves it"])
def test_a_weights_file_of_a_named_architecture_loads(tiny_architecture, tmp_path, monkeypatch, file, wrap):
    agreed = {key: pretrained._PRETRAINED["Tiny-16"]["tagged"][key] for key in ("mean", "std", "interpolation")}
    monkeypatch.setitem(pretrained._PRETRAINED, "Tiny-16", {"one": agreed, "other": dict(agreed)})
    config = {**open_clip.get_model_config("Tiny-16"), "quick_gelu": True}
    (tmp_path / "Tiny-16.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "Tiny-16.json")
    state, path = tiny_architecture.state_dict(), tmp_path / file
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}} if wrap else state, path)
    encoder = load_encoder(f"Tiny-16@{path}")
    with torch.no_grad():
        expected = tiny_architecture.encode_text(open_clip.SimpleTokenizer(context_length=16)(TEXTS), normalize=True)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), expected)
    assert find_checkpoint(f"Tiny-16@{path}").preprocess_cfg["mean"] == (0.1, 0.2, 0.3)


def test_preprocessing_on_which_an_architectures_tags_differ_is_assumed_aloud(tiny_architecture, tmp_path, monkeypatch):
    tags = {"one": {"mean": (0.1, 0.2, 0.3), "std": (1, 1, 1)}, "other": {"mean": (0.4, 0.5, 0.6), "std": (1, 1, 1)}}
    monkeypatch.setitem(pretrained._PRETRAINED, "Tiny-16", tags)
    torch.save(tiny_architecture.state_dict(), tmp_path / "weights.pt")
    with pytest.warns(FallbackWarning, match="OpenAI's are assumed"):
        find_checkpoint(f"Tiny-16@{tmp_path / 'weights.pt'}")


def test_a_folder_of_no_format_is_told_what_every_format_expects(tmp_path):
    with pytest.raises(CheckpointError, match=r"Expected an open_clip folder \(.*\), or a CLIP or SigLIP saved by"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("fixture", ["clip_folder", "bert_folder", "hf_clip_folder", "hf_siglip2_folder"])
def test_one_format_alone_holds_a_folder(request, fixture):
    assert sum(kind.holds(request.getfixturevalue(fixture)) for kind in FORMATS) == 1


@pytest.mark.slow
def test_a_format_is_added_by_a_class_and_a_line_in_the_list(clip_folder, tmp_path, monkeypatch):
    class Nested(OpenClipCheckpoint):
        EXPECTED = "a folder with inner/"

        @classmethod
        def holds(cls, folder):
            return (folder / "inner").is_dir()

        @classmethod
        def read(cls, folder, name, facts, *, download):
            return OpenClipCheckpoint.read(folder / "inner", name, facts, download=download)

    (tmp_path / "inner").symlink_to(clip_folder)
    with pytest.raises(CheckpointError, match="Expected an open_clip folder"):
        load_encoder(tmp_path)
    monkeypatch.setattr(resolve, "FORMATS", (*FORMATS, Nested))
    assert load_encoder(tmp_path).fingerprint == load_encoder(clip_folder).fingerprint
    (tmp_path / "inner").unlink()
    with pytest.raises(CheckpointError, match="or a folder with inner/"):
        load_encoder(tmp_path)


def test_a_file_whose_activation_is_open_is_refused_with_what_to_write(tiny_architecture, tmp_path):
    path = tmp_path / "epoch_15.pt"
    torch.save(tiny_architecture.state_dict(), path)
    with pytest.raises(CheckpointError, match=r"'Tiny-16-quickgelu@.*epoch_15.pt' .* 'Tiny-16-gelu@.*"):
        load_encoder(f"Tiny-16@{path}")
    with torch.no_grad():
        expected = tiny_architecture.encode_text(open_clip.SimpleTokenizer(context_length=16)(TEXTS), normalize=True)
    rows = {name: load_encoder(f"Tiny-16-{name}@{path}").encode_texts(TEXTS) for name in ("quickgelu", "gelu")}
    torch.testing.assert_close(rows["quickgelu"], expected)
    assert not torch.allclose(rows["gelu"], expected, atol=1e-4)


def test_only_names_that_are_silent_are_refused():
    assert is_silent("ViT-B-16", "ViT-B-16")
    assert not is_silent("ViT-B-16", "ViT-B-16-quickgelu")
    assert not is_silent("ViT-B-16", "ViT-B-16-gelu")
    assert not is_silent("coca_ViT-B-32", "coca_ViT-B-32")
    assert architecture_config("ViT-B-16-gelu")["quick_gelu"] is False
    assert architecture_config("ViT-B-17-gelu") is None
