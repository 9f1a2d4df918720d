"""One run on stories, from a YAML file to a folder that `WordsModel.load` reads."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

import zsderm
from zsderm import KnowledgeBase
from zsderm.atomic_files import atomic_folder
from zsderm.errors import SettingsError
from zsderm.manifest_files import commit
from zsderm.metrics import evaluate
from zsderm.narratives.story_classifier import StoryClassifier, listed, tokens_of
from zsderm.narratives.words_model import WordsCard, WordsModel
from zsderm.pretrain import checkpoint
from zsderm.pretrain.checkpoint import Progress
from zsderm.pretrain.data_folder import data_folder
from zsderm.pretrain.distributed import ALONE, check_alone, device_of_this_process
from zsderm.pretrain.epoch import check_loss, is_due
from zsderm.pretrain.narratives.chain import Chain, Draw
from zsderm.pretrain.narratives.config import NarrativesConfig, read_config
from zsderm.pretrain.narratives.model import Learned, begin, finished
from zsderm.pretrain.narratives.rows import Story, checksum_lines, classes_of, read_stories, without_names
from zsderm.pretrain.run_folder import CHECKPOINT, MANIFEST, open_run_folder, write_manifest
from zsderm.pretrain.run_log import EVALUATION, RunLog
from zsderm.stored_json import read_json_file

log = logging.getLogger(__name__)
EXPORTED = "words_model"
SORTED_TOGETHER = 8  # batches whose rows are sorted by length, so that texts of a batch are about equally long
LEAST_STORY = 32  # tokens that a list of all classes must leave for the story
TEMPERATURES = np.geomspace(0.25, 4, 81)


@dataclass
class Learner:
    """What learns, and what is drawn for it."""

    config: NarrativesConfig
    model: StoryClassifier
    tokenizer: Any
    chain: Chain
    stories: Sequence[Story]  # to train with
    device: torch.device

    def __post_init__(self) -> None:
        """Make the optimiser and its schedule: warm-up, then a cosine."""
        config = self.config
        head = list(self.model.head.parameters())
        body = [weights for weights in self.model.body.parameters() if weights.requires_grad]
        groups = [{"params": head, "lr": config.head_learning_rate}, {"params": body, "lr": config.learning_rate}]
        self.optimiser = torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=config.weight_decay)
        self.steps = math.ceil(len(self.stories) / config.batch_size)  # of an epoch
        total, warm_up = config.epochs * self.steps, config.warm_up_share * config.epochs * self.steps
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser,
            lambda step: min((step + 1) / max(warm_up, 1), 0.5 + 0.5 * math.cos(math.pi * step / total)),
        )

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps, by name."""
        return {"model": Learned(self.model), "optimiser": self.optimiser, "scheduler": self.scheduler}

    def batches(self, epoch: int) -> Iterator[list[tuple[Story, Draw]]]:
        """All rows of an epoch in random order, texts of about one length together."""
        rng = np.random.default_rng((self.config.seed, epoch))
        order = rng.permutation(len(self.stories))
        drawn = {int(index): self.chain.draw(self.stories[index], int(index), epoch) for index in order}
        size = self.config.batch_size
        for start in range(0, len(order), size * SORTED_TOGETHER):
            near = sorted(order[start : start + size * SORTED_TOGETHER], key=lambda index: self._length(index, drawn))
            parts = [near[first : first + size] for first in range(0, len(near), size)]
            for place in rng.permutation(len(parts)):
                yield [(self.stories[index], drawn[int(index)]) for index in parts[place]]

    def _length(self, index: int, drawn: Mapping[int, Draw]) -> int:
        return len(self.stories[index].narrative) + len(listed(drawn[int(index)].listed))

    def step(self, batch: Sequence[tuple[Story, Draw]]) -> tuple[float, float]:
        """One step of the optimiser.

        Returns:
            The mean loss, and the share of rows whose answer came first.
        """
        texts = tokens_of(
            self.tokenizer,
            [story.narrative for story, _ in batch],
            [draw.listed for _, draw in batch],
            self.config.max_tokens,
        )
        allowed = torch.from_numpy(np.stack([draw.allowed for _, draw in batch])).to(self.device)  # (B, O)
        answers = torch.tensor([draw.answer for _, draw in batch], device=self.device)  # (B,)
        self.optimiser.zero_grad(set_to_none=True)
        scores = self.model({name: rows.to(self.device) for name, rows in texts.items()})
        loss = masked_loss(scores, allowed, answers)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimiser.step()
        self.scheduler.step()
        named = scores.detach().masked_fill(~allowed, -torch.inf).argmax(dim=1)
        return loss.item(), float((named == answers).float().mean())


def masked_loss(scores: Tensor, allowed: Tensor, answers: Tensor) -> Tensor:
    """The mean cross-entropy of a softmax over the options of each row alone.

    Args:
        scores: (B, O) float.
        allowed: (B, O) bool; the answer is among them.
        answers: (B,) int64.
    """
    return nn.functional.cross_entropy(scores.masked_fill(~allowed, -torch.inf), answers)


def run_narratives(
    config_path: Path, output: Path, data_root: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Path:
    """Train a model of stories as a configuration says, resuming where an earlier run of the same output stopped.

    Args:
        config_path: a YAML file of `NarrativesConfig` settings.
        output: run folder: log.csv, steps.csv, loss_curve.png, evaluation.csv, checkpoint.pt, manifest.json and, at the
            end, words_model/.
        data_root: folder that the table of the configuration is relative to; default: the environment variable
            ZSDERM_DATA, or the folder one is in.
        overrides: settings that replace those of the file.

    Returns:
        The folder of the model, `output/words_model`.

    Raises:
        SettingsError: a setting is unknown or out of range, the list of all classes leaves no place for a story, the
            output holds a run with other settings or stories, or torchrun started several processes.
        PretrainingDataError: the table cannot be read.
        CheckpointError: the language model cannot be had.
    """
    config = read_config(config_path, overrides)
    check_alone("A run on stories")
    knowledge = KnowledgeBase.load(config.knowledge)
    stories = read_stories(config, data_folder(data_root))
    chain = Chain(config, classes_of(stories, knowledge), knowledge)
    stories = without_names(stories, knowledge)
    open_run_folder(output, EXPORTED)
    torch.manual_seed(config.seed)
    device = device_of_this_process()
    model, tokenizer = begin(config, chain.outputs)
    _check_room(config, chain, model, tokenizer)
    learner = Learner(config, model.to(device), tokenizer, chain, [s for s in stories if s.split == "train"], device)
    manifest = _manifest(config_path, overrides or {}, knowledge, stories)
    _check_stories(output, manifest)
    at = checkpoint.resume(output / CHECKPOINT, config, device, ALONE, **learner.parts)
    write_manifest(output, manifest)
    logs = RunLog(output, at.epoch, at.step, config.tensorboard, active=True)
    for epoch in range(at.epoch, config.epochs):
        _train_epoch(learner, epoch, at, logs, output / CHECKPOINT)
        at = Progress(epoch=epoch + 1, step=at.step)
        checkpoint.save(output / CHECKPOINT, at, config, ALONE, **learner.parts)
    words = _words_model(learner, stories, manifest)
    with atomic_folder(output / EXPORTED, must_be_new=False) as draft:
        words.save(draft)
    logs.picture()
    (output / EVALUATION).unlink(missing_ok=True)  # of a run that was finished before, whose model is written again
    logs.evaluation(_evaluation(words, stories, config.epochs), at.step)
    logs.close()
    return output / EXPORTED


def _train_epoch(learner: Learner, epoch: int, at: Progress, logs: RunLog, file: Path) -> None:
    """All batches of an epoch that are left; `at` counts them, with the sums of losses and of right answers."""
    config = learner.config
    learner.model.train()
    clock = time.monotonic()
    for number, batch in enumerate(learner.batches(epoch)):
        if number < at.batch:
            continue  # done before the run was stopped
        rate = learner.scheduler.get_last_lr()[-1]
        loss, right = learner.step(batch)
        figures = torch.tensor([loss, right, 0], dtype=torch.float64)
        check_loss(figures, at)
        at.sums += figures * len(batch)
        at.learned += 1
        now = time.monotonic()
        at.advance(len(batch), 0, now - clock, 0)
        clock = now
        if is_due(config.log_every, at.step):
            logs.step({"step": at.step, "epoch": epoch + 1, "loss": round(loss, 6), "learning_rate": rate})
        if is_due(config.checkpoint_every, at.batch) and at.batch < learner.steps:
            checkpoint.save(file, at, config, ALONE, **learner.parts)
    loss, right, _ = (at.sums / max(at.images, 1)).tolist()
    row = {"epoch": epoch + 1, "loss": round(loss, 4), "answered_right": round(right, 4)}
    logs.epoch({**row, "seconds": round(at.seconds, 1), "step": at.step})


def _check_stories(output: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse to go on with other stories than a run was begun with, and so with other rows under the same numbers."""
    if not (output / CHECKPOINT).is_file():
        return
    try:
        before = read_json_file(output / MANIFEST)["data"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # nothing is known of it
    if before != manifest["data"]:
        raise SettingsError(
            f"The run in {output} was begun with other stories: their checksum was {before}, now it is "
            f"{manifest['data']}. Go on with the stories it had, or choose another --output."
        )


def _check_room(config: NarrativesConfig, chain: Chain, model: StoryClassifier, tokenizer: Any) -> None:
    """Refuse a limit of tokens that the longest list would use up, or that the language model has no places for."""
    places = getattr(model.body.config, "max_position_embeddings", None)
    if places is not None and config.max_tokens > places:
        raise SettingsError(
            f"Expected setting `max_tokens` to be at most {places}, because '{config.model}' reads no more, but got "
            f"{config.max_tokens}."
        )
    longest = max((listed(names) for names in (chain.classes, chain.chapters)), key=len)
    taken = 0 if config.options == "none" else len(tokenizer(longest)["input_ids"])
    if taken + LEAST_STORY > config.max_tokens:
        raise SettingsError(
            f"Expected setting `max_tokens` to be at least {taken + LEAST_STORY}, because the list of all "
            f"{len(chain.classes)} classes takes {taken} of them, but got {config.max_tokens}."
        )


def _words_model(learner: Learner, stories: Sequence[Story], manifest: Mapping[str, Any]) -> WordsModel:
    """The finished model, its temperature set on the stories of the split "dev" where there are any."""
    config = learner.config
    card = WordsCard(
        classes=list(learner.chain.classes),
        options=config.options,
        pooling=config.pooling,
        max_tokens=config.max_tokens,
        missed=config.missed,
        card=dict(config.card),
        training=dict(manifest),
    )
    words = WordsModel(finished(learner.model), learner.tokenizer, card)
    dev = [story for story in stories if story.split == "dev"]
    if not dev:
        return words
    table = words.log_probabilities([story.narrative for story in dev])  # (N, C)
    answers = torch.tensor([words.classes.index(story.label) for story in dev])
    losses = [float(nn.functional.cross_entropy(table / value, answers)) for value in TEMPERATURES]
    best = float(TEMPERATURES[int(np.argmin(losses))])
    log.info("temperature %.2f, by %d stories of dev", best, len(dev))
    return WordsModel(words.classifier, words.tokenizer, WordsCard(**{**vars(card), "temperature": best}))


def _evaluation(words: WordsModel, stories: Sequence[Story], epoch: int) -> list[dict[str, Any]]:
    """Figures of dev and test, by words alone: all classes are options."""
    rows = []
    for split in ("dev", "test"):
        asked = [story for story in stories if story.split == split]
        if not asked:
            continue
        table = words.log_probabilities([story.narrative for story in asked]).exp().numpy()
        found = evaluate(
            [words.classes.index(story.label) for story in asked],
            table,
            clusters=[story.group for story in asked],
            resamples=200,
        )
        for metric in ("accuracy", "balanced_accuracy", "top3_accuracy", "calibration_error"):
            value = found.to_dict().get(metric)
            rows.append({"epoch": epoch, "name": split, "metric": metric, "value": value, "reason": ""})
    return rows


def _manifest(
    config_path: Path, overrides: Mapping[str, Any], knowledge: KnowledgeBase, stories: Sequence[Story]
) -> dict[str, Any]:
    digest = hashlib.sha256("\n".join(checksum_lines(stories)).encode()).hexdigest()[:16]
    return {
        "config": config_path.read_text(encoding="utf-8"),
        "overrides": json.loads(json.dumps(dict(overrides))),
        "stories": {split: sum(story.split == split for story in stories) for split in ("train", "dev", "test")},
        "labels": dict(sorted(Counter(story.label for story in stories if story.split == "train").items())),
        "sources": sorted({story.source for story in stories} - {""}),
        "data": digest,
        "knowledge": {"name": knowledge.name, "version": knowledge.version, "checksum": knowledge.checksum},
        "git": commit(),
        "versions": {
            "zsderm": zsderm.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        },
    }
