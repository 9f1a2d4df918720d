"""The known data sets: their classes, licence, source, and the places where their files are looked for.

The facts are data, in classes.json, and what is not known stands there as null. Nothing is downloaded: most of these
sets want an agreement or a licence to be read first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from zsderm.benchmarks.labelled import LabelledImages, read_folder, read_table
from zsderm.errors import InputError, NotFoundError, did_you_mean

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Card:
    """What is known of one data set; None where it is not known."""

    name: str  # as on the command line, where capitals do not matter
    title: str
    modality: str
    images: int | None  # in the whole set
    published_n: int | None  # images that the published zero-shot figures are on
    licence: str | None
    get: str  # where it comes from
    note: str
    tables: tuple[str, ...]  # where it is looked for below the data root: a table, or a folder of classes
    codes: Mapping[str, str]  # label codes of the original table, and the classes they mean
    classes: tuple[str, ...]  # in the published order, which integer labels index
    train_split: str = "train"  # the part of its usual tables to learn from
    test_split: str = "dev"  # the part of its usual tables that figures are made on
    train_tables: tuple[str, ...] = ()  # where training images are looked for, if not in the tables
    needs: str = ""  # which columns the table must have, where that is not plain
    probe_n: int | None = None  # images that the published linear probes were tested on
    columns: Mapping[str, str] = field(default_factory=dict)  # of its original table: "image", "label", "split"
    undescribed: tuple[str, ...] = ()  # classes that the bundled knowledge base does not describe

    def to_text(self) -> str:
        """The card as a few lines."""
        known = {
            "modality": self.modality,
            "classes": f"{len(self.classes)}, from {self.classes[0]} to {self.classes[-1]}",
            "described": _described(self.classes, self.undescribed),
            "images": f"{self.images or 'unknown'}; published figures on {self.published_n or 'an unknown number'}"
            + (f", linear probes on {self.probe_n}" if self.probe_n else ""),
            "licence": self.licence or "unknown; ask who gives it out",
            "from": self.get,
            "note": self.note,
            "looked for": ", ".join(self.tables),
            "table": self.needs,
            "parts": f"train on {', '.join(self.train_tables) or self.train_split}, test on {self.test_split}",
        }
        lines = [f"  {name:<11}{text}" for name, text in known.items() if text]
        return "\n".join([f"{self.name.lower()}: {self.title}", *lines])


def _described(classes: Sequence[str], missing: Sequence[str]) -> str:
    """How many classes the bundled knowledge base describes, where it is not all of them."""
    if not missing:
        return ""
    if len(missing) == len(classes):
        return (
            "the bundled knowledge base describes none of the classes; use --method class-name or templates, or a probe"
        )
    known = len(classes) - len(missing)
    return f"{known} of {len(classes)} classes by the bundled knowledge base; missing: {', '.join(missing)}"


@cache
def cards() -> Mapping[str, Card]:
    """Every card by its name on the command line."""
    facts = json.loads(Path(__file__).with_name("classes.json").read_text(encoding="utf-8"))
    found = {}
    for name, fact in facts.items():
        fact |= {word: tuple(fact.get(word, ())) for word in ("tables", "classes", "train_tables", "undescribed")}
        found[name.lower()] = Card(name=name, **fact)
    return found


def card(name: str) -> Card:
    """One card.

    Raises:
        NotFoundError: no data set goes by that name.
    """
    known = cards()
    if name.lower() not in known:
        hint = did_you_mean(name, known) or f" Known: {', '.join(known)}."
        raise NotFoundError(f"there is no data set '{name}', nor a folder or CSV file of that name.{hint}")
    return known[name.lower()]


def load(dataset: str, data_root: Path | None = None, split: str = "dev") -> LabelledImages:
    """The images of a data set with their classes; a part of its files is enough.

    Args:
        dataset: the name of a card, a folder with one sub-folder per class, or a table of images and labels.
        data_root: where cards are looked for.
        split: the part of a table with a column ``split``; "all" for everything. Without that column it is everything.

    Raises:
        NotFoundError: the data set is not there; the sentence says how to get it.
        InputError: what is there cannot be read as images with labels.
    """
    path = Path(dataset)
    if dataset.lower() not in cards() and (path.is_dir() or path.suffix.lower() in TABLES):
        return _read(path, None, split, path.stem if path.is_file() else path.resolve().name)
    known = card(dataset)
    for place in known.tables if data_root else ():
        path = Path(data_root or ".", place)
        if path.is_file() or (path.is_dir() and not path.suffix):
            return _read(path, known, split, known.name)
    raise NotFoundError(_how_to_get(known, data_root))


def load_train(dataset: str, data_root: Path | None = None, split: str | None = None) -> LabelledImages:
    """The training part of a data set: where its card says that it lies apart, else a split of the same table.

    Args:
        dataset: as for `load`.
        data_root: likewise.
        split: the part of a table with a column ``split``; None: what its card says, else "train".

    Raises:
        NotFoundError: it is not there.
        InputError: what is there cannot be read.
    """
    known = cards().get(dataset.lower())
    split = split or (known.train_split if known else "train")
    for place in known.train_tables if known and data_root else ():
        path = Path(data_root or ".", place)
        if known and (path.is_dir() or path.is_file()):
            return _read(path, known, split, known.name)
    return load(dataset, data_root, split)


def _read(path: Path, known: Card | None, split: str, name: str) -> LabelledImages:
    if path.is_dir():
        return read_folder(path, name=name, modality=known.modality if known else "")
    classes, codes = (known.classes, known.codes) if known else ((), {})
    if not path.is_file():
        raise InputError(f"expected a table of images and labels in {path}, but there is no such file")
    return read_table(
        path,
        name=name,
        published=classes,
        codes=codes,
        split=split,
        modality=known.modality if known else "",
        columns=known.columns if known else {},
    )


def _how_to_get(known: Card, data_root: Path | None) -> str:
    """One sentence for who wants a data set that is not there."""
    places: Sequence[str] = [str(Path(data_root, place)) for place in known.tables] if data_root else known.tables
    where = "none of " + ", ".join(places) if data_root else "no --data-root was given"
    return (
        f"{known.title} is not here ({where}). Get it from {known.get}; licence: {known.licence or 'unknown'}. "
        "A part of it will do: the table lists filename and label (a class name, a code, or its number in the "
        f"published order of the {len(known.classes)} classes). "
        f"See: zsderm benchmark --cards --dataset {known.name.lower()}"
    )
