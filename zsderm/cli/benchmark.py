"""``zsderm benchmark``: a grid of runs on labelled image sets, and the tables and figures made from the results."""

from __future__ import annotations

from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

import click

from zsderm.cli.parameters import ClassPrior, cache_option
from zsderm.config import METHODS, RETRIEVALS
from zsderm.errors import InputError

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option(
    "--dataset", "datasets", multiple=True, help="A name (see --cards), a folder of classes or a CSV; repeat."
)
@click.option("--data-root", type=_FOLDER, envvar="ZSDERM_DATA", show_envvar=True, help="Where named sets are.")
@click.option(
    "--split", default="dev", show_default=True, help="Part of a table that has splits; all takes everything."
)
@click.option("--model", "models", multiple=True, default=["zsderm-mini"], show_default=True, help="Encoder; repeat.")
@click.option("--method", "methods", multiple=True, type=click.Choice(METHODS), help="Repeat.  [default: all of them]")
@click.option("--prior", "priors", multiple=True, default=["auto"], show_default=True, help="auto, uniform or a file.")
@click.option("--k", "ks", multiple=True, type=click.IntRange(min=1), help="Descriptions kept per class; repeat.")
@click.option(
    "--retrieval", "retrievals", multiple=True, default=["batch"], show_default=True, type=click.Choice(RETRIEVALS)
)
@click.option(
    "--wording",
    "wordings",
    multiple=True,
    default=["all"],
    show_default=True,
    type=click.Choice(["all", "unseen"]),
    help="unseen: only descriptions that were held out of the bundled encoder's training.",
)
@click.option("--knowledge", default="dermatology", show_default=True, help="A knowledge base or its folder.")
@click.option("--output", type=_FOLDER, help="Folder of the results; finished runs in it are not repeated.")
@click.option("--force", is_flag=True, help="Repeat finished runs.")
@click.option("--tables", "results", type=_FOLDER, help="Make tables from the results in this folder; runs nothing.")
@click.option("--into", "pages", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="With --tables: a page whose marked tables are made anew; repeat.")  # fmt: skip
@click.option("--plots", type=_FOLDER, help="Draw figures into this folder, of what was run or of --tables.")
@click.option("--svg", is_flag=True, help="Draw figures as SVG too.")
@click.option("--cards", is_flag=True, help="Say what is known of the data sets, and where they come from.")
@click.option("--device", help="cpu, cuda or mps.  [default: the fastest there is]")
@cache_option
@click.option("--no-cache", is_flag=True, help="Forget the image features when done.")
def benchmark(
    *,
    datasets: tuple[str, ...],
    data_root: Path | None,
    split: str,
    models: tuple[str, ...],
    methods: tuple[str, ...],
    priors: tuple[str, ...],
    ks: tuple[int, ...],
    retrievals: tuple[str, ...],
    wordings: tuple[str, ...],
    knowledge: str,
    output: Path | None,
    force: bool,
    results: Path | None,
    pages: tuple[Path, ...],
    plots: Path | None,
    svg: bool,
    cards: bool,
    device: str | None,
    cache_dir: Path,
    no_cache: bool,
) -> None:
    """Measure models and methods on labelled images: one JSON file a run, and tables and figures made from them.

    Every combination of what is repeated is run, and images are embedded once for each model. A data set that is not
    there is an error that says how to get it; a part of one is measured and its n stated.

    \b
    zsderm benchmark --dataset pad --dataset ham10000 --data-root DATA --output results
    zsderm benchmark --dataset photos.csv --method kpl --prior auto --prior uniform --output results
    zsderm benchmark --tables results --into README.md --plots results/plots
    zsderm benchmark --cards
    """
    if cards:
        _show_cards(datasets)
    elif results is not None:
        _make_tables(results, pages, plots, svg)
    else:
        if not datasets or output is None:
            raise click.UsageError("give --dataset and --output, or --tables, or --cards.")
        from zsderm.benchmarks.datasets import load
        from zsderm.benchmarks.grid import METHODS as PLAINEST_FIRST
        from zsderm.benchmarks.grid import grid
        from zsderm.benchmarks.runner import run_grid

        chosen = sorted(methods or METHODS, key=lambda name: (*PLAINEST_FIRST, name).index(name))
        given = {text: ClassPrior().convert(text, None, None) for text in priors}
        weights = {PurePath(text).stem: prior for text, prior in given.items() if not isinstance(prior, str)}
        names = tuple(text if isinstance(prior, str) else PurePath(text).stem for text, prior in given.items())
        with TemporaryDirectory() as forgotten:
            run_grid(
                [load(dataset, data_root, split) for dataset in datasets],
                grid(models, chosen, names, ks or (None,), retrievals, wordings, knowledge),
                output,
                priors=weights,
                cache=Path(forgotten) if no_cache else cache_dir,
                device=device,
                force=force,
                tell=lambda line: click.echo(line, err=True),
            )
        click.echo(f"Written: {output}", err=True)
        if plots is not None:
            _draw(output, plots, svg)


def _show_cards(datasets: tuple[str, ...]) -> None:
    from zsderm.benchmarks.datasets import card
    from zsderm.benchmarks.datasets import cards as known

    click.echo("\n\n".join(card(name).to_text() for name in datasets or known()))


def _make_tables(folder: Path, pages: tuple[Path, ...], plots: Path | None, svg: bool) -> None:
    from zsderm.benchmarks.tables import SECTIONS, fill_page

    if not folder.is_dir():
        raise InputError(
            f"expected a folder of results, but there is no {folder}; zsderm benchmark --output writes one"
        )
    for page in pages:
        click.echo(f"{page}: {'written' if fill_page(page, folder) else 'unchanged'}", err=True)
    if not pages:
        click.echo("\n\n".join(f"## {name}\n\n{make(folder)}" for name, make in SECTIONS.items()))
    if plots is not None:
        _draw(folder, plots, svg)


def _draw(folder: Path, plots: Path, svg: bool) -> None:
    from zsderm.benchmarks.figures import draw_all
    from zsderm.benchmarks.results import read_results

    click.echo(f"Drawn: {len(draw_all(read_results(folder), plots, svg))} figures in {plots}", err=True)
