"""How much is said on stderr: as usual, all of it (-v), or errors and warnings alone (-q)."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from zsderm.errors import ZsdermWarning
from zsderm.harmless_text import harmless

_QUIET, _VERBOSE = "zsderm.quiet", "zsderm.verbose"  # in the notes of the outermost context


def say(text: str) -> None:
    """Say a line on stderr, unless --quiet asks for silence."""
    if not is_quiet():
        click.echo(harmless(text), err=True)  # a progress bar may stand in for stderr


def is_quiet() -> bool:
    """Whether --quiet was given."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().meta.get(_QUIET))


def set_talk(context: click.Context, *, verbose: bool = False, quiet: bool = False) -> None:
    """Follow --verbose and --quiet, wherever they stand.

    Raises:
        UsageError: both were given.
    """
    notes = context.find_root().meta
    notes[_VERBOSE], notes[_QUIET] = notes.get(_VERBOSE) or verbose, notes.get(_QUIET) or quiet
    if notes[_VERBOSE] and notes[_QUIET]:
        raise click.UsageError("--verbose and --quiet exclude each other.")
    if notes[_VERBOSE]:
        warnings.simplefilter("default")
        warnings.simplefilter("always", ZsdermWarning)
        log = logging.getLogger("zsderm")
        log.setLevel(logging.DEBUG)
        if not any(isinstance(handler, _OnStderr) for handler in log.handlers):
            log.addHandler(_OnStderr())


def end_talk() -> None:
    """What follows in this process is not said on stderr any more."""
    log = logging.getLogger("zsderm")
    log.handlers[:] = [handler for handler in log.handlers if not isinstance(handler, _OnStderr)]


@contextmanager
def waiting(title: str) -> Iterator[None]:
    """Within, a spinner with a title on stderr, if that is a terminal."""
    from zsderm.progress import spinner

    with spinner(title, not is_quiet()):
        yield


def timed(what: str, action: Callable[[], Any]) -> Any:
    """The result of an action, while a spinner turns; -v says how long it took."""
    started = time.monotonic()
    with waiting(what):
        result = action()
    logging.getLogger("zsderm").debug("%s: %.1f s", what, time.monotonic() - started)
    return result


class _OnStderr(logging.Handler):
    """Writes to what stderr is when something is said."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        click.echo(harmless(f"zsderm: {record.getMessage()}"), err=True)
