"""Time and memory of work on a device that runs on its own: medians of repeats within a time that was set."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Figure:
    """What one line of a table says: a number, what it was measured on, and what else is to be known."""

    size: str = ""  # of the problem, as batch and images
    value: float | None = None  # None: not measured, and the note says why
    unit: str = ""
    spread: str = ""  # least to greatest of the repeats
    gigabytes: float | None = None  # largest memory that was allocated on a card; None on a processor
    note: str = ""

    def cells(self) -> list[str]:
        """The columns of the table but the first, see COLUMNS."""
        memory = "" if self.gigabytes is None else f"{self.gigabytes:.2f}"
        return [self.size, _shown(self.value), self.unit, self.spread, memory, self.note]


COLUMNS = ("", "size", "median", "unit", "least to greatest", "peak memory (GB)", "note")


@dataclass(frozen=True)
class Timing:
    """Seconds of the repeats, and the largest memory they had allocated on a card."""

    seconds: tuple[float, ...]
    gigabytes: float | None

    @property
    def median(self) -> float:
        """In seconds."""
        return statistics.median(self.seconds)

    def figure(self, size: str, images: int = 0, note: str = "") -> Figure:
        """Seconds, or images a second where their number is given."""
        values = sorted(images / seconds if images else seconds for seconds in self.seconds)
        spread = f"{_shown(values[0])} to {_shown(values[-1])} ({len(values)})"
        unit = "images/s" if images else "s"
        return Figure(size, statistics.median(values), unit, spread, self.gigabytes, note)


class Stopwatch:
    """Measures until a time is used up.

    Args:
        device: what works; its clock is read when it is done.
        seconds: after them nothing is repeated.
        repeats: how often a run is measured at most.
    """

    def __init__(self, device: torch.device, seconds: float, repeats: int = 3) -> None:
        self.device = device
        self.repeats = repeats
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() >= self._end

    def measure(
        self, run: Callable[[], object], warm_up: Callable[[], object] | None = None, repeats: int | None = None
    ) -> Timing:
        """Time a run: at least once, and not again when the time is used up.

        Args:
            run: what is timed.
            warm_up: what runs before, unmeasured; by default `run` itself.
            repeats: how often at most, where not as often as anything else.
        """
        (warm_up or run)()
        self._wait()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        seconds: list[float] = []
        while len(seconds) < (repeats or self.repeats) and not (seconds and self.is_over):
            started = time.perf_counter()
            run()
            self._wait()
            seconds.append(time.perf_counter() - started)
        on_card = self.device.type == "cuda"
        return Timing(tuple(seconds), torch.cuda.max_memory_allocated(self.device) / 1e9 if on_card else None)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def forget(device: torch.device) -> None:
    """Give memory of a card that nothing uses any more back to it."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def _shown(value: float | None) -> str:
    """Three digits at least."""
    if value is None:
        return ""
    return f"{value:,.0f}".replace(",", " ") if value >= 1000 else f"{value:.3g}"
