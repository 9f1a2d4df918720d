"""Does what stands beside a photograph contradict it?

    python -m zsderm.benchmarks.experiments.evidence --data-root DATA --output docs/evidence.json \\
        --document docs/how_it_works.md

Prints Markdown and, with --document, puts it between "<!-- evidence -->" and "<!-- end of evidence -->" of a page.
Smartphone photographs of PAD and dermoscopic pictures of HAM10000 (DATA/pad/index.csv and DATA/ham10000/index.csv, with
the columns filename, label and, where they are there, region or localization, and fitspatrick) are answered with the
classes of their set, and the sentences beside each answer are held against what is known of it:

- another place: the sentence names parts of the body, and none of them lies in the photograph's region;
- other kind: it is a sign that only the other kind of picture shows;
- dark skin: it speaks of brown, dark or black skin beside skin of types I to III;
- no sign: it is on place, number, skin tone, course or a rival, and its place was not given and right;
- distinct: how many different sentences there are among those listed, and among those that stand first.

Rows: the sentences nearest to the photograph among all that were retrieved for the folder, as up to 0.3; the nearest of
those that fit, as up to 0.4; and as they are chosen now, where the encoder was asked what it sees, where the kind was
given, and where the region was given too; then those of the runner-up. --knowledge takes another base, such as an older
one; it may be repeated.

Signs that can be measured say whether the choice carries anything of the photograph, see `evidence_signs`.

A last table says how often the encoder tells photographs from dermoscopic pictures by words for them, on PAD,
HAM10000 and, where they are there, the other folders of DATA named below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray

from zsderm import KnowledgeBase, ZeroShotClassifier, load_encoder
from zsderm.benchmarks.experiments.evidence_signs import agreement, claims, signs
from zsderm.benchmarks.features import image_features
from zsderm.benchmarks.options import (
    cache_dir_option,
    data_root_option,
    document_option,
    model_option,
    output_option,
    split_option,
)
from zsderm.benchmarks.pages import publish
from zsderm.config import DEFAULT_KNOWLEDGE
from zsderm.image_table import ImageTable
from zsderm.knowledge import Description
from zsderm.knowledge.body_sites import agrees, contradicts

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
ANSWERED = ("pad", "ham10000")
PLACES = ("region", "localization")  # columns
CONTRADICTIONS = ("another place", "other kind", "dark skin", "no sign")
COUNT = 3  # sentences beside an answer

Beside = list[list[Description]]  # for each photograph, the sentences beside it


def contradictions(told: Description, region: str, skin_type: str, kind: str = "clinical") -> set[str]:
    """In which ways a sentence contradicts the picture beside it; some of CONTRADICTIONS.

    Args:
        told: the sentence.
        region: of the body; empty where it is not known.
        skin_type: by Fitzpatrick, "1" to "6"; empty where it is not known.
        kind: of the picture, "clinical" or "dermoscopic".
    """
    said = {
        "another place": contradicts(told.text, region),
        "other kind": told.modality not in (kind, "either"),
        "dark skin": skin_type in LIGHT and DARK_SKIN.search(told.text) is not None,
        "no sign": told.shows != "lesion" and not (told.shows == "place" and agrees(told.text, region)),
    }
    return {name for name, holds in said.items() if holds}


def tally(
    beside: Iterable[Sequence[Description]], regions: Sequence[str], skin_types: Sequence[str], kind: str = "clinical"
) -> dict[str, int]:
    """Counts over the sentences beside N photographs: listed, distinct, and each of CONTRADICTIONS.

    "distinct first" are those that stand first. "with a region" and "with a light skin type" say how many of the listed
    could contradict at all.
    """
    named = ("listed", "distinct", "distinct first", "with a region", "with a light skin type", *CONTRADICTIONS)
    counts = dict.fromkeys(named, 0)
    texts, first = set(), set()
    for told, region, skin_type in zip(beside, regions, skin_types, strict=True):
        first |= {one.text for one in told[:1]}
        for one in told:
            texts.add(one.text)
            counts["listed"] += 1
            counts["with a region"] += bool(region)
            counts["with a light skin type"] += skin_type in LIGHT
            for name in contradictions(one, region, skin_type, kind):
                counts[name] += 1
    return {**counts, "distinct": len(texts), "distinct first": len(first)}


def choices(
    classifier: ZeroShotClassifier,
    features: torch.Tensor,
    probabilities: torch.Tensor,
    kind: str,
    regions: Sequence[str],
) -> Iterator[tuple[str, Beside]]:
    """(how they are chosen, the sentences beside each photograph), for each way of choosing.

    Args:
        classifier: whose sentences are chosen from.
        features: (N, D) float32 unit rows.
        probabilities: (N, C) float32, what was answered.
        kind: of the pictures.
        regions: N regions of the body; empty where one is not known.
    """
    texts = classifier.texts
    winners = probabilities.argmax(dim=1)
    by_text = {s.description.text: s.description for s in texts.sentences if s.description is not None}
    rows = texts.kept_for(features, classifier.settings.k)
    own = [rows[texts.class_of[rows] == index] for index in range(texts.class_count)]
    nearest = []
    for feature, winner in zip(features, winners.tolist(), strict=True):
        best = (texts.features[own[winner]] @ feature).topk(min(COUNT, len(own[winner]))).indices
        nearest.append([texts.sentences[row].description for row in own[winner][best].tolist()])
    yield "nearest of all, as up to 0.3", [[one for one in told if one is not None] for told in nearest]
    for title, modality, known, alone, which in (
        (f"nearest that fits, {kind}", kind, None, True, 0),
        ("chosen, auto", "auto", None, False, 0),
        (f"chosen, {kind}", kind, None, False, 0),
        (f"chosen, {kind}, region given", kind, regions, False, 0),
        (f"runner-up's, {kind}", kind, None, False, 1),
    ):
        found = texts.evidence_beside(features, probabilities, COUNT, modality, known, alone=alone)
        yield title, [[by_text[one.text] for one in told[which] if one.text in by_text] for told in found]


def carried(beside: Beside, shown: NDArray[np.float64], answers: NDArray[np.int64]) -> dict[str, float]:
    """`agreement` of the sentences beside N photographs with their signs, (N, A)."""
    said = np.array([claims([one.text for one in told]).sum(axis=0) for told in beside])
    return agreement(said, shown, answers)


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
    sets = ", ".join(f"{row['n']} images of {row['set']}" for row in figures["answered"])
    yield (
        f"Written by `python -m zsderm.benchmarks.experiments.evidence`: {figures['encoder']}, {sets}, "
        f"`{figures['split']}` split, at most {COUNT} sentences beside each answer. Shares are of the listed "
        "sentences; of another place, of those beside a known region; of dark skin, of those beside types I to III.\n"
    )
    heads = " | ".join(CONTRADICTIONS)
    yield f"| set | base | sentences | {heads} | distinct of listed | distinct first |"
    yield f"|---|---|---|{'--:|' * (len(CONTRADICTIONS) + 2)}"
    for row in figures["rows"]:
        of = {"another place": "with a region", "dark skin": "with a light skin type"}
        shares = [f"{row[name] / (row[of.get(name, 'listed')] or 1):.0%}" for name in CONTRADICTIONS]
        start = f"| {row['set']} | {row['base'].split()[0]} | {row['chosen']} | "
        yield start + f"{' | '.join(shares)} | {row['distinct']} of {row['listed']} | {row['distinct first']} |"
    yield (
        "\nSigns that sentences claim (dark, red, ragged, many colours; in PAD also raised and bled) and that can be "
        "measured: how often a claim is so, among the photographs with one answer; chance is what swapped sentences "
        "give.\n"
    )
    yield "| set | base | sentences | claims | are so | chance | z |"
    yield "|---|---|---|--:|--:|--:|--:|"
    for row in figures["rows"]:
        start = f"| {row['set']} | {row['base'].split()[0]} | {row['chosen']} | {row['claims']:.0f} | "
        yield start + f"{row['agree']:.1%} | {row['chance']:.1%} | {row['z']:.1f} |"
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
@output_option
@document_option
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
    there = [name for name in ANSWERED if (data_root / name / "index.csv").is_file()]
    if not there:
        raise click.ClickException(
            f"{data_root} has neither pad/index.csv nor ham10000/index.csv. Choose another --data-root."
        )
    encoder = load_encoder(model)
    rows: list[dict[str, Any]] = []
    answered = []
    for name in there:
        table = _read(data_root / name, split)
        classes, kind = sorted(set(table["label"])), KINDS[name]
        shown = signs(table["files"], table)
        answered.append({"set": name, "n": len(table["files"])})
        for given in knowledge:
            base = KnowledgeBase.load(given)
            classifier = ZeroShotClassifier.from_pretrained(encoder, classes=classes, knowledge=base, cache=cache_dir)
            probabilities = classifier.predict(list(map(str, table["files"]))).probabilities
            features = image_features(encoder, table["files"], cache_dir)
            for chosen, beside in choices(classifier, features, probabilities, kind, table["region"]):
                rows.append(
                    {"set": name, "base": f"{base.version} ({base.checksum})", "chosen": chosen}
                    | tally(beside, table["region"], table["fitspatrick"], kind)
                    | carried(beside, shown, probabilities.argmax(dim=1).numpy())
                )
    figures = {
        "encoder": f"{encoder.card.name} ({encoder.fingerprint})",
        "split": split,
        "answered": answered,
        "rows": rows,
        "kinds": list(kinds_told(classifier, data_root, split, cache_dir)),
    }
    publish({"evidence": "\n".join(markdown(figures))}, figures, output, document)


def _read(folder: Path, split: str) -> dict[str, list[Any]]:
    """Columns of index.csv for one split: files, label, region and fitspatrick, and what is noted of signs, as texts.

    Region and skin type are empty where they are not known.
    """
    table = ImageTable.read(folder / "index.csv")
    kept = [row for row, value in enumerate(table.column("split")) if split in (value, "all")]
    columns = table.frame.columns
    found: dict[str, list[Any]] = {name: table.ids(name) for name in columns if name in ("elevation", "bleed")}
    unknown = [""] * len(table.frame)
    found["label"] = table.column("label")
    found["region"] = next((table.ids(name) for name in PLACES if name in columns), unknown)
    skin = table.ids("fitspatrick") if "fitspatrick" in columns else unknown
    found["fitspatrick"] = [value.removesuffix(".0") for value in skin]
    found["files"] = list(table.files)
    return {name: [values[row] for row in kept] for name, values in found.items()}


if __name__ == "__main__":
    main()
