"""What a run has to say while it trains: tables for spreadsheets, TensorBoard where it is installed, a picture."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zsderm.drafts import replaced

from .loss_curve import draw_loss_curve

log = logging.getLogger(__name__)

EPOCHS, STEPS, EVALUATION, PICTURE = "log.csv", "steps.csv", "evaluation.csv", "loss_curve.png"
Row = Mapping[str, Any]


class RunLog:
    """Writes the tables of a run folder; a run that goes on continues them without a gap or a repeat.

    Args:
        folder: the run folder.
        epoch: epochs done; what the tables say of later ones is of a run that was killed, and is done again.
        step: batches done, alike.
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
        """A line of log.csv, and of what is seen while a run trains."""
        if self.active:
            log.info("%s", dict(row))
            _append(self.folder / EPOCHS, [row])
            self._scalars("epoch", row, row["step"])

    def evaluation(self, rows: Sequence[Row], step: int) -> None:
        """Lines of evaluation.csv: epoch, name, metric, value; TensorBoard sees them behind so many batches."""
        if self.active and rows:
            _append(self.folder / EVALUATION, rows)
            for row in rows:
                log.info("%s: %s %s", row["name"], row["metric"], row["value"])
                self._scalars(row["name"], {row["metric"]: row["value"]}, step)

    def picture(self) -> None:
        """Draw loss_curve.png from the tables."""
        if self.active:
            draw_loss_curve(_read(self.folder / EPOCHS), _read(self.folder / STEPS), self.folder / PICTURE)

    def close(self) -> None:
        """Write what TensorBoard has not yet been given."""
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
    """Leave away the rows behind `last`, and a line that a kill has left unfinished."""
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
        return list(csv.DictReader(file))


def _append(path: Path, rows: Sequence[Row]) -> None:
    before = _read(path)
    if before and list(before[0]) != list(rows[0]):  # a run that an older version began, with other columns
        _write(path, [*before, *rows])
        return
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        if not before:
            writer.writeheader()
        writer.writerows(rows)


def _write(path: Path, rows: Sequence[Row]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replaced(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
