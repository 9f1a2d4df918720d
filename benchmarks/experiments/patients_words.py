"""What patients' answers add to a photograph, by a trained model of stories, on PAD-UFES-20.

    python -m zsderm.benchmarks.experiments.patients_words --data-root DATA --runs RUNS \\
        --output docs/patients_words.json --document docs/chain_of_options.md

puts the answers of the patients into words (`zsderm.narratives.patient`; never what they do not know, because that
depends on the diagnosis), and trains pretrain/configs/narratives_pad.yaml once for each of five parts of the train
patients, on the other four, and once on all of them for the dev patients. Each part is answered by the model that has
not seen its patients.

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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from zsderm import ZeroShotClassifier, load_encoder
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.options import cache_dir_option, data_root_option, model_option
from zsderm.benchmarks.pages import splice
from zsderm.image_table import ImageTable
from zsderm.metrics import compare, evaluate
from zsderm.narratives.patient import COLUMNS, stories_of
from zsderm.narratives.words_model import WordsModel
from zsderm.pretrain import run_narratives
from zsderm.tasks.audit import ImageSet, audit
from zsderm.tasks.audit.cross_fitting import cross_fitted, joined

CONFIG = Path(__file__).parents[2] / "pretrain" / "configs" / "narratives_pad.yaml"
FOLDS, FIRST, TELLINGS = 5, 3, 3  # parts of the patients; options of the chain; stories of one row to train with
TEMPERATURES = np.geomspace(0.1, 10, 81)
WEIGHTS = np.linspace(0, 1.5, 31)
TRIES = 3  # draws of the noise that its strength is chosen by
WAYS = {
    "image": "image alone",
    "words": "words alone",
    "both": "both",
    "both, first three": "both, options from the image",
    "another story": "both, story of another diagnosis",
}
Rows = NDArray[np.float64]


@click.command(help=__doc__)
@data_root_option
@model_option
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the runs.")
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), default=CONFIG, help="The recipe.")
@click.option("--set", "overrides", multiple=True, help="A setting of the recipe, name=JSON; may repeat.")
@cache_dir_option
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file with every figure.")
@click.option("--document", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Page for the table.")
def main(
    data_root: Path,
    model: str,
    runs: Path,
    config: Path,
    overrides: tuple[str, ...],
    cache_dir: Path | None,
    output: Path | None,
    document: Path | None,
) -> None:
    """Make the tables, train what is not trained, ask every model, and print the table."""
    changed = {name: json.loads(value) for name, _, value in (text.partition("=") for text in overrides)}
    encoder = load_encoder(model)
    whole = ImageTable.read(data_root / "pad" / "index.csv")
    train, dev = whole.where("split", "train"), whole.where("split", "dev")
    classes = sorted(set(train.column("label")))
    zero_shot = ZeroShotClassifier.from_pretrained(encoder, classes=classes, cache=cache_dir)
    seen = zero_shot.predict([str(file) for file in dev.files]).probabilities.numpy().astype(float)
    goal = float((seen.argmax(axis=1) == _true(dev, classes)).mean())
    features = np.asarray(audit(ImageSet("pad", tuple(train.files)), encoder=encoder, cache=cache_dir).features)
    image, noise = weakened(features, _true(train, classes), _patients(train), len(classes), goal)
    tested = list(parts(train))
    image = calibrated(image, _true(train, classes), tested)
    words = np.full_like(image, np.nan)
    listed, other = words.copy(), words.copy()
    rows = list(table_rows(train, classes, image))
    for fold, part in enumerate(tested):
        place = _trained(runs, f"fold-{fold}", rows, part, config, changed)
        for table, answers in zip((words, listed, other), _answers(place, train, part, classes, image), strict=True):
            table[part] = answers
    true, everyone = _true(train, classes), np.arange(len(train.files))
    used: list[tuple[float, float]] = []  # weights of all options, and of the first three, by part; then of dev
    for part in (*tested, everyone[:0]):
        rest = np.setdiff1d(everyone, part)
        used.append((weight_of(image[rest], words[rest], true[rest]), weight_of(image[rest], listed[rest], true[rest])))
    powers = np.empty((len(everyone), 2))
    for part, weights in zip(tested, used, strict=False):
        powers[part] = weights
    answered = [rows_ ** powers[:, [which]] for rows_, which in ((words, 0), (listed, 1), (other, 0))]
    place = _trained(runs, "all", rows, everyone[:0], config, changed)
    asked = _answers(place, dev, np.arange(len(dev.files)), classes, seen)
    asked_at = [table ** used[-1][which] for table, which in zip(asked, (0, 1, 0), strict=True)]
    content = {
        "encoder": encoder.fingerprint,
        "noise": noise,
        "right on dev": goal,
        "weights": used,
        "train": figures(train, classes, image, *answered),
        "dev": figures(dev, classes, seen, *asked_at),
    }
    part_of_page = markdown(content)
    click.echo(part_of_page)
    if output:
        with atomic_file(output) as draft:
            draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if document:
        splice(document, {"patients words": f"\n\n{part_of_page}\n\n"}, required="patients words")


def _true(table: ImageTable, classes: Sequence[str]) -> NDArray[np.int64]:
    return np.array([classes.index(label) for label in table.column("label")])


def _patients(table: ImageTable) -> NDArray[np.int64]:
    return joined(len(table.files), [table.column("patient_id")])


def weakened(
    features: NDArray[np.float32], true: NDArray[np.int64], patients: NDArray[np.int64], classes: int, goal: float
) -> tuple[Rows, float]:
    """Cross-fitted probabilities of an image model that is right as often as it should be.

    Args:
        features: (N, D) unit rows.
        true: (N,) classes.
        patients: (N,) who is on them; nobody is answered by a model that was fitted to him.
        classes: C.
        goal: the share of right answers.

    Returns:
        (N, C) probabilities, each class counted alike, and the length of the noise that was added to the unit rows; 0
        where there is no need.
    """

    def fitted(length: float, seed: int) -> Rows:
        rng = np.random.default_rng(seed)
        noisy = features + rng.normal(0, length / np.sqrt(features.shape[1]), features.shape)
        noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
        rows = cross_fitted(noisy.astype(np.float32), true, patients, classes)
        rows = np.clip(rows, 1e-6, None) / np.bincount(true)  # each class counted alike
        return rows / rows.sum(axis=1, keepdims=True)

    low, high = 0.0, 8.0
    for _ in range(8):
        length = (low + high) / 2
        right = np.mean([(fitted(length, seed).argmax(axis=1) == true).mean() for seed in range(TRIES)])
        low, high = (length, high) if right > goal else (low, length)
    return fitted(low, 0), low


def calibrated(image: Rows, true: NDArray[np.int64], tested: Sequence[NDArray[np.int64]]) -> Rows:
    """The same rankings, as sure as they are right: each part at the temperature that fits all other parts best.

    A logistic regression on embeddings with noise is far less sure than it is right, and any story would outvote it.
    """
    logs, table = np.log(image), np.empty_like(image)
    for part in tested:
        rest = np.setdiff1d(np.arange(len(true)), part)
        tried = {float(value): _sharpened(logs[rest], value) for value in TEMPERATURES}
        table[part] = np.exp(_sharpened(logs[part], likeliest(tried, true[rest])))
    return table


def weight_of(image: Rows, words: Rows, true: NDArray[np.int64]) -> float:
    """The power of the words beside the image that fits best."""
    logs = np.log(image), np.log(words)
    return likeliest({float(weight): _sharpened(logs[0] + weight * logs[1], 1.0) for weight in WEIGHTS}, true)


def likeliest(tried: dict[float, Rows], true: NDArray[np.int64]) -> float:
    """The value whose logarithms of probabilities fit best, by the likelihood, classes counted alike."""
    weights = 1 / np.bincount(true)[true]
    return max(tried, key=lambda value: float((weights * tried[value][np.arange(len(true)), true]).sum()))


def _sharpened(logs: Rows, temperature: float) -> Rows:
    """Logarithms of probabilities at another temperature."""
    scaled = logs / temperature
    return scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)


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


def narratives(table: ImageTable, seed: int) -> list[str]:
    """The answers of the patients in words."""
    columns = {name: table.column(name) for name in COLUMNS}
    cases = table.column("lesion_id")
    rows = [{**{name: cells[row] for name, cells in columns.items()}, "case": cases[row]} for row in range(len(cases))]
    return [story.text for story in stories_of(rows, seed, say_unknown=False)]


def _trained(
    runs: Path,
    name: str,
    rows: Sequence[dict[str, Any]],
    tested: NDArray[np.int64],
    config: Path,
    changed: dict[str, Any],
) -> WordsModel:
    """A model of the rows that are not tested; an eighth of their patients set its temperature."""
    folder = runs / name
    if not (folder / "words_model").is_dir():
        count = len(rows) // TELLINGS
        away = set(tested.tolist())
        patients = sorted({row["patient_id"] for number, row in enumerate(rows) if number % count not in away})
        set_by = set(np.random.default_rng(0).permutation(patients)[: len(patients) // 8].tolist())
        lines = [
            {**row, "split": "dev" if row["patient_id"] in set_by else "train"}
            for number, row in enumerate(rows)
            if number % count not in away
        ]
        runs.mkdir(parents=True, exist_ok=True)
        with atomic_file(runs / f"{name}.jsonl") as draft:
            draft.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        run_narratives(config, folder, runs, {**changed, "folds": 0, "stories": f"{name}.jsonl"})
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
    """One line for each way to answer and set of patients; percent."""
    lines = [
        "Written by `python -m zsderm.benchmarks.experiments.patients_words`; percent, 95 % intervals over patients. "
        f"Weight of the words: {_range([one for one, _ in content['weights'][:-1]])} in the parts of train, "
        f"{content['weights'][-1][0]:.2f} on dev; with options from the image "
        f"{_range([one for _, one in content['weights'][:-1]])} and {content['weights'][-1][1]:.2f}.\n",
        "| patients | answered by | accuracy | balanced | minus image alone: accuracy | balanced |",
        "|---|---|---|---|---|---|",
    ]
    for split in ("train", "dev"):
        found = content[split]
        named = f"{split} ({found['images']} images, {found['patients']} patients)"
        for way, row in found["ways"].items():
            cells = [
                f"{100 * row[name]:.1f} ({100 * row[f'{name}_low']:.1f} to {100 * row[f'{name}_high']:.1f})"
                for name in ("accuracy", "balanced_accuracy")
            ]
            cells += [
                "" if way == "image" else _gain(row["against image"][name])
                for name in ("accuracy", "balanced_accuracy")
            ]
            lines.append(f"| {named} | {WAYS[way]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def _gain(gain: dict[str, float]) -> str:
    return f"{100 * gain['value']:+.1f} ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"


if __name__ == "__main__":
    main()
