from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zsderm.pretrain.config import read_config
from zsderm.pretrain.model import text_bank
from zsderm.pretrain.model.start import create_model
from zsderm.pretrain.model.text_bank import TextBank

MINI = Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml"
TEXTS = ["nevus", "mole", "melanoma", "a brown spot", "an even border", "a fine network", "a blue veil"]


@pytest.fixture(scope="module")
def model_and_tokenizer():
    model, tokenizer = create_model(read_config(MINI).model_cfg, "random", "all-MiniLM-L6-v2", 0.05)
    return model.eval(), tokenizer


class Reader:
    """A tokenizer that remembers what it was asked to read."""

    def __init__(self, tokenizer) -> None:
        self.tokenizer = tokenizer
        self.read: list[str] = []

    def __call__(self, texts: list[str]) -> torch.Tensor:
        self.read.extend(texts)
        return self.tokenizer(texts)


@pytest.mark.parametrize("trainable", [False, True])
def test_the_text_bank_equals_encoding_each_caption_alone(model_and_tokenizer, trainable: bool) -> None:
    model, tokenizer = model_and_tokenizer
    bank = TextBank(model, tokenizer, trainable=trainable, chunk=2)
    captions = [
        ["nevus", "", "a long sentence about a brown spot with an even border and a fine network"],
        ["", "nevus", "mole"],
    ]
    features = bank(captions)
    assert features.shape == (2, 3, 384)
    assert features.requires_grad, "the projection learns even where the tower is frozen"
    for b, row in enumerate(captions):
        for t, text in enumerate(row):
            with torch.no_grad():
                alone = model.encode_text(tokenizer([text]))[0] if text else torch.zeros(384)
            torch.testing.assert_close(features[b, t].detach(), alone, rtol=1e-4, atol=1e-5)


def test_a_frozen_tower_reads_each_sentence_once(model_and_tokenizer) -> None:
    model, tokenizer = model_and_tokenizer
    seen: list[str] = []

    def tokenize(texts: list[str]) -> torch.Tensor:
        seen.extend(texts)
        return tokenizer(texts)

    bank = TextBank(model, tokenize, trainable=False)
    bank([["nevus", "mole"]])
    bank([["mole", "melanoma"], ["nevus", ""]])
    assert sorted(seen) == ["melanoma", "mole", "nevus"]


def test_what_is_remembered_is_what_encoding_anew_gives_whatever_came_before(model_and_tokenizer) -> None:
    model, tokenizer = model_and_tokenizer
    reader = Reader(tokenizer)
    bank = TextBank(model, reader, trainable=False, chunk=3)
    random = torch.Generator().manual_seed(0)
    for _ in range(6):  # the table grows several times, and rows are asked for in any order
        rows = torch.randint(0, len(TEXTS), (2, 3), generator=random).tolist()
        captions = [[TEXTS[place] for place in row] for row in rows]
        found = bank(captions).detach()
        anew = TextBank(model, tokenizer, trainable=False, chunk=3)(captions).detach()
        torch.testing.assert_close(found, anew, atol=1e-5, rtol=1e-4)
    assert sorted(reader.read) == sorted(set(reader.read)) and len(reader.read) > 4


def test_the_rows_of_a_run_lie_in_one_table(model_and_tokenizer) -> None:
    model, tokenizer = model_and_tokenizer
    bank = TextBank(model, tokenizer, trainable=False)
    bank([TEXTS[:3]])
    bank([TEXTS[2:5]])
    assert sorted(bank._rows.values()) == [0, 1, 2, 3, 4] and len(bank._pooled) >= 5
    for text, row in bank._rows.items():
        with torch.no_grad():
            alone = model.encode_text(tokenizer([text]))[0]
        torch.testing.assert_close(bank.text_tower.proj(bank._pooled[row]), alone, atol=1e-5, rtol=1e-4)


def test_a_full_table_is_forgotten_and_begun_again(model_and_tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_bank, "REMEMBERED", 4)
    model, tokenizer = model_and_tokenizer
    reader = Reader(tokenizer)
    bank = TextBank(model, reader, trainable=False)
    bank([TEXTS[:3]])
    found = bank([TEXTS[2:5]]).detach()  # five do not fit
    assert set(bank._rows) == set(TEXTS[2:5]) and reader.read.count(TEXTS[2]) == 2
    anew = TextBank(model, tokenizer, trainable=False)([TEXTS[2:5]]).detach()
    torch.testing.assert_close(found, anew, atol=1e-5, rtol=1e-4)
    larger = bank([TEXTS]).detach()  # more than are ever remembered, in one batch
    torch.testing.assert_close(larger, TextBank(model, tokenizer, False)([TEXTS]).detach(), atol=1e-5, rtol=1e-4)


def test_a_tower_that_learns_is_asked_each_time(model_and_tokenizer) -> None:
    model, tokenizer = model_and_tokenizer
    reader = Reader(tokenizer)
    bank = TextBank(model, reader, trainable=True)
    for _ in range(2):
        bank([["nevus", "mole"]])
    assert sorted(reader.read) == ["mole", "mole", "nevus", "nevus"]


def test_captions_that_are_all_missing_are_zeros(model_and_tokenizer) -> None:
    model, tokenizer = model_and_tokenizer
    for trainable in (False, True):
        missing = TextBank(model, tokenizer, trainable)([["", ""], ["", ""]])
        assert missing.shape == (2, 2, 384) and not missing.any()
