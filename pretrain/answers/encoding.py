"""The tokens of a conversation, as the model will see them in use; only the tokens of answers have labels.

Questions and answers are tokenised separately, as they are when the model generates an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zsderm.asking.model_folder import inputs_of, message
from zsderm.asking.pictures import picture
from zsderm.errors import SettingsError
from zsderm.pretrain.answers.conversations import Conversation

IGNORED = -100  # label of a token that is not learned


@dataclass(frozen=True)
class Encoded:
    """One conversation.

    Attributes:
        tokens: (L,) int64.
        labels: (L,) int64, the token where it is one of an answer, else `IGNORED`.
        others: what else the processor gives, such as pixels, with a leading dimension for images.
    """

    tokens: Tensor
    labels: Tensor
    others: dict[str, Tensor]

    @property
    def learned(self) -> int:
        """How many tokens are learned; the first of a text has none before it."""
        return int((self.labels[1:] != IGNORED).sum())


def encode(processor: Any, conversation: Conversation, max_tokens: int, longest_side: int) -> Encoded:
    """Tokenise a conversation, and cut it at a maximum number of tokens.

    Args:
        processor: see `zsderm.asking.model_folder.prepared`.
        conversation: with its photograph.
        max_tokens: most of them, those of the picture included.
        longest_side: see `zsderm.asking.pictures.picture`.

    Raises:
        ImageError: the photograph cannot be read.
        SettingsError: the template of the model does not put turns one after the other.
    """
    image = None if conversation.image is None else picture(conversation.image, longest_side)
    turns: list[dict[str, Any]] = []
    tokens: list[Tensor] = []
    labels: list[Tensor] = []
    others: dict[str, Tensor] = {}
    before = ""
    for place, (question, answer) in enumerate(conversation.rounds):
        turns.append(message("user", question, image=image is not None and not place))
        asked = processor.apply_chat_template(turns, add_generation_prompt=True)
        turns.append(message("assistant", answer))
        whole = processor.apply_chat_template(turns, add_generation_prompt=False)
        if not (asked.startswith(before) and whole.startswith(asked)):
            raise SettingsError(
                "The chat template of the model changes earlier turns when a turn is added, so answers cannot be "
                "separated from questions. Give the model another template, or use conversations with one question."
            )
        if place:
            own = _plain(processor, asked[len(before) :])
        else:
            inputs = dict(inputs_of(processor, [asked], [] if image is None else [image]))
            own = inputs.pop("input_ids")[0]
            inputs.pop("attention_mask", None)
            others = inputs
        said = _plain(processor, whole[len(asked) :])
        if (end := processor.tokenizer.eos_token_id) is not None and end not in said.tolist():
            said = torch.cat([said, torch.tensor([end])])  # else it would learn never to stop
        tokens += [own, said]
        labels += [torch.full_like(own, IGNORED), said]
        before = whole
    return Encoded(torch.cat(tokens)[:max_tokens], torch.cat(labels)[:max_tokens], others)


def collate(encoded: Sequence[Encoded], filler: int) -> tuple[dict[str, Tensor], Tensor]:
    """A batch of conversations, padded on the right.

    Args:
        encoded: B of them.
        filler: the padding token.

    Returns:
        The inputs of the model by name, and (B, L) int64 labels.
    """

    def filled(rows: list[Tensor], value: int) -> Tensor:
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)

    lengths = [len(one.tokens) for one in encoded]
    inputs = {
        "input_ids": filled([one.tokens for one in encoded], filler),  # (B, L)
        "attention_mask": filled([torch.ones(length, dtype=torch.int64) for length in lengths], 0),
    }
    for name in dict.fromkeys(name for one in encoded for name in one.others):
        inputs[name] = torch.cat([one.others[name] for one in encoded if name in one.others])
    return inputs, filled([one.labels for one in encoded], IGNORED)


def summed_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The sum of the cross-entropies of all answer tokens, each given the tokens before it.

    Args:
        logits: (B, L, V) float.
        labels: (B, L) int64, `IGNORED` for tokens without a loss.

    Returns:
        A scalar, in nats.
    """
    rows, wanted = logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten()
    return nn.functional.cross_entropy(rows, wanted, ignore_index=IGNORED, reduction="sum")


def _plain(processor: Any, text: str) -> Tensor:
    return torch.tensor(processor.tokenizer(text, add_special_tokens=False)["input_ids"], dtype=torch.int64)
