"""A trained model of stories: a folder that `zsderm pretrain narratives` writes, read without the training code.

Letters: N stories, C classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from zsderm.encoders.checkpoint import BUILD_ERRORS, first_line
from zsderm.encoders.transformers_format.encoder import silence
from zsderm.errors import CheckpointError, InputError, did_you_mean
from zsderm.narratives.story_classifier import NONE, POOLINGS, StoryClassifier, prepared, tokens_of
from zsderm.stored_json import fields_of, read_json_file

CARD_FILE, HEAD_FILE = "zsderm_words.json", "head.safetensors"
TOKENIZER_FILE = "tokenizer.json"  # without it transformers makes a tokenizer that knows no word, and says nothing
BATCH = 32
LONGEST = 2**17  # tokens of a text, as in the settings of a run
_TRIED = "It itches."  # any story
KINDS = ("none", "full", "chain", "chapters")  # what options it was trained with
"""none: no options in the text; full: always all classes; chain: shrinking lists; chapters: these, and chapters."""


@dataclass(frozen=True)
class WordsCard:
    """What a folder says of its model."""

    classes: list[str]  # C names; the order of the first C scores
    options: str  # one of KINDS
    pooling: str
    max_tokens: int
    missed: float  # share of short lists that lacked the answer in training, in (0, 1)
    temperature: float = 1.0  # the scores are divided by it; set on stories not trained with
    card: Mapping[str, Any] = field(default_factory=dict)  # name, licence, description, training data
    training: Mapping[str, Any] = field(default_factory=dict)  # manifest of the run

    def __post_init__(self) -> None:
        """Refuse what no run writes.

        Raises:
            ValueError: a field that cannot be.
        """
        if not (
            isinstance(self.classes, list) and isinstance(self.card, Mapping) and isinstance(self.training, Mapping)
        ):
            raise ValueError("expected 'classes' to be a list, and 'card' and 'training' to be objects")
        if len(set(self.classes)) < max(2, len(self.classes)) or not all(isinstance(n, str) for n in self.classes):
            raise ValueError("expected two classes or more, each once")
        for name, known in (("options", KINDS), ("pooling", POOLINGS)):
            if getattr(self, name) not in known:
                raise ValueError(f"expected {name!r} to be one of {', '.join(known)}, but got {getattr(self, name)!r}")
        if not 8 <= self.max_tokens <= LONGEST or not 0 < self.missed < 1 or self.temperature <= 0:
            raise ValueError(f"expected max_tokens from 8 to {LONGEST}, missed in (0, 1) and a temperature above 0")
        counts = self.training.get("labels")
        if counts is not None and not (
            isinstance(counts, Mapping)
            and counts.keys() == set(self.classes)
            and all(type(count) is int and count > 0 for count in counts.values())
        ):
            raise ValueError("expected 'labels' to say how many stories of each class it was trained with")


class WordsModel:
    """What a story says about its disease, by a trained model.

    Args:
        classifier: the first C of its scores are of the classes, the next of "none of these".
        tokenizer: of its language model.
        card: classes, and how texts are made.
    """

    def __init__(self, classifier: StoryClassifier, tokenizer: Any, card: WordsCard) -> None:
        self.classifier = classifier.eval().requires_grad_(False)
        self.tokenizer = prepared(tokenizer)
        self.card = card

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> WordsModel:
        """Read a folder. Weights come from safetensors only, and no code that lies there is run.

        Raises:
            CheckpointError: the folder holds no such model, or not all of it.
        """
        from transformers import AutoModel, AutoTokenizer

        place = Path(folder).expanduser()
        try:
            for file in (CARD_FILE, TOKENIZER_FILE):
                if not (place / file).is_file():
                    raise ValueError(f"it holds no {file}")
            card = WordsCard(**fields_of(WordsCard, read_json_file(place / CARD_FILE)))
            head = load_file(place / HEAD_FILE)
            with silence():
                # unless code is refused outright, transformers asks on the terminal whether it may run
                options = {"local_files_only": True, "trust_remote_code": False}
                body, report = AutoModel.from_pretrained(
                    place, use_safetensors=True, output_loading_info=True, **options
                )
                tokenizer = AutoTokenizer.from_pretrained(place, use_fast=True, **options)
            if lost := sorted(key for key in report["missing_keys"] if not key.startswith("pooler.")):
                raise ValueError(f"the weights lack {lost[0]}")
            outputs, width = head["weight"].shape
            if outputs < len(card.classes) + 1:
                raise ValueError(f"the head has {outputs} scores for {len(card.classes)} classes")
            classifier = StoryClassifier(body, width, outputs, card.pooling)
            classifier.head.load_state_dict(head)
            model = cls(classifier.to(device), tokenizer, card)
            model._check_answers()
        except BUILD_ERRORS as error:
            raise CheckpointError(
                f"'{place}' is no model of stories that can be read: {first_line(error)}. Expected the folder that "
                "`zsderm pretrain narratives` prints."
            ) from error
        return model

    def _check_answers(self) -> None:
        """Refuse parts that do not fit together, which would show at some story or never.

        Raises:
            ValueError: they do not, or an answer is no number.
        """
        body: Any = self.classifier.body
        known, words = body.get_input_embeddings().num_embeddings, max(self.tokenizer.get_vocab().values(), default=0)
        if words >= known:
            raise ValueError(f"the tokenizer has more words than the {known} that the weights know")
        places = getattr(body.config, "max_position_embeddings", None)
        if places is not None and self.card.max_tokens > places:
            raise ValueError(f"max_tokens is {self.card.max_tokens}, but the weights have {places} places")
        if not self.log_probabilities([_TRIED]).isfinite().all():
            raise ValueError("its answers are no finite numbers")

    def save(self, folder: Path) -> None:
        """Write all of it into an existing folder."""
        with silence():
            self.classifier.body.save_pretrained(folder, safe_serialization=True)  # type: ignore[operator]
            self.tokenizer.save_pretrained(folder)
        head = {name: rows.detach().cpu().contiguous() for name, rows in self.classifier.head.state_dict().items()}
        save_file(head, str(folder / HEAD_FILE), metadata={"format": "pt"})
        (folder / CARD_FILE).write_text(json.dumps(asdict(self.card), indent=2) + "\n", encoding="utf-8")
        for file in folder.iterdir():
            file.chmod(0o644)  # safetensors writes for the owner only

    @property
    def classes(self) -> tuple[str, ...]:
        """C names, in the order of the columns."""
        return tuple(self.card.classes)

    @property
    def prior(self) -> Tensor | None:
        """(C,) float64: the share of each class among the stories of the training; None where its card has no counts.

        `log_probabilities` rest on it. Divide by it where the classes are mixed otherwise.
        """
        counts = self.card.training.get("labels")
        if counts is None:
            return None
        shares = torch.tensor([counts[name] for name in self.classes], dtype=torch.float64)
        return shares / shares.sum()

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer and all of the card that changes an answer."""
        digest = sha256()
        for name, rows in sorted(self.classifier.state_dict().items()):
            digest.update(name.encode() + rows.detach().float().cpu().numpy().tobytes())
        told = {name: value for name, value in asdict(self.card).items() if name not in ("card", "training")}
        said = [told, self.card.training.get("labels"), self.tokenizer.get_vocab()]
        digest.update(json.dumps(said, sort_keys=True).encode())
        return digest.hexdigest()[:16]

    def log_probabilities(self, narratives: Sequence[str], options: Sequence[Sequence[str]] | None = None) -> Tensor:
        """What each story says of each class, in one pass.

        With options, what the model gives to "none of these" is shared among the other classes by their scores, so
        that no class is ever out of the question. A model that was trained without such lists gives these others the
        share of `missed`. A story without a letter, such as one of which a mask is left, says the same of every class.

        Args:
            narratives: N stories, in which no disease is named (`zsderm.narratives.masking`).
            options: for each story the classes to choose from, such as the first ones of an image; None: all of them.

        Returns:
            (N, C) float64, finite; each row of exp sums to 1.

        Raises:
            InputError: one string instead of a list, another number of lists, or an option that is no class.
        """
        if isinstance(narratives, str):
            raise InputError(f"expected `narratives` to be a list of strings, but got one string: {narratives[:40]!r}")
        rows = [list(self.classes)] * len(narratives) if options is None else [[*dict.fromkeys(o)] for o in options]
        if len(rows) != len(narratives):
            raise InputError(f"expected {len(narratives)} lists of options, one a story, but got {len(rows)}")
        allowed = self._allowed(rows)  # (N, C)
        table = torch.full(allowed.shape, -math.log(len(self.classes)), dtype=torch.float64)
        told = [row for row, text in enumerate(narratives) if any(character.isalnum() for character in text)]
        told.sort(key=lambda row: len(narratives[row]))  # texts of one length together
        for start in range(0, len(told), BATCH):
            part = told[start : start + BATCH]
            lists = [self._list(rows[row]) for row in part]
            batch = tokens_of(self.tokenizer, [narratives[row] for row in part], lists, self.card.max_tokens)
            device = self.classifier.head.weight.device
            with torch.inference_mode():
                scores = self.classifier({name: tensor.to(device) for name, tensor in batch.items()})
            scores = scores.double().cpu() / self.card.temperature
            missed = None if self.card.options in ("chain", "chapters") else self.card.missed
            table[part] = shared(scores[:, : len(self.classes)], scores[:, len(self.classes)], allowed[part], missed)
        return table

    def _list(self, names: Sequence[str]) -> list[str]:
        """The options as they stand in the text; a model that knows only the full list is given that."""
        if self.card.options == "none":
            return []
        if self.card.options == "full" or len(names) == len(self.classes):
            return list(self.classes)
        return [*names, NONE]

    def _allowed(self, rows: Sequence[Sequence[str]]) -> Tensor:
        place = {name: index for index, name in enumerate(self.classes)}
        allowed = torch.zeros(len(rows), len(place), dtype=torch.bool)
        for row, names in enumerate(rows):
            if not names:
                raise InputError(f"expected at least one option for story {row}, but its list is empty")
            for name in names:
                if name not in place:
                    raise InputError(f"{name!r} is no class of this model.{did_you_mean(name, place)}")
                allowed[row, place[name]] = True
        return allowed


def shared(scores: Tensor, none: Tensor, allowed: Tensor, missed: float | None) -> Tensor:
    """Log-probabilities over all classes, where only some were options.

    Args:
        scores: (N, C) float64 of the classes.
        none: (N,) float64 of "none of these".
        allowed: (N, C) bool, the options; a row of all is a softmax over all, whatever `none`.
        missed: the share of what was no option; None: the probability of `none` among the options.

    Returns:
        (N, C) float64; each row of exp sums to 1.
    """
    inside = scores.masked_fill(~allowed, -torch.inf)
    outside = scores.masked_fill(allowed, -torch.inf)
    chosen, rest = inside.logsumexp(dim=1), outside.logsumexp(dim=1)  # (N,)
    if missed is None:
        log_none = torch.nn.functional.logsigmoid(none - chosen)
        log_some = torch.nn.functional.logsigmoid(chosen - none)
    else:
        log_none, log_some = torch.full_like(none, math.log(missed)), torch.full_like(none, math.log1p(-missed))
    log_some = torch.where(allowed.all(dim=1), torch.zeros_like(log_some), log_some)
    within = scores - chosen.unsqueeze(1) + log_some.unsqueeze(1)
    beyond = scores - rest.unsqueeze(1) + log_none.unsqueeze(1)
    return torch.where(allowed, within, beyond)
