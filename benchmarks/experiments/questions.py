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
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import click

from zsderm import KnowledgeBase
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.options import data_root_option
from zsderm.csv_files import csv_file
from zsderm.knowledge.body_sites import contradicts
from zsderm.modalities import CLINICAL, DERMOSCOPIC, shown_in
from zsderm.pretrain.extraction.reading import CaptionReader
from zsderm.pretrain.questions import table
from zsderm.pretrain.questions.facts import FactReader
from zsderm.pretrain.questions.grounding import Grounding
from zsderm.pretrain.questions.look_alikes import LookAlikes
from zsderm.pretrain.questions.question import Pair, Question
from zsderm.pretrain.questions.rules import RuleQuestions
from zsderm.pretrain.questions.verdicts import Verdicts

TABLES = {"pad/index.csv": (CLINICAL, "region"), "ham10000/index.csv": (DERMOSCOPIC, "localization")}
PAIRS, DRAWN = 200, 300  # pairs of each table, and questions that are read
COLUMNS = (
    *("id", "kind", "form", "modality", "question", "answer", "options", "image", "caption", "site"),
    *("picture", "says", "flaw"),
)


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
            rows = [(number, row) for number, row in enumerate(csv.DictReader(file), start=2)]
        by_label: dict[str, list[tuple[int, dict[str, str]]]] = {}
        for number, row in rows:
            by_label.setdefault(row["label"], []).append((number, row))
        for _ in range(count):  # as many of each label: most of HAM10000 are nevi
            number, row = rng.choice(by_label[rng.choice(sorted(by_label))])
            caption = _caption(base, row["label"], modality, row[site], rng)
            told = row[site] if rng.random() < 0.5 else ""
            found.append(Pair(number, f"{Path(name).parent}/{row['filename']}", caption, modality, "", told.lower()))
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


def asked(pairs: list[Pair], base: KnowledgeBase, seed: int) -> tuple[list[Question], table.Summary]:
    """The questions on pairs, and what was counted of them."""
    reader = CaptionReader(base)
    facts_of = FactReader(reader)
    facts = table.read_facts(pairs, facts_of)
    verdicts = Verdicts(
        facts_of,
        LookAlikes(reader),
        {known.disease for known in facts if known.disease},
        {pair.modality for pair in pairs},
    )
    grounding = Grounding(facts_of, verdicts)
    questions, dropped = table.ask_all(pairs, facts, RuleQuestions(verdicts, seed), grounding, seed=seed)
    return questions, table.summary_of(questions, dropped, len(pairs), seed)


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
    questions, summary = asked(made_pairs(data_root, base, seed), base, seed)
    drawn = random.Random(seed).sample(questions, min(DRAWN, len(questions)))
    with csv_file(output, COLUMNS) as writer:
        for number, one in enumerate(drawn, start=1):
            writer.write(
                {
                    "id": str(number),
                    "kind": one.kind,
                    "form": one.form,
                    "modality": one.pair.modality,
                    "question": one.text,
                    "answer": one.answer,
                    "options": " | ".join(one.options),
                    "image": one.pair.image,
                    "caption": one.pair.caption,
                    "site": one.pair.site,
                }
            )
    click.echo(json.dumps(summary.to_dict(), indent=1))


if __name__ == "__main__":
    main()
