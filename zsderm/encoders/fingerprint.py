"""Files of a checkpoint: their fingerprint, their size, and links to them in a tidy folder."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from zsderm.stored_json import file_sha256

_LONGEST_HEADER = 100_000_000  # bytes; the limit of safetensors itself
_NO_PARAMETERS = ("__metadata__", "running_mean", "running_var", "num_batches_tracked", "position_ids")


def fingerprint(settings: Mapping[str, Any], contents: Iterable[Path], named: Iterable[Path]) -> str:
    """16 hex digits over settings and files; where the files lie does not enter.

    Args:
        settings: what can be written as JSON.
        contents: files whose names do not matter, such as weights, in their order.
        named: files whose names tell what they are, in any order.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for path in contents:
        digest.update(file_digest(path).encode())
    for path in sorted(named, key=lambda path: path.name):
        digest.update(f"{path.name} {file_digest(path)}".encode())
    return digest.hexdigest()[:16]


def count_parameters(weights: Path) -> int | None:
    """How many numbers a .safetensors file holds, from its header alone; None for what is no such file.

    Running statistics of normalisation layers are left out: they are no parameters.
    """
    try:
        with weights.open("rb") as stream:
            header = json.loads(stream.read(min(int.from_bytes(stream.read(8), "little"), _LONGEST_HEADER)))
        shapes = [entry["shape"] for name, entry in header.items() if not name.endswith(_NO_PARAMETERS)]
        return sum(math.prod(shape) for shape in shapes)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object as JSON."""
    path.write_text(json.dumps(content), encoding="utf-8")


def link(source: Path, target: Path) -> None:
    """Make a file appear at target: a link where the system allows one, else a copy."""
    try:
        os.symlink(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, computed once as long as the file does not change."""
    status = path.stat()
    return _digest(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, modified: int) -> str:
    """SHA-256 of a file; size and time of change are there to key the cache."""
    return file_sha256(path)
