"""The options that several commands share, each of them once, and the classifier that the options of one ask for."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource
from platformdirs import user_cache_path

from zsderm.cli.embedded_images import or_embeddings
from zsderm.cli.help import CLASSES, IMAGES, OUTPUT, RARE, SPEED, option
from zsderm.cli.image_sources import images_option
from zsderm.cli.parameters import ClassList, ClassPrior, Gamma, Views
from zsderm.cli.supervised import supervised_classifier_of
from zsderm.cli.talk import say, timed
from zsderm.config import (
    DEFAULT_KNOWLEDGE,
    DEFAULT_MODEL,
    DEFAULT_PRIOR,
    METHODS,
    NAMES,
    RETRIEVALS,
    USUAL_SMOOTHING,
    Settings,
)

if TYPE_CHECKING:
    from zsderm import ZeroShotClassifier
    from zsderm.encoders import Encoder
    from zsderm.supervised import SupervisedClassifier

Command = TypeVar("Command", bound=Callable[..., object])

# What a fitted classifier brings with it, so that it cannot be said again.
FIXED = (
    "classes",
    "knowledge",
    "method",
    "prior",
    "retrieval",
    "names",
    "templates",
    "k",
    "name_weight",
    "centre",
    "views",
)

SUPERVISED = "supervised:"  # the prefix of zsderm.encoders.base, which takes torch to import
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

follow_links_option = option(
    "--follow-links",
    is_flag=True,
    heading=IMAGES,
    help="Go into linked folders as well; each folder is gone through once.",
)
image_column_option = option(
    "--image-column",
    heading=IMAGES,
    help="The column of the table that names the images.  [default: image, filename or another usual name]",
)
image_column_or_order_option = option(
    "--image-column",
    heading=IMAGES,
    help="The column of the table that names the images; none: its rows are in the order of the images.  "
    "[default: image, filename or another usual name]",
)
classes_option = option(
    "--classes",
    "-c",
    type=ClassList(),
    heading=CLASSES,
    help='The classes: a file with one class per line, or "a, b, c".',
)
model_option = option(
    "--model",
    "-m",
    default=DEFAULT_MODEL,
    show_default=True,
    heading=CLASSES,
    help="The encoder of images and texts. See: zsderm models list.",
)
knowledge_option = option(
    "--knowledge",
    default=DEFAULT_KNOWLEDGE,
    show_default=True,
    heading=CLASSES,
    help="A knowledge base: its name, or its folder.",
)
strict_option = option("--strict", is_flag=True, heading=OUTPUT, help="End with exit code 3 if any image failed.")
json_option = option(
    "--json", "as_json", is_flag=True, heading=OUTPUT, help="Print the figures as JSON, not as a table."
)
views_option = option(
    "--views",
    type=Views(),
    heading=SPEED,
    help="Average so many views of each image (mirrored, turned). It takes so many times as long.  "
    "[default: as the encoder's card says]",
)
device_option = option(
    "--device", heading=SPEED, help="Where the encoder runs: cpu, cuda or mps.  [default: the fastest there is]"
)
batch_option = option(
    "--batch-size",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    heading=SPEED,
    help="How many images are encoded at once.",
)
cache_dir_option = option(
    "--cache-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ZSDERM_CACHE",
    default=lambda: user_cache_path("zsderm"),
    show_default="the user's cache folder",
    heading=SPEED,
    help="The folder that keeps image features between runs.",
)


def data_root_option(*, exists: bool = True) -> Callable[[Command], Command]:
    """The folder of data sets; where ``exists`` is false, the command itself says what is missing."""
    return option(
        "--data-root",
        type=click.Path(exists=exists, file_okay=False, path_type=Path),
        envvar="ZSDERM_DATA",
        show_envvar=True,
        heading=IMAGES,
        help="The folder of data sets; tables and images are looked for in it.",
    )


def group_by_option(table: str, heading: str) -> Callable[[Command], Command]:
    """What photographs of one lesion or patient have in common; ``table`` is the option whose column is meant."""
    return option(
        "--group-by",
        metavar="COLUMN",
        heading=heading,
        help=f"One answer per lesion or patient as well: a column of {table}, or folder: the folder of the image.",
    )


def cache_options(command: Command) -> Command:
    """Add --cache-dir and --no-cache; the command gets ``cache``, the folder or None."""

    @wraps(command)
    def wrapped(*arguments: Any, cache_dir: Path, no_cache: bool, **options: Any) -> object:
        return command(*arguments, cache=None if no_cache else cache_dir, **options)

    no_cache = option("--no-cache", is_flag=True, heading=SPEED, help="Neither read nor keep image features.")
    return cast("Command", cache_dir_option(no_cache(wrapped)))


def all_of(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order of the help."""
    return lambda command: reduce(lambda wrapped, added: added(wrapped), reversed(options), command)


classifier_options = all_of(
    or_embeddings(images_option),
    follow_links_option,
    classes_option,
    option(
        "--model",
        "-m",
        default=DEFAULT_MODEL,
        show_default=True,
        heading=CLASSES,
        help="The encoder of images and texts (see: zsderm models list), or supervised:FOLDER for what zsderm pretrain "
        "supervised has trained, which answers the classes of its training.",
    ),
    option(
        "--knowledge",
        default=DEFAULT_KNOWLEDGE,
        show_default=True,
        heading=CLASSES,
        help="A knowledge base: its name, or its folder; none: names alone.",
    ),
    option(
        "--method",
        default=Settings.method,
        show_default=True,
        type=click.Choice(METHODS),
        heading=CLASSES,
        help="How classes are told apart; kpl also learns from all images together.",
    ),
    option(
        "--prior",
        default=DEFAULT_PRIOR,
        show_default=True,
        type=ClassPrior(),
        heading=CLASSES,
        help="How common the classes are; auto: found from the images where that is safe; home: "
        "instead, each class is corrected by its scores on training photographs.",
    ),
    option(
        "--fitted",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        heading=CLASSES,
        help="A classifier saved by zsderm classify --fit. It sets the classes and the settings.",
    ),
    option(
        "--retrieval",
        default=Settings.retrieval,
        show_default=True,
        type=click.Choice(RETRIEVALS),
        heading=RARE,
        help="Choose descriptions for all images together (batch), or for each image.",
    ),
    option(
        "--names",
        default=Settings.names,
        show_default=True,
        type=click.Choice(NAMES),
        heading=RARE,
        help="Read each class under all names that the base has for it, its own, or the typed one.",
    ),
    option(
        "--templates",
        type=FILE,
        heading=RARE,
        help="A file of sentences with {name}, one a line, in which class names are read.  [default: the bundled ones]",
    ),
    option("--k", type=click.IntRange(min=1), heading=RARE, help="How many descriptions are kept per class."),
    option(
        "--name-weight",
        type=click.FloatRange(0, 1),
        heading=RARE,
        help="The weight of the class name beside its descriptions.",
    ),
    option("--centre", is_flag=True, heading=RARE, help="Subtract the mean image feature first."),
    option(
        "--smooth",
        type=Gamma(),
        is_flag=False,
        flag_value=USUAL_SMOOTHING,
        default=Settings.smooth,
        metavar="[GAMMA]",
        heading=RARE,
        help="Draw each answer towards those of the most similar photographs of the folder; without a number "
        f"{USUAL_SMOOTHING}.  [default: not]",
    ),
    views_option,
    device_option,
    batch_option,
    cache_options,
)


def classifier_of(context: click.Context, options: dict[str, Any]) -> ZeroShotClassifier | SupervisedClassifier:
    """The classifier that the options of `classifier_options` ask for; which classes its encoder never saw is said.

    Args:
        context: of the command; it knows what was said and what is a default.
        options: their values.

    Raises:
        UsageError: neither classes nor a fitted classifier, or a setting that the fitted classifier brings itself, or
            that means nothing to a supervised one.
    """
    if options["model"].startswith(SUPERVISED):
        return supervised_classifier_of(context, options)
    classifier = _built(context, options)
    if note := classifier.shown_note:
        say(f"Note: {note}")
        if (said := context.find_root().obj) is not None:
            said.add(note)
    return classifier


def _built(context: click.Context, options: dict[str, Any]) -> ZeroShotClassifier:
    knowledge = None if options["knowledge"] == "none" else options["knowledge"]
    given = {name for name in options if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    cache = options["cache"]
    modality = options.get("modality", Settings.modality)
    if options["fitted"] is not None:
        if said := [f"--{name.replace('_', '-')}" for name in FIXED if name in given]:
            raise click.UsageError(f"{said[0]} cannot be given with --fitted: a fitted classifier brings its own.")
        model = options["model"] if "model" in given else None
        how = {"device": options["device"], "cache": cache, "modality": modality if "modality" in given else None}
        how["smooth"] = options["smooth"]
        return timed(
            f"Loading the fitted classifier {options['fitted']}",
            lambda: _classifier().load(options["fitted"], model, **how),
        )
    if options["classes"] is None:
        raise click.UsageError("Missing option '--classes' (or '--fitted').")
    settings = {name: options[name] for name in (*FIXED[2:], "device", "batch_size", "smooth")}
    return timed(
        f"Loading {options['model']}",
        lambda: _classifier().from_pretrained(
            options["model"],
            classes=options["classes"],
            knowledge=knowledge,
            cache=cache,
            modality=modality,
            **settings,
        ),
    )


def read_texts(classifier: ZeroShotClassifier | SupervisedClassifier) -> None:
    """Embed what is known of the classes, which `ZeroShotClassifier.predict` needs, while a spinner turns."""
    if isinstance(classifier, _classifier()):  # a supervised one reads no texts
        timed("Reading what is known of the classes", lambda: classifier.texts)


def loaded_encoder(model: str, device: str | None) -> Encoder:
    """An encoder by name, while a spinner turns."""

    def load() -> Encoder:
        import zsderm

        return zsderm.load_encoder(model, device)

    return timed(f"Loading {model}", load)


def _classifier() -> type[ZeroShotClassifier]:
    from zsderm import ZeroShotClassifier  # takes torch, so it belongs to what takes time

    return ZeroShotClassifier
