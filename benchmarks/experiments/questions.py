"""Questions by rules from captions whose truth is known, for reading by hand, and what was counted of them.

    python -m zsderm.benchmarks.experiments.questions --data-root DATA --seed 7 --output drawn.csv

DATA holds pad/index.csv and ham10000/index.csv. A caption is the name of the diagnosis and sentences of the knowledge
base on it that fit the modality and the body region of the picture: nobody ever wrote these captions. From all
questions 300 are drawn, and written with empty columns `picture`, `says` and `flaw` for somebody who reads them. With
--read FILE, which is such a table filled in, it prints what was counted.
"""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from zsderm import KnowledgeBase
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.options import data_root_option
from zsderm.csv_files import csv_file
from zsderm.knowledge.body_sites import contradicts
from zsderm.modalities import CLINICAL, DERMOSCOPIC, shown_in

TABLES = {"pad/index.csv": (CLINICAL, "region"), "ham10000/index.csv": (DERMOSCOPIC, "localization")}
PAIRS, DRAWN = 200, 300  # pairs of each table, and questions that are read
COLUMNS = (
    *("id", "kind", "form", "modality", "question", "answer", "options", "image", "caption", "site"),
    *("picture", "says", "flaw"),
)


@dataclass(frozen=True)
class Pair:
    """A picture with a made caption."""

    image: str
    caption: str
    modality: str
    site: str


def made_pairs(root: Path, base: KnowledgeBase, seed: int, count: int = PAIRS) -> list[Pair]:
    """Pairs of both tables, with captions that are put together from the knowledge base.

    Args:
        root: the folder of the data.
        base: describes the diseases.
        seed: of the choice and of the captions.
        count: of each table.
    """
    rng = random.Random(seed)
    found = []
    for name, (modality, site) in TABLES.items():
        with (root / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        by_label: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            by_label.setdefault(row["label"], []).append(row)
        for _ in range(count):  # as many of each label: most of HAM10000 are nevi
            row = rng.choice(by_label[rng.choice(sorted(by_label))])
            caption = _caption(base, row["label"], modality, row[site], rng)
            told = row[site] if rng.random() < 0.5 else ""
            image = (root / name).parent / row["filename"]
            found.append(Pair(str(image), caption, modality, told.lower()))
    return found


def _caption(base: KnowledgeBase, label: str, modality: str, site: str, rng: random.Random) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a pooled label has no one disease
        told = base.descriptions_for([label])[label]
    if told:
        disease = rng.choice(sorted({one.disease for one in told}))
        told = [one for one in told if one.disease == disease]
    else:
        disease = label
    fitting = [d.text for d in told if d.modality in shown_in(modality) and not contradicts(d.text, site)]
    texts = rng.sample(fitting, min(len(fitting), rng.randint(1, 4)))
    first = [disease] if rng.random() < 0.8 or not texts else []
    return " ".join(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in (*first, *texts))


def asked(pairs: list[Pair], seed: int) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """The questions on pairs by the command line, with the site of each, and what the command counted."""
    with tempfile.TemporaryDirectory() as folder:
        table, output = Path(folder) / "pairs.csv", Path(folder) / "questions"
        with csv_file(table, ("filename", "caption", "modality", "site")) as writer:
            writer.write_all((pair.image, pair.caption, pair.modality, pair.site) for pair in pairs)
        words = ["pretrain", "questions", str(table), "--output", str(output), "--seed", str(seed), "--quiet"]
        subprocess.run([sys.executable, "-m", "zsderm", *words], check=True, stdout=subprocess.DEVNULL)
        with (output / "questions.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        counts = json.loads((output / "questions.csv.manifest.json").read_text(encoding="utf-8"))["counts"]
    sites = {(pair.image, pair.caption): pair.site for pair in pairs}
    return [{**row, "site": sites[row["image"], row["caption"]]} for row in rows], counts


def counted(file: Path) -> dict[str, Any]:
    """What somebody who read the questions found, by kind: answerable from the picture, true to the caption, flawed."""
    with file.open(encoding="utf-8", newline="") as content:
        rows = list(csv.DictReader(content))
    kinds: dict[str, Counter[str]] = {}
    for row in rows:
        own = kinds.setdefault(row["kind"], Counter())
        own["questions"] += 1
        own["answerable"] += row["picture"] == "yes"
        own["true"] += row["says"] == "yes"
        own["flawed"] += bool(row["flaw"])
    return {kind: dict(own) for kind, own in sorted(kinds.items())}


@click.command()
@data_root_option
@click.option("--seed", default=0, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="CSV for the questions to read.")
@click.option("--read", type=click.Path(exists=True, path_type=Path), help="Such a table, read and filled in.")
def main(data_root: Path, seed: int, output: Path, read: Path | None) -> None:
    """Draw questions to be read, or count what was found."""
    if read is not None:
        with atomic_file(output) as draft:
            draft.write_text(json.dumps(counted(read), indent=1) + "\n", encoding="utf-8")
        return
    base = KnowledgeBase.load("dermatology")
    questions, counts = asked(made_pairs(data_root.resolve(), base, seed), seed)
    drawn = random.Random(seed).sample(questions, min(DRAWN, len(questions)))
    with csv_file(output, COLUMNS) as writer:
        writer.write_all({**one, "id": str(number)} for number, one in enumerate(drawn, start=1))
    click.echo(json.dumps(counts, indent=1))


if __name__ == "__main__":
    main()
