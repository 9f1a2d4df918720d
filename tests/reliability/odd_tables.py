"""One table of predictions and one of labels, in all the ways that spreadsheets, scripts and other tools write."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tests.reliability.damage import damaged

CLASSES = ("Melanom (bösartig)", "nevus", "01", "none", "1e3")
IMAGE_COLUMNS = (
    "image",
    "filename",
    "file_name",
    "image_name",
    "image_id",
    "isic_id",
    "img_id",
    "path",
    "Image",
    "FILE",
)
NAMES = ("a/007.jpg", "a/7.jpg", "b/1.0.JPG", "b/IMG é.png", "c/0e1.jpeg", "c/NA.jpg", "d/12345678901234567890.png")


@dataclass(frozen=True)
class Tables:
    """Two files that were written with one seed, and how."""

    predictions: Path
    labels: Path
    how: str


def truth(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What all of them say: predictions with probabilities that have few digits, and labels with patients."""
    rng = np.random.default_rng(seed)
    images = [*NAMES, *(f"e/{number}.jpg" for number in range(20))]
    shares = np.round(rng.dirichlet(np.ones(len(CLASSES)), len(images)), 3)
    predictions = pd.DataFrame({"image": images, "label": [CLASSES[index] for index in shares.argmax(axis=1)]})
    for index in range(len(CLASSES)):
        predictions[f"probability_class_{index}"] = shares[:, index]
    true = [CLASSES[index] for index in rng.integers(0, len(CLASSES), len(images))]
    patients = [f"{number:03}" for number in rng.integers(0, 9, len(images))]
    return predictions, pd.DataFrame({"image": images, "true_label": true, "patient_id": patients})


def written_alike(seed: int, folder: Path) -> Tables:
    """Both tables in some other writing, which changes nothing of what they say."""
    rng = random.Random(seed)
    predictions, labels = truth()
    labels["image"], spelled = _spelled(rng, labels["image"])
    labels = labels.sample(frac=1, random_state=seed)
    column = rng.choice(IMAGE_COLUMNS)
    labels = labels.rename(columns={"image": column})
    if rng.random() < 0.5:
        labels["remark"] = [
            rng.choice(["", "a, b", "x;y", 'said "so"', "two\nlines", "=1+1", "é"]) for _ in labels.index
        ]
    labels = labels[rng.sample(list(labels), len(labels.columns))]
    told = f"seed {seed}: {spelled}, {column}"
    one, how_one = _written(rng, predictions, folder / f"predictions_{seed}")
    two, how_two = _written(rng, labels, folder / f"labels_{seed}")
    return Tables(one, two, f"{told}; predictions {how_one}; labels {how_two}")


def written_badly(seed: int, folder: Path) -> Tables:
    """Both tables as they are written plainly, one of them with damaged bytes."""
    rng = random.Random(seed)
    tables = written_alike(seed, folder)
    path = rng.choice([tables.predictions, tables.labels])
    kind, data = damaged(rng, path.read_bytes())
    path.write_bytes(data)
    return Tables(tables.predictions, tables.labels, f"{tables.how}; {path.name} {kind}")


def _spelled(rng: random.Random, images: pd.Series[str]) -> tuple[list[str], str]:
    """Names that mean the same images in another spelling."""
    spellings: dict[str, Callable[[str], str]] = {
        "as they are": str,
        "below a folder": lambda name: f"/data/set/{name}",
        "with backslashes": lambda name: name.replace("/", "\\"),
        "with blanks around": lambda name: f" {name} ",
        "without suffix": lambda name: name.rsplit(".", 1)[0],
        "in capitals": str.upper,
        "decomposed": lambda name: unicodedata.normalize("NFD", name),
    }
    said = rng.choice(list(spellings))
    return [spellings[said](name) for name in images], said


def _written(rng: random.Random, table: pd.DataFrame, stem: Path) -> tuple[Path, str]:
    form = rng.choice(["csv", "csv", "csv", "jsonl", "parquet"])
    path = stem.with_suffix(f".{form}")
    if form == "jsonl":
        table.to_json(path, orient="records", lines=True, force_ascii=rng.random() < 0.5)
        return path, form
    if form == "parquet":
        table = table.assign(**{name: table[name].astype("category") for name in table if rng.random() < 0.3})
        table.to_parquet(path, index=rng.random() < 0.5)
        return path, form
    separator, decimal = rng.choice([(",", "."), (";", "."), ("\t", "."), (";", ","), ("\t", ",")])
    encoding = rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom"])
    ends = rng.choice(["\n", "\r\n"])
    text = table.to_csv(index=False, sep=separator, decimal=decimal, quoting=rng.choice([0, 1]), lineterminator=ends)
    text += rng.choice(["", ends, ends + ends])
    data = b"\xff\xfe" + text.encode("utf-16-le") if encoding == "utf-16-le-bom" else text.encode(encoding)
    path.write_bytes(data)
    return path, f"csv {separator!r} {decimal} {encoding} {ends!r}"


def seeds(first: int, count: int) -> Iterator[int]:
    """So many seeds, each of which makes one pair of tables."""
    return iter(range(first, first + count))
