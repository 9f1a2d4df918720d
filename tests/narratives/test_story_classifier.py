from __future__ import annotations

import pytest
import torch

from zsderm.encoders.sentence_model import SentenceModel
from zsderm.narratives.story_classifier import StoryClassifier, readable, tokens_of


def test_a_long_story_is_cut_and_its_options_are_not() -> None:
    _, tokenizer = SentenceModel().parts
    options = ["scabies", "tinea pedis"]
    batch = tokens_of(tokenizer, ["It itches. " * 500, "", "It itches."], [options] * 3, 40)
    texts = [tokenizer.decode(row, skip_special_tokens=True) for row in batch["input_ids"]]
    assert batch["input_ids"].shape == (3, 40)
    assert all(text.endswith("options : scabies ; tinea pedis.") for text in texts)
    stories = [tokenizer.decode(row[own]) for row, own in zip(batch["input_ids"], batch["story"], strict=True)]
    assert stories[1:] == ["", "it itches."] and stories[0].startswith("it itches. it itches.")


def test_a_text_without_options_is_the_story() -> None:
    _, tokenizer = SentenceModel().parts
    batch = tokens_of(tokenizer, ["It itches."], [[]], 40)
    assert tokenizer.decode(batch["input_ids"][0], skip_special_tokens=True) == "it itches."


def test_no_story_is_too_odd_to_read() -> None:
    assert readable("half \ud83d a\n\n smile\t") == "half ? a smile"
    assert len(readable("word " * 10**6)) <= 100_000


@pytest.mark.slow
def test_options_reach_the_score_of_a_story_by_attention_and_fill_does_not() -> None:
    body, tokenizer = SentenceModel().parts
    model = StoryClassifier(body, 384, 3, "mean").eval()
    torch.nn.init.normal_(model.head.weight)
    with torch.inference_mode():
        one = model(tokens_of(tokenizer, ["It itches."], [["scabies", "acne"]], 64))
        other = model(tokens_of(tokenizer, ["It itches."], [["melanoma", "acne"]], 64))
        filled = model(tokens_of(tokenizer, ["It itches.", "It itches. " * 9], [["scabies", "acne"]] * 2, 64))
    assert not torch.allclose(one, other, atol=1e-3)
    torch.testing.assert_close(one[0], filled[0], rtol=1e-4, atol=1e-4)
