"""Files and folders that appear whole or not at all: a result is written as a draft and then moved to its place."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zsderm.errors import SettingsError


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a draft beside ``path`` and move it there when it is complete; missing parent folders are made.

    Raises:
        SettingsError: the place cannot be written.
    """
    path = Path(path)
    draft = path.with_name(f".{uuid.uuid4().hex}.{path.name}")  # the suffix stays: writers choose the format by it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        with suppress(OSError):  # nothing was written where the folder could not be made
            draft.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: str | os.PathLike[str], *, must_be_new: bool = True) -> Iterator[Path]:
    """Give an empty draft folder and move it to ``folder`` when it is complete; missing parent folders are made.

    Args:
        folder: where the draft will be.
        must_be_new: refuse a place that holds something. False replaces a folder once the draft is complete, and
            removes the drafts that a killed process left beside it.

    Yields:
        A folder with the same name as ``folder``, in a hidden folder beside it.

    Raises:
        SettingsError: the place holds something, is a file, or cannot be written.
    """
    folder = Path(folder)
    if must_be_new and not is_new_or_empty(folder):
        raise SettingsError(f"expected '{folder}' to be new or empty, but it is not. Choose another place.")
    hidden = f".{folder.name}-draft-"
    try:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"'{folder}' is a file")
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left_over in () if must_be_new else folder.parent.glob(f"{glob.escape(hidden)}*"):
            shutil.rmtree(left_over)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=hidden) as name:
            draft = Path(name) / folder.name
            draft.mkdir()
            yield draft
            if must_be_new and folder.exists():
                folder.rmdir()
            elif folder.exists():
                folder.rename(Path(name) / "replaced")
            draft.replace(folder)
    except OSError as error:
        raise _not_written(folder, error) from error


def is_new_or_empty(folder: Path) -> bool:
    """Whether a folder can be written without losing anything: nothing is there, or an empty folder."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _not_written(path: Path, error: OSError) -> SettingsError:
    return SettingsError(f"cannot write '{path}': {error.strerror or error}. Choose another place.")
