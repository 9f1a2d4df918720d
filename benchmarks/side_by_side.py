"""Runs on the same images, side by side: the methods of one model, and the models under one method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zsderm import Predictions
from zsderm.benchmarks.grid import Run
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.benchmarks.results import Result, read_results, write_result
from zsderm.metrics import compare
from zsderm.supervised import METHOD as SUPERVISED


def compare_methods(runs: Mapping[Path, Run], dataset: LabelledImages, output: Path) -> None:
    """Write how every other run differs from the first of the model's runs on the data set."""
    (first, yardstick), *others = runs.items()
    if not others:
        return
    before = _answers(first, dataset.classes)
    rows = [
        {
            "variant": run.variant,
            **compare(dataset.labels, before, _answers(path, dataset.classes), clusters=dataset.units).to_dict(),
        }
        for path, run in others
    ]
    config = {"dataset": dataset.name, "title": dataset.title, "encoder": yardstick.encoder}
    result = {"kind": "comparison", "config": config, "against": yardstick.variant, "rows": rows}
    name = Run(yardstick.model, "comparison").stem(dataset.title)
    write_result(output / f"{name}.json", result)


def _answers(path: Path, classes: Sequence[str]) -> NDArray[np.float64]:
    """(N, C) probabilities of a run, in the order of the data set, which its inputs fix."""
    return pd.read_parquet(path.with_suffix(".parquet"), columns=_columns(classes)).to_numpy(dtype=np.float64)


def compare_models(dataset: LabelledImages, images: str, output: Path) -> None:
    """Write how every two models differ under each method that both have run, now or earlier, on the same images.

    A supervised classifier, which has no method in this sense, stands beside the others under each of theirs.

    Args:
        dataset: the images.
        images: their checksum in the inputs of a result; see `zsderm.benchmarks.runner.inputs_of`.
        output: the folder of the results.
    """
    by_variant: dict[str, list[Result]] = {}
    for run in read_results(output):
        config = run["config"]
        if run["metrics"].get("repeats", 1) > 1:
            continue  # a probe of several draws has several answers to an image
        if config["title"] == dataset.title and run.get("inputs", {}).get("images") == images:
            by_variant.setdefault(config["variant"], []).append(run)
    rows = []
    supervised = [run for runs in by_variant.values() for run in runs if run["config"]["method"] == SUPERVISED]
    for variant, own in by_variant.items():
        runs = own if own[0] in supervised else [*own, *supervised]
        answers = {run["config"]["encoder"]: output / f"{run['config']['stem']}.json" for run in runs}
        told = set() if runs is own else {run["config"]["encoder"] for run in supervised}  # already beside each other
        tables = {
            encoder: _answers(path, dataset.classes)
            for encoder, path in answers.items()
            if len(answers) > 1 and names_classes(path.with_suffix(".parquet"), dataset.classes)
        }
        for first, second in combinations(tables, 2):
            if {first, second} <= told:
                continue
            found = compare(dataset.labels, tables[first], tables[second], clusters=dataset.units)
            rows.append({"variant": variant, "first": first, "second": second, **found.to_dict()})
    if rows:
        config = {"dataset": dataset.name, "title": dataset.title, "encoder": ""}
        name = Run("between-models", "comparison").stem(dataset.title)
        write_result(output / f"{name}.json", {"kind": "models", "config": config, "rows": rows})


def names_classes(path: Path, classes: Sequence[str]) -> bool:
    """Whether a table of answers names its classes; earlier ones numbered them. False where there is none."""
    from pyarrow.parquet import ParquetFile

    return path.is_file() and set(_columns(classes)) <= set(ParquetFile(path).schema_arrow.names)


def _columns(classes: Sequence[str]) -> list[str]:
    """(C,) the columns of the probabilities."""
    return [Predictions.probability_column(name) for name in classes]
