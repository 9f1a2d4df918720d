"""What a small folder gains from a fit on a larger one of the same kind, beside what it can do alone.

    python -m zsderm.benchmarks.experiments.fitted_folders --data-root DATA \\
        --subject zsderm-mini ham10000 dev 1000 20 --output docs/small_folders.json --document docs/small_folders.md

Prints Markdown, an overview and all tables; --document puts them between "<!-- fitted folders -->" and "<!-- end of
fitted folders -->" of a page, and between marks of "fitted folders in full".

Each draw takes two small folders from a data set: one whose classes are as common as in the data set, and one that is
filled evenly. A large folder is drawn from the other images, without those of the same patient or lesion where the
table names one. The small folders are answered alone, and by classifiers that were fitted on the large one, each with
three priors: auto, uniform, and the class mix of the large folder as its labels have it, which stands for what users
know of their own clinic. "Own mix" is the mix of the small folder itself, which nobody knows who has no labels. "Home"
learns nothing from a folder; it is left out where the encoder cannot do it. All changes are against auto alone, which
never refines fewer than 100 photographs.

Draws share images, so the folders are no independent samples, and an interval from them would be too narrow: none is
given.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from zsderm import ZeroShotClassifier, load_encoder
from zsderm.benchmarks.class_mixes import Rows, rows_of_classes
from zsderm.benchmarks.datasets import cards, load
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.benchmarks.options import cache_dir_option, data_root_option, document_option, output_option
from zsderm.benchmarks.pages import publish
from zsderm.encoders import Encoder
from zsderm.errors import InputError, SettingsError

MIXES = ("as in the data set", "filled evenly")
PRIORS = ("auto", "uniform", "stated mix")
HOME, OWN = "alone, home", "alone, own mix"
WAYS = (*(f"alone, {prior}" for prior in PRIORS), OWN, HOME, *(f"fitted, {prior}" for prior in PRIORS))
BASE = WAYS[0]  # what users have today: the text proxies
PART = "fitted folders"


@dataclass(frozen=True, eq=False)
class Draw:
    """A large folder and two small ones, as rows of a data set; no lesion or patient is in both kinds."""

    large: Rows
    small: Mapping[str, Rows]  # by mix


@dataclass(frozen=True)
class Line:
    """What one way of answering did to all small folders of one mix; accuracies in percent, changes in points."""

    data: str
    encoder: str
    fitted_on: int  # images of a large folder
    small: int  # images of a small one
    mix: str
    way: str
    answers: int
    accuracy: float
    balanced: float
    change: float
    balanced_change: float
    folders: int
    gain: int  # small folders that gain more than one image
    lose: int  # small folders that lose more than one image
    worst: int  # images that the worst of them loses
    refined: int  # how often something was learned, or taken off


def _images(name: str, data_root: Path, split: str) -> LabelledImages:
    """A data set by the name of its card or of its folder below the data root, or by its table."""
    table = data_root / name / "index.csv"
    if name.lower() in cards() or not table.is_file():
        return load(name, data_root, split)
    return replace(load(str(table), None, split), name=name)


def draws(data: LabelledImages, large: int, small: int, count: int, seed: int) -> Iterator[Draw]:
    """Some draws of folders; the same seed gives the same ones.

    Args:
        data: N images with their labels.
        large: how many images the large folder has.
        small: how many each of the small ones has.
        count: of draws.
        seed: of the first; each of the others has the next one.

    Raises:
        InputError: the data set is too small.
    """
    units = np.arange(len(data)).astype(object) if data.units is None else np.array(data.units, dtype=object)
    for number in range(seed, seed + count):
        rng = np.random.default_rng(number)
        natural = rng.permutation(len(data))[:small]
        even = _evenly(rows_of_classes(data.labels, rng), small)
        used = {units[row] for row in (*natural, *even) if units[row]}
        others = [row for row in rng.permutation(len(data)) if row not in {*natural, *even} and units[row] not in used]
        if len(others) < large:
            raise InputError(
                f"expected {large} images of {data.title} beside two folders of {small}, but {len(others)} are left; "
                "ask for a smaller large folder"
            )
        yield Draw(np.array(others[:large]), dict(zip(MIXES, (natural, even), strict=True)))


def _evenly(classes: list[Rows], count: int) -> Rows:
    """One row of each class after the other until there are so many; a class that is used up is passed over."""
    turns = [rows[turn] for turn in range(max(map(len, classes))) for rows in classes if turn < len(rows)]
    return np.array(turns[:count])


def measure(encoder: Encoder, data: LabelledImages, found: Iterator[Draw], cache: Path | str, large: int) -> list[Line]:
    """One line for each mix and way.

    Args:
        encoder: of the classifiers.
        data: N images with their labels.
        found: the draws.
        cache: folder that keeps embeddings.
        large: how many images a large folder has, for the table.
    """
    answered: dict[tuple[str, str], list[tuple[np.ndarray, Rows, bool]]] = {}

    def made(prior: str | list[float]) -> ZeroShotClassifier:
        how: dict[str, Any] = {"classes": data.classes, "prior": prior, "views": 1, "cache": cache}
        return ZeroShotClassifier.from_pretrained(encoder, **how)

    def answer(subject: ZeroShotClassifier, mix: str, rows: Rows, way: str) -> None:
        answers = subject.predict([data.images[row] for row in rows])
        named = answers.probabilities.numpy().argmax(axis=1)
        answered.setdefault((mix, way), []).append((named, rows, answers.prior != "none"))

    try:
        home = made("home")
    except SettingsError:  # the encoder has no home, or was shown too few of these classes
        home = None
    for draw in found:
        for prior in PRIORS:
            stated = prior if prior != "stated mix" else _mix(data, draw.large)
            alone, fitted = made(stated), made(stated)
            fitted.fit([data.images[row] for row in draw.large])
            for mix, rows in draw.small.items():
                answer(alone, mix, rows, f"alone, {prior}")
                answer(fitted, mix, rows, f"fitted, {prior}")
        for mix, rows in draw.small.items():
            answer(made(_mix(data, rows)), mix, rows, OWN)
            if home is not None:
                answer(home, mix, rows, HOME)
    facts = (data.title, encoder.fingerprint, large)
    return [_line(data, facts, mix, way, answered) for mix in MIXES for way in WAYS if (mix, way) in answered]


def _mix(data: LabelledImages, rows: Rows) -> list[float]:
    """How common each class is in a folder; a class that is not in it counts as half an image, not as impossible."""
    return np.maximum(np.bincount(data.labels[rows], minlength=len(data.classes)), 0.5).tolist()


def _line(
    data: LabelledImages,
    facts: tuple[str, str, int],
    mix: str,
    way: str,
    answered: Mapping[tuple[str, str], list[tuple[np.ndarray, Rows, bool]]],
) -> Line:
    folders, before = answered[mix, way], answered[mix, BASE]
    hits, base = (np.stack([data.labels[rows] == named for named, rows, _ in one]) for one in (folders, before))
    true = np.stack([data.labels[rows] for _, rows, _ in folders])
    moved = hits.sum(axis=1) - base.sum(axis=1)  # images, of each small folder
    return Line(
        *facts,
        small=true.shape[1],
        mix=mix,
        way=way,
        answers=hits.size,
        accuracy=100 * float(hits.mean()),
        balanced=_balanced(hits, true),
        change=100 * float(hits.mean() - base.mean()),
        balanced_change=_balanced(hits, true) - _balanced(base, true),
        folders=len(folders),
        gain=int((moved > 1).sum()),
        lose=int((moved < -1).sum()),
        worst=int(max(0, -moved.min())),
        refined=sum(refined for _, _, refined in folders),
    )


def _balanced(hits: np.ndarray, true: np.ndarray) -> float:
    """Balanced accuracy in percent of the answers for all folders together."""
    return 100 * float(np.mean([hits[true == index].mean() for index in np.unique(true)]))


def overview(lines: list[Line]) -> str:
    """One row for each data set, encoder, size and mix: what each way changes, and how many folders it harms."""
    rows = [
        "| photographs | fitted on | small folders | alone, auto |" + "".join(f" {way} |" for way in WAYS[1:]),
        "|---|--:|---|--:|" + "--:|" * len(WAYS[1:]),
    ]
    for own in _by_table(lines):
        first, found = own[0], {line.way: f"{line.change:+.1f} ({line.lose})" for line in own}
        cells = " | ".join(found.get(way, "not possible") for way in WAYS[1:])
        rows.append(
            f"| {first.data}, encoder {first.encoder[:4]} | {first.fitted_on} | {first.folders} of {first.small}, "
            f"{first.mix} | {first.accuracy:.1f} | {cells} |"
        )
    return "\n".join(rows)


def _by_table(lines: list[Line]) -> list[list[Line]]:
    """The lines of each data set, encoder, size and mix, the ways in their order."""
    keys = [(line.data, line.encoder, line.fitted_on, line.small, line.mix) for line in lines]
    return [[line for line, key in zip(lines, keys, strict=True) if key == one] for one in dict.fromkeys(keys)]


def markdown(lines: list[Line]) -> str:
    """One table for each data set, encoder, size and mix of the small folders."""
    parts = []
    for own in _by_table(lines):
        first = own[0]
        rows = [
            f"**{first.data}, small folders {first.mix}** ({first.folders} draws: {first.small} photographs, answered "
            f"by a fit on {first.fitted_on} others; encoder {first.encoder})\n",
            "| answered | refined | accuracy / balanced | change in points | folders that gain / lose over one image"
            " | worst, images |\n|---|--:|--:|--:|--:|--:|",
        ]
        rows += [
            f"| {line.way} | {line.refined} of {line.folders} | {line.accuracy:.1f} / {line.balanced:.1f} "
            f"| {line.change:+.1f} / {line.balanced_change:+.1f} | {line.gain} / {line.lose} | {-line.worst} |"
            for line in own
        ]
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


@click.command(help=__doc__)
@data_root_option
@click.option(
    "--subject",
    "subjects",
    type=(str, str, str, click.IntRange(min=1), click.IntRange(min=1)),
    multiple=True,
    default=[("zsderm-mini", "ham10000", "dev", 1000, 20)],
    show_default=True,
    help="Encoder, data set (or its folder, or table), split, images of a large folder, and of a small; may repeat.",
)
@click.option("--draws", "count", default=50, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True, help="Of the first draw.")
@output_option
@document_option
@cache_dir_option
def main(
    data_root: Path,
    subjects: tuple[tuple[str, str, str, int, int], ...],
    count: int,
    seed: int,
    output: Path | None,
    document: Path | None,
    cache_dir: Path | None,
) -> None:
    """Measure every subject and print the tables."""
    warnings.simplefilter("ignore")
    lines: list[Line] = []
    with TemporaryDirectory() as forgotten:
        for model, name, split, large, small in subjects:
            data = _images(name, data_root, split)
            found = draws(data, large, small, count, seed)
            lines += measure(load_encoder(model), data, found, cache_dir or forgotten, large)
    content = {"draws": count, "seed": seed, "figures": [asdict(line) for line in lines]}
    publish({PART: overview(lines), f"{PART} in full": markdown(lines)}, content, output, document)


if __name__ == "__main__":
    main()
