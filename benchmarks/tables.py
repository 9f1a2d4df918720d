"""Tables in Markdown, made from result files, and the pages that hold them.

    python -m zsderm.benchmarks.tables docs/benchmarks --into README.md --into docs/benchmarks.md

A page holds a table between ``<!-- results: NAME -->`` and ``<!-- end of results -->``; what stands between them is
replaced. NAME is one of summary, unseen, bundled, comparisons, groups, published and published-retrieval. Without
--into everything is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from zsderm.benchmarks.pages import filled, part_names, rewrite
from zsderm.benchmarks.published import WARNING, published
from zsderm.benchmarks.published import to_markdown as published_to_markdown
from zsderm.benchmarks.results import Result, details, read_results
from zsderm.errors import InputError, did_you_mean

MARK, END = "results: ", "<!-- end of results -->"
MAKE = "hf-hub:xieji-x/MAKE"
MAKE_NOTE = (
    f"The rows of MAKE are empty because its weights have to be fetched from a hub, which was out of reach where these "
    f"figures were made. `zsderm benchmark --model {MAKE}`, with the other options as they were, fills them."
)


def summary(folder: Path) -> str:
    """Every run with all its figures, and an empty row for the published MAKE model until somebody has run it."""
    runs = [run for run in read_results(folder) if run["config"]["wording"] == "all"]
    lines, notes = _figures(runs), _notes(runs)
    if not any("MAKE" in run["config"]["model"] for run in runs):
        lines += [
            f"| {title} | | | MAKE | | | | | | | | |" for title in dict.fromkeys(r["config"]["title"] for r in runs)
        ]
        notes.append(MAKE_NOTE)
    return "\n".join([*lines, "", *notes])


def unseen(folder: Path) -> str:
    """The runs on descriptions that the bundled encoder has not been trained with."""
    runs = [run for run in read_results(folder) if run["config"]["wording"] == "unseen"]
    return "\n".join([*_figures(runs), "", *_notes(runs)])


def bundled(folder: Path) -> str:
    """Every run of the bundled encoder, as its card shows them."""
    runs = [run for run in read_results(folder) if run["config"]["encoder"] == "zsderm-mini"]
    return "\n".join([*_figures(runs), "", *_notes(runs)])


def comparisons(folder: Path) -> str:
    """How every run differs from the plainest one of its model, in points, with the paired interval and p."""
    lines = [
        "| data set | model | method | against | accuracy, points (95 %) | p | balanced, points (95 %) | p |",
        "|" + "---|" * 8,
    ]
    for result in read_results(folder, "comparison"):
        config = result["config"]
        for row in result["rows"]:
            start = f"| {config['title']} | {config['encoder']} | {row['variant']} | {result['against']} "
            lines.append(start + "".join(_difference(row[name]) for name in ("accuracy", "balanced_accuracy")) + "|")
    return "\n".join(lines)


def groups(folder: Path) -> str:
    """How far groups of people are apart under the whole method, beside the gap that chance would give."""
    lines = [
        "| data set | model | method | by | accuracy of each group (n) | gap | gap by chance (p) | balanced gap |",
        "|" + "---|" * 8,
    ]
    runs = details(read_results(folder))
    if not any(run["groups"] for run in runs):
        return "The tables of these data sets tell of no groups."
    for run in runs:
        config = run["config"]
        for title, content in run["groups"].items():
            parts = [f"{name} {_three(group['accuracy'])} ({group['n']})" for name, group in content["groups"].items()]
            gap, chance = content["gap"], f"{_three(content['gap_by_chance'])} ({_three(content['p'])})"
            lines.append(
                f"| {config['title']} | {config['encoder']} | {config['variant']} | {title} | {'; '.join(parts)} "
                f"| {_three(gap['accuracy'])} | {chance} | {_three(gap['balanced_accuracy'])} |"
            )
    least = max((content["least"] for run in runs for content in run["groups"].values()), default=0)
    note = (
        f"Gap: best minus worst accuracy among groups of at least {least} images. By chance: the mean gap when the "
        "right answers fall on the groups at random, and how often that gives as much. The mix of classes differs "
        "from group to group too."
    )
    return "\n".join([*lines, "", note])


def published_figures(folder: Path) -> str:
    """What others have published on the data sets of the results, in italics."""
    names = dict.fromkeys(run["config"]["dataset"] for run in read_results(folder))
    return published_to_markdown([row for name in names for row in published(name.lower())]) or WARNING


def published_retrieval(_: Path) -> str:
    """What others have published on retrieval, whatever data sets the results are of: ours is on other captions."""
    return published_to_markdown(published(task="retrieval"))


SECTIONS: Mapping[str, Callable[[Path], str]] = {
    "summary": summary,
    "unseen": unseen,
    "bundled": bundled,
    "comparisons": comparisons,
    "groups": groups,
    "published": published_figures,
    "published-retrieval": published_retrieval,
}


def fill(text: str, folder: Path) -> str:
    """The text with every marked table made anew from the results in ``folder``.

    Raises:
        InputError: the text has no marked table, or one of a name that is not known.
    """
    names = [name.removeprefix(MARK) for name in part_names(text) if name.startswith(MARK)]
    if not names:
        raise InputError(
            f"expected '<!-- results: summary -->' and '{END}' around the place of a table, but found none"
        )
    for name in names:
        if name not in SECTIONS:
            hint = did_you_mean(name, SECTIONS)
            raise InputError(f"expected a table named {', '.join(SECTIONS)}, but got 'results: {name}'.{hint}")
    return filled(text, {MARK + name: f"\n{SECTIONS[name](folder)}\n" for name in names})


def fill_page(page: Path, folder: Path) -> bool:
    """Make the tables of a page anew; whether anything changed."""
    return rewrite(page, lambda text: fill(text, folder))


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--into", "pages", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(folder: Path, pages: tuple[Path, ...]) -> None:
    """Print the tables, or write them into pages."""
    for page in pages:
        click.echo(f"{page}: {'written' if fill_page(page, folder) else 'unchanged'}", err=True)
    if not pages:
        click.echo("\n\n".join(f"## {name}\n\n{make(folder)}" for name, make in SECTIONS.items()))


def _figures(runs: Sequence[Result]) -> list[str]:
    head = (
        "| data set | n (units) | majority | model | method | accuracy (95 %) | balanced (95 %) | macro-F1 (95 %) "
        "| top-3 | top-5 | AUROC | calibration error |"
    )
    return [head, "|" + "---|" * 12, *map(_row, runs)]


def _row(run: Result) -> str:
    config, figures, data = run["config"], run["metrics"], run["data"]
    n = f"{figures['n']}" + (f" of {data['listed']}" if data["listed"] > data["n"] else "")
    units = "" if figures["units"] == figures["n"] else f" ({figures['units']} {_plural(data['unit'])})"
    cells = [
        config["title"],
        n + units,
        _three(figures["majority_rate"]),
        config["encoder"],
        config["variant"] + (" \\*" if _fell_back(run) else ""),
        *(_with_interval(figures, name) for name in ("accuracy", "balanced_accuracy", "macro_f1")),
        *(_three(figures[name]) for name in ("top3_accuracy", "top5_accuracy", "macro_auroc", "calibration_error")),
    ]
    return "| " + " | ".join(cells) + " |"


def _fell_back(run: Result) -> bool:
    return run["used"]["method"] != run["config"]["method"]


def _notes(runs: Sequence[Result]) -> list[str]:
    used = dict.fromkeys((run["config"]["method"], run["used"]["method"]) for run in runs if _fell_back(run))
    notes = [f"\\* {asked} answered as {answered}: its guard set the refinement aside." for asked, answered in used]
    grouped = any(run["metrics"]["units"] != run["metrics"]["n"] for run in runs)
    drawn = "patients or lesions where they are known, each with all its images" if grouped else "images"
    configs = [run["config"] for run in runs if run["config"].get("views", 1) > 1]
    own = {each["encoder"]: each["views"] for each in configs if f"{each['views']} views" not in each["variant"]}
    notes += [f"{name}: the mean of {views} views of each image, as its card says." for name, views in own.items()]
    return [*notes, f"Intervals: bootstrap that draws {drawn}."]


def _plural(unit: str) -> str:
    return unit.removesuffix("_id") + "s"


def _with_interval(figures: Mapping[str, Any], name: str) -> str:
    return f"{_three(figures[name])} ({_three(figures[f'{name}_low'])}–{_three(figures[f'{name}_high'])})"


def _difference(figure: Mapping[str, Any]) -> str:
    value, low, high = (
        None if figure[key] is None else f"{100 * figure[key]:+.1f}" for key in ("value", "low", "high")
    )
    return f"| {value} ({low or '–'} to {high or '–'}) | {_three(figure['p'])} "


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
