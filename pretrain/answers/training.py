"""One run on conversations, from a YAML file to an adapter that `zsderm ask --model transformers:FOLDER` loads."""

from __future__ import annotations

import json
import logging
import math
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import transformers
from torch import nn

import zsderm
from zsderm.asking.model_folder import TRAINED, ModelFolder
from zsderm.atomic_files import atomic_folder
from zsderm.errors import ImageError, SettingsError
from zsderm.manifest_files import commit
from zsderm.pretrain import checkpoint
from zsderm.pretrain.answers.config import AnswersConfig, read_config
from zsderm.pretrain.answers.conversations import Conversation, Dropped, checksum, read_all
from zsderm.pretrain.answers.encoding import Encoded, collate, encode, summed_loss
from zsderm.pretrain.answers.model import begin, groups, save
from zsderm.pretrain.checkpoint import Progress
from zsderm.pretrain.data_folder import data_folder
from zsderm.pretrain.distributed import ALONE, check_alone, device_of_this_process
from zsderm.pretrain.epoch import check_loss, is_due
from zsderm.pretrain.model.optimiser import cosine_with_warm_up
from zsderm.pretrain.narratives.model import Learned
from zsderm.pretrain.run_folder import CHECKPOINT, MANIFEST, open_run_folder, write_manifest
from zsderm.pretrain.run_log import RunLog
from zsderm.stored_json import read_json_file
from zsderm.table_files import write_csv

log = logging.getLogger(__name__)
ADAPTER, DROPPED = "adapter", "dropped.csv"


@dataclass
class Learner:
    """The model, its optimiser, and the training conversations."""

    config: AnswersConfig
    model: Any
    processor: Any
    conversations: Sequence[Conversation]
    device: torch.device

    def __post_init__(self) -> None:
        """Make the optimiser and its schedule: warm-up, then a cosine."""
        config = self.config
        self.optimiser = torch.optim.AdamW(groups(self.model, config), weight_decay=config.weight_decay)
        self.steps = math.ceil(len(self.conversations) / (config.batch_size * config.accumulate))  # of an epoch
        total = config.epochs * self.steps
        factor = partial(cosine_with_warm_up, steps=total, warm_up=math.ceil(config.warm_up_share * total))
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimiser, factor)

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps, by name."""
        return {"model": Learned(self.model), "optimiser": self.optimiser, "scheduler": self.scheduler}

    def batches(self, epoch: int, done: int = 0) -> Iterator[list[Encoded]]:
        """The conversations of each step, in the random order of an epoch; the next ones are read meanwhile.

        Args:
            epoch: counted from 0.
            done: how many steps of it are left out.
        """
        order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self.conversations)).tolist()
        size = self.config.batch_size * self.config.accumulate
        parts = [order[start : start + size] for start in range(done * size, len(order), size)]
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self._encoded, parts[0]) if parts else None
            for part in [*parts[1:], None]:
                if ahead is None:
                    return
                encoded = ahead.result()
                ahead = None if part is None else pool.submit(self._encoded, part)
                yield encoded

    def _encoded(self, places: Sequence[int]) -> list[Encoded]:
        """Those that can be read and have something to learn after they were cut."""
        found = []
        for place in places:
            own = self.conversations[place]
            try:
                encoded = encode(self.processor, own, self.config.max_tokens, self.config.longest_side)
            except ImageError as error:
                log.warning("conversation %s is skipped, because %s cannot be read: %s", own.id, own.name, error)
                continue
            if encoded.learned:
                found.append(encoded)
        return found

    def step(self, encoded: Sequence[Encoded]) -> float:
        """One optimiser step over several batches, with the gradient of all conversations together.

        Returns:
            The mean loss per answer token, in nats.
        """
        count = sum(one.learned for one in encoded)
        size, total = self.config.batch_size, 0.0
        self.optimiser.zero_grad(set_to_none=True)
        for start in range(0, len(encoded), size):
            inputs, labels = collate(encoded[start : start + size], self.processor.tokenizer.pad_token_id)
            inputs = {name: rows.to(self.device) for name, rows in inputs.items()}
            low = self.config.precision == "bfloat16"
            with torch.autocast(self.device.type, torch.bfloat16, enabled=low):
                logits = self.model(**inputs).logits  # (B, L, V)
            loss = summed_loss(logits, labels.to(self.device)) / count
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_([w for w in self.model.parameters() if w.requires_grad], self.config.gradient_clip)
        self.optimiser.step()
        self.scheduler.step()
        return total


def run_answers(
    config_path: Path, output: Path, data_root: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Path:
    """Fine-tune a vision-language model as a configuration says, resuming where an earlier run of the output stopped.

    Args:
        config_path: a YAML file of `AnswersConfig` settings.
        output: run folder: log.csv, steps.csv, loss_curve.png, dropped.csv, checkpoint.pt, manifest.json and, at the
            end, adapter/.
        data_root: folder that conversations and photographs are relative to; default: the environment variable
            ZSDERM_DATA, or the folder one is in.
        overrides: settings that replace those of the file.

    Returns:
        The folder of the adapter, `output/adapter`.

    Raises:
        SettingsError: a setting is unknown or out of range, or the output holds a run with other settings,
            conversations or weights, or torchrun started several processes.
        InputError: the conversations cannot be read, or none of them can be trained with.
        CheckpointError: the model cannot be loaded.
    """
    config = read_config(config_path, overrides)
    check_alone("A run on conversations")
    conversations, dropped = read_all(config, data_folder(data_root))
    folder = ModelFolder.of(config.model)
    open_run_folder(output, ADAPTER)
    torch.manual_seed(config.seed)
    device = device_of_this_process()
    model, processor = begin(config, folder, device)
    learner = Learner(config, model, processor, conversations, device)
    manifest = _manifest(config_path, overrides or {}, folder, conversations, dropped)
    _check_data(output, manifest)
    at = checkpoint.resume(output / CHECKPOINT, config, device, ALONE, **learner.parts)
    write_manifest(output, manifest)
    _write_dropped(dropped, output / DROPPED)
    logs = RunLog(output, at.epoch, at.step, config.tensorboard, active=True)
    for epoch in range(at.epoch, config.epochs):
        _train_epoch(learner, epoch, at, logs, output / CHECKPOINT)
        at = Progress(epoch=epoch + 1, step=at.step)
        checkpoint.save(output / CHECKPOINT, at, config, ALONE, **learner.parts)
    with atomic_folder(output / ADAPTER, must_be_new=False) as draft:
        save(model, draft, folder)
        told = {"base": manifest["base"]["fingerprint"], "card": dict(config.card), "training": manifest}
        (draft / TRAINED).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        (draft / "README.md").write_text(_card(config, manifest), encoding="utf-8")  # that of peft is an empty form
    logs.picture()
    logs.close()
    return output / ADAPTER


def _train_epoch(learner: Learner, epoch: int, at: Progress, logs: RunLog, file: Path) -> None:
    """All steps of an epoch that are left; `at` counts them, with the sum of losses."""
    config = learner.config
    learner.model.train()
    clock = time.monotonic()
    for encoded in learner.batches(epoch, at.batch):
        rate = learner.scheduler.get_last_lr()[0]
        loss = learner.step(encoded) if encoded else 0.0
        figures = torch.tensor([loss, 0, 0], dtype=torch.float64)
        check_loss(figures, at)
        at.sums += figures * len(encoded)
        now = time.monotonic()
        at.advance(len(encoded), 0, now - clock, 0)
        at.learned += bool(encoded)
        clock = now
        if is_due(config.log_every, at.step):
            logs.step({"step": at.step, "epoch": epoch + 1, "loss": round(loss, 6), "learning_rate": rate})
        if is_due(config.checkpoint_every, at.batch) and at.batch < learner.steps:
            checkpoint.save(file, at, config, ALONE, **learner.parts)
    loss = float(at.sums[0]) / max(at.images, 1)
    logs.epoch({"epoch": epoch + 1, "loss": round(loss, 4), "seconds": round(at.seconds, 1), "step": at.step})


def _check_data(output: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse to go on with other conversations or weights than a run was begun with."""
    if not (output / CHECKPOINT).is_file():
        return
    try:
        before = read_json_file(output / MANIFEST)
        was = before["data"], before["base"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # nothing is known of it
    now = manifest["data"], manifest["base"]["fingerprint"]
    for what, old, new in zip(("conversations", "weights in `model`"), was, now, strict=True):
        if old != new:
            raise SettingsError(
                f"The run in {output} was begun with other {what}: their checksum was {old}, now it is {new}. "
                "Continue with the original ones, or choose another --output."
            )


def _card(config: AnswersConfig, manifest: Mapping[str, Any]) -> str:
    """What a reader of the folder should know first."""
    said = [f"- {name.replace('_', ' ')}: {value}" for name, value in config.card.items() if name != "name"]
    lines = [
        f"---\nlibrary_name: peft\nbase_model: {manifest['base']['name']}\n---\n",
        f"# {config.card.get('name', 'adapter')}\n",
        *said,
        f"- base: {manifest['base']['name']}, fingerprint {manifest['base']['fingerprint']}",
        f"- trained on: {manifest['conversations']} conversations with {manifest['questions']} questions, "
        f"{config.epochs} epochs, rank {config.lora_rank}",
        "\nUse it with `zsderm ask --model transformers:FOLDER`, and add `--plain` unless the conversations contained "
        "the instructions that this command adds to questions. All settings are in zsderm_answers.json. "
        "Research software, not a medical device.",
    ]
    return "\n".join(lines) + "\n"


def _write_dropped(dropped: Sequence[Dropped], file: Path) -> None:
    """The table of conversations that are left out: id, image, reason."""
    write_csv(pd.DataFrame([asdict(one) for one in dropped], columns=["id", "image", "reason"]), file)
    if dropped:
        log.info("conversations left out: %d, see %s", len(dropped), file)


def _manifest(
    config_path: Path,
    overrides: Mapping[str, Any],
    folder: ModelFolder,
    conversations: Sequence[Conversation],
    dropped: Sequence[Dropped],
) -> dict[str, Any]:
    return {
        "config": config_path.read_text(encoding="utf-8"),
        "overrides": json.loads(json.dumps(dict(overrides))),
        "conversations": len(conversations),
        "questions": sum(len(one.rounds) for one in conversations),
        "dropped": len(dropped),
        "data": checksum(conversations),
        "base": {"name": "/".join(folder.base.resolve().parts[-2:]), "fingerprint": folder.fingerprint()},
        "git": commit(),
        "versions": {
            "zsderm": zsderm.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        },
    }
