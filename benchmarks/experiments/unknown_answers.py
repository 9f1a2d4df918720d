"""What it tells about the diagnosis that patients do not know an answer, on PAD-UFES-20.

    python -m zsderm.benchmarks.experiments.unknown_answers --data-root DATA \\
        --output docs/unknown_answers.json --document docs/chain_of_options.md

asks on the train patients, each answered by a logistic regression that was fitted to others: which answers are not
known, and nothing else; stories that leave out what is not known; and the same with stories that say it. What is read
of a story is its embedding by the bundled sentence model. And on the dev photographs: zsderm-mini with stories of both
kinds beside it, without training (`zsderm classify --narratives`), mean of several tellings.

All are taken as if each class were equally frequent. Intervals are 95 % bootstrap intervals over patients, and
differences are paired. Prints Markdown; --document puts it between the lines <!-- unknown answers --> and <!-- end of
unknown answers --> of a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from zsderm import ZeroShotClassifier, load_encoder
from zsderm.benchmarks.experiments.image_side import Rows, counted_alike
from zsderm.benchmarks.experiments.patients_words import narratives, percent
from zsderm.benchmarks.options import (
    cache_dir_option,
    data_root_option,
    document_option,
    model_option,
    output_option,
)
from zsderm.benchmarks.pages import publish
from zsderm.benchmarks.table import Points
from zsderm.encoders.sentence_model import SentenceModel
from zsderm.image_table import ImageTable
from zsderm.metrics import compare, evaluate
from zsderm.narratives.patient import ANSWERS
from zsderm.table_files import is_unknown
from zsderm.tasks.audit.cross_fitting import cross_fitted, joined

TELLINGS = 3  # stories of each row that are fitted to; asked with the first
DRAWS = 5  # tellings beside a photograph
WAYS = {
    "alone": "which answers are not known, nothing else",
    "left out": "stories, what is not known left out",
    "said": "stories that say what is not known",
}


@click.command(help=__doc__)
@data_root_option
@model_option
@cache_dir_option
@output_option
@document_option
def main(data_root: Path, model: str, cache_dir: Path | None, output: Path | None, document: Path | None) -> None:
    """Ask both sets of patients, and print the table."""
    whole = ImageTable.read(data_root / "pad" / "index.csv")
    train, dev = whole.where("split", "train"), whole.where("split", "dev")
    classes = sorted(set(train.column("label")))
    encoder = load_encoder(model)
    zero_shot = ZeroShotClassifier.from_pretrained(encoder, classes=classes, cache=cache_dir)
    content = {
        "encoder": encoder.fingerprint,
        "train": answered(train, classes),
        "dev": beside(dev, classes, zero_shot),
        "draws": DRAWS,
    }
    publish({"unknown answers": markdown(content)}, content, output, document)


def answered(table: ImageTable, classes: Sequence[str]) -> dict[str, Any]:
    """For each of `WAYS` the figures across parts of the patients, and the difference to stories that leave out."""
    labels, patients = table.column("label"), table.column("patient_id")
    true = np.array([classes.index(label) for label in labels])
    sentences = SentenceModel()
    tables = {"alone": fitted([not_known(table)], true, patients, len(classes))}
    for way in ("left out", "said"):
        told = [narratives(table, seed, say_unknown=way == "said") for seed in range(TELLINGS)]
        rows = [sentences.encode_texts(texts).numpy() for texts in told]
        tables[way] = fitted(rows, true, patients, len(classes))
    found: dict[str, Any] = {"images": len(true), "patients": len(set(patients)), "ways": {}}
    for way, rows_ in tables.items():
        more = compare(true, tables["left out"], rows_, clusters=patients).to_dict()
        found["ways"][way] = {**evaluate(true, rows_, clusters=patients).to_dict(), "against left out": more}
    return found


def not_known(table: ImageTable) -> NDArray[np.float32]:
    """(N, 6) float32, 1 where an answer is not known."""
    return np.stack([np.array(is_unknown(table.column(answer))) for answer in ANSWERS], axis=1).astype(np.float32)


def fitted(
    tellings: Sequence[NDArray[np.float32]], true: NDArray[np.int64], patients: Sequence[str], classes: int
) -> Rows:
    """(N, C) probabilities for the first of several tellings, (N, D) each, by a model of other patients' tellings."""
    count = len(tellings)
    groups = joined(count * len(true), [[*patients] * count])
    rows = cross_fitted(np.concatenate(tellings), np.tile(true, count), groups, classes)[: len(true)]
    return counted_alike(rows, true)


def beside(table: ImageTable, classes: Sequence[str], zero_shot: ZeroShotClassifier) -> dict[str, Any]:
    """Balanced accuracy of photographs alone, and with stories of both kinds: the mean, and that of each telling."""
    true = np.array([classes.index(label) for label in table.column("label")])
    files = [str(file) for file in table.files]
    found: dict[str, Any] = {"images": len(true), "left out": [], "said": []}
    for seed in range(DRAWS):
        for way in ("left out", "said"):
            told = zero_shot.predict(files, narratives=narratives(table, seed, say_unknown=way == "said"))
            found[way].append(_balanced(true, told.probabilities.numpy()))
    found["image"] = _balanced(true, zero_shot.predict(files).probabilities.numpy())
    return found


def _balanced(true: NDArray[np.int64], table: Rows) -> float:
    return float(np.mean([(table[true == kind].argmax(axis=1) == kind).mean() for kind in np.unique(true)]))


def markdown(content: dict[str, Any]) -> str:
    """One line for each way to answer on train, and a sentence on dev; percent."""
    train, dev = content["train"], content["dev"]
    lines = [
        "Written by `python -m zsderm.benchmarks.experiments.unknown_answers`; percent, 95 % intervals over patients. "
        f"{train['images']} images of {train['patients']} train patients, each answered by a logistic regression that "
        "was fitted to others:\n",
        "| what is read | accuracy | balanced | minus left out: balanced |",
        "|---|---|---|---|",
    ]
    for way, row in train["ways"].items():
        cells = [percent(row, name) for name in ("accuracy", "balanced_accuracy")]
        gain = "" if way == "left out" else Points.of(row["against left out"]["balanced_accuracy"])
        lines.append(f"| {WAYS[way]} | " + " | ".join(cells) + f" | {gain} |")
    means = {way: f"{100 * np.mean(dev[way]):.1f}" for way in ("left out", "said")}
    spread = {way: f"{100 * min(dev[way]):.1f} to {100 * max(dev[way]):.1f}" for way in means}
    lines.append(
        f"\nWithout training, beside zsderm-mini on the {dev['images']} images of dev, balanced: image alone "
        f"{100 * dev['image']:.1f}; with stories that leave out {means['left out']} ({spread['left out']} in "
        f"{content['draws']} tellings); that say it {means['said']} ({spread['said']})."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
