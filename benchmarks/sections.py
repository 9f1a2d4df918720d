"""The tables that a folder of results gives: its own models and methods, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zsderm.benchmarks.grid import RETRIEVING
from zsderm.benchmarks.probe_tables import probe_figures, probes
from zsderm.benchmarks.results import Result, details, read_results, with_unknown
from zsderm.benchmarks.table import FIRST, Figure, Points, Table, three
from zsderm.metrics import Metrics

NO_GROUPS = "The tables of these data sets tell of no groups."
_WITH_INTERVAL = {"accuracy": "accuracy", "balanced_accuracy": "balanced", "macro_f1": "macro-F1"}
_MAYBE_INTERVAL = {"macro_auroc": "AUROC", "calibration_error": "calibration error"}  # earlier results have none
_NOT_LEARNED = (
    ": nothing was learned from the images together, because they are too few or it was not clear that it would help"
)
_OF_CALIBRATION = (
    "Chance alone makes the calibration error of few images too large. Its interval takes that off: it reaches further "
    "below the figure than above it, and where it begins at 0.000, the error may be chance alone."
)
_OF_REPLIES = ["no answer", "by first substring (95 %)"]
_OF_WORDS = (
    "Generative: one prompt lists all classes, in a different order for each image. The longest class name or synonym "
    "in the reply is the answer; there are no probabilities. No answer: the reply names no class or several, or the "
    "model refused. Such an image counts as wrong, and in macro-F1 as a class of its own. By first substring: the "
    "accuracy with the published scoring, which takes the first class of the list whose name occurs in the reply."
)
_COMPARED = {"accuracy": "accuracy", "balanced_accuracy": "balanced"}


def summary(folder: Path) -> Table:
    """Every run with all its figures."""
    return figures([run for run in read_results(folder) if run["config"]["wording"] == "all"])


def unseen(folder: Path) -> Table:
    """The runs on descriptions that the bundled encoder has not been trained with."""
    return figures([run for run in read_results(folder) if run["config"]["wording"] == "unseen"])


def models(folder: Path) -> Table:
    """How every two models differ, method by method, in points, with the paired interval and p."""
    titles = ["data set", "method", "model", "against", *_difference_titles()]
    rows, records = [], []
    for result in read_results(folder, "models"):
        config = result["config"]
        for row in result["rows"]:
            rows.append([config["title"], row["variant"], row["second"], row["first"], *_differences(row)])
            said = {"method": row["variant"], "model": row["second"], "against": row["first"]}
            records.append({FIRST: config["title"], **said, **_difference_record(row)})
    notes = [
        "Model minus against, on the same images: every resample draws the same patients, lesions or images for both. "
        "p is of each row by itself: among twenty rows one is below 0.05 by chance."
    ]
    return Table(titles, rows, notes if rows else (), records)


def comparisons(folder: Path) -> Table:
    """How every run differs from the plainest one of its model, in points, with the paired interval and p."""
    titles = ["data set", "model", "method", "against", *_difference_titles()]
    order = {_variant(run["config"]): place for place, run in enumerate(read_results(folder))}
    rows, records = [], []
    for result in read_results(folder, "comparison"):
        config, against = result["config"], result["against"]
        own = sorted(result["rows"], key=lambda row: order.get(_variant({**config, **row}), len(order)))
        for row in own:
            rows.append([config["title"], config["encoder"], row["variant"], against, *_differences(row)])
            said = {"model": config["encoder"], "method": row["variant"], "against": against}
            records.append({FIRST: config["title"], **said, **_difference_record(row)})
    return Table(titles, rows, (), records)


def groups(folder: Path) -> Table:
    """How far groups of people are apart under the whole method, beside the gap that chance would give."""
    titles = [
        "data set",
        "model",
        "method",
        "by",
        "accuracy of each group (n)",
        "gap",
        "gap by chance (p)",
        "balanced gap",
    ]
    rows, records, least = [], [], 0
    for run in details(read_results(folder)):
        config = run["config"]
        for title, content in run["groups"].items():
            least = max(least, content["least"])
            figures_of = with_unknown(content)
            parts = [f"{name} {three(group['accuracy'])} ({group['n']})" for name, group in figures_of.items()]
            gap, chance = content["gap"], f"{three(content['gap_by_chance'])} ({three(content['p'])})"
            start = [config["title"], config["encoder"], config["variant"], title]
            rows.append([*start, "; ".join(parts), three(gap["accuracy"]), chance, three(gap["balanced_accuracy"])])
            said = dict(zip((FIRST, "model", "method", "by"), start, strict=True))
            records += [{**said, "group": name, **_numbers(group)} for name, group in figures_of.items()]
    note = (
        f"Gap: best minus worst accuracy among known groups of at least {least} images. By chance: the mean gap when "
        "the right answers fall on the groups at random, and how often that gives as much. The mix of classes differs "
        "from group to group too."
    )
    return Table(titles, rows, (note,) if rows else (), records)


# What is printed and written of a folder; a table without rows is left out.
OWN: Mapping[str, Callable[[Path], Table]] = {
    "summary": summary,
    "unseen": unseen,
    "models": models,
    "comparisons": comparisons,
    "groups": groups,
    "probes": probes,
    "probe-figures": probe_figures,
}


def figures(runs: Sequence[Result]) -> Table:
    """All figures of each run."""
    drawn = {name: any(f"{name}_low" in run["metrics"] for run in runs) for name in _MAYBE_INTERVAL}
    titles = ["data set", "n (units)", "majority", "model", "method"]
    titles += [f"{title} (95 %)" for title in _WITH_INTERVAL.values()] + ["top-3", "top-5"]
    titles += [f"{title} (95 %)" if drawn[name] else title for name, title in _MAYBE_INTERVAL.items()]
    titles += _OF_REPLIES if _worded(runs) else []
    return Table(
        titles,
        [[*_row(run, drawn), *(_replies(run) if _worded(runs) else [])] for run in runs],
        _notes(runs) if runs else (),
        [_record(run) for run in runs],
    )


def _row(run: Result, drawn: Mapping[str, bool]) -> list[str | Figure]:
    config, found, data = run["config"], run["metrics"], run["data"]
    n = f"{found['n']}" + (f" of {data['listed']}" if data["listed"] > data["n"] else "")
    units = "" if found["units"] == found["n"] else f" ({found['units']} {_plural(data['unit'])})"
    return [
        config["title"],
        n + units,
        three(found["majority_rate"]),
        config["encoder"],
        config["variant"] + (" *" if _fell_back(run) else ""),
        *(_figure(found, name, True) for name in _WITH_INTERVAL),
        *(three(found[name]) for name in ("top3_accuracy", "top5_accuracy")),
        *(_figure(found, name, drawn[name] and f"{name}_low" in found) for name in _MAYBE_INTERVAL),
    ]


def _worded(runs: Sequence[Result]) -> list[Result]:
    """The runs of models that answer in words."""
    return [run for run in runs if "replies" in run]


def _replies(run: Result) -> list[str | Figure]:
    """Images without an answer, and the accuracy by the published reading; dashes for a model of probabilities."""
    if "replies" not in run:
        return [three(None), three(None)]
    said = run["replies"]
    return [f"{said['no_answer']} of {run['metrics']['n']}", _figure(said["first_substring"], "accuracy", True)]


def _record(run: Result) -> dict[str, object]:
    """A run for programs: what it is, what answered, and every figure."""
    config, data, manifest = run["config"], run["data"], run["manifest"]
    return {
        FIRST: config["title"],
        "model": config["encoder"],
        "method": config["method"],
        "answered_by": run["used"]["method"],
        "variant": config["variant"],
        "prior": config["prior"],
        "k": manifest["settings"].get("k") if config["method"] in RETRIEVING else None,
        "retrieval": config["retrieval"],
        "wording": config["wording"],
        "knowledge": config["knowledge"],
        "views": config.get("views"),
        "listed": data["listed"],
        "unit": data["unit"],
        **_numbers({name: value for name, value in run["metrics"].items() if name in Metrics.__dataclass_fields__}),
        "no_answer": run["replies"]["no_answer"] if "replies" in run else None,
        "first_substring_accuracy": run["replies"]["first_substring"]["accuracy"] if "replies" in run else None,
        "encoder_fingerprint": manifest["encoder"]["fingerprint"],
        "zsderm": manifest["versions"]["zsderm"],
        "result": f"{config['stem']}.json",
    }


def _numbers(found: Mapping[str, Any]) -> dict[str, object]:
    """The figures with those of earlier results that are not there as None, so that all rows have the same columns."""
    names = [f"{name}_{end}" for name in _MAYBE_INTERVAL for end in ("low", "high")]
    return {**dict.fromkeys([*found, *names]), **found}


def _figure(found: Mapping[str, Any], name: str, bounds: bool) -> Figure:
    return Figure(found[name], found.get(f"{name}_low"), found.get(f"{name}_high"), bounds)


def _fell_back(run: Result) -> bool:
    return bool(run["used"]["method"] != run["config"]["method"])


def _notes(runs: Sequence[Result]) -> list[str]:
    used = dict.fromkeys((run["config"]["method"], run["used"]["method"]) for run in runs if _fell_back(run))
    notes = [f"* {asked} answered as {answered}{_NOT_LEARNED if asked == 'kpl' else ''}." for asked, answered in used]
    grouped = any(run["metrics"]["units"] != run["metrics"]["n"] for run in runs)
    drawn = "patients or lesions where they are known, each with all its images" if grouped else "images"
    configs = [run["config"] for run in runs if run["config"].get("views", 1) > 1]
    own = {each["encoder"]: each["views"] for each in configs if f"{each['views']} views" not in each["variant"]}
    notes += [f"{name}: the mean of {views} views of each image, as its card says." for name, views in own.items()]
    notes.append(f"Intervals: bootstrap that draws {drawn}.")
    if _worded(runs):
        notes.append(_OF_WORDS)
    if any("calibration_error_low" in run["metrics"] for run in runs):
        notes.append(_OF_CALIBRATION)
    return notes


def _plural(unit: str) -> str:
    return unit.removesuffix("_id") + "s"


def _variant(config: Mapping[str, Any]) -> tuple[str, str, str]:
    return config["title"], config["encoder"], config["variant"]


def _difference_titles() -> list[str]:
    return [title for name in _COMPARED.values() for title in (f"{name}, points (95 %)", "p")]


def _differences(row: Mapping[str, Any]) -> list[str | Points]:
    found = [row[name] for name in _COMPARED]
    return [cell for one in found for cell in (Points.of(one), three(one["p"]))]


def _difference_record(row: Mapping[str, Any]) -> dict[str, object]:
    """Differences in shares, with their bounds and p; and what was drawn."""
    names = [name for name in ("accuracy", "balanced_accuracy", "macro_f1") if name in row]
    parts = {"value": "difference", "low": "low", "high": "high", "p": "p"}
    found = {f"{name}_{word}": row[name][key] for name in names for key, word in parts.items()}
    return {"n": row["n"], "units": row["units"], **found}
