"""Evidence without labels for or against the labels of a candidate, and what the candidate really gains.

Letters: N images, n of them distinct, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from zsderm.benchmarks.experiments.refinement_candidates import CANDIDATES, Candidate, FolderImages, text_labels
from zsderm.benchmarks.experiments.refinement_folders import Folder
from zsderm.proxies import refine
from zsderm.proxies.guard import (
    MIN_EVIDENCE_IMAGES,
    MIN_EVIDENCE_PER_CLASS,
    RefinementTest,
)

NEIGHBOURS = 5
# What a judge may look at, by its column in the rows.
EVIDENCE = {
    "density over text": "gain of held-out density over the text labels, nats an image",
    "density over text, errors": "the same in standard errors",
    "density over none": "gain of held-out density over no labels, nats an image",
    "density per change": "gain over the text labels for each image that changes",
    "neighbours": "how many more of the 5 nearest images have the same label than under the text labels",
    "views": "how many more images have the same label in both views than under the text labels",
    "wordings": "how many more images both halves of the wordings agree on than under the text labels",
    "resampled": "share of images whose label stays when the folder is drawn anew, with replacement",
    "changed": "share of images whose label changes",
    "moved": "distance of the class mix before and after (half the sum of differences)",
    "dominant before": "share of the most common class by the text labels",
    "dominant after": "its share by the new labels",
    "largest after": "share of the most common class by the new labels",
    "text certainty": "mean of the largest text label",
    "home distance": "distance of the folder's mean image from the mean of home, in units of home's spread",
    "familiarity": "mean familiarity of the images",
    "spread": "variance along the directions that tell the listed classes apart, in units of one class at home",
    "images": "distinct images",
}


def evidence_rows(
    folder: Folder, seed: int = 0, candidates: Mapping[str, Candidate] = CANDIDATES
) -> list[dict[str, Any]]:
    """One row for each candidate: what it gains, and the evidence.

    Args:
        folder: N images.
        seed: of the resampling and of the guard's folds.
        candidates: by name.

    Returns:
        Rows with the facts of the folder, the columns of EVIDENCE (NaN where something cannot be known), "gain" and
        "balanced gain" in points, "bound", the most that a folder may lose, and "guard", what today's guard says.
    """
    features, proxies, home = folder.features, folder.proxies, folder.pool.means
    text = text_labels(features, proxies)
    named = text.argmax(dim=1)
    before = accuracies(named, folder.labels)
    images, reflected = FolderImages(features, folder.mirrored), FolderImages(folder.mirrored, features)
    distinct = images.distinct
    test = RefinementTest.of(images.components(len(proxies))[distinct], text[distinct], seed)
    enough = len(distinct) >= max(MIN_EVIDENCE_IMAGES, MIN_EVIDENCE_PER_CLASS * len(proxies))
    near = nearest(features)
    by_text = _same(text_labels(folder.mirrored, proxies).argmax(dim=1), named)
    by_half = [text_labels(features, half).argmax(dim=1) for half in folder.halves]
    facts = _facts(folder, text, distinct)
    draw = torch.randint(len(features), (len(features),), generator=torch.Generator().manual_seed(seed))
    resampled = FolderImages(features[draw], folder.mirrored[draw])
    rows = []
    for name, candidate in candidates.items():
        labels = candidate(images, proxies, home)
        new = labels.argmax(dim=1)
        result = test.result(labels[distinct])
        after = accuracies(new, folder.labels)
        one, other = (candidate(images, half, home).argmax(dim=1) for half in folder.halves)
        again = candidate(resampled, proxies, home).argmax(dim=1)
        mixes = [names.bincount(minlength=len(proxies)).double() / len(new) for names in (named, new)]
        over_text = result.over_text
        rows.append(
            facts
            | {
                "candidate": name,
                "gain": after[0] - before[0],
                "balanced gain": after[1] - before[1],
                "density over text": over_text.mean,
                "density over text, errors": over_text.mean / max(over_text.error, 1e-9),
                "density over none": result.over_none.mean,
                "density per change": over_text.mean / result.changed if result.changed else np.nan,
                "neighbours": _alike(new, near) - _alike(named, near),
                "views": _same(candidate(reflected, proxies, home).argmax(dim=1), new) - by_text,
                "wordings": _same(one, other) - _same(by_half[0], by_half[1]),
                "resampled": _same(again, new[draw]),
                "changed": _same(new, named, equal=False),
                "moved": (mixes[0] - mixes[1]).abs().sum().item() / 2,
                "dominant before": mixes[0].max().item(),
                "dominant after": mixes[1][mixes[0].argmax()].item(),
                "largest after": mixes[1].max().item(),
                "guard": bool(enough and result.accepted),
            }
        )
    return rows


def auto_row(folder: Folder) -> dict[str, Any]:
    """What `refine` with its default prior does to a folder, in the same columns as far as they fit."""
    named = text_labels(folder.features, folder.proxies).argmax(dim=1)
    refined = refine(folder.features, folder.proxies)
    before, after = (accuracies(one, folder.labels) for one in (named, refined.scores.argmax(dim=1)))
    row = {"candidate": "auto", "gain": after[0] - before[0], "balanced gain": after[1] - before[1]}
    distinct = torch.empty(0, dtype=torch.int64)  # no evidence is asked for
    return _facts(folder, text_labels(folder.features, folder.proxies), distinct) | row | {"guard": refined.accepted}


def accuracies(named: torch.Tensor, labels: np.ndarray) -> tuple[float, float]:
    """Accuracy and balanced accuracy in points of the classes named, (N,), where (N,) are true."""
    right = named.numpy() == labels
    return 100 * float(right.mean()), 100 * float(np.mean([right[labels == one].mean() for one in np.unique(labels)]))


def nearest(features: torch.Tensor, count: int = NEIGHBOURS) -> torch.Tensor:
    """(N, k) rows of the nearest other images of unit rows (N, D)."""
    cosines = features @ features.T
    cosines.fill_diagonal_(-torch.inf)
    return cosines.topk(min(count, len(features) - 1), dim=1).indices


def _facts(folder: Folder, text: torch.Tensor, distinct: torch.Tensor) -> dict[str, Any]:
    pool, home = folder.pool, folder.pool.home
    away, familiar = np.nan, np.nan
    if home is not None:
        spread = float(home.variances.sum()) + home.rest * max(0, folder.features.shape[1] - len(home.variances))
        away = (folder.features.mean(dim=0) - home.mean).norm().item() / spread**0.5
        familiar = home.familiarity(folder.features).mean().item()
    size = len(folder.rows)
    return {
        "kind": pool.kind,
        "encoder": pool.encoder,
        "source": pool.source,
        "quality": pool.quality,
        "away": pool.away,
        "regime": folder.regime,
        "bias": folder.bias,
        "size": size,
        "text": accuracies(text.argmax(dim=1), folder.labels)[0],
        "bound": max(1.0, 100 / size),
        "text certainty": text.max(dim=1).values.mean().item(),
        "home distance": away,
        "familiarity": familiar,
        "spread": np.nan if pool.spread is None else pool.spread.of(folder.features[distinct]),
        "images": len(distinct),
    }


def _same(one: torch.Tensor, other: torch.Tensor, equal: bool = True) -> float:
    """Share of images with the same class, or with another."""
    return ((one == other) == equal).double().mean().item()


def _alike(named: torch.Tensor, near: torch.Tensor) -> float:
    """Share of neighbours (N, k) that have the class of the image."""
    return (named[near] == named[:, None]).double().mean().item()
