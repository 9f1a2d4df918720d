"""The tables of a folder of results, and the pages that hold them.

    python -m zsderm.benchmarks.tables docs/benchmarks --into README.md --into docs/benchmarks.md

A page holds a table between ``<!-- results: NAME -->`` and ``<!-- end of results -->``; what stands between them is
replaced. NAME is one of summary, unseen, models, comparisons, groups, probes, probe-figures, which are of the results
alone; or project, short, bundled, published and published-retrieval, which the pages of zsderm have. Without --into
those of the results are printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import click

from zsderm.benchmarks import sections
from zsderm.benchmarks.pages import filled, part_names, rewrite
from zsderm.benchmarks.probe_tables import zero_shot
from zsderm.benchmarks.published import WARNING, published
from zsderm.benchmarks.published import to_markdown as published_to_markdown
from zsderm.benchmarks.results import Result, read_results
from zsderm.benchmarks.table import Table
from zsderm.errors import InputError, did_you_mean

MARK, END = "results: ", "<!-- end of results -->"
SHORT_METHODS = ("class-name", "knowledge", "kpl")
SHORT_COLUMNS = ("data set", "n (units)", "majority", "method", "accuracy", "balanced", "AUROC", "calibration error")
MAKE = "hf-hub:xieji-x/MAKE"
MAKE_NOTE = (
    f"The rows of MAKE are empty because its weights have to be fetched from a hub, which was out of reach where these "
    f"figures were made. `zsderm benchmark --model {MAKE}`, with the other options as they were, fills them."
)


def project(folder: Path) -> str:
    """Every zero-shot run with all its figures, and an empty row for the MAKE model until somebody has run it."""
    runs = zero_shot(read_results(folder))
    table = sections.figures([run for run in runs if run["config"]["wording"] == "all"])
    if any("MAKE" in run["config"]["model"] for run in runs):
        return table.to_markdown()
    titles = dict.fromkeys(row[0] for row in table.rows)
    empty = [[title, "", "", "MAKE", *[""] * (len(table.columns) - 4)] for title in titles]
    shown = replace(table, rows=[*table.rows, *empty], notes=[*table.notes, MAKE_NOTE]).to_markdown()
    return re.sub(r"\|  (?=\|)", "| ", shown)


def short(folder: Path) -> str:
    """The bundled encoder under the three methods that a reader asks for first, with the figures that say most."""
    table = sections.figures([run for run in _of_bundled(folder) if run["config"]["variant"] in SHORT_METHODS])
    kept = [place for place, title in enumerate(table.columns) if title.startswith(SHORT_COLUMNS)]
    rows = [[row[place] for place in kept] for row in table.rows]
    return replace(table, columns=[table.columns[place] for place in kept], rows=rows).to_markdown()


def bundled(folder: Path) -> str:
    """Every zero-shot run of the bundled encoder, as its card shows them."""
    return sections.figures(_of_bundled(folder)).to_markdown()


def groups(folder: Path) -> str:
    """How far groups of people are apart, or a sentence where nothing is known of groups."""
    table = sections.groups(folder)
    return table.to_markdown() if table.rows else sections.NO_GROUPS


def published_figures(folder: Path) -> str:
    """What others have published on the data sets of the results, in italics."""
    names = dict.fromkeys(run["config"]["dataset"] for run in read_results(folder))
    return published_to_markdown([row for name in names for row in published(name.lower())]) or WARNING


def published_retrieval(_: Path) -> str:
    """What others have published on retrieval, whatever data sets the results are of: ours is on other captions."""
    return published_to_markdown(published(task="retrieval"))


SECTIONS: Mapping[str, Callable[[Path], str]] = {
    **{name: lambda folder, make=make: make(folder).to_markdown() for name, make in sections.OWN.items()},  # type: ignore[misc]
    "groups": groups,
    "project": project,
    "short": short,
    "bundled": bundled,
    "published": published_figures,
    "published-retrieval": published_retrieval,
}


def _of_bundled(folder: Path) -> list[Result]:
    return [run for run in zero_shot(read_results(folder)) if run["config"]["encoder"] == "zsderm-mini"]


def own_tables(folder: Path) -> dict[str, Table]:
    """The tables of the results alone, by name; those without rows are left out."""
    found = {name: make(folder) for name, make in sections.OWN.items()}
    return {name: table for name, table in found.items() if table.rows}


def printed(folder: Path) -> str:
    """These tables in Markdown, each below its name."""
    return "\n\n".join(f"## {name}\n\n{table.to_markdown()}" for name, table in own_tables(folder).items())


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
        click.echo(printed(folder))


if __name__ == "__main__":
    main()
