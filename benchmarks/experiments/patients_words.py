"""What patients' answers add to a photograph, by a trained model of stories, on PAD-UFES-20.

    python -m zsderm.benchmarks.experiments.patients_words --data-root DATA --runs RUNS \\
        --output docs/patients_words.json --document docs/chain_of_options.md

puts the answers of the patients into words (`zsderm.narratives.patient`; never what they do not know, because that
depends on the diagnosis), and trains pretrain/configs/narratives_pad.yaml once a seed for each of five parts of the
train patients, on the other four, and once on all of them for the dev patients. Each part is answered by the model that
has not seen its patients.

The image side of dev is zsderm-mini, zero-shot; no photograph of dev was trained with. It has seen those of train, so
there the image side is a logistic regression on its embeddings, fitted to other patients, and noise is added to the
embeddings until it is right as often as zsderm-mini is on dev; its temperature is set on the other four parts. The
rankings that the chain is trained with are made alike. So on train the image side is of the right strength and no real
model; on dev it is real, and patients are few.

The weight of the words, w in log p(image) + w log p(words), is set on the other four parts as well; on dev, on all of
train. Answers: image alone; words alone; both, all classes being options; both, the first three answers of the image
being the options; and both with the story of a patient with another diagnosis. All are taken as if each class were
equally frequent. Intervals are 95 % bootstrap intervals over patients, and differences are paired.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from zsderm import KnowledgeBase, ZeroShotClassifier, load_encoder
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.experiments.image_side import Rows, calibrated, weakened, weight_of
from zsderm.benchmarks.options import (
    cache_dir_option,
    data_root_option,
    document_option,
    model_option,
    output_option,
    overrides_option,
    runs_option,
)
from zsderm.benchmarks.pages import publish
from zsderm.benchmarks.table import Points
from zsderm.errors import SettingsError
from zsderm.image_table import ImageTable
from zsderm.metrics import compare, evaluate
from zsderm.narratives.masking import without_names
from zsderm.narratives.patient import CASE, COLUMNS, stories_of
from zsderm.narratives.words_model import WordsModel
from zsderm.pretrain import run_narratives
from zsderm.tasks.audit import ImageSet, audit
from zsderm.tasks.audit.cross_fitting import joined

CONFIG = Path(__file__).parents[2] / "pretrain" / "configs" / "narratives_pad.yaml"
FOLDS, FIRST, TELLINGS = 5, 3, 3  # parts of the patients; options of the chain; stories of one row to train with
WAYS = {
    "image": "image alone",
    "words": "words alone",
    "both": "both",
    "both, first three": "both, options from the image",
    "another story": "both, story of another diagnosis",
}


@click.command(help=__doc__)
@data_root_option
@model_option
@runs_option
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), default=CONFIG, help="The recipe.")
@click.option("--seed", "seeds", type=int, multiple=True, default=(0,), show_default=True, help="May repeat.")
@overrides_option
@cache_dir_option
@output_option
@document_option
def main(
    data_root: Path,
    model: str,
    runs: Path,
    config: Path,
    seeds: tuple[int, ...],
    overrides: dict[str, Any],
    cache_dir: Path | None,
    output: Path | None,
    document: Path | None,
) -> None:
    """Make the tables, train what is not trained, ask every model, and print the table."""
    encoder = load_encoder(model)
    whole = ImageTable.read(data_root / "pad" / "index.csv")
    train, dev = whole.where("split", "train"), whole.where("split", "dev")
    classes = sorted(set(train.column("label")))
    zero_shot = ZeroShotClassifier.from_pretrained(encoder, classes=classes, cache=cache_dir)
    seen = zero_shot.predict([str(file) for file in dev.files]).probabilities.numpy().astype(float)
    goal = float((seen.argmax(axis=1) == _true(dev, classes)).mean())
    features = np.asarray(audit(ImageSet("pad", tuple(train.files)), encoder=encoder, cache=cache_dir).features)
    image, noise = weakened(features, _true(train, classes), _patients(train), len(classes), goal)
    image = calibrated(image, _true(train, classes), list(parts(train)))
    content: dict[str, Any] = {"encoder": encoder.fingerprint, "noise": noise, "right on dev": goal, "seeds": {}}
    rows = list(table_rows(train, classes, image))
    for seed in seeds:
        learn = partial(trained, runs / f"seed-{seed}", rows, config, {**overrides, "seed": seed})
        content["seeds"][str(seed)] = measured((train, image), (dev, seen), classes, learn)
    publish({"patients words": markdown(content)}, content, output, document)


def measured(
    train: tuple[ImageTable, Rows],
    dev: tuple[ImageTable, Rows],
    classes: Sequence[str],
    learn: Callable[[str, NDArray[np.int64]], WordsModel],
) -> dict[str, Any]:
    """The weights of the words and the figures of one seed.

    Args:
        train: photographs, and what an image model says of them, (N, C).
        dev: likewise.
        classes: C names.
        learn: a model by the name of its run and the rows of train that it must not see.
    """
    table, image = train
    true, everyone, tested = _true(table, classes), np.arange(len(image)), list(parts(table))
    words = np.full_like(image, np.nan)
    listed, other = words.copy(), words.copy()
    for fold, part in enumerate(tested):
        found = _answers(learn(f"fold-{fold}", part), table, part, classes, image)
        for rows, answers in zip((words, listed, other), found, strict=True):
            rows[part] = answers
    used: list[tuple[float, float]] = []  # weights of all options, and of the first three, by part; then of dev
    for part in (*tested, everyone[:0]):
        rest = np.setdiff1d(everyone, part)
        used.append((weight_of(image[rest], words[rest], true[rest]), weight_of(image[rest], listed[rest], true[rest])))
    powers = np.empty((len(everyone), 2))
    for part, weights in zip(tested, used, strict=False):
        powers[part] = weights
    answered = [rows ** powers[:, [which]] for rows, which in ((words, 0), (listed, 1), (other, 0))]
    asked = _answers(learn("all", everyone[:0]), dev[0], np.arange(len(dev[1])), classes, dev[1])
    asked_at = [rows ** used[-1][which] for rows, which in zip(asked, (0, 1, 0), strict=True)]
    return {
        "weights": used,
        "train": figures(table, classes, image, *answered),
        "dev": figures(dev[0], classes, dev[1], *asked_at),
    }


def _true(table: ImageTable, classes: Sequence[str]) -> NDArray[np.int64]:
    return np.array([classes.index(label) for label in table.column("label")])


def _patients(table: ImageTable) -> NDArray[np.int64]:
    return joined(len(table.files), [table.column("patient_id")])


def parts(table: ImageTable) -> Iterator[NDArray[np.int64]]:
    """The rows of each of five parts of the patients, classes spread evenly."""
    labels = np.array(table.column("label"))
    made = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(labels, labels, _patients(table))
    yield from (tested for _, tested in made)


def table_rows(table: ImageTable, classes: Sequence[str], image: Rows) -> Iterator[dict[str, Any]]:
    """The rows of a table of stories: several tellings of each, with the ranking of the image model."""
    labels, patients = table.column("label"), table.column("patient_id")
    for seed in range(TELLINGS):
        for row, text in enumerate(narratives(table, seed)):
            yield {
                "id": f"{row}-{seed}",
                "image": table.files[row].name,
                "narrative": text,
                "label": labels[row],
                "patient_id": patients[row],
                "source": "patient",
                "options": [classes[place] for place in np.argsort(-image[row])],
            }


def narratives(table: ImageTable, seed: int, *, say_unknown: bool = False) -> list[str]:
    """The answers of the patients in words, as a model reads them: names of diseases are masked."""
    told = in_words(table, table.column("lesion_id"), seed, say_unknown=say_unknown)
    return without_names(told, KnowledgeBase.load("dermatology"), sorted(set(table.column("label"))))


def in_words(table: ImageTable, cases: Sequence[str], seed: int, *, say_unknown: bool, without: str = "") -> list[str]:
    """The answers of the patients as stories.

    Args:
        table: the data set, N rows.
        cases: N names, equal for photographs with one story.
        seed: of the words.
        say_unknown: see `stories_of`.
        without: a column that is not told.
    """
    columns = {name: table.column(name) for name in COLUMNS if name != without}
    rows = [{**{name: cells[row] for name, cells in columns.items()}, CASE: case} for row, case in enumerate(cases)]
    return [story.text for story in stories_of(rows, seed, say_unknown=say_unknown)]


def trained(
    runs: Path,
    rows: Sequence[dict[str, Any]],
    config: Path,
    changed: dict[str, Any],
    name: str,
    tested: NDArray[np.int64],
) -> WordsModel:
    """A model of the rows that are not tested; an eighth of their patients set its temperature.

    Raises:
        SettingsError: there is one of other rows.
    """
    folder, file = runs / name, runs / f"{name}.jsonl"
    count, away = len(rows) // TELLINGS, set(tested.tolist())
    left = [row for number, row in enumerate(rows) if number % count not in away]
    patients = sorted({row["patient_id"] for row in left})
    set_by = set(np.random.default_rng(0).permutation(patients)[: len(patients) // 8].tolist())
    lines = [{**row, "split": "dev" if row["patient_id"] in set_by else "train"} for row in left]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    if (folder / "words_model").is_dir():
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            raise SettingsError(f"The model in {folder} was trained with other stories. Choose another folder of runs.")
    else:
        runs.mkdir(parents=True, exist_ok=True)
        with atomic_file(file) as draft:
            draft.write_text(text, encoding="utf-8")
        run_narratives(config, folder, runs, {**changed, "folds": 0, "stories": file.name})
    return WordsModel.load(folder / "words_model")


def _answers(
    words: WordsModel, table: ImageTable, part: NDArray[np.int64], classes: Sequence[str], image: Rows
) -> tuple[Rows, Rows, Rows]:
    """(n, C) each, every class counted alike: all are options; the image's first three are; another class's story."""
    told = np.array(narratives(table, 0), dtype=object)
    true = _true(table, classes)
    rng = np.random.default_rng(0)
    strange = [rng.choice(np.flatnonzero(true != true[row])) for row in part]
    lists = [[classes[place] for place in np.argsort(-image[row])[:FIRST]] for row in part]
    order = [words.classes.index(name) for name in classes]
    given = words.card.training["labels"]
    prior = np.array([given[name] for name in classes]) / sum(given.values())
    tables = [
        words.log_probabilities(list(told[part])),
        words.log_probabilities(list(told[part]), lists),
        words.log_probabilities(list(told[strange])),
    ]
    first, listed, other = (table.exp().numpy()[:, order] / prior for table in tables)
    return first, listed, other


def figures(
    table: ImageTable, classes: Sequence[str], image: Rows, words: Rows, listed: Rows, other: Rows
) -> dict[str, Any]:
    """For each way to answer its figures, and its difference to the image alone."""
    true, patients = _true(table, classes), table.column("patient_id")
    tables = {"image": image, "words": words}
    tables |= {"both": image * words, "both, first three": image * listed, "another story": image * other}
    tables = {way: rows / rows.sum(axis=1, keepdims=True) for way, rows in tables.items()}
    found: dict[str, Any] = {"images": len(true), "patients": len(set(patients)), "ways": {}}
    for way, rows in tables.items():
        gain = compare(true, tables["image"], rows, clusters=patients).to_dict()
        found["ways"][way] = {**evaluate(true, rows, clusters=patients).to_dict(), "against image": gain}
    return found


def markdown(content: dict[str, Any]) -> str:
    """A table for each seed, with a line for each way to answer and set of patients; percent."""
    said = "Written by `python -m zsderm.benchmarks.experiments.patients_words`; percent, 95 % intervals over patients."
    return said + "".join(f"\n\n{_of_seed(seed, found)}" for seed, found in content["seeds"].items())


def _of_seed(seed: str, content: dict[str, Any]) -> str:
    *others, last = content["weights"]
    lines = [
        f"Seed {seed}; weight of the words {_range([one for one, _ in others])} in the parts of train, {last[0]:.2f} "
        f"on dev; with options from the image {_range([one for _, one in others])} and {last[1]:.2f}:\n",
        "| patients | answered by | accuracy | balanced | minus image alone: accuracy | balanced |",
        "|---|---|---|---|---|---|",
    ]
    for split in ("train", "dev"):
        found = content[split]
        named = f"{split} ({found['images']} images, {found['patients']} patients)"
        for way, row in found["ways"].items():
            cells = [percent(row, name) for name in ("accuracy", "balanced_accuracy")]
            cells += [
                "" if way == "image" else str(Points.of(row["against image"][name]))
                for name in ("accuracy", "balanced_accuracy")
            ]
            lines.append(f"| {named} | {WAYS[way]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def percent(row: Mapping[str, Any], name: str) -> str:
    """A figure of `zsderm.metrics.evaluate` and its interval."""
    return f"{100 * row[name]:.1f} ({100 * row[f'{name}_low']:.1f} to {100 * row[f'{name}_high']:.1f})"


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


if __name__ == "__main__":
    main()
