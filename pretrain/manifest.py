"""The manifest of a training run: settings, data, code and versions, to repeat it or to see what changed."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
import transformers

import zsderm
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
    """The manifest of a run, ready for JSON.

    Args:
        config: the settings.
        config_path: the file they were read from, which is recorded as it is.
        overrides: what replaced settings of the file.
        knowledge: what captions are written from.
        records: the images.
        root: the data folder.
        processes: how many train together.
    """
    return {
        "config": config_path.read_text(encoding="utf-8"),
        "overrides": dict(overrides),
        "start": config.start,
        "targets": config.targets,
        "answer_temperature": config.answer_temperature,
        "images": len(records),
        "data": data_checksum(records, root),
        "knowledge": {"name": knowledge.name, "version": knowledge.version, "checksum": knowledge.checksum},
        "processes": processes,
        "git": git_commit(),
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


def git_commit() -> str | None:
    """The commit of the working tree that this code runs from, marked where files differ; None outside of one."""
    here = Path(__file__).resolve().parent
    if not (here.parent / ".git").exists():
        return None  # an installed package: a repository further up is another project's
    try:
        commit = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}, with changes" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
