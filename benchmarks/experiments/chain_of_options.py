"""What lists of options add to a model of stories: four ways to train, on the written stories of 26 diseases.

    python -m zsderm.benchmarks.experiments.chain_of_options --runs RUNS --output docs/chain_of_options.json \\
        --document docs/chain_of_options.md

trains pretrain/configs/narratives.yaml once a way and seed, and asks each model for the test stories. All ways see each
story equally often. There are three questions: by words alone, all diseases being options; with three options, which
hold the right one for 80 of 100 stories; and together with an image model whose first answer is right for 80 of 100.

No photograph belongs to these stories, so the image model is simulated: how often it is right is drawn, and its wrong
answers are the diseases that the knowledge base holds for most alike, with some chance. Its probabilities are those by
which its answers are drawn (SHARES), so it is as sure as it is right. All ways are asked with the same draws.

Runs that are finished are not made again and one that was stopped goes on. Prints Markdown; --document puts it between
the lines <!-- chain of options --> and <!-- end of chain of options --> of a page. Intervals are 95 % bootstrap
intervals over stories, of the mean over seeds and draws; differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from zsderm import KnowledgeBase
from zsderm.benchmarks.options import document_option, output_option, overrides_option, runs_option
from zsderm.benchmarks.pages import publish
from zsderm.benchmarks.table import Points
from zsderm.errors import SettingsError
from zsderm.narratives.look_alikes import likeness
from zsderm.narratives.masking import without_names
from zsderm.narratives.words_model import WordsModel
from zsderm.narratives.written import STORIES, WrittenStory, written_stories
from zsderm.pretrain import run_narratives

CONFIG = Path(__file__).parents[2] / "pretrain" / "configs" / "narratives.yaml"
WAYS = {
    "none": "no options",
    "full": "options, no chain: always all 26",
    "chain": "chain: 26, 10, 5, 3, 2",
    "chapters": "chain, chapters first",
}
QUESTIONS = {
    "words": "words alone",
    "three": "three options, 80 % hold the answer",
    "both": "with an image model right for 80 %",
}
OPTIONS, HITS = 3, 0.8  # of the second question
SHARES = (0.80, 0.08, 0.04)  # of the first three answers of the image model; what is left, equally of all others
RESAMPLES = 2000


@click.command(help=__doc__)
@runs_option
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), default=CONFIG, help="The recipe.")
@click.option("--seed", "seeds", type=int, multiple=True, default=(0, 1, 2), show_default=True, help="May repeat.")
@click.option("--draws", default=5, show_default=True, type=click.IntRange(1), help="Of the simulated image model.")
@overrides_option
@output_option
@document_option
def main(
    runs: Path,
    config: Path,
    seeds: tuple[int, ...],
    draws: int,
    overrides: dict[str, Any],
    output: Path | None,
    document: Path | None,
) -> None:
    """Train what is not trained, ask every model, and print the table."""
    right: dict[str, dict[str, list[list[float]]]] = {way: {} for way in WAYS}
    image: list[list[float]] = []
    stories = asked_stories()
    learned: dict[str, str] = {}  # checksum of the stories of a run -> one of the runs
    for seed in seeds:  # one after the other, so that a stopped experiment has whole seeds
        for way in WAYS:
            folder = runs / f"{way}-{seed}"
            if not (folder / "words_model").is_dir():
                run_narratives(config, folder, None, {**overrides, "options": way, "seed": seed})
            words = WordsModel.load(folder / "words_model")
            learned.setdefault(words.card.training["data"], folder.name)
            if len(learned) > 1:
                one, other = learned.values()
                raise SettingsError(f"Expected runs of the same stories in {runs}, but {one} and {other} have others.")
            found, image = asked(words, stories, draws)
            for question, rows in found.items():
                right[way].setdefault(question, []).append(rows)
    content = {
        "stories": len(image[0]),
        "seeds": list(seeds),
        "draws": draws,
        "image": figure(image),
        "ways": {way: {question: figure(rows) for question, rows in found.items()} for way, found in right.items()},
        "against no options": {
            way: {question: difference(right["none"][question], rows) for question, rows in found.items()}
            for way, found in right.items()
            if way != "none"
        },
    }
    publish({"chain of options": markdown(content)}, content, output, document)


def asked(
    words: WordsModel, stories: Sequence[WrittenStory], draws: int
) -> tuple[dict[str, list[float]], list[list[float]]]:
    """By question, how often each story was answered right, from 0 to 1; and the image model, a row a draw."""
    narratives = [story.narrative for story in stories]
    true = np.array([words.classes.index(story.label) for story in stories])
    alike = likeness(words.classes, KnowledgeBase.load("dermatology"))
    alone = words.log_probabilities(narratives).numpy().argmax(axis=1)
    right: dict[str, list[NDArray[np.bool_]]] = {"words": [alone == true], "three": [], "both": []}
    image = []
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        shares = (HITS / OPTIONS,) * OPTIONS
        lists, _ = simulated(true, alike, shares, rng)
        right["three"].append(_restricted(words, narratives, lists).argmax(axis=1) == true)
        lists, seen = simulated(true, alike, SHARES, rng)
        image.append((seen.argmax(axis=1) == true).astype(float).tolist())
        right["both"].append((_restricted(words, narratives, lists) + np.log(seen)).argmax(axis=1) == true)
    return {name: np.mean(rows, axis=0).tolist() for name, rows in right.items()}, image


def _restricted(words: WordsModel, narratives: Sequence[str], lists: NDArray[np.int_]) -> NDArray[np.float64]:
    names = [[words.classes[place] for place in places] for places in lists]
    return words.log_probabilities(narratives, names).numpy()


def simulated(
    true: NDArray[np.int_], alike: NDArray[np.float64], shares: Sequence[float], rng: np.random.Generator
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Answers of an image model whose first, second, ... answer is right as often as `shares` says.

    Args:
        true: (N,) int, the right classes.
        alike: (C, C) how alike classes are; the wrong answers that come first are the most alike, give or take a third
            of the range.
        shares: k numbers above 0, less than 1 in all.
        rng: source of randomness.

    Returns:
        (N, k) int, the first k answers in random order, and (N, C) probabilities: the shares, and the rest equally.
    """
    count, classes = len(shares), len(alike)
    rest = (1 - sum(shares)) / (classes - count)
    lists, table = np.zeros((len(true), count), int), np.full((len(true), classes), rest)
    for row, answer in enumerate(true):
        near = alike[answer] + rng.uniform(0, 2 / 3, classes)
        order = [place for place in np.argsort(-near) if place != answer]
        rank = rng.choice(count + 1, p=[*shares, 1 - sum(shares)])
        first = [*order[:rank], answer, *order[rank:]][:count] if rank < count else order[:count]
        table[row, first] = shares
        lists[row] = rng.permutation(first)
    return lists, table


def asked_stories(file: Path = STORIES) -> list[WrittenStory]:
    """The test split of the written stories, names of diseases masked in them as wherever a story is read."""
    labels = sorted({story.label for story in written_stories(file=file)})
    asked = written_stories("test", file)
    read = without_names([story.narrative for story in asked], KnowledgeBase.load("dermatology"), labels)
    return [replace(story, narrative=text) for story, text in zip(asked, read, strict=True)]


def figure(rows: list[list[float]]) -> dict[str, Any]:
    """The mean of (S, N) shares of right answers with its interval over stories, and that of each of the S."""
    table = np.array(rows)
    low, high = _interval(table.mean(axis=0))
    return {"accuracy": float(table.mean()), "low": low, "high": high, "each": table.mean(axis=1).tolist()}


def difference(before: list[list[float]], after: list[list[float]]) -> dict[str, float]:
    """The second mean minus the first, with the paired interval over stories."""
    gains = np.mean(after, axis=0) - np.mean(before, axis=0)
    low, high = _interval(gains)
    return {"value": float(gains.mean()), "low": low, "high": high}


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def markdown(content: dict[str, Any]) -> str:
    """One line for each way to train; percent."""
    seeds, image = len(content["seeds"]), content["image"]
    lines = [
        "Written by `python -m zsderm.benchmarks.experiments.chain_of_options`: accuracy in percent on "
        f"{content['stories']} written test stories of 26 diseases, mean of {seeds} seeds (the lowest and the highest) "
        f"and its 95 % interval over stories. The image model is simulated, {content['draws']} draws.\n",
        "| trained with | " + " | ".join(QUESTIONS.values()) + " |",
        "|---" + "|---" * len(QUESTIONS) + "|",
        f"| (image alone) | | | {_shown(image, spread=False)} |",
    ]
    for way, found in content["ways"].items():
        lines.append(f"| {WAYS[way]} | " + " | ".join(_shown(found[question]) for question in QUESTIONS) + " |")
    lines += ["\n| minus no options | " + " | ".join(QUESTIONS.values()) + " |", "|---" + "|---" * len(QUESTIONS) + "|"]
    for way, found in content["against no options"].items():
        cells = [str(Points.of(found[question])) for question in QUESTIONS]
        lines.append(f"| {WAYS[way]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(found: dict[str, Any], *, spread: bool = True) -> str:
    each = [100 * value for value in found["each"]]
    between = f" ({min(each):.1f} to {max(each):.1f})" if spread else ""
    return f"{100 * found['accuracy']:.1f}{between}; {100 * found['low']:.1f} to {100 * found['high']:.1f}"


if __name__ == "__main__":
    main()
