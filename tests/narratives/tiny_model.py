"""A model of stories that is really trained, in a second: a random language model of two layers, and 24 stories."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import yaml
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

TOLD = {
    "scabies": "itches at night and my brother has it too",
    "vitiligo": "white and does not hurt but spreads slowly",
    "melanoma": "a dark spot that grew and bled this year",
    "rosacea": "my cheeks are red and burn after wine",
}
PLACES = ("arm", "leg", "hand", "back", "foot", "neck")
SETTINGS = {
    "card": {"name": "small"},
    "stories": "stories.jsonl",
    "lengths": [3, 2],
    "max_tokens": 64,
    "epochs": 12,
    "batch_size": 4,
    "learning_rate": 3e-3,
    "tensorboard": False,
}
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def write_stories(folder: Path) -> None:
    """24 stories of four diseases, which a word tells apart."""
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


def small_tokenizer() -> PreTrainedTokenizerFast:
    """Knows the words of these stories."""
    words = sorted({word for text in TOLD.values() for word in text.split()} | {*PLACES, *TOLD})
    words += ["[PAD]", "[UNK]", "On", "my", ":", ";", ".", "Options", "none", "of", "these"]
    model = Tokenizer(WordLevel({word: n for n, word in enumerate(dict.fromkeys(words))}, unk_token="[UNK]"))
    model.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=model, pad_token="[PAD]", unk_token="[UNK]", eos_token="[PAD]")


def write_encoder(folder: Path) -> None:
    """A random BERT of two layers."""
    tokenizer = small_tokenizer()
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), **SIZE)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def trained_in(folder: Path) -> Path:
    """The folder of a model that was trained on these stories with Chain of Options.

    Args:
        folder: an empty one for all that training needs.
    """
    from zsderm.pretrain import run_narratives

    write_stories(folder)
    (folder / "encoder").mkdir()
    write_encoder(folder / "encoder")
    config = folder / "small.yaml"
    config.write_text(yaml.safe_dump({**SETTINGS, "model": str(folder / "encoder")}), encoding="utf-8")
    return run_narratives(config, folder / "run", folder)
