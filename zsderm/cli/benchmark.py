"""``zsderm benchmark``: a grid of runs on labelled image sets, and the tables and figures made from the results."""

from __future__ import annotations

from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from zsderm.cli.endpoint_options import LANGUAGE_MODEL, api_key_option, language_model_option
from zsderm.cli.help import CLASSES, IMAGES, OUTPUT, RARE, Command, option
from zsderm.cli.options import FILE, cache_options, data_root_option, device_option, knowledge_option
from zsderm.cli.parameters import ClassPrior, ResultFolder, Views
from zsderm.cli.stored_images import embeddings_option, refuse_several_encoders
from zsderm.cli.talk import is_quiet, say
from zsderm.config import DEFAULT_MODEL, DEFAULT_PRIOR, METHODS, NAMES, RETRIEVALS, Settings
from zsderm.errors import InputError

if TYPE_CHECKING:
    from zsderm.asking.asking import Answerer

_FOLDER = ResultFolder(new=False)


@click.command(cls=Command)
@option(
    "--dataset",
    "datasets",
    multiple=True,
    heading=IMAGES,
    help="A data set: a name (see --cards), a folder with a folder for each class, or a table. May be repeated.",
)
@data_root_option(exists=False)
@option(
    "--split",
    default="dev",
    show_default=True,
    heading=IMAGES,
    help="The part of a table that has splits; all: every image.",
)
@option(
    "--model",
    "-m",
    "models",
    multiple=True,
    default=[DEFAULT_MODEL],
    show_default=True,
    heading=CLASSES,
    help="The encoder of images and texts (see: zsderm models list); supervised:FOLDER for what zsderm pretrain "
    "supervised has trained; openai:URL or transformers:FOLDER for a model that answers in words, as for zsderm ask. "
    "May be repeated.",
)
@embeddings_option(CLASSES)
@knowledge_option
@option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(METHODS),
    heading=CLASSES,
    help="How classes are told apart. May be repeated.  [default: all of them]",
)
@option(
    "--prior",
    "priors",
    multiple=True,
    default=[DEFAULT_PRIOR],
    show_default=True,
    heading=CLASSES,
    help="How common the classes are: auto, uniform, home or a file. May be repeated.",
)
@option(
    "--retrieval",
    "retrievals",
    multiple=True,
    default=[Settings.retrieval],
    show_default=True,
    type=click.Choice(RETRIEVALS),
    heading=RARE,
    help="Choose descriptions for all images together (batch), or for each image. May be repeated.",
)
@option(
    "--k",
    "ks",
    multiple=True,
    type=click.IntRange(min=1),
    heading=RARE,
    help="How many descriptions are kept per class. May be repeated.",
)
@option(
    "--wording",
    "wordings",
    multiple=True,
    default=["all"],
    show_default=True,
    type=click.Choice(["all", "unseen"]),
    heading=RARE,
    help="unseen: use only descriptions that the bundled encoder was not trained on. May be repeated.",
)
@option(
    "--names",
    "spoken",
    multiple=True,
    default=[Settings.names],
    show_default=True,
    type=click.Choice(NAMES),
    heading=RARE,
    help="Read each class under all names that the base has for it, its own, or the typed one. May be repeated.",
)
@option(
    "--views",
    multiple=True,
    type=Views(),
    heading=RARE,
    help="Average so many views of each image (mirrored, turned). May be repeated.  "
    "[default: as the encoder's card says]",
)
@option(
    "--output",
    "-o",
    type=_FOLDER,
    heading=OUTPUT,
    help="The folder of the results; finished runs in it are not repeated. With --tables: the folder of the tables, as "
    ".md, .tex (booktabs) and .csv.",
)
@option("--force", is_flag=True, heading=OUTPUT, help="Repeat finished runs.")
@option(
    "--tables",
    "results",
    type=click.Path(file_okay=False, path_type=Path),
    heading=OUTPUT,
    help="Make tables of the results in this folder, on stdout in Markdown; nothing is run.",
)
@option(
    "--into",
    "pages",
    multiple=True,
    type=FILE,
    heading=OUTPUT,
    help="With --tables: a page in which the marked tables are replaced. May be repeated.",
)
@option("--plots", type=_FOLDER, heading=OUTPUT, help="The folder for figures of the new runs, or of --tables.")
@option("--svg", is_flag=True, heading=OUTPUT, help="Write the figures as SVG too.")
@language_model_option(old_names=())
@api_key_option
@option(
    "--seed",
    default=0,
    show_default=True,
    heading=LANGUAGE_MODEL,
    help="The seed of the order in which the classes are listed for a model that answers in words.",
)
@option("--cards", is_flag=True, heading=OUTPUT, help="Print what is known about the data sets, and where to get them.")
@device_option
@cache_options
def benchmark(
    *,
    datasets: tuple[str, ...],
    data_root: Path | None,
    split: str,
    models: tuple[str, ...],
    embeddings: Path | str | None,
    methods: tuple[str, ...],
    priors: tuple[str, ...],
    ks: tuple[int, ...],
    retrievals: tuple[str, ...],
    wordings: tuple[str, ...],
    spoken: tuple[str, ...],
    views: tuple[int, ...],
    knowledge: str,
    output: Path | None,
    force: bool,
    results: Path | None,
    pages: tuple[Path, ...],
    plots: Path | None,
    svg: bool,
    language_model: str | None,
    api_key: str | None,
    seed: int,
    cards: bool,
    device: str | None,
    cache: Path | None,
) -> None:
    """Measure models and methods on labelled images: one JSON file for each run, with tables and figures.

    Every combination of the repeated options is one run. Images are embedded once for each model. If a data set is
    missing, the error says how to get it; if images are missing, the others are measured and counted. Models are
    compared with each other on the same images, also those of earlier runs into the same folder.

    \b
    zsderm benchmark --dataset pad --dataset ham10000 --data-root DATA --output results
    zsderm benchmark --dataset photos.csv --method kpl --prior auto --prior uniform --output results
    zsderm benchmark --dataset photos.csv --embeddings embeddings/ --output results
    zsderm benchmark --dataset pad --model zsderm-mini --model supervised:FOLDER --output results
    zsderm benchmark --dataset pad --model zsderm-mini --model openai:http://localhost:8000/v1 \\
        --language-model M --output results
    zsderm benchmark --tables results --output tables --plots tables
    zsderm benchmark --tables results --into paper.md
    zsderm benchmark --cards
    """
    if cards:
        _show_cards(datasets)
    elif results is not None:
        _make_tables(results, pages, output, plots, svg)
    else:
        if not datasets or output is None:
            raise click.UsageError("give --dataset and --output, or --tables, or --cards.")
        refuse_several_encoders(embeddings, models)
        from zsderm.benchmarks.datasets import load
        from zsderm.benchmarks.grid import METHODS as PLAINEST_FIRST
        from zsderm.benchmarks.grid import WITH_PRIOR, grid
        from zsderm.benchmarks.runner import run_grid
        from zsderm.cli.command_line import command_line

        chosen = sorted(methods or METHODS, key=lambda name: (*PLAINEST_FIRST, name).index(name))
        if priors != (DEFAULT_PRIOR,) and not set(WITH_PRIOR) & set(chosen):
            say("Note: --prior was not used: none of the methods uses a prior. Only 'kpl' does.")
        given = {text: ClassPrior().convert(text, None, None) for text in priors}
        weights = {PurePath(text).stem: prior for text, prior in given.items() if not isinstance(prior, str)}
        worded = _worded(models, {"language_model": language_model, "api_key": api_key, "device": device})
        named = [model if answerer is None else answerer[0] for model, answerer in worded.items()]
        names = tuple(text if isinstance(prior, str) else PurePath(text).stem for text, prior in given.items())
        with TemporaryDirectory() as forgotten:
            run_grid(
                [load(dataset, data_root, split) for dataset in datasets],
                grid(named, chosen, names, ks or (None,), retrievals, wordings, knowledge, views or (None,), spoken),
                output,
                priors=weights,
                cache=cache or Path(forgotten),
                device=device,
                force=force,
                command=command_line(),
                tell=say,
                worded=dict(filter(None, worded.values())),
                seed=seed,
                progress=not is_quiet(),
                embeddings=embeddings,
            )
        say(f"Written: {output}")
        if plots is not None:
            _draw(output, plots, svg)


def _worded(models: tuple[str, ...], given: dict[str, Any]) -> dict[str, tuple[str, Answerer] | None]:
    """For each model None, or the name that results have for a model that answers in words, and this model.

    The name of a served one is that at the endpoint: an address may hold a password.
    """
    from zsderm.asking import Sampling
    from zsderm.asking.classes import is_generative
    from zsderm.cli.ask import language_model_of

    found: dict[str, tuple[str, Answerer] | None] = dict.fromkeys(models)
    for model in filter(is_generative, models):
        answerer = language_model_of(model, {**given, "timeout": 120.0, "workers": 4, "batch_size": 8}, Sampling())
        found[model] = (f"openai:{answerer.name}" if model.startswith("openai:") else model, answerer)
    return found


def _show_cards(datasets: tuple[str, ...]) -> None:
    from zsderm.benchmarks.datasets import card
    from zsderm.benchmarks.datasets import cards as known

    click.echo("\n\n".join(card(name).to_text() for name in datasets or known()))


def _make_tables(folder: Path, pages: tuple[Path, ...], output: Path | None, plots: Path | None, svg: bool) -> None:
    from zsderm.benchmarks.tables import fill_page, own_tables, printed
    from zsderm.cli.command_line import command_line

    if not folder.is_dir():
        raise InputError(
            f"expected a folder of results, but there is no {folder}; zsderm benchmark --output writes one"
        )
    for page in pages:
        say(f"{page}: {'written' if fill_page(page, folder) else 'unchanged'}")
    if output is not None:
        for name, table in own_tables(folder).items():
            for path in table.write(output / name, command_line()):
                say(f"Written: {path}")
    if not pages and output is None:
        click.echo(printed(folder))
    if plots is not None:
        _draw(folder, plots, svg)


def _draw(folder: Path, plots: Path, svg: bool) -> None:
    from zsderm.benchmarks.figures import draw_all
    from zsderm.benchmarks.results import read_results

    say(f"Drawn: {len(draw_all(read_results(folder), plots, svg))} figures in {plots}")
