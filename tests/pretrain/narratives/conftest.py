from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaModel

from tests.narratives.tiny_model import SIZE, small_tokenizer, write_encoder, write_stories


@pytest.fixture(scope="session")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 24 stories of four diseases, which a word tells apart."""
    folder = tmp_path_factory.mktemp("stories")
    write_stories(folder)
    return folder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers, as a folder."""
    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(folder)
    return folder


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers, as a folder, whose tokenizer has no token to fill up with."""
    folder, tokenizer = tmp_path_factory.mktemp("decoder"), small_tokenizer()
    tokenizer.pad_token = None
    torch.manual_seed(0)
    LlamaModel(LlamaConfig(vocab_size=len(tokenizer), **SIZE)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
