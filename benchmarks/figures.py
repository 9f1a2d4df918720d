"""Figures for papers and pages, drawn from result files: confusion, reliability, ablation, curves over k, groups.

Colours are those of Okabe and Ito, which people with any kind of colour vision tell apart; nothing is said by colour
alone. Each function returns a matplotlib figure, `save` writes it as PNG and, where wanted, as SVG.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.grid import RETRIEVING
from zsderm.benchmarks.results import Result, details, with_unknown

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
_MARK = re.compile(rb"\A\x89PNG.*Software\x00zsderm|<svg.*zsderm", re.DOTALL)  # see `zsderm.atomic_files.refuse_others`
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titleweight": "normal",
    "svg.hashsalt": "zsderm",
}
SERIES = (("accuracy", BLUE, "o"), ("balanced_accuracy", ORANGE, "s"))
MARKERS, COLOURS = "os^D", (BLUE, ORANGE, GREEN, GREY)  # of the first four lines; then they repeat
MOST_CLASSES = 30  # beyond, a confusion matrix is a texture


@rc_context(STYLE)
def confusion(result: Result) -> Figure:
    """Counts by true class (row) and answer (column), shaded by the share of the true class."""
    counts, names = np.array(result["confusion"]), [textwrap.fill(name, 24) for name in result["data"]["classes"]]
    side = max(3.2, 0.5 * len(names) + 1.6)
    figure, axes = _axes(1, (side + 0.8, side))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes[0].imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            tone = "white" if shares[row, column] > 0.55 else "black"
            axes[0].text(column, row, str(count), ha="center", va="center", color=tone, fontsize=8)
    axes[0].set_xticks(range(len(names)), names, rotation=90, ma="right")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set(xlabel="answer", ylabel="true class")
    _title(figure, result)
    axes[0].spines[:].set_visible(False)
    figure.colorbar(image, ax=axes[0], fraction=0.045, label="share of the true class").outline.set_visible(False)
    return figure


@rc_context(STYLE)
def reliability(result: Result) -> Figure:
    """What came true against what was claimed, bin by bin, and below how many images each bin has."""
    bins = {name: np.array(values, dtype=float) for name, values in result["reliability"].items()}
    edges = np.linspace(0, 1, len(bins["count"]) + 1)
    figure, (top, bottom) = _axes(2, (3.6, 4.2), height_ratios=[3, 1], sharex=True)
    top.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="perfectly calibrated")
    width = 1 / len(bins["count"])
    top.bar(edges[:-1], bins["accuracy"], width, align="edge", color=BLUE, edgecolor="white", label="accuracy")
    gap = bins["confidence"] - bins["accuracy"]
    top.bar(
        edges[:-1], gap, width, bottom=bins["accuracy"], align="edge", color="none", edgecolor=ORANGE, hatch="////",
        label="gap to the mean confidence",
    )  # fmt: skip
    top.set(ylabel="accuracy", ylim=(0, 1))
    _title(figure, result, f"expected calibration error {result['metrics']['calibration_error']:.3f}")
    figure.legend(frameon=False, fontsize=8, ncols=2, loc="outside lower center")
    bottom.bar(edges[:-1], bins["count"], width, align="edge", color=GREY, edgecolor="white")
    bottom.set(xlabel="confidence", ylabel="images", xlim=(0, 1))
    return figure


@rc_context(STYLE)
def ablation(results: Sequence[Result]) -> Figure:
    """Accuracy and balanced accuracy of every variant with 95 % intervals, one panel a data set and model."""
    panels: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        panels.setdefault((result["config"]["title"], result["config"]["encoder"]), []).append(result)
    most = max(len(rows) for rows in panels.values())
    figure, axes = _axes(1, (2.6 * len(panels) + 2.2, 0.36 * most + 1.5), columns=len(panels), sharex=True)
    before: list[str] = []  # the names to the left of the panel before, which serve this one where they are the same
    for axis, ((title, model), rows) in zip(axes, panels.items(), strict=True):
        places = np.arange(len(rows))[::-1]
        for shift, (name, colour, marker) in zip((0.13, -0.13), SERIES, strict=True):
            _bars(axis, [row["metrics"] for row in rows], places + shift, name, colour, marker)
        figures = rows[0]["metrics"]
        axis.axvline(figures["majority_rate"], color=GREY, linewidth=1, linestyle=":")
        names = [row["config"]["variant"] for row in rows]
        axis.set_yticks(places, names if names != before else [""] * len(names))
        before = names
        axis.set_title(f"{title}, n = {figures['n']}\n{model}", loc="left")
        axis.set_xlabel("share right, 95 % interval")
        axis.grid(axis="x", alpha=0.25)
    _legend(figure, "majority class")
    return figure


@rc_context(STYLE)
def curve_over_k(results: Sequence[Result]) -> Figure | None:
    """Accuracy and balanced accuracy against k with 95 % intervals, one column a data set and model.

    Returns:
        The figure, or None where no method was run with several k.
    """
    panels = _by_k(results)
    if not panels:
        return None
    figure = Figure(figsize=(3.4 * len(panels) + 0.6, 5.4), layout="constrained")
    axes = figure.subplots(2, len(panels), squeeze=False, sharex="col")
    series = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    looks = {name: (MARKERS[place % 4], COLOURS[place % 4]) for place, name in enumerate(series)}
    for column, ((title, model), lines) in enumerate(panels.items()):
        axes[0, column].set_title(f"{title}, n = {next(iter(lines.values()))[0]['metrics']['n']}\n{model}", loc="left")
        for axis, (figure_name, _, _) in zip(axes[:, column], SERIES, strict=True):
            for shift, (name, runs) in enumerate(lines.items()):
                marker, colour = looks[name]
                _line(axis, runs, figure_name, marker, colour, 1 + 0.015 * (shift - (len(lines) - 1) / 2))
            ks = sorted({_k(run) for runs in lines.values() for run in runs})
            axis.set(xscale="log", ylabel=f"{figure_name.replace('_', ' ')}, 95 % interval" if not column else "")
            axis.set_xticks(ks, list(map(str, ks)))
            axis.minorticks_off()
            axis.grid(alpha=0.25)
        axes[1, column].set_xlabel("k, descriptions kept per class")
    handles = [Line2D([], [], color=looks[name][1], marker=looks[name][0], label=name) for name in series]
    figure.legend(handles=handles, frameon=False, fontsize=8, ncols=2, loc="outside lower center")
    return figure


@rc_context(STYLE)
def group_gap(result: Result, grouping: str) -> Figure:
    """Accuracy and balanced accuracy of each group with n; groups too small to count for the gap are hollow."""
    content = result["groups"][grouping]
    groups = with_unknown(content)
    figure, axes = _axes(1, (4.6, 0.42 * len(groups) + 1.7))
    places = np.arange(len(groups))[::-1]
    for shift, (name, colour, marker) in zip((0.13, -0.13), SERIES, strict=True):
        _bars(axes[0], list(groups.values()), places + shift, name, colour, marker, content["least"])
    overall = result["metrics"]["accuracy"]
    axes[0].axvline(overall, color=GREY, linewidth=1, linestyle=":")
    axes[0].set_yticks(places, [f"{name} (n = {group['n']})" for name, group in groups.items()])
    gap, chance = content["gap"]["accuracy"], content["gap_by_chance"]
    words = f"gap {gap:.3f}, by chance {chance:.3f}" if gap is not None else "too few images for a gap"
    axes[0].set(xlabel="share right, 95 % interval", xlim=(0, 1.02))
    _title(figure, result, f"by {grouping}: {words}")
    axes[0].grid(axis="x", alpha=0.25)
    few = any(group["n"] < content["least"] for group in groups.values())
    _legend(figure, "accuracy of all", f"fewer than {content['least']} images" if few else "")
    return figure


def draw_all(results: Sequence[Result], folder: Path, svg: bool = False) -> list[Path]:
    """The ablation and the curve over k of all results, and for the whole method confusion, reliability and groups."""
    written = save(ablation(results), folder / "ablation", svg)
    curve = curve_over_k(results)
    if curve is not None:
        written += save(curve, folder / "k-curve", svg)
    for result in details(results):
        name = result["config"]["stem"]
        if len(result["data"]["classes"]) <= MOST_CLASSES:
            written += save(confusion(result), folder / f"{name}--confusion", svg)
        if result["reliability"] is not None:  # what answers in words has no probabilities
            written += save(reliability(result), folder / f"{name}--reliability", svg)
        for grouping in result["groups"]:
            written += save(group_gap(result, grouping), folder / f"{name}--by-{grouping.replace(' ', '-')}", svg)
    return written


def save(figure: Figure, path: Path, svg: bool = False) -> list[Path]:
    """Write the figure to ``path`` with the suffix .png, and .svg where wanted."""
    files = [path.with_name(f"{path.name}.{suffix}") for suffix in (("png", "svg") if svg else ("png",))]
    for file in files:
        about = {"Creator": "zsderm", "Date": None} if file.suffix == ".svg" else {"Software": "zsderm"}
        with atomic_file(file, mark=_MARK) as draft, rc_context(STYLE):
            figure.savefig(draft, dpi=160, metadata=about)
    return files


def _axes(rows: int, size: tuple[float, float], columns: int = 1, **how: Any) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False, **how).flat)


def _bars(
    axis: Axes,
    rows: Sequence[Mapping[str, Any]],
    places: np.ndarray,
    name: str,
    colour: str,
    marker: str,
    least: int = 0,
) -> None:
    """One point a row with its interval; hollow where the row has fewer than ``least`` images."""
    for row, place in zip(rows, places, strict=True):
        value, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
        if low is not None:
            axis.plot([low, high], [place, place], color=colour, linewidth=1.5)
        face = colour if row["n"] >= least else "white"
        axis.plot(value, place, marker, color=colour, markerfacecolor=face, markersize=5)


def _by_k(results: Sequence[Result]) -> dict[tuple[str, str], dict[str, list[Result]]]:
    """By data set and model, then by what the runs have in common, those that differ in k alone, ordered by it."""
    panels: dict[tuple[str, str], dict[str, list[Result]]] = {}
    for result in results:
        config = result["config"]
        if config["method"] not in RETRIEVING or not _k(result):
            continue
        common = config["variant"].replace(f", k = {config['k']}", "")
        panels.setdefault((config["title"], config["encoder"]), {}).setdefault(common, []).append(result)
    several = {
        panel: {name: sorted(runs, key=_k) for name, runs in lines.items() if len({_k(run) for run in runs}) > 1}
        for panel, lines in panels.items()
    }
    return {panel: lines for panel, lines in several.items() if lines}


def _k(result: Result) -> int:
    """How many descriptions a run kept per class; 0 where nothing says so."""
    return int(result["config"].get("k") or result["manifest"].get("settings", {}).get("k") or 0)


def _line(axis: Axes, runs: Sequence[Result], name: str, marker: str, colour: str, shift: float) -> None:
    """One figure against k, with its interval at every point; lines stand a little beside each other."""
    places = [_k(run) * shift for run in runs]
    rows = [run["metrics"] for run in runs]
    axis.plot(places, [row[name] for row in rows], marker=marker, color=colour, linewidth=1.2, markersize=5)
    for place, row in zip(places, rows, strict=True):
        if row[f"{name}_low"] is not None:
            axis.plot([place, place], [row[f"{name}_low"], row[f"{name}_high"]], color=colour, linewidth=1)


def _legend(figure: Figure, line: str, hollow: str = "") -> None:
    """What the points, the dotted line and hollow points are, below the figure."""
    handles = [
        Line2D([], [], color=colour, marker=marker, label=name.replace("_", " ")) for name, colour, marker in SERIES
    ]
    handles.append(Line2D([], [], color=GREY, linewidth=1, linestyle=":", label=line))
    if hollow:
        handles.append(Line2D([], [], color=GREY, marker="o", markerfacecolor="white", linestyle="none", label=hollow))
    figure.legend(handles=handles, frameon=False, fontsize=8, ncols=2 if hollow else 3, loc="outside lower center")


def _title(figure: Figure, result: Result, more: str = "") -> None:
    """Data set, method and n above the figure, and a second line."""
    config = result["config"]
    first = f"{config['title']}, {config['encoder']}, {config['variant']}, n = {result['metrics']['n']}"
    figure.suptitle("\n".join(filter(None, (first, more))), x=0.01, ha="left", fontsize=9)
