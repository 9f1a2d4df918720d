"""One pretraining run, from a YAML file to a folder that `load_encoder` reads: one loop of epochs, one of batches.

The same loop serves one process and many. A batch of `batch_size` images is shared between the processes that torchrun
started; each takes its images through the towers `micro_batch` at a time; loss and gradients are those of the whole
batch in any case.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from timm.layers import convert_sync_batchnorm
from torch.utils.data import DataLoader

import zsderm
from zsderm.errors import PretrainingDataError
from zsderm.pretrain import checkpoint
from zsderm.pretrain.checkpoint import Progress
from zsderm.pretrain.config import TrainConfig, read_config
from zsderm.pretrain.data.captions import CaptionWriter
from zsderm.pretrain.data.dataset import CaptionedImages, collate
from zsderm.pretrain.data.diagnoses import Diagnoses
from zsderm.pretrain.data.readable import check_records
from zsderm.pretrain.data.records import Record
from zsderm.pretrain.data.sampling import DrawPlan, epoch_draws
from zsderm.pretrain.data.sources import read_records
from zsderm.pretrain.data.squares import held_by, squares_of
from zsderm.pretrain.data_folder import needed_data_folder
from zsderm.pretrain.distributed import Group, device_of_this_process, join_group
from zsderm.pretrain.epoch import epoch_row, train_epoch
from zsderm.pretrain.evaluation import check_tables, evaluate_encoder
from zsderm.pretrain.learner import Learner
from zsderm.pretrain.manifest import training_manifest
from zsderm.pretrain.model.export import export_folder
from zsderm.pretrain.model.home import write_home
from zsderm.pretrain.model.shown import shown_in_training
from zsderm.pretrain.model.start import begin
from zsderm.pretrain.model.towers import OpenClipModel, set_gradient_checkpointing
from zsderm.pretrain.named_things import check_names
from zsderm.pretrain.run_folder import CHECKPOINT, open_run_folder, write_manifest
from zsderm.pretrain.run_log import RunLog

log = logging.getLogger(__name__)


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
    root = needed_data_folder(data_root)
    device = device_of_this_process()
    with join_group(device) as group:
        return _train(config, config_path, overrides or {}, root, output, device, group)


def _train(
    asked: TrainConfig,
    config_path: Path,
    overrides: Mapping[str, Any],
    root: Path,
    output: Path,
    device: torch.device,
    group: Group,
) -> Path:
    open_run_folder(output, "encoder")
    torch.manual_seed(asked.seed)
    knowledge = zsderm.KnowledgeBase.load(asked.knowledge)
    records = read_records(asked, root)
    check_records(records, root)
    check_tables(asked, root)
    config, model, tokenizer = begin(asked)
    model = _placed(model, config, device, group)
    diagnoses = Diagnoses(knowledge, (record.case.label for record in records if record.case))
    log.info("targets: %s, of %d diagnoses", asked.targets, len(diagnoses.nodes))
    squares = squares_of(records, config, output, group)
    resident = held_by(device, squares)
    writer = CaptionWriter(knowledge, config.named_share, diagnoses.members)
    dataset = CaptionedImages(
        records, writer, squares, config.augmentation, config.captions, places_only=resident is not None
    )
    learner = Learner.of(config, model, tokenizer, diagnoses, device, group, resident)
    at = checkpoint.resume(output / CHECKPOINT, asked, device, group, **learner.parts)
    manifest = training_manifest(asked, config_path, overrides, knowledge, records, root, group.size)
    if group.is_first:
        write_manifest(output, manifest)
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
        train_epoch(learner, loader, epoch, at, logs, save)
        logs.epoch(epoch_row(at, epoch, learner))
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
