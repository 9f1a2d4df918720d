from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from zsderm.asking.model_folder import ModelFolder, inputs_of, message
from zsderm.asking.pictures import picture
from zsderm.errors import InputError, PretrainingDataError
from zsderm.pretrain.answers.config import AnswersConfig
from zsderm.pretrain.answers.conversations import Conversation, read_all
from zsderm.pretrain.answers.encoding import IGNORED, collate, encode, summed_loss

CONFIG = AnswersConfig(card={}, conversations="conversations.json", images="images", model="")


def test_conversations_without_their_photograph_are_left_out_with_a_reason(data: Path) -> None:
    kept, dropped = read_all(CONFIG, data)
    assert len(kept) == 12 and kept[1].rounds == (
        ("what colour is the lesion ?", "red"),
        ("is there scale ?", "yes"),
    )
    assert [(one.id, bool(one.reason)) for one in dropped] == [("broken", True), ("gone", True)]


def test_none_to_train_with_is_an_error(data: Path, tmp_path: Path) -> None:
    entries = json.loads((data / "conversations.json").read_text())
    (tmp_path / "conversations.json").write_text(json.dumps(entries[-2:]))
    with pytest.raises(PretrainingDataError, match="none of 2 conversations"):
        read_all(CONFIG, tmp_path)
    (tmp_path / "conversations.json").write_text("{}")
    with pytest.raises(InputError, match="expected conversations in"):
        read_all(CONFIG, tmp_path)


@pytest.mark.slow
def test_only_answers_are_learned_after_the_very_tokens_that_a_model_is_asked_with(vlm: Path, data: Path) -> None:
    _, processor = ModelFolder.of(vlm).load()
    kept, _ = read_all(CONFIG, data)
    one = encode(processor, kept[1], 2048, 1024)
    learned = one.tokens[one.labels != IGNORED]
    assert processor.decode(learned) == "red </s> yes </s>" and one.learned == 4
    asked = processor.apply_chat_template(
        [message("user", kept[1].rounds[0][0], image=True)], add_generation_prompt=True
    )
    inputs = inputs_of(processor, [asked], [picture(kept[1].image or "")])
    start = int((one.labels != IGNORED).nonzero()[0])
    assert torch.equal(inputs["input_ids"][0], one.tokens[:start])
    torch.testing.assert_close(inputs["pixel_values"], one.others["pixel_values"])
    assert encode(processor, kept[1], start, 1024).learned == 0
    assert len(encode(processor, kept[1], start + 1, 1024).tokens) == start + 1


@pytest.mark.slow
def test_filling_up_changes_no_loss_and_the_sum_is_that_of_the_tokens(vlm: Path, data: Path) -> None:
    model, processor = ModelFolder.of(vlm).load()
    kept, _ = read_all(CONFIG, data)
    short = Conversation("s", kept[0].name, kept[0].image, kept[0].rounds[:1])
    encoded = [encode(processor, one, 2048, 1024) for one in (kept[1], short)]

    def loss(part: list) -> torch.Tensor:
        inputs, labels = collate(part, processor.tokenizer.pad_token_id)
        with torch.inference_mode():
            return summed_loss(model(**inputs).logits, labels)

    torch.testing.assert_close(loss(encoded), loss(encoded[:1]) + loss(encoded[1:]))
    inputs, labels = collate(encoded[:1], 0)
    with torch.inference_mode():
        rows = model(**inputs).logits[0].log_softmax(dim=1)
    places = [place for place in range(1, labels.shape[1]) if labels[0, place] != IGNORED]
    expected = -sum(rows[place - 1, labels[0, place]] for place in places)
    torch.testing.assert_close(loss(encoded[:1]), expected)
