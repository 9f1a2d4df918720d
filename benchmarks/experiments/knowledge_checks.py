"""What the checks of `zsderm kb validate` find of what human readers found, and in a base before and after an edit.

    python -m zsderm.benchmarks.experiments.knowledge_checks --review REVIEW.csv --before OLD --output checks.json

REVIEW.csv holds one row a finding of a reader on the base before: disease, kind (1 to 8), text, and more. Prints
Markdown: for each kind how many rows a check found as well, beside the share of all sentences that it finds; and for
each check the number of its findings before and after. Both bases are held against the files expected.json and
common_names.json of the base after.

A row is found if a check finds its sentence; a row about names (kind 6) if a check of names finds its disease, a row
about missing signs (kind 7) if a check of what is missing does.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from zsderm import KnowledgeBase
from zsderm.atomic_files import atomic_file
from zsderm.config import DEFAULT_KNOWLEDGE
from zsderm.knowledge import library
from zsderm.knowledge.authoring.checks.expected import EXPECTED_FILE, NAMES_FILE
from zsderm.knowledge.authoring.checks.problem import Problem
from zsderm.knowledge.authoring.validate import FULL, validate

KINDS = {
    "1": "wrong or misleading",
    "2": "not visible in one picture",
    "3": "fits dozens of diseases",
    "4": "hard English",
    "5": "wrong aspect or modality",
    "6": "aliases and ontology",
    "7": "classic signs missing",
    "8": "concepts, groups, ambiguity",
}
NAMES, MISSING = ("alias",), ("dermoscopy", "dark skin", "coverage")  # checks of a disease and not of a sentence


def findings(base: Path, beside: Path, *, model: bool) -> tuple[list[Problem], int]:
    """What the checks find in a base, and how many descriptions it has.

    Args:
        base: the folder of a base.
        beside: the folder whose expected.json and common_names.json it is held against.
        model: whether the sentence model looks as well; takes minutes.
    """
    with TemporaryDirectory(prefix="zsderm-") as name:
        folder = Path(name) / base.name
        shutil.copytree(base, folder)
        for file in (beside / EXPECTED_FILE, beside / NAMES_FILE):
            if file.is_file():
                shutil.copy(file, folder)
        found = validate(folder, FULL)
        loaded = KnowledgeBase.load(folder)
        if model:
            from zsderm.tasks.knowledge_quality import SentenceModel, quality

            found += quality(SentenceModel(), loaded).problems()
        return found, len(loaded)


def agreement(rows: Sequence[Mapping[str, str]], found: Sequence[Problem], sentences: int) -> list[dict[str, Any]]:
    """How many rows of a review the checks found as well, kind by kind.

    Args:
        rows: of the review: kind, disease and text.
        found: by the checks in the base that was reviewed.
        sentences: descriptions of that base.

    Returns:
        For each kind: rows, found (of them), by (check -> rows that it found), and for kinds of sentences the share of
        all sentences that those checks find, which is what chance would find.
    """
    by_text: dict[str, set[str]] = {}
    by_disease: dict[str, set[str]] = {}
    for problem in found:
        by_text.setdefault(problem.text, set()).add(problem.check)
        by_disease.setdefault(problem.disease, set()).add(problem.check)
    by_text.pop("", None)
    tables = []
    for kind, means in KINDS.items():
        own = rows_of(rows, kind)
        wanted = {"6": NAMES, "7": MISSING}.get(kind)
        hits = [
            by_disease.get(row["disease"], set()) & set(wanted) if wanted else by_text.get(row["text"], set())
            for row in own
        ]
        checks = Counter(check for hit in hits for check in hit)
        table: dict[str, Any] = {"kind": kind, "means": means, "rows": len(own), "found": sum(map(bool, hits))}
        table["by"] = dict(checks.most_common())
        table["chance"] = None if wanted else round(len(by_text) / sentences, 4)
        tables.append(table)
    return tables


def rows_of(rows: Iterable[Mapping[str, str]], kind: str) -> list[Mapping[str, str]]:
    """The rows of one kind."""
    return [row for row in rows if row["kind"].strip() == kind]


def markdown(result: Mapping[str, Any]) -> str:
    """The two tables."""
    lines = ["| kind of finding | rows | found by a check | by which |", "| --- | --- | --- | --- |"]
    for row in result["agreement"]:
        share = f"{row['found']} ({row['found'] / max(row['rows'], 1):.0%})"
        by = ", ".join(f"{check} {count}" for check, count in row["by"].items())
        lines.append(f"| {row['kind']} {row['means']} | {row['rows']} | {share} | {by or 'none'} |")
    before, after = result["before"], result["after"]
    lines += [
        "",
        f"By chance {result['agreement'][0]['chance']:.0%} of the rows of kinds 1 to 5 and 8 would be found.",
        "",
    ]
    lines += ["| check | severity | before | after |", "| --- | --- | --- | --- |"]
    for key in sorted({*before["findings"], *after["findings"]}, key=lambda key: (key.split("/")[1] != "error", key)):
        check, severity = key.split("/")
        lines.append(f"| {check} | {severity} | {before['findings'].get(key, 0)} | {after['findings'].get(key, 0)} |")
    sizes = f"{before['sentences']:,} sentences before ({before['checksum']}), {after['sentences']:,} after"
    return "\n".join([*lines, "", f"{sizes} ({after['checksum']})."])


def compare(review: Sequence[Path], before: Path, after: Path, *, model: bool) -> dict[str, Any]:
    """Both tables, ready for JSON."""
    rows: list[dict[str, str]] = []
    for file in review:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows += csv.DictReader(lines)
    sides = {}
    for name, base in (("before", before), ("after", after)):
        found, sentences = findings(base, after, model=model)
        counts = Counter(f"{problem.check}/{problem.severity}" for problem in found)
        checksum = KnowledgeBase.load(base).checksum
        sides[name] = {"checksum": checksum, "sentences": sentences, "findings": dict(sorted(counts.items()))}
        if name == "before":
            agreed = agreement(rows, found, sentences)
    return {"agreement": agreed, **sides}


@click.command()
@click.option("--review", required=True, multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--before", required=True, help="The base that was reviewed.")
@click.option("--after", default=DEFAULT_KNOWLEDGE, show_default=True, help="The base as it is now.")
@click.option("--model/--no-model", default=True, show_default=True, help="Whether the sentence model looks as well.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures as JSON as well.")
def main(review: tuple[Path, ...], before: str, after: str, model: bool, output: Path | None) -> None:
    """Compare the checks of kb validate with a review, and a base before with one after."""
    result = compare(review, library.locate(before), library.locate(after), model=model)
    click.echo(markdown(result))
    if output:
        with atomic_file(output) as draft:
            draft.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
