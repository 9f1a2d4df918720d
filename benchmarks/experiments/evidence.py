"""Does what stands beside a photograph contradict it?

    python -m zsderm.benchmarks.experiments.evidence --data-root DATA --output docs/evidence.json \\
        --document docs/how_it_works.md

Prints Markdown and, with --document, puts it between "<!-- evidence -->" and "<!-- end of evidence -->" of a page.
Smartphone photographs of PAD (DATA/pad/index.csv with the columns filename, region and fitspatrick) are answered with
the classes of PAD, and the sentences beside each answer are held against what is known of it:

- another place: the sentence names parts of the body, and none of them lies in the photograph's region;
- dermoscopy: it is a sign that only a dermatoscope shows;
- dark skin: it speaks of brown, dark or black skin beside skin of types I to III;
- on a rival: it says how the disease differs from another;
- distinct: how many different sentences there are among those listed.

Rows: the sentences nearest to the photograph among all that were retrieved for the folder, as up to 0.3; those that
fit, where the encoder was asked what it sees; those that fit a photograph; and the same where the region is given.
--knowledge takes another base, such as an older one; it may be repeated.

A second table says how often the encoder tells photographs from dermoscopic pictures by words for them, on PAD,
HAM10000 and, where they are there, the other folders of DATA named below.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import torch

from zsderm import KnowledgeBase, ZeroShotClassifier, load_encoder
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.features import image_features
from zsderm.benchmarks.options import cache_dir_option, data_root_option, model_option, split_option
from zsderm.benchmarks.pages import splice
from zsderm.config import DEFAULT_KNOWLEDGE
from zsderm.image_table import ImageTable
from zsderm.knowledge import Description
from zsderm.knowledge.body_sites import contradicts

KINDS = {
    "pad": "clinical",
    "onychomycosis": "clinical",
    "fuseg": "clinical",
    "ham10000": "dermoscopic",
    "isic2017": "dermoscopic",
}
LIGHT = ("1", "2", "3")  # Fitzpatrick types
DARK_SKIN = re.compile(
    r"\b(?:dark|darker|brown|black|deep)(?:[ -](?:brown|and|or|to|black|dark|pigmented))*[ -]skin\b", re.I
)
CONTRADICTIONS = ("another place", "dermoscopy", "dark skin", "on a rival")
COUNT = 3  # sentences beside an answer


def contradictions(told: Description, region: str, skin_type: str) -> set[str]:
    """In which ways a sentence contradicts a smartphone photograph; some of CONTRADICTIONS.

    Args:
        told: the sentence.
        region: of the body; empty where it is not known.
        skin_type: by Fitzpatrick, "1" to "6"; empty where it is not known.
    """
    said = {
        "another place": contradicts(told.text, region),
        "dermoscopy": told.modality == "dermoscopic",
        "dark skin": skin_type in LIGHT and DARK_SKIN.search(told.text) is not None,
        "on a rival": told.shows == "differs",
    }
    return {name for name, holds in said.items() if holds}


def tally(beside: Iterable[Sequence[Description]], regions: Sequence[str], skin_types: Sequence[str]) -> dict[str, int]:
    """Counts over the sentences beside N photographs: listed, distinct, and each of CONTRADICTIONS.

    "with a region" and "with a light skin type" say how many of the listed could contradict at all.
    """
    counts = dict.fromkeys(("listed", "distinct", "with a region", "with a light skin type", *CONTRADICTIONS), 0)
    texts = set()
    for told, region, skin_type in zip(beside, regions, skin_types, strict=True):
        for one in told:
            texts.add(one.text)
            counts["listed"] += 1
            counts["with a region"] += bool(region)
            counts["with a light skin type"] += skin_type in LIGHT
            for name in contradictions(one, region, skin_type):
                counts[name] += 1
    return {**counts, "distinct": len(texts)}


def choices(
    classifier: ZeroShotClassifier,
    features: torch.Tensor,
    winners: torch.Tensor,
    rows: torch.Tensor,
    regions: Sequence[str],
) -> Iterator[tuple[str, list[list[Description]]]]:
    """(how they are chosen, the sentences beside each photograph), for each way of choosing.

    Args:
        classifier: whose sentences are chosen from.
        features: (N, D) float32 unit rows.
        winners: (N,) int64, the classes that were answered.
        rows: (M,) int64, the sentences that were retrieved.
        regions: N regions of the body; empty where one is not known.
    """
    texts = classifier.texts
    own = [rows[texts.class_of[rows] == index] for index in range(texts.class_count)]
    nearest = []
    for feature, winner in zip(features, winners.tolist(), strict=True):
        best = (texts.features[own[winner]] @ feature).topk(min(COUNT, len(own[winner]))).indices
        nearest.append([texts.sentences[row].description for row in own[winner][best].tolist()])
    yield "nearest of all, as up to 0.3", [[one for one in told if one is not None] for told in nearest]
    by_text = {s.description.text: s.description for s in texts.sentences if s.description is not None}
    for title, modality, known in (
        ("auto", "auto", None),
        ("clinical", "clinical", None),
        ("clinical, region given", "clinical", regions),
    ):
        found = texts.evidence_for(features, winners, None, COUNT, modality, known)
        yield title, [[by_text[one.text] for one in told if one.text in by_text] for told in found]


def kinds_told(
    classifier: ZeroShotClassifier, data_root: Path, split: str, cache: Path | None
) -> Iterator[dict[str, Any]]:
    """For each folder of KINDS that is there: how many images, and how many of them were told rightly and wrongly.

    "nearer" counts those that are nearer to the words for their own kind, sure or not.
    """
    kinds = classifier.texts.kinds
    if kinds is None:
        return
    for name, kind in KINDS.items():
        if not (data_root / name / "index.csv").is_file():
            continue
        features = image_features(classifier.encoder, list(_read(data_root / name, split)["files"]), cache)
        told = kinds.of(features)
        dermoscopic = (features @ kinds.rows.T).argmax(dim=1) == 1
        yield {
            "set": name,
            "kind": kind,
            "n": len(told),
            "right": told.count(kind),
            "wrong": told.count("clinical" if kind == "dermoscopic" else "dermoscopic"),
            "nearer": int((dermoscopic == (kind == "dermoscopic")).sum()),
        }


def markdown(figures: Mapping[str, Any]) -> Iterator[str]:
    """The part of the page."""
    yield (
        f"Written by `python -m zsderm.benchmarks.experiments.evidence`: {figures['encoder']}, {figures['n']} "
        f"photographs of PAD, `{figures['split']}` split, at most {COUNT} sentences beside each answer. Shares are of "
        "the listed sentences; of another place, of those beside a known region; of dark skin, of those beside types I "
        "to III.\n"
    )
    yield "| base | sentences | another place | dermoscopy | dark skin | on a rival | distinct of listed |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    for row in figures["rows"]:
        shares = [
            f"{row[name] / (row[of] or 1):.0%}"
            for name, of in zip(
                CONTRADICTIONS, ("with a region", "listed", "with a light skin type", "listed"), strict=True
            )
        ]
        yield f"| {row['base']} | {row['chosen']} | {' | '.join(shares)} | {row['distinct']} of {row['listed']} |"
    yield ""
    yield "| set | kind | images | nearer to the words for it | sure and right | sure and wrong |"
    yield "|---|---|--:|--:|--:|--:|"
    for row in figures["kinds"]:
        shares = [f"{row[name] / row['n']:.0%}" for name in ("nearer", "right", "wrong")]
        yield f"| {row['set']} | {row['kind']} | {row['n']} | {' | '.join(shares)} |"


@click.command(help=__doc__)
@data_root_option
@model_option
@split_option
@click.option("--knowledge", multiple=True, default=[DEFAULT_KNOWLEDGE], show_default=True, help="Knowledge bases.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File for the figures: .json.")
@click.option("--document", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Page for the tables.")
@cache_dir_option
def main(
    data_root: Path,
    model: str,
    split: str,
    knowledge: tuple[str, ...],
    output: Path | None,
    document: Path | None,
    cache_dir: Path | None,
) -> None:
    """Measure, then print the tables."""
    encoder = load_encoder(model)
    table = _read(data_root / "pad", split)
    classes = sorted(set(table["label"]))
    rows = []
    for name in knowledge:
        base = KnowledgeBase.load(name)
        classifier = ZeroShotClassifier.from_pretrained(encoder, classes=classes, knowledge=base, cache=cache_dir)
        predictions = classifier.predict(list(map(str, table["files"])))
        features = image_features(encoder, list(table["files"]), cache_dir)
        kept = predictions.sentences
        retrieved = torch.arange(len(classifier.texts.sentences)) if kept is None else kept
        for chosen, beside in choices(
            classifier, features, predictions.probabilities.argmax(dim=1), retrieved, table["region"]
        ):
            rows.append(
                {"base": f"{base.version} ({base.checksum})", "chosen": chosen}
                | tally(beside, table["region"], table["fitspatrick"])
            )
    figures = {
        "encoder": f"{encoder.card.name} ({encoder.fingerprint})",
        "split": split,
        "n": len(table["files"]),
        "rows": rows,
        "kinds": list(kinds_told(classifier, data_root, split, cache_dir)),
    }
    part = "\n".join(markdown(figures))
    click.echo(part)
    if output:
        with atomic_file(output) as draft:
            draft.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if document:
        splice(document, {"evidence": f"\n\n{part}\n\n"}, required="evidence")


def _read(folder: Path, split: str) -> dict[str, list[Any]]:
    """Columns of index.csv for one split: files, and label, region and fitspatrick as texts, where they are there."""
    table = ImageTable.read(folder / "index.csv")
    kept = [row for row, value in enumerate(table.column("split")) if split in (value, "all")]
    columns = [name for name in ("label", "region", "fitspatrick") if name in table.frame.columns]
    found: dict[str, list[Any]] = {name: list(map(str, table.column(name))) for name in columns}
    found["fitspatrick"] = [value.removesuffix(".0") for value in found.get("fitspatrick", [])]
    found["files"] = list(table.files)
    return {name: [values[row] for row in kept] for name, values in found.items() if values}


if __name__ == "__main__":
    main()
