from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, PreTrainedTokenizerFast

TOLD = {
    "scabies": "itches at night and my brother has it too",
    "vitiligo": "white and does not hurt but spreads slowly",
    "melanoma": "a dark spot that grew and bled this year",
    "rosacea": "my cheeks are red and burn after wine",
}
PLACES = ("arm", "leg", "hand", "back", "foot", "neck")


@pytest.fixture(scope="session")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 24 stories of four diseases, which a word tells apart."""
    folder = tmp_path_factory.mktemp("stories")
    rows = [
        {
            "id": f"{disease}-{place}",
            "narrative": f"On my {place}: {text}.",
            "label": disease,
            "split": "test" if place == "neck" else "dev" if place == "foot" else "train",
            "patient_id": f"{disease}-{number // 2}",
        }
        for disease, text in TOLD.items()
        for number, place in enumerate(PLACES)
    ]
    (folder / "stories.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    words = sorted({word for text in TOLD.values() for word in text.split()} | {*PLACES, *TOLD})
    words += ["[PAD]", "[UNK]", "On", "my", ":", ";", ".", "Options", "none", "of", "these"]
    model = Tokenizer(WordLevel({word: n for n, word in enumerate(dict.fromkeys(words))}, unk_token="[UNK]"))
    model.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=model, pad_token="[PAD]", unk_token="[UNK]", eos_token="[PAD]")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers, as a folder."""
    folder, tokenizer = tmp_path_factory.mktemp("encoder"), _tokenizer()
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), **size)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers, as a folder, whose tokenizer has no token to fill up with."""
    folder, tokenizer = tmp_path_factory.mktemp("decoder"), _tokenizer()
    tokenizer.pad_token = None
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    LlamaModel(LlamaConfig(vocab_size=len(tokenizer), **size)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
