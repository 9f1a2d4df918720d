"""How far the work is, on stderr: a bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

Announce = Callable[[str, int], None]  # what the present pass does, how many of its images are done
EVERY = 60.0  # seconds between two lines in a log


def silent(title: str, done: int) -> None:
    """Announce nothing."""


@contextmanager
def progress_bar(total: int, wanted: bool) -> Iterator[Announce]:
    """A bar that fills once a pass through images; in a log a line a minute.

    Args:
        total: N.
        wanted: whether to say anything at all.
    """
    last = total
    with _shown("Refining", total, wanted) as bar:

        def announce(title: str, done: int) -> None:
            nonlocal last
            if done <= last:
                bar.restart(f"Refining: {title}")  # else the clock stands still after the first pass
            bar.reach(done)
            last = done

        yield announce


@contextmanager
def counting(title: str, total: int | None, wanted: bool) -> Iterator[Callable[[float], None]]:
    """A bar with count, rate and time left from the start on; in a log a line a minute. Call what comes back.

    Args:
        title: what is done.
        total: how many images there are; ``None`` if that is not known.
        wanted: whether to say anything at all.

    Yields:
        A function of how many images' worth of work was done since the last call.
    """
    with _shown(title, total, wanted) as bar:
        yield bar.advance


def spinner(title: str, wanted: bool) -> AbstractContextManager[Any]:
    """A spinner with a title, as long as something takes whose end is not known; in a log nothing."""
    console = _console()
    return console.status(title) if wanted and console.is_interactive else nullcontext()


def rate_text(done: float, seconds: float) -> str:
    """How fast, in words: "12.0 images/s", and "4.0 s/image" below one a second.

    >>> rate_text(240, 20), rate_text(5, 20)
    ('12.0 images/s', '4.0 s/image')
    """
    if not done or seconds <= 0:
        return ""
    return f"{done / seconds:.1f} images/s" if done >= seconds else f"{seconds / done:.1f} s/image"


def left_text(seconds: float) -> str:
    """How long it still takes, in words.

    >>> left_text(42), left_text(200), left_text(9000)
    ('42 s left', '3 min left', '2 h 30 min left')
    """
    if seconds < 60:
        return f"{seconds:.0f} s left"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min left" if hours else f"{minutes} min left"


def _left(done: float, total: float | None, seconds: float) -> str:
    """How long it still takes, if it goes on as from the start; empty where that is not known."""
    return left_text((total - done) * seconds / done) if total is not None and done else ""


def _console() -> Console:
    """A console on stderr itself: a stream that writes out what steers a terminal may stand in front of it.

    It is looked for here, for rich does so again while a bar is shown, and then finds that stream behind its own.
    """
    return Console(file=getattr(sys.stderr, "rich_proxied_file", sys.stderr), stderr=True)


class _Nothing:
    """Says nothing."""

    def restart(self, title: str) -> None:
        """Begin again, under another title."""

    def reach(self, done: float) -> None:
        """So many images are done."""

    def advance(self, more: float) -> None:
        """So many more images are done."""


class _Lines(_Nothing):
    """A line on stderr when the last one is a minute old."""

    def __init__(self, title: str, total: int | None) -> None:
        self._total = total
        self._said = time.monotonic()
        self.restart(title)

    def restart(self, title: str) -> None:
        self._title, self._done, self._started = title, 0.0, time.monotonic()

    def reach(self, done: float) -> None:
        self._done, now = done, time.monotonic()
        if now - self._said < EVERY:
            return
        self._said, seconds = now, now - self._started
        of_all = f"{done:.0f}" if self._total is None else f"{done:.0f} of {self._total}"
        words = [of_all, rate_text(done, seconds), _left(done, self._total, seconds)]
        print(f"{self._title}: {', '.join(filter(None, words))}", file=sys.stderr, flush=True)  # noqa: T201

    def advance(self, more: float) -> None:
        self.reach(self._done + more)


class _Bar(_Nothing):
    def __init__(self, bar: Progress, title: str, total: int | None) -> None:
        self._bar, self._task = bar, bar.add_task(title, total=total)

    def restart(self, title: str) -> None:
        self._bar.reset(self._task, description=title)

    def reach(self, done: float) -> None:
        self._bar.update(self._task, completed=done)

    def advance(self, more: float) -> None:
        self._bar.advance(self._task, more)


class _Count(ProgressColumn):
    """How many images are done, how fast that goes, and how long it still takes: the figures that a log gets.

    What rich estimates goes by the last steps alone. These come in batches, so that it is several times too short at
    first, and stands still between two of them.
    """

    def render(self, task: Task) -> Text:
        """The text of this moment."""
        of_all = f"{task.completed:.0f}" if task.total is None else f"{task.completed:.0f} of {task.total:.0f}"
        seconds = task.elapsed or 0
        words = [of_all, rate_text(task.completed, seconds), _left(task.completed, task.total, seconds)]
        return Text("  ".join(filter(None, words)))


@contextmanager
def _shown(title: str, total: int | None, wanted: bool) -> Iterator[_Nothing]:
    console = _console()
    if not wanted:
        yield _Nothing()
    elif not console.is_interactive:
        yield _Lines(title, total)
    else:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), _Count())
        with Progress(*columns, console=console, transient=True, get_time=time.monotonic) as bar:
            yield _Bar(bar, title, total)
