"""Files that appear whole or not at all: every result is written as a draft and moved into its place."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zsderm.errors import SettingsError


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Hand out a draft beside ``path`` and move it there when it is complete; missing parent folders are made.

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
        raise SettingsError(f"cannot write '{path}': {error.strerror or error}. Choose another place.") from error
    finally:
        with suppress(OSError):  # nothing was written where the folder could not be made
            draft.unlink(missing_ok=True)
