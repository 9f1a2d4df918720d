"""What is said of an output: which run wrote it, and a manifest beside files that have no place for one.

JSON Lines and Parquet carry their manifest; beside FILE.csv stands FILE.csv.manifest.json.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from zsderm.atomic_files import atomic_file, refuse_others, refuse_unwritable
from zsderm.stored_json import file_sha256
from zsderm.table_files import json_text, write_csv, write_table

PACKAGES = ("zsderm", "torch", "open_clip_torch", "numpy")
_ENDING = ".manifest.json"
_MARK = re.compile(rb'\A\{\s*"manifest_of": ')  # see `zsderm.atomic_files.refuse_others`
_LONGEST = 5  # seconds that git may take; a disk far away is not waited for


def versions() -> dict[str, str]:
    """The version of zsderm, of what answers depend on, and of Python."""
    return {**{name: version(name) for name in PACKAGES}, "python": platform.python_version()}


def run_facts(command: str | None = None) -> dict[str, str | None]:
    """Which run writes: the command line, the time, and the commit of zsderm.

    Args:
        command: the command line; None where a program called the library.

    Returns:
        ``command``; ``time``, now, in UTC, as ISO 8601 with seconds; ``commit``, see `commit`.
    """
    return {
        "command": command,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
    }


@cache
def commit() -> str | None:
    """The commit of the working tree that this code runs from, marked where files differ; None outside of one."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None  # an installed package: a repository further up is another project's
    try:
        found = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{found}, with changes" if changed else found


def manifest_file(path: str | os.PathLike[str]) -> Path:
    """Where the manifest of a file stands: FILE.csv.manifest.json beside FILE.csv."""
    path = Path(path)
    return path.with_name(f"{path.name}{_ENDING}")


def refuse_others_manifest(path: str | os.PathLike[str]) -> None:
    """Refuse a file beside which no manifest can stand, before any work is done for it.

    Args:
        path: of the file that the manifest would be of.

    Raises:
        SettingsError: zsderm did not write what stands in the place of the manifest, or nothing can be written there.
    """
    refuse_unwritable(manifest_file(path))
    refuse_others(manifest_file(path), _MARK)


def write_manifest(path: str | os.PathLike[str], facts: Mapping[str, Any]) -> None:
    """Write the manifest of a file that is complete, beside it; an earlier one is replaced whole or not at all.

    Args:
        path: the file. Its name and its SHA-256 are put before the facts, so that it shows when the file was changed or
            replaced afterwards.
        facts: ready for JSON; numbers that JSON does not have become null.

    Raises:
        SettingsError: see `refuse_others_manifest`, or a place that cannot be written.
    """
    path = Path(path)
    content = {"manifest_of": path.name, "sha256": file_sha256(path), **facts}
    with atomic_file(manifest_file(path), mark=_MARK) as draft:
        draft.write_text(json_text(content, indent=1) + "\n", encoding="utf-8")


def write_with_manifest(
    frame: pd.DataFrame,
    path: str | os.PathLike[str],
    facts: Mapping[str, Any],
    nested: Mapping[str, Sequence[object]] | None = None,
) -> None:
    """Write a table in the format that its suffix names, with its manifest inside, or beside it if it is CSV.

    Args:
        frame: rows.
        path: the file.
        facts: what holds for all rows (``classes``, ``manifest``).
        nested: see `zsderm.table_files.write_table`.

    Raises:
        SettingsError: another suffix, a place that cannot be written, or see `refuse_others_manifest`.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        write_csv_with_manifest(frame, path, facts)
    else:
        write_table(frame, path, facts, nested)


def write_csv_with_manifest(frame: pd.DataFrame, path: str | os.PathLike[str], facts: Mapping[str, Any]) -> None:
    """Write a table as CSV, and its manifest beside it.

    Raises:
        SettingsError: a place that cannot be written, or see `refuse_others_manifest`.
    """
    refuse_others_manifest(path)
    write_csv(frame, Path(path))
    write_manifest(path, facts)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=_LONGEST
    )
    return done.stdout.strip()
