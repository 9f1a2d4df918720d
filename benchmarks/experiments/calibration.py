"""How well probabilities, prediction sets and abstention are calibrated, on real and on synthetic images.

    python -m zsderm.benchmarks.experiments.calibration --data-root DATA --cache-dir CACHE

Prints five tables as Markdown. DATA holds pad/ and ham10000/, each with an index.csv (filename, label, split, and
patient_id or lesion_id, which random halves never divide). Both `dev` splits were looked at when the rule without
labels was chosen, and the encoder was chosen on them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from zsderm import FallbackWarning, KnowledgeBase, ZeroShotClassifier, load_encoder
from zsderm.benchmarks.experiments.temperature_rules import (
    RULES,
    TextScores,
    fitted_across,
    surprise,
    synthetic_texts,
    unavoidable,
)
from zsderm.benchmarks.features import image_features
from zsderm.benchmarks.options import cache_dir_option, data_root_option, model_option, split_option
from zsderm.calibration import (
    FAMILIARITIES,
    SET_SCORES,
    conformal_sets,
    familiarity,
    fit_calibration,
    fit_temperature,
    scale_probabilities,
    threshold_for_rate,
)
from zsderm.image_table import ImageTable
from zsderm.pretrain import held_out

UNITS = {"pad": "patient_id", "ham10000": "lesion_id"}
WORDINGS = ("class-name", "templates", "descriptions", "knowledge", "knowledge, unseen wording")
DISTORTIONS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the encoder's temperature
COVERAGE, RATE = 0.9, 0.1


@dataclass(frozen=True)
class Case:
    """One data set under one wording."""

    dataset: str
    wording: str
    units: np.ndarray  # (N,) patient or lesion
    texts: TextScores


def cases(
    data_root: Path, model: str, split: str, cache_dir: Path | None, wordings: Sequence[str] = WORDINGS
) -> Iterator[Case]:
    """Every data set that is there, under every wording."""
    encoder = load_encoder(model)
    base = KnowledgeBase.load("dermatology")
    unseen = base.subset(lambda description: held_out(description.text))
    for dataset, unit in UNITS.items():
        index = data_root / dataset / "index.csv"
        if not index.is_file():
            click.echo(f"{dataset}: no {index}, left out", err=True)
            continue
        table = ImageTable.read(index).where("split", split)
        features = image_features(encoder, table.files, cache_dir)
        named = table.column("label")
        classes = sorted(set(named))
        labels = np.array([classes.index(label) for label in named])
        for wording in wordings:
            method, _, unseen_wording = wording.partition(", ")
            subject = ZeroShotClassifier.from_pretrained(
                encoder, classes=classes, knowledge=unseen if unseen_wording else base, method=method
            )
            texts, settings = subject.texts, subject.settings
            kept = texts.kept_for(features, settings.k if method == "knowledge" else None)
            scores = features @ texts.proxies(kept, settings.name_weight).T  # (N, C)
            read = TextScores(
                scores.double(), labels, features, texts.features[kept], texts.class_of[kept], encoder.temperature
            )
            own = [name or f"row {row}" for row, name in enumerate(table.ids(unit))]  # an unknown patient is nobody
            yield Case(dataset, wording, np.array(own), read)


def halves(units: np.ndarray, repeats: int) -> Iterator[np.ndarray]:
    """(N,) bool, a random half of the units, again and again."""
    names, owner = np.unique(units, return_inverse=True)
    for seed in range(repeats):
        drawn = np.random.default_rng(seed).permutation(len(names)) < len(names) // 2
        yield drawn[owner]


def temperature_rows(case: Case, repeats: int) -> Iterator[dict[str, Any]]:
    """Calibration error and loss under every rule, and with the temperature that the other half's labels fit."""
    for rule, temperature in RULES.items():
        found = temperature(case.texts)
        figures = surprise(case.texts.scores / found, case.texts.labels)
        yield {"rule": rule, "temperature": found, **figures}
    logits = case.texts.scores / case.texts.encoder_temperature
    fitted = [fitted_across(logits, case.texts.labels, half) for half in halves(case.units, repeats)]
    yield {"rule": "labels of the other half", **pd.DataFrame(fitted).mean().to_dict()}
    true = fit_temperature(logits, case.texts.labels, prior_spread=np.inf).value
    yield {"rule": "chance alone", "error": unavoidable(logits / true)}


def distortion_rows(case: Case, repeats: int) -> Iterator[dict[str, Any]]:
    """What is left of a wrong encoder temperature under the rule without labels, and with labels."""
    for factor in DISTORTIONS:
        texts = case.texts.distorted(factor)
        logits = texts.scores / texts.encoder_temperature
        for rule in ("encoder", "spread"):
            figures = surprise(texts.scores / RULES[rule](texts), texts.labels)
            yield {"factor": factor, "rule": rule, **figures}
        fitted = [fitted_across(logits, texts.labels, half) for half in halves(case.units, repeats)]
        yield {"factor": factor, "rule": "labels of the other half", **pd.DataFrame(fitted).mean().to_dict()}


def set_rows(case: Case, repeats: int) -> Iterator[dict[str, Any]]:
    """Coverage and size of sets of one half, from the labels of the other."""
    labels = torch.from_numpy(case.texts.labels)
    logs = torch.log_softmax(case.texts.scores / RULES["spread"](case.texts), dim=1)
    for score in SET_SCORES:
        for conditional in (False, True):
            covered, sizes, by_class = [], [], []
            for half in halves(case.units, repeats):
                seen, new = torch.from_numpy(half), torch.from_numpy(~half)
                learned = fit_calibration(
                    logs[seen], labels[seen], coverage=COVERAGE, set_score=score, class_conditional=conditional
                )
                assert learned.conformal is not None, "a coverage was asked for"
                sets = conformal_sets(scale_probabilities(logs[new], learned.temperature), learned.conformal)
                hit = sets[torch.arange(len(sets)), labels[new]].numpy()
                covered.append(hit.mean())
                sizes.append(sets.sum(dim=1).double().mean().item())
                by_class.append(pd.Series(hit).groupby(labels[new].numpy()).mean())
            yield {
                "score": f"{score}, by class" if conditional else score,
                "coverage": np.mean(covered),
                "low": np.quantile(covered, 0.05),
                "high": np.quantile(covered, 0.95),
                "least": pd.DataFrame(by_class).mean().min(),
                "size": np.mean(sizes),
            }


def stranger_rows(case: Case, repeats: int) -> Iterator[dict[str, Any]]:
    """Each class in turn is left out of the class list: how well a score tells its images from those of the others."""
    for left_out in range(case.texts.scores.shape[1]):
        known = case.texts.labels != left_out
        cosines = np.delete(case.texts.scores.numpy(), left_out, axis=1)
        probabilities = torch.softmax(torch.from_numpy(cosines) / RULES["spread"](case.texts), dim=1)
        for score in FAMILIARITIES:
            table = cosines if score == "energy" else probabilities
            values = familiarity(table, score, case.texts.encoder_temperature).numpy()
            abstain = []
            for half in halves(case.units, repeats):
                low = values < threshold_for_rate(values[known & half], RATE)
                abstain.append((low[known & ~half].mean(), low[~known].mean()))
            of_known, of_unknown = np.mean(abstain, axis=0)
            yield {
                "score": score,
                "auroc": roc_auc_score(known, values),
                "known": of_known,
                "unknown": of_unknown,
            }


def synthetic_rows(worlds: int) -> Iterator[dict[str, Any]]:
    """The rules in synthetic worlds whose encoder is right, or wrong by a factor, about single sentences."""
    for seed, texts in enumerate(synthetic_texts(worlds)):
        for factor in DISTORTIONS:
            for rule in ("encoder", "spread", "length"):
                distorted = texts.distorted(factor)
                figures = surprise(texts.scores / RULES[rule](distorted), texts.labels)
                yield {"seed": seed, "factor": factor, "rule": rule, **figures}


@click.command(help=__doc__)
@data_root_option
@model_option
@split_option
@click.option("--repeats", default=50, show_default=True, help="Random halves by patient or lesion.")
@click.option("--worlds", default=60, show_default=True, help="Synthetic worlds.")
@click.option(
    "--wording", "wordings", type=click.Choice(WORDINGS), multiple=True, default=WORDINGS, help="Only this one."
)
@cache_dir_option
def main(
    data_root: Path,
    model: str,
    split: str,
    repeats: int,
    worlds: int,
    wordings: tuple[str, ...],
    cache_dir: Path | None,
) -> None:
    """Measure, and print the tables."""
    warnings.simplefilter("ignore", FallbackWarning)  # small classes are in every set, as the tables show
    measured: dict[str, list[dict[str, Any]]] = {"temperature": [], "distortion": [], "sets": [], "strangers": []}
    for case in cases(data_root, model, split, cache_dir, wordings):
        where = {"dataset": case.dataset, "wording": case.wording, "n": len(case.units)}
        measured["temperature"] += [where | row for row in temperature_rows(case, min(repeats, 20))]
        measured["distortion"] += [where | row for row in distortion_rows(case, min(repeats, 5))]
        if case.wording in ("class-name", "knowledge"):
            measured["sets"] += [where | row for row in set_rows(case, repeats)]
            measured["strangers"] += [where | row for row in stranger_rows(case, min(repeats, 20))]
    for title, write in _TABLES.items():
        rows = list(synthetic_rows(worlds)) if title == "synthetic" else measured[title]
        if rows:
            click.echo(write(pd.DataFrame(rows)) + "\n")


def _temperature_table(rows: pd.DataFrame) -> str:
    """Calibration errors in points, a row a wording; the loss of the three rules that matter."""
    rules = list(dict.fromkeys(rows["rule"]))
    lines = ["| data set (n) | wording | " + " | ".join(rules) + " | loss: encoder, spread, labels |"]
    lines += ["|---" * 2 + "|---:" * len(rules) + "|---|"]
    for (dataset, wording), part in rows.groupby(["dataset", "wording"], sort=False):
        by_rule = part.set_index("rule")
        errors = [f"{100 * by_rule.loc[rule, 'error']:.1f}" for rule in rules]
        losses = [f"{by_rule.loc[rule, 'loss']:.3f}" for rule in ("encoder", "spread", "labels of the other half")]
        lines.append(f"| {dataset} ({part['n'].iloc[0]}) | {wording} | {' | '.join(errors)} | {', '.join(losses)} |")
    return "\n".join(lines)


def _distortion_table(rows: pd.DataFrame) -> str:
    """Calibration errors in points by factor, over wordings."""
    lines = ["| data | rule | " + " | ".join(f"× {factor:g}" for factor in DISTORTIONS) + " |"]
    lines += ["|---|---" + "|---:" * len(DISTORTIONS) + "|"]
    for (dataset, rule), part in rows.groupby(["dataset", "rule"], sort=False):
        errors = part.groupby("factor")["error"].mean()
        lines.append(f"| {dataset} | {rule} | " + " | ".join(f"{100 * errors[f]:.1f}" for f in DISTORTIONS) + " |")
    return "\n".join(lines)


def _synthetic_table(rows: pd.DataFrame) -> str:
    return _distortion_table(rows.assign(dataset=f"{rows['seed'].nunique()} synthetic worlds"))


def _sets_table(rows: pd.DataFrame) -> str:
    lines = ["| data set (n) | wording | score | coverage (5 to 95 % of halves) | least of a class | mean size |"]
    lines += ["|---|---|---|---|---:|---:|"]
    lines += [
        f"| {row.dataset} ({row.n}) | {row.wording} | {row.score} "
        f"| {row.coverage:.3f} ({row.low:.3f} to {row.high:.3f}) | {row.least:.3f} | {row.size:.2f} |"
        for row in rows.itertuples()
    ]
    return "\n".join(lines)


def _strangers_table(rows: pd.DataFrame) -> str:
    lines = ["| data set (n) | wording | score | AUROC: mean, least | abstained, known | abstained, unknown class |"]
    lines += ["|---|---|---|---|---:|---:|"]
    for (dataset, wording, score), part in rows.groupby(["dataset", "wording", "score"], sort=False):
        lines.append(
            f"| {dataset} ({part['n'].iloc[0]}) | {wording} | {score} | {part['auroc'].mean():.3f}, "
            f"{part['auroc'].min():.3f} | {part['known'].mean():.3f} | {part['unknown'].mean():.3f} |"
        )
    return "\n".join(lines)


_TABLES = {
    "temperature": _temperature_table,
    "distortion": _distortion_table,
    "synthetic": _synthetic_table,
    "sets": _sets_table,
    "strangers": _strangers_table,
}


if __name__ == "__main__":
    main()
