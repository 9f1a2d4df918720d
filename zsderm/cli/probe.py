"""``zsderm probe``: a linear probe on the features of an encoder, in the results of the benchmark."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from zsderm.cli.help import CLASSES, IMAGES, OUTPUT, Command, option
from zsderm.cli.options import batch_option, cache_options, data_root_option, device_option
from zsderm.cli.parameters import ResultFolder
from zsderm.cli.stored_images import embeddings_option, refuse_several_encoders
from zsderm.cli.talk import is_quiet, say
from zsderm.config import DEFAULT_MODEL

_ALL = "all"
_FEATURES = ("tokens", "embedding")


class _Shots(click.ParamType):
    """The number of training images of each class: a number, or "all"."""

    name = "integer|all"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number or "all", or a usage error."""
        text = str(value).strip()
        if text == _ALL:
            return text
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            self.fail(f"expected a whole number from 1, or all, but got {text!r}.", param, ctx)
        return int(text)


@click.command(cls=Command)
@option(
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    heading=IMAGES,
    help="A data set: a name or a table with a column split, as for zsderm benchmark. May be repeated.",
)
@data_root_option(exists=False)
@option(
    "--split",
    heading=IMAGES,
    help="The part of the table that the probe is tested on.  [default: the test part that the card of the data set "
    "names, else dev]",
)
@option(
    "--train-split",
    heading=IMAGES,
    help="The part of the table that the probe learns from.  [default: the training part that the card of the data set "
    "names, else train]",
)
@option(
    "--train",
    metavar="TABLE|FOLDER",
    heading=IMAGES,
    help="Another table, or a folder with one sub-folder for each class, to learn from; only with a single --dataset.",
)
@option(
    "--model",
    "-m",
    "models",
    multiple=True,
    default=[DEFAULT_MODEL],
    show_default=True,
    heading=CLASSES,
    help="The encoder of images. May be repeated. See: zsderm models list.",
)
@embeddings_option(CLASSES)
@option(
    "--features",
    multiple=True,
    default=[_FEATURES[0]],
    show_default=True,
    type=click.Choice(_FEATURES),
    heading=CLASSES,
    help="tokens: the mean of the image tokens of the vision tower, as in the published protocol; embedding: the "
    "embedding that is compared with texts. May be repeated.",
)
@option(
    "--k",
    "shots",
    multiple=True,
    default=[_ALL],
    show_default=True,
    type=_Shots(),
    heading=CLASSES,
    help="How many images of each class the probe learns from; all: every training image. May be repeated.",
)
@option(
    "--repeats",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    heading=CLASSES,
    help="How many times k images of each class are drawn. The figures are means over the draws, with their standard "
    "deviation.",
)
@option(
    "--output",
    "-o",
    required=True,
    type=ResultFolder(new=False),
    heading=OUTPUT,
    help="The folder for the results; it may be a result folder of zsderm benchmark. Finished probes are not repeated.",
)
@option("--force", is_flag=True, heading=OUTPUT, help="Repeat finished runs.")
@device_option
@batch_option
@cache_options
def probe(
    *,
    datasets: tuple[str, ...],
    data_root: Path | None,
    split: str | None,
    train_split: str | None,
    train: str | None,
    models: tuple[str, ...],
    embeddings: Path | str | None,
    features: tuple[str, ...],
    shots: tuple[int | str, ...],
    repeats: int,
    output: Path,
    force: bool,
    device: str | None,
    batch_size: int,
    cache: Path | None,
) -> None:
    """Measure a linear probe: a logistic regression on the features of a frozen encoder.

    The regression learns from one part of a data set and is measured on another. Its penalty is chosen by
    cross-validation, as in the protocol of MM-Skin (arXiv 2505.06152). The results have the same form as those of
    zsderm benchmark, so one folder can hold both, and the tables show them side by side.

    \b
    zsderm probe --dataset pad --dataset ham10000 --data-root DATA --output results
    zsderm probe --dataset pad --data-root DATA --k 1 --k 4 --k 16 --k all --output results
    zsderm probe --dataset test.csv --train train.csv --features embedding --output results
    zsderm benchmark --tables results
    """
    if train and len(datasets) > 1:
        raise click.UsageError(
            "--train can be used with a single --dataset only; run the command once for each data set."
        )
    refuse_several_encoders(embeddings, models)
    if embeddings is not None and set(features) != {"embedding"}:
        raise click.UsageError("--embeddings hold no image tokens; write --features embedding with them.")
    from zsderm.benchmarks.parts import load_parts
    from zsderm.benchmarks.probe import probe_grid, run_probes
    from zsderm.cli.command_line import command_line

    asked = [None if k == _ALL else int(k) for k in shots]
    with TemporaryDirectory() as forgotten:
        run_probes(
            [load_parts(dataset, data_root, split, train_split, train) for dataset in datasets],
            probe_grid(models, features, asked, repeats),
            output,
            cache=cache or Path(forgotten),
            batch_size=batch_size,
            device=device,
            force=force,
            command=command_line(),
            progress=not is_quiet(),
            tell=say,
            embeddings=embeddings,
        )
    say(f"Written: {output}")
