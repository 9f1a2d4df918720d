"""The formats that docs/encoders.md says are loaded offline, each written here as the hub or a colleague has it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.model import CustomTextCLIP
from safetensors.torch import load_file, save_file
from transformers import BertConfig

from zsderm.encoders import Encoder, load_encoder

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "encoders.md"
PUBMED = "nobody/pubmedbert"


@pytest.fixture
def make_format(clip_folder, copy_of, hub_cache):
    """MAKE: open_clip's format with keys that open_clip refuses."""
    return copy_of(clip_folder, vision_cfg={"sigma": 0.3, "patch_embeddings": True, "output_tokens": True})


@pytest.fixture
def pubmed_format(bert_folder, tmp_path, hub_cache):
    """BiomedCLIP and DermLIP-PubMed: a BERT tower named by repository, first token pooled, 256 places, a small MLP."""
    folder, tower = tmp_path / "pubmed", tmp_path / "tower"
    folder.mkdir()
    tower.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(bert_folder / name, tower / name)
    old = json.loads((bert_folder / "config.json").read_text())
    config = BertConfig(**{**old, "max_position_embeddings": 512, "dtype": "float32"})
    (tower / "config.json").write_text(json.dumps({**config.to_dict(), "model_type": "bert"}))
    hub_cache(PUBMED, tower)
    plain = json.loads((bert_folder / "open_clip_config.json").read_text())
    text_cfg = {
        "hf_model_name": PUBMED,
        "hf_tokenizer_name": PUBMED,
        "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_last_hidden_state_pooler",
        "context_length": 256,
    }
    plain["model_cfg"]["text_cfg"] = text_cfg
    (folder / "open_clip_config.json").write_text(json.dumps(plain))
    local = {**text_cfg, "hf_model_name": str(tower), "hf_model_pretrained": False}
    torch.manual_seed(9)
    model = CustomTextCLIP(**{**plain["model_cfg"], "text_cfg": local})
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder


@pytest.fixture
def training_format(clip_folder, copy_of):
    """What open_clip's own training writes: epochs, an optimiser, names with a prefix."""
    folder = copy_of(clip_folder)
    weights = folder / "open_clip_model.safetensors"
    state = {f"module.{name}": tensor for name, tensor in load_file(weights).items()}
    torch.save({"epoch": 15, "state_dict": state, "optimizer": {"step": 3}}, folder / "epoch_15.pt")
    weights.unlink()
    return folder


FORMATS = {  # what the manual calls it: the fixture that writes it
    "CLIP, as OpenAI and LAION train it": "clip_folder",
    "MAKE, with keys of its own": "make_format",
    "BiomedCLIP, DermLIP with PubMedBERT": "pubmed_format",
    "SigLIP, with its sigmoid head": "siglip_folder",
    "CoCa": "coca_folder",
    "zsderm-mini and what `zsderm pretrain` writes": "bert_folder",
    "what open_clip's training writes": "training_format",
    "CLIP of transformers, as MONET and PLIP": "hf_clip_folder",
    "SigLIP of transformers": "hf_siglip_folder",
    "SigLIP 2 of transformers, fixed size": "hf_siglip2_folder",
}


@pytest.mark.parametrize("where", ["folder", "hub cache"])
@pytest.mark.parametrize("fixture", FORMATS.values(), ids=FORMATS)
def test_every_format_loads_offline_from_a_folder_and_from_the_hub_cache(fixture, where, request, hub_cache, photo):
    folder = request.getfixturevalue(fixture)
    if where == "hub cache" and fixture == "training_format":
        pytest.skip("lies in folders, not on the hub")
    if where == "hub cache":
        hub_cache("someone/skin", folder)
    encoder = load_encoder("hf-hub:someone/skin" if where == "hub cache" else folder)
    rows = torch.cat([encoder.encode_images([photo]), encoder.encode_texts(["melanoma", "nevus of skin"])])
    assert isinstance(encoder, Encoder)
    assert rows.shape == (3, encoder.card.width)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))


def test_the_manual_lists_the_formats_that_are_tested():
    text = MANUAL.read_text(encoding="utf-8")
    assert [name for name in FORMATS if name not in text] == []


def test_a_pubmed_tower_is_pooled_and_cut_as_open_clip_does_it(pubmed_format, tmp_path):
    told = shutil.copytree(pubmed_format, tmp_path / "told")
    shutil.copytree(tmp_path / "tower", told, dirs_exist_ok=True)  # where plain open_clip looks for a tokenizer
    path = told / "open_clip_config.json"
    path.write_text(path.read_text().replace(PUBMED, str(tmp_path / "tower")))
    model = open_clip.create_model(f"local-dir:{told}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{told}")
    texts = ["melanoma", "skin of nevus " * 60]  # 182 tokens: beyond CLIP's 77, within 256
    encoder = load_encoder(pubmed_format)
    assert encoder.card.context_length == 256
    with torch.no_grad():
        expected = torch.cat([model.encode_text(tokenizer([text]), normalize=True) for text in texts])
    torch.testing.assert_close(encoder.encode_texts(texts), expected, atol=1e-6, rtol=0)


def test_a_file_of_siglip_weights_finds_its_tokenizer_in_the_hub_cache(siglip_folder, tmp_path, hub_cache, monkeypatch):
    config = json.loads((siglip_folder / "open_clip_config.json").read_text())["model_cfg"]
    (tmp_path / "Tiny-SigLIP.json").write_text(json.dumps(config))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [tmp_path])
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", {})
    open_clip.add_model_config(tmp_path / "Tiny-SigLIP.json")
    colours = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3), "interpolation": "bicubic", "resize_mode": "shortest"}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Tiny-SigLIP", {"one": colours})
    folder = tmp_path / "alone"
    folder.mkdir()
    save_file(load_file(siglip_folder / "open_clip_model.safetensors"), folder / "weights.safetensors")
    hub_cache("nobody/pieces", siglip_folder)
    texts = ["Melanoma, of skin!"]
    found = load_encoder(f"Tiny-SigLIP@{folder / 'weights.safetensors'}")
    assert torch.equal(found.encode_texts(texts), load_encoder(siglip_folder).encode_texts(texts))
