"""The picture of a run: its losses, batch by batch and epoch by epoch, with learning rate and temperature below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zsderm.drafts import replaced

COLOURS = {"loss": "#1f4e79", "contrastive": "#c55a11", "local": "#548235"}
Rows = Sequence[Mapping[str, str]]


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
    for name, colour in COLOURS.items():
        if steps:
            losses.plot(_column(steps, "step"), _column(steps, name), color=colour, alpha=0.35, linewidth=1)
        x = _column(epochs, "epoch") if per_epoch else ends
        losses.plot(x, _column(epochs, name), color=colour, marker="o", markersize=4, label=f"{name}, mean of an epoch")
    losses.set_ylabel("loss")
    losses.set_ylim(bottom=0)
    losses.legend(frameon=False)
    losses.set_title("what is minimised: the weighted sum of contrastive and local loss", fontsize=10, loc="left")
    _draw_rates(rates, epochs, steps)
    rates.set_xlabel("epoch" if per_epoch else "batch")
    for axes in (losses, rates):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    with replaced(path) as draft:
        figure.savefig(draft, dpi=110, format="png")


def _draw_rates(axes: Axes, epochs: Rows, steps: Rows) -> None:
    if steps:
        axes.plot(_column(steps, "step"), _column(steps, "learning_rate"), color="#444444")
        axes.set_ylabel("learning rate")
        axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        right = axes.twinx()
        right.plot(_column(steps, "step"), _column(steps, "temperature"), color="#7030a0", linestyle="--")
        right.set_ylabel("temperature", color="#7030a0")
        right.spines["top"].set_visible(False)
    else:
        axes.plot(_column(epochs, "epoch"), _column(epochs, "temperature"), color="#7030a0", linestyle="--")
        axes.set_ylabel("temperature", color="#7030a0")


def _column(rows: Rows, name: str) -> list[float]:
    return [_number(row, name) for row in rows]


def _number(row: Mapping[str, str], name: str) -> float:
    text = row.get(name) or ""
    return float(text) if text else float("nan")
