"""What is said on stdout and stderr, so that it neither fails nor steers a terminal, whatever names it contains."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from zsderm.harmless_text import harmless, one_line

if TYPE_CHECKING:
    import pandas as pd

# What a disk, a system or its owner refuses; a defect of the program raises none of these.
_SYSTEM = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG),
    *(errno.EMFILE, errno.ENFILE, errno.ELOOP, errno.ENOMEM, errno.EBUSY, errno.ENOTDIR, errno.EISDIR, errno.ENOENT),
}


class HarmlessStream(io.TextIOBase):
    """A stream through which nothing steers the terminal.

    Args:
        stream: what is behind it. Progress bars, which do steer, write to that: rich looks for it under this name.
    """

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        """Write a text, with what would steer written out."""
        self.rich_proxied_file.write(harmless(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream behind."""
        self.rich_proxied_file.flush()

    def isatty(self) -> bool:
        """Whether the stream behind is a terminal."""
        return self.rich_proxied_file.isatty()

    def fileno(self) -> int:
        """The number of the stream behind."""
        return self.rich_proxied_file.fileno()

    def writable(self) -> bool:
        """True."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream behind."""
        return self.rich_proxied_file.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """That of the stream behind."""
        return self.rich_proxied_file.errors


def behind(stream: TextIO) -> TextIO:
    """The stream to which colours may be written."""
    return cast("TextIO", getattr(stream, "rich_proxied_file", stream))


@contextmanager
def harmless_streams() -> Iterator[None]:
    """Within, stdout and stderr take any text, and give nothing to a terminal that steers it.

    What the encoding of the terminal lacks is written as ``\\u2212``. Output that goes to a file or another program
    is UTF-8, as our files are, unless PYTHONIOENCODING says otherwise.
    """
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            own = "PYTHONIOENCODING" not in os.environ and not stream.isatty()
            stream.reconfigure(encoding="utf-8" if own else stream.encoding, errors="backslashreplace")
    sys.stdout, sys.stderr = (stream if stream is None else cast("TextIO", HarmlessStream(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:  # said already, or nobody listens
            forget_stdout()


@contextmanager
def ends_when_asked() -> Iterator[None]:
    """Within, SIGTERM ends the work as an error does, so that drafts are removed; a second one ends it at once."""
    started_by = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != started_by:  # a process that was forked off, such as one that decodes images
            os.kill(os.getpid(), number)
        os.write(2, b"Stopped by a signal. What was not complete was not written; files of before are untouched.\n")
        raise SystemExit(128 + number)

    try:
        before: Any = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def print_table(frame: pd.DataFrame) -> None:
    """Write a table to stdout as CSV; a reader that has seen enough, such as head, does not end the work."""
    from zsderm.csv_files import write_frame

    with _stdout_of_tables() as stream:
        write_frame(frame, stream)


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows to stdout as CSV, as `print_table` does."""
    from zsderm.csv_files import CsvRows

    with _stdout_of_tables() as stream:
        CsvRows(stream, columns).write_all(rows)


def print_cells(*cells: object) -> None:
    """Write a row of cells to stdout, with tabs between them; a cell is on one line, whatever is in it."""
    click.echo("\t".join(one_line(str(cell)) for cell in cells))


@contextmanager
def _stdout_of_tables() -> Iterator[TextIO]:
    stream = sys.stdout
    if stream is None:  # closed by the caller
        stream = io.StringIO()
    elif not stream.isatty():  # a file or a program gets the cells as they are
        stream = behind(stream)
    try:
        yield stream
        stream.flush()
    except BrokenPipeError:
        forget_stdout()


def forget_stdout() -> None:
    """Send what else goes to stdout nowhere: nobody reads it, and the interpreter would complain when it ends."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError, AttributeError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def said_by_system(error: OSError) -> str | None:
    """What the system refuses, in a sentence; None for what may be a defect of the program."""
    if error.errno not in _SYSTEM or isinstance(error, BrokenPipeError):
        return None
    place = f" {str(error.filename)!r}" if error.filename is not None else ""
    return f"the system refuses{place}: {error.strerror}"
