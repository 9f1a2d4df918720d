"""What patients tell beside the photographs of ``zsderm classify``: the options, and the answers with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zsderm.cli.help import IMAGES, option
from zsderm.cli.options import FILE

if TYPE_CHECKING:
    from zsderm import Predictions, ZeroShotClassifier
    from zsderm.groups import GroupPredictions

Called = TypeVar("Called", bound=Callable[..., object])
WEIGHT, HEAVIEST = 1.5, 10.0  # those of zsderm.narratives.given

_OPTIONS = [
    option(
        "--narratives",
        type=FILE,
        heading=IMAGES,
        help="A table of what patients tell, in English: an image column (or with --group-by a column of cases) and a "
        "column narrative. Answers are then by image and words.",
    ),
    option(
        "--narrative",
        metavar="TEXT",
        heading=IMAGES,
        help="What the one patient tells whom all images show, instead of a table.",
    ),
    option(
        "--words-weight",
        default=WEIGHT,
        show_default=True,
        type=click.FloatRange(0, HEAVIEST),
        heading=IMAGES,
        help="How much words count beside the photograph; 0: not at all.",
    ),
]


def narrative_options(command: Called) -> Called:
    """The options of what patients tell."""
    return reduce(lambda made, add: add(made), reversed(_OPTIONS), command)


def check_narrative_options(given: Mapping[str, Any], knowledge: str | None) -> None:
    """Refuse options on narratives that do not go together."""
    told = [f"--{name}" for name in ("narratives", "narrative") if given[name] is not None]
    if len(told) == 2:
        raise click.UsageError("--narratives and --narrative exclude each other: a table, or the words of one patient.")
    if not told and given["words_weight"] != WEIGHT:
        raise click.UsageError("--words-weight needs --narratives or --narrative: the words that it weighs.")
    if told and knowledge == "none":
        raise click.UsageError(
            f"{told[0]} needs a knowledge base, which says what patients report: not --knowledge none."
        )


def narratives_of(
    images: Sequence[str], table: Path | None, one: str | None, image_column: str | None, cases: Sequence[str] | None
) -> list[str] | None:
    """The story of each image, empty where the table has none; None without stories.

    Raises:
        InputError: the table does not fit; see `zsderm.narratives.table`.
    """
    if one is not None:
        return [one] * len(images)
    if table is None:
        return None
    from zsderm.narratives.table import read_narratives

    return read_narratives(table, image_column).of_images(images, cases)


def answers_with_words(
    classifier: ZeroShotClassifier,
    predictions: Predictions,
    grouped: GroupPredictions | None,
    narratives: Sequence[str] | None,
    weight: float,
) -> tuple[Predictions, GroupPredictions | None]:
    """Both answers with what patients tell, after the calibration, which is of photographs."""
    if narratives is None:
        return predictions, grouped
    from zsderm.narratives.answers import groups_with_words, with_words

    if grouped is None:
        return with_words(predictions, narratives, classifier.knowledge, weight, cache=classifier.cache), None
    found = groups_with_words(grouped, narratives, classifier.knowledge, weight, cache=classifier.cache)
    return found.photographs, found
