"""The progress bar of passes through images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

Announce = Callable[[str, int], None]  # what the present pass does, how many of its images are done


def silent(title: str, done: int) -> None:
    """Announce nothing."""


@contextmanager
def progress_bar(total: int, wanted: bool) -> Iterator[Announce]:
    """A bar on stderr, if asked for and if that is a terminal, that fills once a pass.

    Args:
        total: N.
        wanted: whether to show it.
    """
    console, last = Console(stderr=True), total
    with Progress(console=console, transient=True, disable=not (wanted and console.is_interactive)) as bar:
        task = bar.add_task("Refining", total=total)

        def announce(title: str, done: int) -> None:
            nonlocal last
            if done <= last:
                bar.reset(task, description=f"Refining: {title}")  # else the clock stands still after the first pass
            bar.update(task, completed=done)
            last = done

        yield announce
