"""One pretraining run, from a YAML file to a folder that `load_encoder` reads: one loop of epochs, one of batches.

The same loop serves one process and many. A batch of `batch_size` images is shared between the processes that torchrun
started; each takes its images through the towers `micro_batch` at a time; loss and gradients are those of the whole
batch in any case.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timm.layers import convert_sync_batchnorm
from torch import Tensor
from torch.utils.data import DataLoader

import zsderm
from zsderm.atomic_files import atomic_file, refuse_others
from zsderm.errors import PretrainingDataError, SettingsError
from zsderm.pretrain import checkpoint
from zsderm.pretrain.checkpoint import Progress
from zsderm.pretrain.config import TrainConfig, read_config
from zsderm.pretrain.data.captions import CaptionWriter
from zsderm.pretrain.data.dataset import CaptionedImages, collate
from zsderm.pretrain.data.diagnoses import Diagnoses
from zsderm.pretrain.data.readable import check_draws, check_records
from zsderm.pretrain.data.records import Record
from zsderm.pretrain.data.sampling import DrawPlan, epoch_draws
from zsderm.pretrain.data.sources import read_records
from zsderm.pretrain.data.squares import KeptSquares, Squares
from zsderm.pretrain.distributed import Group, device_of_this_process, join_group
from zsderm.pretrain.evaluation import check_tables, evaluate_encoder
from zsderm.pretrain.learner import Learner
from zsderm.pretrain.manifest import training_manifest
from zsderm.pretrain.model.export import export_folder
from zsderm.pretrain.model.home import write_home
from zsderm.pretrain.model.shown import shown_in_training
from zsderm.pretrain.model.start import begin
from zsderm.pretrain.model.towers import OpenClipModel, set_gradient_checkpointing
from zsderm.pretrain.named_things import check_names
from zsderm.pretrain.run_log import EPOCHS, EVALUATION, PICTURE, STEPS, RunLog

log = logging.getLogger(__name__)
CHECKPOINT, MANIFEST = "checkpoint.pt", "manifest.json"
_MANIFEST_MARK = re.compile(rb'\A\{\s*"config": "|"processes": ')  # see `refuse_others`
SHARE_FOR_SQUARES = 0.3  # of the free memory of a card, at most


def run(
    config_path: Path, output: Path, data_root: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Path:
    """Train an encoder as a configuration says, resuming where an earlier run of the same output stopped.

    Under torchrun, every process calls it and they train together; the first one writes.

    Args:
        config_path: a YAML file of `TrainConfig` settings.
        output: run folder: log.csv, steps.csv, loss_curve.png, evaluation.csv, checkpoint.pt, manifest.json and, at the
            end of each epoch, encoder/.
        data_root: folder that the tables of the configuration are relative to; default: the environment variable
            ZSDERM_DATA.
        overrides: settings that replace those of the file, nested ones by dotted names.

    Returns:
        The folder of the exported encoder, `output/encoder`.

    Raises:
        SettingsError: if a setting is unknown or out of range, no data folder is named, or the output holds a run with
            other settings.
        PretrainingDataError: if a table cannot be read, or most of the images that it names or that are drawn.
        CheckpointError: if a tower cannot be had, or gives no patch features.
    """
    config = read_config(config_path, overrides)
    check_names(config)
    named = data_root or os.environ.get("ZSDERM_DATA")
    if not named:
        raise SettingsError("No data folder is named. Use --data-root, or set ZSDERM_DATA.")
    device = device_of_this_process()
    with join_group(device) as group:
        return _train(config, config_path, overrides or {}, Path(named), output, device, group)


def _train(
    asked: TrainConfig,
    config_path: Path,
    overrides: Mapping[str, Any],
    root: Path,
    output: Path,
    device: torch.device,
    group: Group,
) -> Path:
    _refuse_other_folder(output)
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(asked.seed)
    knowledge = zsderm.KnowledgeBase.load(asked.knowledge)
    records = read_records(asked, root)
    check_records(records, root)
    check_tables(asked, root)
    config, model, tokenizer = begin(asked)
    model = _placed(model, config, device, group)
    diagnoses = Diagnoses(knowledge, (record.case.label for record in records if record.case))
    log.info("targets: %s, of %d diagnoses", asked.targets, len(diagnoses.nodes))
    squares = _squares(records, config, output, group)
    resident = _resident(squares, device)
    writer = CaptionWriter(knowledge, config.named_share, diagnoses.members)
    dataset = CaptionedImages(
        records, writer, squares, config.augmentation, config.captions, places_only=resident is not None
    )
    learner = Learner.of(config, model, tokenizer, diagnoses, device, group, resident)
    at = checkpoint.resume(output / CHECKPOINT, asked, device, group, **learner.parts)
    manifest = training_manifest(asked, config_path, overrides, knowledge, records, root, group.size)
    if group.is_first:
        _write(output / MANIFEST, json.dumps(manifest, indent=2))
    shown = shown_in_training(asked, records, knowledge)
    if at.epoch == config.epochs and group.is_first:  # what may change in a finished run is exported again
        done = {**manifest, "epochs_done": at.epoch}
        export_folder(learner.trained(), tokenizer, config, done, output / "encoder", shown)
        _measure(output / "encoder", config, records)
    logs = RunLog(output, at.epoch, at.step, config.tensorboard, active=group.is_first)
    for epoch in range(at.epoch, config.epochs):
        loader = DataLoader(
            dataset,
            batch_sampler=epoch_draws(records, DrawPlan(config, epoch, group, start=at.batch)),
            num_workers=config.workers,
            collate_fn=collate,
            generator=torch.Generator().manual_seed(epoch),  # of its own: dropout's random numbers stay where they are
        )
        save = partial(checkpoint.save, output / CHECKPOINT, at, asked, group, **learner.parts)
        _train_epoch(learner, loader, epoch, at, logs, save)
        logs.epoch(_epoch_row(at, epoch, model))
        logs.picture()
        if group.is_first:
            done = {**manifest, "epochs_done": epoch + 1}
            export_folder(learner.trained(), tokenizer, config, done, output / "encoder", shown)
            if epoch + 1 == config.epochs:
                _measure(output / "encoder", config, records)
            if (epoch + 1) % config.evaluate_every == 0 or epoch + 1 == config.epochs:
                logs.evaluation(evaluate_encoder(config, root, output / "encoder", epoch + 1), at.step)
        group.wait()  # an evaluation may take longer than exchanges are waited for
        at = Progress(epoch=epoch + 1, step=at.step)
        checkpoint.save(output / CHECKPOINT, at, asked, group, **learner.parts)
    logs.close()
    return output / "encoder"


def _train_epoch(
    learner: Learner, loader: DataLoader, epoch: int, at: Progress, logs: RunLog, save: Callable[[], None]
) -> None:
    """All batches of an epoch that are left; `at` counts them, `save` writes checkpoints between them."""
    config, group = learner.config, learner.group
    learner.train()
    clock = asked_at = time.monotonic()
    for batch in loader:
        waited = time.monotonic() - asked_at
        counts = torch.tensor([len(batch.captions), batch.skipped], device=learner.device)
        images, skipped = (int(count) for count in group.total(counts))
        loss = torch.full((3,), math.nan, dtype=torch.float64)
        norm = math.nan
        if images >= 2:  # contrast needs two
            loss, norm = learner.step(batch, epoch)
            if not loss.isfinite().all():
                raise SettingsError(
                    f"The loss of batch {at.step + 1} is {loss[0]:g}, so nothing more is learned. Set `learning_rate` "
                    "and `head_learning_rate` lower, and choose another --output."
                )
            at.sums += loss
            at.learned += 1
        rate = float(learner.scheduler.get_last_lr()[0])
        learner.scheduler.step()
        asked_at = time.monotonic()
        at.advance(images, skipped, asked_at - clock, waited)
        check_draws(at.images, at.skipped)
        clock = asked_at
        if _is_due(config.log_every, at.step):
            logs.step(_step_row(at, epoch, loss, rate, norm, learner.model))
        if _is_due(config.checkpoint_every, at.batch) and at.batch < config.steps_per_epoch:
            save()
    check_draws(at.images, at.skipped, least=1)


def _measure(encoder: Path, config: TrainConfig, records: Sequence[Record]) -> None:
    """Write home.safetensors beside the weights, where there are images enough."""
    try:
        write_home(encoder, config, records)
    except PretrainingDataError as error:
        log.warning("home.safetensors is not written: %s", error)


def _placed(model: OpenClipModel, config: TrainConfig, device: torch.device, group: Group) -> OpenClipModel:
    """The model on its device, with statistics over all processes where the hardware can, ready for its switches."""
    if not group.is_first:
        torch.manual_seed(config.seed + group.rank)  # weights begin alike; what is dropped out differs
    if config.gradient_checkpointing:
        set_gradient_checkpointing(model)
    if device.type == "cuda" and group.size > 1:
        model = convert_sync_batchnorm(model)
    torch.backends.cudnn.benchmark = device.type == "cuda"  # batches are of one size
    model.visual.to(memory_format=torch.channels_last)
    return model.to(device)


def _squares(records: list[Record], config: TrainConfig, output: Path, group: Group) -> Squares | KeptSquares:
    """The images of the run, decoded as they are drawn, or once into a file beside the run."""
    squares = Squares(records, config.square_side, config.colour_norm)
    if not config.keep_decoded:
        return squares
    folder = output.resolve().parent / "decoded"  # beside the run folder, for other runs too
    if group.is_first:
        KeptSquares.made(squares, folder)
    group.wait()
    return KeptSquares.made(squares, folder)


def _resident(squares: Squares | KeptSquares, device: torch.device) -> Tensor | None:
    """All squares on the card, where they were decoded once and leave most of its memory free."""
    if device.type != "cuda" or isinstance(squares, Squares):
        return None
    free, _ = torch.cuda.mem_get_info(device)
    if squares.pixels.nbytes > SHARE_FOR_SQUARES * free:
        return None
    return torch.from_numpy(np.array(squares.pixels)).to(device)


def _is_due(every: int, done: int) -> bool:
    """Whether something that happens after each `every` batches happens now; 0: never."""
    return every > 0 and done % every == 0


def _step_row(at: Progress, epoch: int, loss: Tensor, rate: float, norm: float, model: OpenClipModel) -> dict[str, Any]:
    total, contrastive, local = loss.tolist()
    return {
        "step": at.step,
        "epoch": epoch + 1,
        "loss": round(total, 6),
        "contrastive": round(contrastive, 6),
        "local": round(local, 6),
        "learning_rate": rate,
        "gradient_norm": round(norm, 4),
        "temperature": round(1 / model.logit_scale.exp().item(), 5),
        "images_per_second": round(at.images / at.seconds, 2),
        "share_waited_for_data": round(at.waited / at.seconds, 4),
    }


def _epoch_row(at: Progress, epoch: int, model: OpenClipModel) -> dict[str, Any]:
    total, contrastive, local = (at.sums / (at.learned or math.nan)).tolist()
    return {
        "epoch": epoch + 1,
        "loss": round(total, 4),
        "contrastive": round(contrastive, 4),
        "local": round(local, 4),
        "temperature": round(1 / model.logit_scale.exp().item(), 4),
        "skipped": at.skipped,
        "seconds": round(at.seconds, 1),
        "waited_for_data": round(at.waited, 1),
        "images_per_second": round(at.images / max(at.seconds, 1e-9), 2),
        "step": at.step,
    }


def _refuse_other_folder(output: Path) -> None:
    """Refuse a folder that holds a file under a name of ours and is not the folder of a run.

    Raises:
        SettingsError: it is.
    """
    manifest = output / MANIFEST
    refuse_others(manifest, _MANIFEST_MARK)
    ours = [name for name in (CHECKPOINT, EPOCHS, STEPS, EVALUATION, PICTURE, "encoder") if (output / name).exists()]
    if ours and not manifest.exists():
        raise SettingsError(
            f"'{output / ours[0]}' would be replaced, but '{output}' is no folder of a run. Choose another --output."
        )


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")
