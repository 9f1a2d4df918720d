"""The log of a run: CSV tables of steps, epochs and evaluations, TensorBoard where it is installed, the loss curve."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zsderm.atomic_files import atomic_file
from zsderm.csv_files import CsvRows, csv_file, open_csv, out_of_cell

log = logging.getLogger(__name__)

EPOCHS, STEPS, EVALUATION, PICTURE = "log.csv", "steps.csv", "evaluation.csv", "loss_curve.png"
BESIDE = ("temperature", "accuracy")  # what the lower part of the loss curve shows, whichever a run has
COLOURS = {"loss": "#1f4e79", "contrastive": "#c55a11", "local": "#548235"}  # of the loss curve
Row = Mapping[str, Any]
Rows = Sequence[Mapping[str, str]]  # as read back from a table


class RunLog:
    """Writes the tables of a run folder; a run that is resumed continues them without a gap or a repeat.

    Args:
        folder: the run folder.
        epoch: epochs done; rows of later epochs are deleted, because these epochs are trained again.
        step: batches done; rows of later batches are deleted alike.
        tensorboard: whether to write logs for TensorBoard.
        active: False in all processes but the first: nothing is written.
    """

    def __init__(self, folder: Path, epoch: int, step: int, tensorboard: bool, active: bool) -> None:
        self.folder = folder
        self.active = active
        self.writer = _tensorboard(folder / "tensorboard", step) if tensorboard and active else None
        if active:
            _cut(folder / EPOCHS, "epoch", epoch)
            _cut(folder / EVALUATION, "epoch", epoch)
            _cut(folder / STEPS, "step", step)

    def step(self, row: Row) -> None:
        """A line of steps.csv."""
        if self.active:
            _append(self.folder / STEPS, [row])
            self._scalars("step", row, row["step"])

    def epoch(self, row: Row) -> None:
        """A line of log.csv, also logged."""
        if self.active:
            log.info("%s", dict(row))
            _append(self.folder / EPOCHS, [row])
            self._scalars("epoch", row, row["step"])

    def evaluation(self, rows: Sequence[Row], step: int) -> None:
        """Lines of evaluation.csv: epoch, name, metric, value, reason; `step` is their place in TensorBoard."""
        if self.active and rows:
            _append(self.folder / EVALUATION, rows)
            for row in rows:
                log.info("%s: %s %s %s", row["name"], row["metric"], row["value"], row["reason"])
                self._scalars(row["name"], {row["metric"]: row["value"]}, step)

    def picture(self) -> None:
        """Draw loss_curve.png from the tables."""
        if self.active:
            draw_loss_curve(_read(self.folder / EPOCHS), _read(self.folder / STEPS), self.folder / PICTURE)

    def close(self) -> None:
        """Flush what TensorBoard has not written yet."""
        if self.writer:
            self.writer.close()

    def _scalars(self, group: str, row: Row, at: int) -> None:
        if self.writer:
            for name, value in row.items():
                if name not in ("epoch", "step"):
                    self.writer.add_scalar(f"{group}/{name}", float(value), int(at))


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.info("TensorBoard is not installed, so there are no logs for it. Run: pip install 'zsderm[pretrain]'")
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)


def _cut(path: Path, column: str, last: int) -> None:
    """Delete the rows after `last`, and a last line that was only half written when the run was killed."""
    if not path.exists():
        return
    if last == 0:
        path.unlink()
        return
    rows = [
        row for row in _read(path) if None not in row.values() and row[column].isdigit() and int(row[column]) <= last
    ]
    _write(path, rows)


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {key: out_of_cell(cell) if isinstance(cell, str) else cell for key, cell in row.items()}
            for row in csv.DictReader(file)
        ]


def _append(path: Path, rows: Sequence[Row]) -> None:
    before = _read(path)
    if before and list(before[0]) != list(rows[0]):  # a run that an older version began, with other columns
        _write(path, [*before, *rows])
        return
    with open_csv(path, "a") as file:
        CsvRows(file, list(rows[0]), header=not before).write_all(rows)


def _write(path: Path, rows: Sequence[Row]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with csv_file(path, columns) as file:
        file.write_all(rows)


def draw_loss_curve(epochs: Rows, steps: Rows, path: Path) -> None:
    """Draw the losses of a run.

    Args:
        epochs: rows of log.csv.
        steps: rows of steps.csv; without any, only epochs are drawn.
        path: PNG file to write.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, rates = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    ends = [_number(row, "step") for row in epochs]
    per_epoch = not steps and len(ends) > 0
    drawn = [name for name in COLOURS if any(name in row for row in (*epochs, *steps))]
    for name in drawn:
        colour = COLOURS[name]
        if steps:
            losses.plot(_column(steps, "step"), _column(steps, name), color=colour, alpha=0.35, linewidth=1)
        x = _column(epochs, "epoch") if per_epoch else ends
        losses.plot(x, _column(epochs, name), color=colour, marker="o", markersize=4, label=f"{name}, mean of an epoch")
    losses.set_ylabel("loss")
    losses.set_ylim(bottom=0)
    losses.legend(frameon=False)
    if "local" in drawn:
        losses.set_title("what is minimised: the weighted sum of contrastive and local loss", fontsize=10, loc="left")
    _draw_rates(rates, epochs, steps)
    rates.set_xlabel("epoch" if per_epoch else "batch")
    for axes in (losses, rates):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    with atomic_file(path) as draft:
        figure.savefig(draft, dpi=110, format="png", metadata={"Software": "zsderm"})


def _draw_rates(axes: Axes, epochs: Rows, steps: Rows) -> None:
    rows = steps or epochs
    beside = next((name for name in BESIDE if any(row.get(name) for row in rows)), "")
    if steps:
        axes.plot(_column(steps, "step"), _column(steps, "learning_rate"), color="#444444")
        axes.set_ylabel("learning rate")
        axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        if not beside:
            return
        axes = axes.twinx()
        axes.spines["top"].set_visible(False)
    axes.plot(_column(rows, "step" if steps else "epoch"), _column(rows, beside), color="#7030a0", linestyle="--")
    axes.set_ylabel(beside, color="#7030a0")


def _column(rows: Rows, name: str) -> list[float]:
    return [_number(row, name) for row in rows]


def _number(row: Mapping[str, str], name: str) -> float:
    text = row.get(name) or ""
    return float(text) if text else float("nan")
