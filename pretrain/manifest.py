"""The manifest of a training run: settings, data, code and versions, to repeat it or to see what changed."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
import transformers

import zsderm
from zsderm.manifest_files import commit
from zsderm.pretrain.config import TrainConfig
from zsderm.pretrain.data.records import Record


def training_manifest(
    config: TrainConfig,
    config_path: Path,
    overrides: Mapping[str, Any],
    knowledge: zsderm.KnowledgeBase,
    records: Sequence[Record],
    root: Path,
    processes: int,
) -> dict[str, Any]:
    """The manifest of a pretraining run, ready for JSON.

    Args:
        config: the settings.
        config_path: the file they were read from, which is recorded as it is.
        overrides: what replaced settings of the file.
        knowledge: what captions are written from.
        records: the images.
        root: the data folder.
        processes: how many train together.
    """
    special = {
        "start": config.start,
        "targets": config.targets,
        "answer_temperature": config.answer_temperature,
        "knowledge": {"name": knowledge.name, "version": knowledge.version, "checksum": knowledge.checksum},
    }
    return {**run_manifest(config_path, overrides, records, root, processes), **special}


def run_manifest(
    config_path: Path, overrides: Mapping[str, Any], records: Sequence[Record], root: Path, processes: int
) -> dict[str, Any]:
    """What every run says of itself; see `training_manifest`."""
    return {
        "config": config_path.read_text(encoding="utf-8"),
        "overrides": dict(overrides),
        "images": len(records),
        "data": data_checksum(records, root),
        "processes": processes,
        "git": commit(),
        "versions": {
            "zsderm": zsderm.__version__,
            "torch": torch.__version__,
            "open_clip": open_clip.__version__,
            "timm": timm.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        },
    }


def data_checksum(records: Sequence[Record], root: Path) -> str:
    """16 hex digits over what is trained on: for each record its path, place, size in bytes, captions or facts.

    Pixels are not read, which would take hours on a large set: an image that is replaced by another of the same number
    of bytes is not noticed. The order of the records counts, because the draws depend on it.
    """
    digest = hashlib.sha256()
    for record in records:
        name = record.path.relative_to(root) if record.path.is_relative_to(root) else record.path
        try:
            size = record.path.stat().st_size
        except (OSError, ValueError):  # not there, or a name that no file can have
            size = -1
        digest.update(repr((name.as_posix(), record.span, size, record.weight, record.case, record.captions)).encode())
    return digest.hexdigest()[:16]
