"""The options that make a classifier, shared by the commands that need one, and the classifier they make."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from zsderm.cli.parameters import ClassList, ClassPrior, cache_option
from zsderm.config import METHODS, RETRIEVALS

if TYPE_CHECKING:
    from zsderm import ZeroShotClassifier

Command = TypeVar("Command", bound=Callable[..., object])

# What a fitted classifier brings with it, so that it cannot be said again.
FIXED = ("classes", "knowledge", "method", "prior", "retrieval", "k", "name_weight", "centre")

_OPTIONS = (
    click.option(
        "--images", required=True, multiple=True, help="A folder, searched in depth, or an image; may repeat."
    ),
    click.option("--classes", type=ClassList(), help='A file, one class per line, or "a, b, c".'),
    click.option("--model", default="zsderm-mini", show_default=True, help="An encoder; see: zsderm models list."),
    click.option(
        "--knowledge", default="dermatology", show_default=True, help="A knowledge base, its folder, or none."
    ),
    click.option(
        "--method", default="kpl", show_default=True, type=click.Choice(METHODS), help="How to tell classes apart."
    ),
    click.option("--prior", default="auto", show_default=True, type=ClassPrior(), help="How common the classes are."),
    click.option(
        "--retrieval",
        default="batch",
        show_default=True,
        type=click.Choice(RETRIEVALS),
        help="Choose descriptions for all images together, or for each one.",
    ),
    click.option("--k", type=click.IntRange(min=1), help="Descriptions kept per class."),
    click.option("--name-weight", type=click.FloatRange(0, 1), help="Share of the class name beside descriptions."),
    click.option("--centre", is_flag=True, help="Take the mean image off before proxies are learned."),
    click.option(
        "--fitted",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A classifier that --fit has saved; it brings its classes and settings.",
    ),
    click.option("--device", help="cpu, cuda or mps.  [default: the fastest there is]"),
    click.option("--batch-size", type=click.IntRange(min=1), help="Images encoded at once."),
    cache_option,
    click.option("--no-cache", is_flag=True, help="Keep no image features."),
)


def classifier_options(command: Command) -> Command:
    """Add the options that say which images, which classes, and how to tell them apart."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


def classifier_of(context: click.Context, options: dict[str, Any]) -> ZeroShotClassifier:
    """The classifier that the options of `classifier_options` ask for.

    Args:
        context: of the command; it knows what was said and what is a default.
        options: their values.

    Raises:
        UsageError: neither classes nor a fitted classifier, or a setting that the fitted classifier brings itself.
    """
    from zsderm import ZeroShotClassifier

    given = {name for name in options if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    cache = None if options["no_cache"] else options["cache_dir"]
    if options["fitted"] is not None:
        if said := [f"--{name.replace('_', '-')}" for name in FIXED if name in given]:
            raise click.UsageError(f"{said[0]} cannot be given with --fitted: a fitted classifier brings its own.")
        model = options["model"] if "model" in given else None
        return ZeroShotClassifier.load(options["fitted"], model, device=options["device"], cache=cache)
    if options["classes"] is None:
        raise click.UsageError("Missing option '--classes' (or '--fitted').")
    return ZeroShotClassifier.from_pretrained(
        options["model"],
        classes=options["classes"],
        knowledge=None if options["knowledge"] == "none" else options["knowledge"],
        cache=cache,
        **{name: options[name] for name in (*FIXED[2:], "device", "batch_size")},
    )
