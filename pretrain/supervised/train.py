"""One supervised run, from a YAML file to a folder that `SupervisedClassifier.load` reads."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from zsderm.errors import PretrainingDataError
from zsderm.pretrain import checkpoint
from zsderm.pretrain.checkpoint import Progress
from zsderm.pretrain.data.readable import check_records
from zsderm.pretrain.data.sampling import DrawPlan, Draws
from zsderm.pretrain.data.squares import held_by, squares_of
from zsderm.pretrain.data_folder import needed_data_folder
from zsderm.pretrain.data_settings import Evaluation
from zsderm.pretrain.distributed import ALONE, check_alone, device_of_this_process
from zsderm.pretrain.epoch import epoch_row, train_epoch
from zsderm.pretrain.evaluation import classification_figures, column_of, files_of, rows_of, table_of
from zsderm.pretrain.manifest import run_manifest
from zsderm.pretrain.run_folder import CHECKPOINT, open_run_folder, write_manifest
from zsderm.pretrain.run_log import RunLog
from zsderm.pretrain.supervised.config import SupervisedConfig, read_supervised_config
from zsderm.pretrain.supervised.data import LabelledImages, labelled_records, stacked
from zsderm.pretrain.supervised.export import export_classifier
from zsderm.pretrain.supervised.learner import SupervisedLearner
from zsderm.pretrain.supervised.start import begin_supervised, told_start
from zsderm.supervised import SupervisedClassifier

log = logging.getLogger(__name__)
EXPORTED = "classifier"


def run_supervised(
    config_path: Path, output: Path, data_root: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Path:
    """Fine-tune a tower as a configuration says, resuming where an earlier run of the same output stopped.

    Args:
        config_path: a YAML file of `SupervisedConfig` settings.
        output: run folder: log.csv, steps.csv, loss_curve.png, evaluation.csv, checkpoint.pt, manifest.json and, at the
            end of each epoch, classifier/.
        data_root: folder that the tables of the configuration are relative to; default: the environment variable
            ZSDERM_DATA.
        overrides: settings that replace those of the file, nested ones by dotted names.

    Returns:
        The folder of the exported classifier, `output/classifier`.

    Raises:
        SettingsError: a setting is unknown or out of range, no data folder is named, the output holds a run with other
            settings, or torchrun started several processes.
        PretrainingDataError: a table cannot be read or has no labels, or most images cannot be read.
        CheckpointError: the starting weights cannot be had.
    """
    config = read_supervised_config(config_path, overrides)
    root = needed_data_folder(data_root)
    check_alone("A supervised run")
    return _train(config, config_path, overrides or {}, root, output)


def _train(config: SupervisedConfig, config_path: Path, overrides: Mapping[str, Any], root: Path, output: Path) -> Path:
    open_run_folder(output, EXPORTED)
    device = device_of_this_process()
    torch.manual_seed(config.seed)
    records, classes, labels = labelled_records(config, root)
    check_records(records, root)
    _check_evaluations(config, classes, root)
    network = begin_supervised(config, len(classes)).to(device).to(memory_format=torch.channels_last)
    log.info("%s from %s, %d classes", config.tower, told_start(config.weights), len(classes))
    squares = squares_of(records, config, output, ALONE)
    resident = held_by(device, squares)
    dataset = LabelledImages(labels, squares, config.augmentation, places_only=resident is not None)
    learner = SupervisedLearner.of(config, network, len(classes), device, resident)
    at = checkpoint.resume(output / CHECKPOINT, config, device, ALONE, **learner.parts)
    manifest = run_manifest(config_path, overrides, records, root, processes=1)
    write_manifest(output, manifest)

    def export(epochs: int) -> None:
        done = {**manifest, "epochs_done": epochs}
        export_classifier(learner.trained(), config, classes, labels, done, output / EXPORTED)

    if at.epoch == config.epochs:  # what may change in a finished run is exported again
        export(at.epoch)
    logs = RunLog(output, at.epoch, at.step, config.tensorboard, active=True)
    for epoch in range(at.epoch, config.epochs):
        loader = DataLoader(
            dataset,
            batch_sampler=Draws(records, DrawPlan(config, epoch, start=at.batch)),
            num_workers=config.workers,
            collate_fn=stacked,
            generator=torch.Generator().manual_seed(epoch),  # of its own, so that the others stay where they are
        )
        save = partial(checkpoint.save, output / CHECKPOINT, at, config, ALONE, **learner.parts)
        train_epoch(learner, loader, epoch, at, logs, save)
        logs.epoch(epoch_row(at, epoch, learner))
        logs.picture()
        export(epoch + 1)
        if (epoch + 1) % config.evaluate_every == 0 or epoch + 1 == config.epochs:
            logs.evaluation(_evaluated(config, root, output / EXPORTED, epoch + 1), at.step)
        at = Progress(epoch=epoch + 1, step=at.step)
        checkpoint.save(output / CHECKPOINT, at, config, ALONE, **learner.parts)
    logs.close()
    return output / EXPORTED


def _check_evaluations(config: SupervisedConfig, classes: tuple[str, ...], root: Path) -> None:
    """Open every table that is evaluated, so that a mistake is found before the first epoch.

    Raises:
        InputError: a table is missing, or lacks a row or a column.
        PretrainingDataError: it has a label that is none of the classes.
    """
    for asked in config.evaluate:
        if strange := sorted(set(_labels(asked, root)) - set(classes)):
            raise PretrainingDataError(
                f"{asked.table} has the label '{strange[0]}', which is none of the classes that are trained: "
                f"{', '.join(classes)}."
            )


def _labels(asked: Evaluation, root: Path) -> list[str]:
    """The labels of a table, with single blanks as those of training have."""
    return [" ".join(label.split()) for label in table_of(asked, root).column(column_of(asked))]


def _evaluated(config: SupervisedConfig, root: Path, folder: Path, epoch: int) -> list[dict[str, Any]]:
    """All evaluations, of the exported weights, as rows: epoch, name, metric, value, reason."""
    if not config.evaluate:
        return []
    classifier = SupervisedClassifier.load(folder)
    rows: list[dict[str, Any]] = []
    for asked in config.evaluate:
        labels = [classifier.classes.index(label) for label in _labels(asked, root)]
        predictions = classifier.predict(files_of(table_of(asked, root)))
        rows += rows_of(asked, epoch, classification_figures(labels, predictions))
    return rows
