"""The tables of linear probes: beside zero-shot rows of the same model on the same images, and all their figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zsderm.benchmarks.results import Result, read_results
from zsderm.benchmarks.table import FIRST, Cell, Figure, Table, three

METHOD = "probe"
BESIDE = ("class-name", "knowledge", "kpl")  # zero-shot methods, at their defaults, that stand beside probes
_SHOWN = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "macro_auroc": "AUROC",
    "calibration_error": "calibration error",
}
_OTHERS = {
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_f1": "F1",
    "macro_auprc": "AUPRC",
    "log_loss": "log loss",
}
_NOTES = (
    "Learned from: the number of training images and, where the figures are means over several draws, the number of "
    "draws. ±: standard deviation over the draws. Intervals: bootstrap over the test images, or over patients or "
    "lesions where they are known; all draws use the same resamples.",
)


def of_probe(run: Result) -> bool:
    """Whether a run is a linear probe, and not zero-shot."""
    return bool(run["config"]["method"] == METHOD)


def zero_shot(runs: Sequence[Result]) -> list[Result]:
    """The runs that learned from no labelled image."""
    return [run for run in runs if not of_probe(run)]


def probes(folder: Path) -> Table:
    """Every probe, below the zero-shot rows of its model on the same data set."""
    runs = read_results(folder)
    probed = {_place(run) for run in runs if of_probe(run)}
    kept = [run for run in runs if _place(run) in probed and (of_probe(run) or _stands_beside(run))]
    titles = ["data set", "n (units)", "model", "method", "learned from"]
    titles += [f"{title} (95 %)" for title in _SHOWN.values()]
    rows = [[*_start(run), *(_cell(run, name) for name in _SHOWN)] for run in kept]
    notes = (*_NOTES, *_of_encoders(kept)) if kept else ()
    return Table(titles, rows, notes, [_record(run) for run in kept])


def probe_figures(folder: Path) -> Table:
    """The other figures of the published protocol, and the C that was chosen."""
    kept = [run for run in read_results(folder) if of_probe(run)]
    titles = ["data set", "model", "method", *(f"{title} (95 %)" for title in _OTHERS.values()), "C"]
    rows = []
    for run in kept:
        start = _start(run)
        rows.append([start[0], start[2], start[3], *(_cell(run, name) for name in _OTHERS), _strengths(run)])
    return Table(titles, rows, (), [_record(run) for run in kept])


def _stands_beside(run: Result) -> bool:
    """A zero-shot method at its defaults, unless another one answered in its place, which has a row of its own."""
    return run["config"]["variant"] in BESIDE and run["used"]["method"] == run["config"]["method"]


def _place(run: Result) -> tuple[str, str]:
    return run["config"]["title"], run["config"]["encoder"]


def _start(run: Result) -> list[Cell]:
    config, found = run["config"], run["metrics"]
    unit = run["data"]["unit"].removesuffix("_id") + "s"
    units = "" if found["units"] == found["n"] else f" ({found['units']} {unit})"
    return [config["title"], f"{found['n']}{units}", config["encoder"], config["variant"], _learned(run)]


def _learned(run: Result) -> str:
    """From how many images: "0" of zero-shot, "6 552", "96, 10 draws"."""
    if not of_probe(run):
        return "0"
    counts = run["data"]["train"]["learned_from"]
    spread = f"{counts[0]}" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    return spread if len(counts) == 1 else f"{spread}, {len(counts)} draws"


def _cell(run: Result, name: str) -> Cell:
    found = run["metrics"]
    figure = Figure(found[name], found.get(f"{name}_low"), found.get(f"{name}_high"), f"{name}_low" in found)
    spread = found.get(f"{name}_spread")
    return figure if spread is None else f"{three(found[name])} ± {three(spread)} ({str(figure).partition(' (')[2]}"


def _strengths(run: Result) -> str:
    chosen = sorted({probe["strength"] for probe in run["probe"]})
    return " to ".join(f"{value:.2g}" for value in dict.fromkeys((chosen[0], chosen[-1])))


def _of_encoders(runs: Sequence[Result]) -> list[str]:
    """What the features of probes are, where they are not tokens."""
    maps = dict.fromkeys(run["config"]["encoder"] for run in runs if run["config"].get("of") == "map")
    return [
        f"{name} has no image tokens. Its probes on the pooled map use the mean over all positions of the last feature "
        "map of its image tower."
        for name in maps
    ]


def _record(run: Result) -> dict[str, object]:
    """A run for programs: figures that zero-shot runs lack are None, so that all rows have the same columns."""
    config, found = run["config"], run["metrics"]
    names = [f"{name}{end}" for name in (*_SHOWN, *_OTHERS) for end in ("", "_low", "_high", "_spread")]
    counts = run["data"]["train"]["learned_from"] if of_probe(run) else [0]
    return {
        FIRST: config["title"],
        "model": config["encoder"],
        "method": config["method"],
        "variant": config["variant"],
        "features": config.get("features"),
        "features_of": config.get("of"),
        "shots": config.get("shots"),
        "repeats": config.get("repeats"),
        "learned_from_least": min(counts),
        "learned_from_most": max(counts),
        "strength_least": min((probe["strength"] for probe in run.get("probe", ())), default=None),
        "strength_most": max((probe["strength"] for probe in run.get("probe", ())), default=None),
        "unit": run["data"]["unit"],
        "n": found["n"],
        "units": found["units"],
        **{name: found.get(name) for name in names},
        "result": f"{config['stem']}.json",
    }
