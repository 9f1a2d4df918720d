"""Files and folders that appear whole or not at all: a result is written as a draft and then moved to its place.

A draft is written to the disk before it is moved, so that not even a power cut leaves half a file under the name of a
whole one. A process that is killed leaves its draft behind; the next run that writes the same place removes it.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from safetensors import SafetensorError

from zsderm.errors import SettingsError

try:
    import fcntl
except ImportError:  # Windows, which does not let anybody delete a file that is open
    fcntl = None  # type: ignore[assignment]

_FORGOTTEN = 24 * 3600  # seconds after which a draft is of a dead run, where a lock cannot tell
# What libraries in C say in errors of their own when a disk is full: FAISS, safetensors, torch.
_FULL = re.compile(
    r"No space left|File too large|quota exceeded|os error (27|28|122)|write error|"
    "PytorchStreamWriter|unexpected pos|iostream error"
)
LOCK = ".lock"
_HEAD, _TAIL = 4096, 2**20  # bytes in which a mark is looked for; Parquet has its own at the end


@contextmanager
def atomic_file(
    path: str | os.PathLike[str], *, mark: re.Pattern[bytes] | None = None, durable: bool = True
) -> Iterator[Path]:
    """Give a draft beside ``path`` and move it there when it is complete; missing parent folders are made.

    Args:
        path: where the draft will be.
        mark: what a file of ours has in its first or last bytes, for a name that the user did not choose; see
            `refuse_others`. None replaces whatever is there.
        durable: whether the file must outlive a power cut; false for what is easily made again.

    Raises:
        SettingsError: the place cannot be written, or holds a file of somebody else.
    """
    path = Path(path)
    draft, lock = path, None
    try:
        if mark is not None:
            refuse_others(path, mark)
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_impossible(path)
        draft, lock = _new_draft(path)
        yield draft
        if durable:
            _sync(draft)
        draft.replace(path)
        if durable:
            _sync(path.parent)
    except OSError as error:
        raise _not_written(path, error) from error
    except (RuntimeError, SafetensorError) as error:
        if not _FULL.search(str(error)):
            raise
        raise _not_written(path, OSError(errno.ENOSPC, "the disk is full, or a limit is reached")) from error
    finally:
        if lock is not None:
            os.close(lock)
        if draft != path:
            with suppress(OSError):
                draft.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: str | os.PathLike[str], *, must_be_new: bool = True) -> Iterator[Path]:
    """Give an empty draft folder and move it to ``folder`` when it is complete; missing parent folders are made.

    Args:
        folder: where the draft will be.
        must_be_new: refuse a place that holds something. False replaces a folder once the draft is complete.

    Yields:
        A folder with the same name as ``folder``, in a hidden folder beside it.

    Raises:
        SettingsError: the place holds something, is a file, or cannot be written.
    """
    folder = Path(folder)
    if must_be_new and not is_new_or_empty(folder):
        raise SettingsError(f"expected '{folder}' to be new or empty, but it is not. Choose another place.")
    place, hidden, lock = Path(os.path.abspath(folder)), None, None
    try:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"'{folder}' is a file")
        place.parent.mkdir(parents=True, exist_ok=True)
        hidden, lock = _new_draft(place, folder=True)
        draft = hidden / place.name
        draft.mkdir()
        yield draft
        for part in (*draft.rglob("*"), draft):
            _sync(part)
        if must_be_new and place.exists():
            place.rmdir()
        elif place.exists():
            place.rename(hidden / "replaced")
        draft.replace(place)
        _sync(place.parent)
    except OSError as error:
        raise _not_written(folder, error) from error
    except (RuntimeError, SafetensorError) as error:
        if not _FULL.search(str(error)):
            raise
        raise _not_written(folder, OSError(errno.ENOSPC, "the disk is full, or a limit is reached")) from error
    finally:
        if lock is not None:
            os.close(lock)
        if hidden is not None:
            shutil.rmtree(hidden, ignore_errors=True)


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Wait until no other process is where this one is, then keep them out; where there are no locks, nobody waits.

    Args:
        file: whose lock stands for it; made if it is not there, in a folder that is.

    Raises:
        OSError: it cannot be made.
    """
    number = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if fcntl is not None:
            with suppress(OSError):  # a network disk without locks
                fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def is_new_or_empty(folder: Path) -> bool:
    """Whether a folder can be written without losing anything: nothing is there, or an empty folder."""
    return not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir()))


def refuse_others(path: str | os.PathLike[str], mark: re.Pattern[bytes]) -> None:
    """Refuse to replace a file that zsderm did not write; a file that is empty or not there may be written.

    The names of some outputs are not chosen by the user: what stands beside another output, or inside a folder. They
    may replace what an earlier run has written there, and nothing else.

    Args:
        path: of the output.
        mark: found in the first 4 KB, or in the last megabyte, of every file of its kind that zsderm has written.

    Raises:
        SettingsError: a file is there and does not have the mark.
    """
    path = Path(path)
    try:
        if not path.exists():
            return
        with path.open("rb") as file:
            ours = has_mark(file, mark)
    except OSError as error:
        raise _not_written(path, error) from error
    if not ours:
        raise SettingsError(
            f"'{path}' would be replaced, but it is not what zsderm writes there. Move it, or choose another output."
        )


def has_mark(file: BinaryIO, mark: re.Pattern[bytes]) -> bool:
    """Whether an open file is empty, or has a mark of ours; see `refuse_others`."""
    content = file.read(_HEAD)
    if not content:
        return True
    file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
    return bool(mark.search(content) or mark.search(file.read(_TAIL)))


def refuse_unwritable(path: str | os.PathLike[str], *, inside: bool = False) -> None:
    """Refuse a place for a file or a folder that cannot be written, before any work is done for it.

    Args:
        path: of the file or the folder.
        inside: whether files are added to the folder if it is there; else it is replaced.

    Raises:
        SettingsError: a name that is too long, a folder that cannot be made, or a disk that is read-only.
    """
    shown, path = path, Path(os.path.abspath(path))
    try:
        nearest = next(parent for parent in path.parents if os.path.exists(parent))
        if inside and path.is_dir():
            nearest = path
        for part in (path, *path.parents):
            if len(part.parts) > len(nearest.parts):
                _refuse_long(nearest / part.name)
        _refuse_long(path)
        with TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise _not_written(shown, error) from error


def _refuse_impossible(path: Path) -> None:
    _refuse_long(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")


def _refuse_long(path: Path) -> None:
    with suppress(FileNotFoundError):
        os.lstat(path)


def _new_draft(place: Path, *, folder: bool = False) -> tuple[Path, int | None]:
    """A new draft for a place, and an open file that is locked as long as this process works on it.

    Its name fits wherever that of the place does, and ends like it: writers choose a format by that.
    """
    drafts = f".draft-{sha256(os.fsencode(place.name)).hexdigest()[:12]}-"
    remove_forgotten(place.parent, drafts)
    while True:
        draft = place.with_name(f"{drafts}{uuid.uuid4().hex[:8]}{place.suffix[:16]}")
        if folder:
            draft.mkdir()
        lock = _lock(draft / LOCK if folder else draft, os.O_CREAT | os.O_EXCL)
        if lock is not None or fcntl is None:
            return draft, lock


def _lock(file: Path, flags: int = 0) -> int | None:
    """The open file, locked; None where another process locked what was just made, or there are no locks.

    Raises:
        BlockingIOError: another process works on what was there.
    """
    if fcntl is None:
        return None
    number = os.open(file, os.O_RDWR | flags, 0o666)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        if not flags:
            raise
        return None
    except OSError:  # a network disk without locks
        if not flags:
            os.close(number)
            return None
    return number


def remove_forgotten(folder: Path, drafts: str = ".draft-", ending: str = "") -> None:
    """Remove the drafts that killed processes left; those that a process works on stay, however old.

    Args:
        folder: in which they are.
        drafts: how their names begin; by default those of all places in the folder.
        ending: how their names end.
    """
    for draft in folder.glob(f"{glob.escape(drafts)}*{glob.escape(ending)}"):
        with suppress(OSError):  # BlockingIOError among them: it is worked on
            old = time.time() - draft.stat().st_mtime > _FORGOTTEN
            lock = _lock(draft / LOCK if draft.is_dir() else draft)
            if lock is not None or old:
                shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
            if lock is not None:
                os.close(lock)


def _sync(place: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    folder, windows = place.is_dir(), os.name == "nt"
    if folder and windows:  # which cannot open one
        return
    number = os.open(place, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError:
        if not folder:  # some network disks cannot do it for folders
            raise
    finally:
        os.close(number)


def _not_written(path: str | os.PathLike[str], error: OSError) -> SettingsError:
    return SettingsError(f"cannot write '{os.fspath(path)}': {error.strerror or error}. Choose another place.")
