"""Small random checkpoints, written in the formats that users really have."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from open_clip.coca_model import CoCa
from open_clip.model import CLIP, CustomTextCLIP
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

PREPROCESSING = {
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.25, 0.3],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
CLIP_CONFIG = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}

BERT_NAME = "nobody/bert-of-two-layers"  # in no cache: a test that needs it must find it beside the weights
BERT = {
    "vocab_size": 64,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}
BERT_CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {
        "timm_model_name": "test_efficientnet",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 48,
    },
    "text_cfg": {
        "hf_model_name": BERT_NAME,
        "hf_tokenizer_name": BERT_NAME,
        "hf_proj_type": None,
        "hf_pooler_type": "mean_pooler",
        "context_length": 16,
    },
}
LETTERS = [*"abcdefghijklmnopqrstuvwxyz"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "melanoma", "nevus", "skin", "of"]
VOCABULARY = [*WORDS, *LETTERS, *("##" + letter for letter in LETTERS)]  # 61 tokens


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a test reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def write_folder(folder: Path, model_cfg: dict[str, Any], state: dict[str, torch.Tensor]) -> Path:
    write_json(folder / "open_clip_config.json", {"model_cfg": model_cfg, "preprocess_cfg": PREPROCESSING})
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "open_clip_model.safetensors")
    return folder


def write_tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer(models.WordPiece({word: row for row, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", **special})


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory) -> Path:
    """OpenAI's layout: a vision transformer, CLIP's own tokenizer."""
    torch.manual_seed(1)
    return write_folder(tmp_path_factory.mktemp("clip"), CLIP_CONFIG, CLIP(**CLIP_CONFIG).state_dict())


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory) -> Path:
    """zsderm-mini's layout: a timm tower, a BERT tower whose files lie in the folder, weights in half precision."""
    folder = tmp_path_factory.mktemp("bert")
    config = BertConfig(**BERT)
    # As transformers saves a model that was trained in half precision.
    write_json(folder / "config.json", {**config.to_dict(), "model_type": "bert", "dtype": "float16"})
    write_tokenizer(folder)
    torch.manual_seed(2)
    text_cfg = {**BERT_CONFIG["text_cfg"], "hf_model_name": str(folder), "hf_model_pretrained": False}
    model = CustomTextCLIP(**{**BERT_CONFIG, "text_cfg": text_cfg}).float()
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in model.state_dict().items()
    }
    write_folder(folder, BERT_CONFIG, state)
    (folder / "open_clip_model.safetensors").rename(folder / "model.safetensors")
    words = {"name": "bert", "licence": "CC BY 4.0", "source": "a test", "description": "random", "sigma": 0.3}
    write_json(folder / "zsderm.json", words)
    return folder


@pytest.fixture(scope="session")
def coca_folder(tmp_path_factory) -> Path:
    config = {
        **CLIP_CONFIG,
        "vision_cfg": {**VISION, "output_tokens": True},
        "text_cfg": {**TEXT, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
        "custom_text": True,
    }
    torch.manual_seed(3)
    model = CoCa(**{key: value for key, value in config.items() if key != "custom_text"})
    return write_folder(tmp_path_factory.mktemp("coca"), config, model.state_dict())


def write_piece_tokenizer(folder: Path) -> None:
    """As timm's SigLIP repositories have it: pieces of words, and the end token fills rows up."""
    pieces = [("</s>", 0.0), ("<unk>", -9.0), ("\u2581", -3.0), *((letter, -4.0) for letter in LETTERS)]
    pieces += [(f"\u2581{word}", -2.0) for word in ("of", "skin", "nevus")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 0)])
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>"}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **special})


SIGLIP_CONFIG = {
    "embed_dim": 64,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 32,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": 16,
        "vocab_size": 32,
        "hf_tokenizer_name": "nobody/pieces",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 32,
        "heads": 2,
        "layers": 1,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    },
}


@pytest.fixture(scope="session")
def siglip_folder(tmp_path_factory) -> Path:
    """SigLIP as open_clip saves it: a sigmoid head with a bias, a tokenizer of its own, a timm tower."""
    folder = tmp_path_factory.mktemp("siglip")
    write_piece_tokenizer(folder)
    torch.manual_seed(6)
    model = CustomTextCLIP(**{key: value for key, value in SIGLIP_CONFIG.items() if key != "custom_text"})
    return write_folder(folder, SIGLIP_CONFIG, model.state_dict())


TOWER = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
EYES = {**TOWER, "image_size": 32, "patch_size": 16}


def write_byte_tokenizer(folder: Path) -> None:
    """CLIP's own kind of vocabulary, of single bytes."""
    letters = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 324))]  # bytes, made visible
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    write_json(folder / "vocab.json", {token: row for row, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("#version: 0.2\nn e\n", encoding="utf-8")
    write_json(folder / "vocab.json", {token: row for row, token in enumerate([*tokens, "ne"])})
    special = {
        "bos_token": "<|startoftext|>",
        **dict.fromkeys(("eos_token", "unk_token", "pad_token"), "<|endoftext|>"),
    }
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", **special})


@pytest.fixture(scope="session")
def hf_clip_folder(tmp_path_factory) -> Path:
    """CLIP as transformers saves it, as MONET and PLIP are."""
    folder = tmp_path_factory.mktemp("hf_clip")
    write_byte_tokenizer(folder)
    special = {"bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 513}
    text = {**TOWER, "vocab_size": 515, "max_position_embeddings": 16, **special}
    torch.manual_seed(7)
    CLIPModel(CLIPConfig(text_config=text, vision_config=EYES, projection_dim=20)).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def hf_siglip_folder(tmp_path_factory) -> Path:
    """SigLIP as transformers saves it: a sentencepiece model, sixteen places that are always filled."""
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("hf_siglip")
    text = folder / "text"
    text.write_text("\n".join(["melanoma of skin", "a brown macule", "nevus", "lazy dog, quick fox"] * 5))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "spiece"),
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    )
    special = {"pad_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>"}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "SiglipTokenizer", **special})
    write_siglip(folder)
    for name in ("text", "spiece.vocab"):
        (folder / name).unlink()
    return folder


@pytest.fixture(scope="session")
def hf_siglip2_folder(tmp_path_factory) -> Path:
    """SigLIP 2 of fixed size: the same towers, a tokenizer that leaves capitals alone."""
    folder = tmp_path_factory.mktemp("hf_siglip2")
    write_piece_tokenizer(folder)
    write_siglip(folder)
    return folder


def write_siglip(folder: Path) -> None:
    text = {**TOWER, "vocab_size": 64, "max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 1}
    torch.manual_seed(8)
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=EYES))
    torch.nn.init.constant_(model.logit_scale, 4.0)
    torch.nn.init.constant_(model.logit_bias, -12.0)
    model.save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)


@pytest.fixture
def copy_of(tmp_path) -> Callable[..., Path]:
    """A copy of a checkpoint folder to spoil; keyword arguments change keys of its configuration."""

    def copy(folder: Path, **changes: dict[str, Any]) -> Path:
        target = tmp_path / "copy"
        shutil.copytree(folder, target)
        path = target / "open_clip_config.json"
        config = json.loads(path.read_text())
        for part, change in changes.items():
            where = config if part == "preprocess_cfg" else config["model_cfg"]
            where[part] = {**where[part], **change}
        write_json(path, config)
        return target

    return copy


@pytest.fixture
def hub_cache(tmp_path, monkeypatch) -> Callable[[str, Path], Path]:
    """A hub cache of its own with no way out; call it with a repository and a folder to put that into the cache."""
    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def add(repository: str, folder: Path) -> Path:
        """Lay files out the way the hub client does: content under blobs, links to it under snapshots/<commit>."""
        home, commit = cache / f"models--{repository.replace('/', '--')}", "0123456789" * 4
        snapshot = home / "snapshots" / commit
        for path in (home / "refs", home / "blobs", snapshot):
            path.mkdir(parents=True)
        (home / "refs" / "main").write_text(commit)
        for number, path in enumerate(sorted(folder.iterdir())):
            blob = home / "blobs" / f"{number:040x}"
            shutil.copyfile(path, blob)
            (snapshot / path.name).symlink_to(Path("../../blobs") / blob.name)
        return snapshot

    return add
