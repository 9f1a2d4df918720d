"""BERTScore with a tiny model made here, against the formula of the paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from zsderm.errors import InputError
from zsderm.metrics.answers import BertSimilarity

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "brown", "plaque", "scale", "crust", "with"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    tokens = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokens, **special).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(folder)
    return folder


def _reference(folder: Path, answer: str, reference: str, layer: int) -> tuple[float, float, float]:
    """Zhang et al. 2020, equation of section 3: every token of one side takes its best match on the other."""
    model = BertModel.from_pretrained(folder).eval()
    rows = []
    for text in (answer, reference):
        ids = torch.tensor([[2, *(WORDS.index(word) for word in text.split()), 3]])
        with torch.no_grad():
            states = model(ids, output_hidden_states=True).hidden_states[layer][0].numpy()
        rows.append(states / np.linalg.norm(states, axis=1, keepdims=True))
    said, expected = rows
    precision = np.mean([max(float(row @ other) for other in expected) for row in said[1:-1]])
    recall = np.mean([max(float(row @ other) for other in said) for row in expected[1:-1]])
    return float(precision), float(recall), float(2 * precision * recall / (precision + recall))


@pytest.mark.slow
@pytest.mark.parametrize("layer", [None, 1, 4])
def test_it_is_that_of_the_paper(folder: Path, layer: int | None) -> None:
    answers, references = (
        ["a red plaque", "crust", "brown scale with crust"],
        ["a brown plaque with scale", "crust", "red"],
    )
    similarity = BertSimilarity(folder, layer)
    found = similarity.score(answers, references)
    expected = [_reference(folder, a, r, similarity.layer) for a, r in zip(answers, references, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert similarity.layer == (layer or 3)


def test_the_same_text_is_one_and_no_text_is_zero(folder: Path) -> None:
    found = BertSimilarity(folder).score(["red scale", ""], ["red scale", "red scale"])
    np.testing.assert_allclose(found[0], 1.0, atol=1e-5)
    np.testing.assert_array_equal(found[1], 0.0)


def test_a_layer_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="expected a layer from 1 to 4"):
        BertSimilarity(folder, 5)
