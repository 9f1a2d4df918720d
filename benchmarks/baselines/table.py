"""Every method on every folder, and its difference to text proxies on the same images.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd
import torch

from zsderm.benchmarks.baselines.inmap import inmap
from zsderm.benchmarks.baselines.prior_shift import estimated_mix, flattened_mix
from zsderm.benchmarks.baselines.transclip import transclip
from zsderm.benchmarks.baselines.zlap import zlap
from zsderm.benchmarks.class_mixes import class_mixes
from zsderm.benchmarks.features import Features
from zsderm.errors import ConvergenceWarning
from zsderm.metrics import balanced_accuracy
from zsderm.proxies import refine

TEXT = "text proxies"
MIXES = ("natural", "capped", "balanced", "one class")
Method = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (N, D), (C, D) -> (N, C)


def text_only(image_features: torch.Tensor, text_proxies: torch.Tensor) -> torch.Tensor:
    """(N, C) cosines; their order is all that counts here."""
    return image_features @ text_proxies.T


def refined(
    image_features: torch.Tensor, text_proxies: torch.Tensor, temperature: float, prior: str, centre: bool = False
) -> torch.Tensor:
    """(N, C) scores of the library's own refinement."""
    return refine(image_features, text_proxies, prior, label_temperature=temperature, centre=centre).scores


def methods(temperature: float) -> Mapping[str, Method]:
    """All methods by name; `temperature` is that of the softmax over text scores, where a method has one."""
    ours = {
        "kpl auto": partial(refined, temperature=temperature, prior="auto"),
        "kpl auto, centred": partial(refined, temperature=temperature, prior="auto", centre=True),
        "kpl uniform": partial(refined, temperature=temperature, prior="uniform"),
        "kpl uniform, centred": partial(refined, temperature=temperature, prior="uniform", centre=True),
    }
    theirs: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
        "InMaP": partial(inmap, temperature=temperature),
        "InMaP, labels as they are": partial(inmap, temperature=temperature, even=False),
        "TransCLIP": partial(transclip, temperature=temperature),
        "ZLaP": zlap,
        "predicted mix ^ 0.8": partial(flattened_mix, temperature=temperature),
        "mix by EM": partial(estimated_mix, temperature=temperature),
    }
    return {TEXT: text_only, **ours, **theirs}


def measure(features: Features, temperature: float, seeds: int) -> pd.DataFrame:
    """One row per folder and method: accuracy, balanced accuracy, and the change against text proxies in points."""
    rows = []
    for folder in class_mixes(features.labels, seeds):
        images, truth = features.image_features[folder.rows], features.labels[folder.rows]
        before = np.nan
        for name, method in methods(temperature).items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                answers = method(images, features.text_proxies).argmax(dim=1).numpy()
            accuracy = 100 * float((answers == truth).mean())
            before = accuracy if name == TEXT else before
            balanced = 100 * balanced_accuracy(truth, answers)
            rows.append((folder.kind, len(truth), name, accuracy, balanced, accuracy - before))
    return pd.DataFrame(rows, columns=["mix", "images", "method", "accuracy", "balanced_accuracy", "change"])


def as_markdown(figures: pd.DataFrame) -> str:
    """One line per method; "mean, worst" are changes in points of accuracy over the folders of a mix."""
    sizes = {mix: figures[figures["mix"] == mix]["images"] for mix in MIXES}
    counts = {mix: len(sizes[mix]) // figures["method"].nunique() for mix in MIXES}
    heads = [f"{mix} ({counts[mix]} of {_span(sizes[mix])}): mean, worst" for mix in MIXES[1:]]
    lines = [
        "| method | " + " | ".join(["natural: accuracy, balanced", "natural: change", *heads]) + " |",
        "|---" * (len(heads) + 3) + "|",
    ]
    for name, part in figures.groupby("method", sort=False):
        natural = part[part["mix"] == "natural"].iloc[0]
        cells = [f"{natural.accuracy:.1f}, {natural.balanced_accuracy:.1f}", f"{natural.change:+.1f}"]
        for mix in MIXES[1:]:
            change = part[part["mix"] == mix]["change"]
            cells.append(f"{change.mean():+.1f}, {change.min():+.1f}" if len(change) else "–")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def texts_as_markdown(figures: Mapping[str, pd.DataFrame]) -> str:
    """One line per feature file: what its text proxies reach by themselves on the natural mix."""
    lines = ["| features | images | accuracy | balanced |", "|---|---|---|---|"]
    for name, table in figures.items():
        row = table[(table["mix"] == "natural") & (table["method"] == TEXT)].iloc[0]
        lines.append(f"| {name} | {row.images} | {row.accuracy:.1f} | {row.balanced_accuracy:.1f} |")
    return "\n".join(lines)


def _span(sizes: pd.Series) -> str:
    if sizes.empty:
        return "0"
    least, most = sizes.min(), sizes.max()
    return str(least) if least == most else f"{least} to {most}"
