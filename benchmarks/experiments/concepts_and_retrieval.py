"""Concept annotation and retrieval on real photographs, beside what chance and the diagnosis alone would give.

    python -m zsderm.benchmarks.experiments.concepts_and_retrieval --data-root DATA \\
        --output docs/concepts_and_retrieval --document docs/tasks.md

writes a .json, prints the tables, and puts them between "<!-- concepts and retrieval -->" and
"<!-- end of concepts and retrieval -->" of a page. DATA holds pad/ and ham10000/, each with an index.csv (filename,
label, split, and the patient data of the set). Neither set has concept labels or captions, so they are made from what
there is, which is weak:

reported   what PAD-UFES-20's patients say of the lesion. It is told, not seen; itch and hurt are controls.
implied    a concept counts as present where the knowledge base lists it for the diagnosis. Whoever knows the diagnosis
           knows these labels, so they say whether concept scores follow diagnoses, and nothing about signs.
captions   "<diagnosis> on the <site>". Few are distinct, and many photographs share one.

The encoder saw such facts as captions of the `train` split; `dev` shares no patient (PAD) and no lesion (HAM10000)
with it. The reference column "diagnosis alone" is an oracle that is told the true diagnosis and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from zsderm import KnowledgeBase, load_encoder
from zsderm.benchmarks.options import cache_dir_option, data_root_option, model_option, split_option
from zsderm.benchmarks.pages import splice
from zsderm.image_table import ImageTable
from zsderm.tasks.concepts.agreement import PRESENT, UNKNOWN, Agreement, agreement
from zsderm.tasks.concepts.annotation import annotate
from zsderm.tasks.concepts.concept_list import Concept, ConceptVocabulary
from zsderm.tasks.retrieval.captioned_images import CaptionedImages
from zsderm.tasks.retrieval.recall import CUTOFFS, RecallReport, chance_recall

SITES = {"pad": "region", "ham10000": "localization"}
GROUPS = {"pad": "patient_id", "ham10000": "lesion_id"}
REPORTED = {
    "elevation": ("a raised lesion", "a lesion that stands above the skin", "an elevated bump"),
    "bleed": ("a bleeding lesion", "blood or a bloody crust", "a lesion that bleeds"),
    "changed": ("a lesion that has changed", "a changing lesion", "a lesion that looks different than before"),
    "grew": ("a lesion that has grown", "a growing lesion", "a lesion that became larger"),
    "hurt": ("a painful lesion", "a lesion that hurts", "a tender lesion"),
    "itch": ("an itchy lesion", "a lesion that itches", "an itching lesion"),
}


@click.command(help=__doc__)
@data_root_option
@model_option
@split_option
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Path without a suffix.")
@click.option("--document", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Page for the tables.")
@cache_dir_option
def main(data_root: Path, model: str, split: str, output: Path, document: Path | None, cache_dir: Path | None) -> None:
    """Measure, then write the tables and the figures."""
    encoder = load_encoder(model)
    base = KnowledgeBase.load("dermatology")
    content: dict[str, Any] = {"model": model, "encoder": encoder.fingerprint, "split": split, "sets": {}}
    for dataset, site in SITES.items():
        table = ImageTable.read(data_root / dataset / "index.csv")
        train, part = table.where("split", "train"), table.where("split", split)
        figures: dict[str, Any] = {"n": len(part.frame)}
        if dataset == "pad":
            scores = annotate(encoder, reported(), part.files, cache=cache_dir)
            found = agreement(scores, part, group_column=GROUPS[dataset])
            figures["reported"] = found.to_dict() | {"oracle": told_the_diagnosis(found, train.frame, part.frame)}
        scores = annotate(encoder, ConceptVocabulary.load("skincon"), part.files, cache=cache_dir)
        figures["implied"] = agreement(scores, implied(part, base), group_column=GROUPS[dataset]).to_dict()
        captioned = with_captions(part, site)
        matched = CaptionedImages.match(captioned.files, captioned)
        recall, _ = matched.recall(encoder, cache=cache_dir)
        figures["recall"] = recall.to_dict() | {"oracle": recall_told_the_diagnosis(captioned, recall)}
        content["sets"][dataset] = figures
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    tables = "\n".join(markdown(content))
    click.echo(tables)
    if document:
        splice(document, {"concepts and retrieval": f"\n\n{tables}\n"}, required="concepts and retrieval")
    click.echo(f"Written: {output}.json", err=True)


def reported() -> ConceptVocabulary:
    """What patients report, as concepts, in the prompts of the bundled clinical vocabulary."""
    concepts = tuple(Concept(name, terms) for name, terms in REPORTED.items())
    return ConceptVocabulary("reported", concepts, ConceptVocabulary.load("skincon").prompts)


def implied(table: ImageTable, base: KnowledgeBase) -> ImageTable:
    """The table with a column per SkinCon concept: 1 where the knowledge base lists it for the diagnosis."""
    listed = {label: set(base.find(label).concepts) for label in set(table.column("label"))}
    columns = {
        name: ["01"[name in listed[label]] for label in table.column("label")]
        for name in ConceptVocabulary.load("skincon").names
        if any(name in concepts for concepts in listed.values())
    }
    kept = table.frame[[table.image_column, "lesion_id", *({"patient_id"} & set(table.frame))]].reset_index(drop=True)
    return ImageTable(table.path, kept.assign(**columns), table.image_column)


def with_captions(table: ImageTable, site_column: str) -> ImageTable:
    """The table with a column caption; an unknown site is left out of it."""
    sites = ["" if site.lower() in UNKNOWN else f" on the {site.lower()}" for site in table.column(site_column)]
    captions = [label + site for label, site in zip(table.column("label"), sites, strict=True)]
    return ImageTable(table.path, table.frame.assign(caption=captions), table.image_column)


def told_the_diagnosis(found: Agreement, train: pd.DataFrame, part: pd.DataFrame) -> dict[str, float]:
    """The AUROC of each concept for whoever scores a photograph by how often its true diagnosis had it in `train`."""
    areas = {}
    for figure in found.figures:
        seen, asked = (rows[~rows[figure.concept].str.lower().isin(UNKNOWN)] for rows in (train, part))
        rates = seen[figure.concept].str.lower().isin(PRESENT).groupby(seen["label"]).mean()
        shown = asked[figure.concept].str.lower().isin(PRESENT)
        areas[figure.concept] = float(roc_auc_score(shown, asked["label"].map(rates)))
    return areas


def recall_told_the_diagnosis(table: ImageTable, recall: RecallReport) -> dict[str, list[float]]:
    """Recall at each cutoff for whoever ranks all of the true diagnosis first, in random order."""
    pairs = pd.DataFrame({"label": table.column("label"), "caption": [c.casefold() for c in table.column("caption")]})
    captions_of, images_of = pairs.groupby("label")["caption"].nunique(), pairs.groupby("label").size()
    queries = pairs.drop_duplicates("caption")
    right = queries["caption"].map(pairs["caption"].value_counts()).tolist()

    def mean(rows: pd.DataFrame, positives: Sequence[int], sizes: pd.Series, k: int) -> float:
        each = [
            chance_recall(np.array([p]), sizes[label], k) for label, p in zip(rows["label"], positives, strict=True)
        ]
        return float(np.mean(each))

    return {
        recall.directions[0].name: [mean(pairs, [1] * len(pairs), captions_of, k) for k in CUTOFFS],
        recall.directions[1].name: [mean(queries, right, images_of, k) for k in CUTOFFS],
    }


def markdown(content: dict[str, Any]) -> Iterator[str]:
    """The part of the page."""
    yield (
        f"Written by `python -m zsderm.benchmarks.experiments.concepts_and_retrieval`: {content['model']} "
        f"({content['encoder']}), `{content['split']}` splits. The docstring of that module says how these weak labels "
        'and captions are made, and what leaks into them. "Diagnosis alone" is an oracle that knows the true diagnosis '
        "and nothing else: a figure that is not above it is no evidence that the encoder sees the sign or the site. "
        "In brackets: 95 % bootstrap intervals, of concepts by patient (PAD) or lesion (HAM10000), of recall by "
        "query.\n"
    )
    for dataset, figures in content["sets"].items():
        yield f"### {dataset}, n = {figures['n']}\n"
        if "reported" in figures:
            yield from _reported(figures["reported"])
        found = figures["implied"]
        yield (
            f"Concepts implied by the diagnosis (SkinCon words, {len(found['figures'])} with both sides): mean AUROC "
            f"{found['mean_auroc']:.3f} ({found['low']:.3f} to {found['high']:.3f}), by chance 0.500, by diagnosis "
            "alone 1.000 by construction.\n"
        )
        yield from _recall(figures["recall"])


def _reported(found: dict[str, Any]) -> Iterator[str]:
    yield "| what patients report | positives | negatives | AUROC | by diagnosis alone | by chance |"
    yield "|---|--:|--:|--:|--:|--:|"
    for row in found["figures"]:
        counts = f"{row['positives']} | {row['negatives']}"
        yield f"| {row['concept']} | {counts} | {row['auroc']:.3f} | {found['oracle'][row['concept']]:.3f} | 0.500 |"
    mean = f"{found['mean_auroc']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
    yield f"| mean | | | {mean} | {np.mean(list(found['oracle'].values())):.3f} | 0.500 |\n"


def _recall(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Captions: {found['captions']} distinct ones for {found['images']} photographs; {found['shared']} photographs "
        "share theirs with another one, and each of these counts as right.\n"
    )
    yield "| direction | queries | candidates | K | recall | by diagnosis alone | by chance |"
    yield "|---|--:|--:|--:|---|--:|--:|"
    for way in found["directions"]:
        for figure, oracle in zip(way["figures"], found["oracle"][way["name"]], strict=True):
            share = f"{figure['recall']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
            counts = f"{way['queries']} | {way['candidates']} | {figure['k']}"
            yield f"| {way['name']} | {counts} | {share} | {oracle:.3f} | {figure['chance']:.3f} |"
    yield ""


if __name__ == "__main__":
    main()
