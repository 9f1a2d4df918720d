"""Both engines of ``zsderm pretrain extract`` on 240 synthetic captions, and what they refused.

    python -m zsderm.benchmarks.experiments.caption_extraction --data-root DATA --output docs/caption_extraction.json

DATA holds pad/index.csv and ham10000/index.csv. The captions are made up (see `synthetic_captions`). The server engine
asks a protocol server on this machine, whose replies come from a script that knows the truth and plants mistakes: no
language model is involved. So this shows what is refused and what slips through, not how well a model reads.
"""

from __future__ import annotations

import csv
import json
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from zsderm import KnowledgeBase, PretrainingDataError
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.experiments.protocol_server import Reply, completion, serving
from zsderm.benchmarks.experiments.synthetic_captions import SIGNS, Case, SyntheticCaption, write_captions
from zsderm.benchmarks.options import data_root_option

CAPTIONS = 240
TABLES = {"pad/index.csv": ("region", "age", "gender"), "ham10000/index.csv": ("localization", "age", "sex")}
OUTSIDE = ("itching", "asymmetry", "sun damage", "tenderness")  # no concepts of the vocabulary
INVENTED = ("the border is notched", "it measures 9 mm", "the lesion bleeds on touch")
TIME_LIMIT = 1.0  # seconds that the client waits for an answer

Rows = list[dict[str, str]]


@dataclass
class Script:
    """What the protocol server answers: the truth of each caption, with planted mistakes.

    Attributes:
        captions: the captions and what is true of them.
        planted: kind of mistake -> the captions it was planted in, with the wrong term.
    """

    captions: Mapping[str, SyntheticCaption]
    diseases: Sequence[str]
    planted: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def __call__(self, request: str, number: int) -> str | Reply:
        """The reply to a request; the same caption meets the same fate in every run."""
        found = re.match(r"Caption: (\".*\")$", request.split("\n", 1)[0])
        text = json.loads(found.group(1)) if found else ""
        self.asked[text] += 1
        caption, rng = self.captions[text], random.Random(text)
        trouble, times = rng.random(), self.asked[text]
        if trouble < 0.16 and times == 1:
            return self._trouble(caption, trouble)
        if trouble < 0.03 and times == 2:
            return "As I said, it looks benign to me."
        return json.dumps(self._answer(caption, rng, note=times == 1 or trouble < 0.16))

    def _trouble(self, caption: SyntheticCaption, kind: float) -> str | Reply:
        name, reply = (
            ("no JSON, twice", "This looks benign to me.")
            if kind < 0.03
            else ("no JSON, once", "This looks benign to me.")
            if kind < 0.08
            else ("HTTP 503", Reply(503))
            if kind < 0.12
            else ("cut short", Reply(body=completion("{}")[:40]))
            if kind < 0.14
            else ("too slow", Reply(body=completion("{}"), wait=1.5 * TIME_LIMIT))
        )
        self.planted.setdefault(name, []).append((caption.filename, ""))
        return reply

    def _answer(self, caption: SyntheticCaption, rng: random.Random, note: bool) -> dict[str, object]:
        disease, concepts = caption.disease or "no definitive diagnosis", sorted(caption.concepts)
        pieces = [piece for piece in re.split(r"(?<=\.)\s+", caption.text.rstrip(".")) if len(piece.split()) > 1]
        wrong: list[tuple[str, str]] = []
        if rng.random() < 0.15:
            disease = rng.choice([name for name in self.diseases if name != caption.disease])
            wrong.append(("disease that is not stated", disease))
        if rng.random() < 0.2:
            concept = rng.choice([name for name in SIGNS if name not in caption.concepts | caption.denied])
            wrong.append(("concept that is not in the caption", concept))
        if caption.denied and rng.random() < 0.5:
            wrong.append(("concept that the caption denies", rng.choice(sorted(caption.denied))))
        if rng.random() < 0.1:
            wrong.append(("concept outside the vocabulary", rng.choice(OUTSIDE)))
        if rng.random() < 0.15:
            wrong.append(("invented sub-caption", rng.choice(INVENTED)))
            pieces.append(wrong[-1][1])
        concepts += [term for kind, term in wrong if kind.startswith("concept")]
        if note:
            for kind, term in wrong:
                self.planted.setdefault(kind, []).append((caption.filename, term))
        return {"disease": disease, "concepts": concepts, "sub_captions": pieces[:8]}


@click.command(help=__doc__)
@data_root_option
@click.option("--count", default=CAPTIONS, show_default=True, help="Captions.")
@click.option("--seed", default=0, show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--captions", "kept", type=click.Path(dir_okay=False, path_type=Path), help="Keep the captions (.csv).")
def main(data_root: Path, count: int, seed: int, output: Path, kept: Path | None) -> None:
    """Make captions, run both engines, compare with the truth, write the figures."""
    knowledge = KnowledgeBase.load("dermatology")
    captions = write_captions(read_cases(data_root, count, seed), knowledge, seed)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(captions, knowledge, Path(folder))
        if kept:
            with atomic_file(kept) as draft:
                draft.write_bytes((Path(folder) / "captions.csv").read_bytes())
    content = {"captions": len(captions), "seed": seed, "knowledge": knowledge.checksum, **found}
    with atomic_file(output) as draft:
        draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    click.echo(f"Written: {output}", err=True)


def read_cases(data_root: Path, count: int, seed: int) -> list[Case]:
    """An equal share of rows of each table, drawn with a seed; classes as they occur, halved towards equal shares."""
    cases: list[Case] = []
    for table, (site, age, sex) in TABLES.items():
        path = data_root / table
        if not path.is_file():
            raise PretrainingDataError(f"There is no table {path}. Set the data folder with --data-root.")
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        sizes = Counter(row["label"] for row in rows)
        keys = {
            id(row): random.Random(f"{seed}{row['filename']}").random() ** sizes[row["label"]] ** 0.5 for row in rows
        }
        chosen = sorted(rows, key=lambda row: keys[id(row)], reverse=True)[: count // len(TABLES)]
        folder = table.split("/", maxsplit=1)[0]
        for row in chosen:
            place = row[site].strip().lower()
            name = f"{folder}/{row['filename']}"
            cases.append(Case(name, row["label"], "" if place == "unknown" else place, row[age], row[sex]))
    return cases


def measure(captions: Sequence[SyntheticCaption], knowledge: KnowledgeBase, folder: Path) -> dict[str, Any]:
    """Run the command with both engines and hold what comes out against the truth."""
    table = folder / "captions.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("filename", "caption"), *((c.filename, c.text) for c in captions)])
    truth = {caption.filename: caption for caption in captions}
    script = Script({caption.text: caption for caption in captions}, sorted({c.disease for c in captions} - {""}))
    result = {"rules": _judged(*_run(table, folder / "rules.csv"), truth)}
    with serving(script) as server:
        arguments = ("--engine", "server", "--endpoint", server.url, "--model", "script", "--timeout", str(TIME_LIMIT))
        rows, rejected = _run(table, folder / "server.csv", *arguments)
        requests, planted = len(server.requests), _planted(script, rows)  # before a second run plants more
        _run(table, folder / "server.csv", *arguments)
        again = len(server.requests) - requests
    result["server"] = {
        **_judged(rows, rejected, truth),
        "requests": requests,
        "requests of a second run": again,
        "planted": planted,
    }
    return result


def _run(table: Path, output: Path, *arguments: str) -> tuple[Rows, Rows]:
    command = ["pretrain", "extract", "--captions", str(table), "--output", str(output), *arguments]
    code = "from zsderm.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True)
    tables = []
    for path in (output, output.with_name(f"{output.stem}-rejected.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            tables.append(list(csv.DictReader(file)))
    return tables[0], tables[1]


def _judged(rows: Rows, rejected: Rows, truth: Mapping[str, SyntheticCaption]) -> dict[str, Any]:
    """Counts that need no judgement, and how the rows compare with what the script knows to be true."""
    diseases: Counter[str] = Counter()
    concepts: Counter[str] = Counter()
    for row in rows:
        caption = truth[row["filename"]]
        named = row["disease"].replace("no definitive diagnosis", "")
        kind = "right" if named == caption.disease else "missed" if not named else "wrong"
        diseases[f"{kind}, {'stated' if caption.disease else 'none stated'}"] += 1
        diseases["misspelt"] += caption.misspelt
        diseases["misspelt and right"] += caption.misspelt and named == caption.disease
        found = set(filter(None, row["concepts"].split("; ")))
        concepts["found"] += len(found)
        concepts["found and said"] += len(found & caption.concepts)
        concepts["said in words of the vocabulary"] += len(caption.plain)
        concepts["said in words of the vocabulary, found"] += len(found & caption.plain)
        concepts["said in other words"] += len(caption.concepts - caption.plain)
        concepts["said in other words, found"] += len(found & (caption.concepts - caption.plain))
        concepts["denied"] += len(caption.denied)
        concepts["denied, but found"] += len(found & caption.denied)
    refused = Counter(f"{row['kind']}: {row['reason']}" for row in rejected)
    return {
        "rows": len(rows),
        "with a diagnosis": sum(row["disease"] != "no definitive diagnosis" for row in rows),
        "sub-captions": sum(int(row["sub_captions"]) for row in rows),
        "diseases": dict(sorted(diseases.items())),
        "concepts": dict(concepts),
        "refused": dict(refused.most_common()),
    }


def _planted(script: Script, rows: Rows) -> dict[str, dict[str, int]]:
    """Of each kind of planted mistake, how many there were, and how many stand in the table."""
    by_name = {row["filename"]: row for row in rows}
    result = {}
    for kind, cases in sorted(script.planted.items()):
        result[kind] = {"planted": len(cases)}
        if any(term for _, term in cases):
            result[kind]["in the table"] = sum(_stands(kind, term, by_name[name]) for name, term in cases)
    return result


def _stands(kind: str, term: str, row: Mapping[str, str]) -> bool:
    if kind.startswith("disease"):
        return row["disease"] == term
    if kind.startswith("concept"):
        return term in row["concepts"].split("; ")
    return term in [row[f"subcaption_{n}"] for n in range(1, 9)]


if __name__ == "__main__":
    main()
