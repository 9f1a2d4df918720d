"""Evidence for or against a candidate: nothing where nothing changes, and by hand where it is easily counted."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from zsderm.benchmarks.experiments.refinement_candidates import FolderImages, HomeMeans, text_labels
from zsderm.benchmarks.experiments.refinement_evidence import EVIDENCE, accuracies, auto_row, evidence_rows, nearest
from zsderm.benchmarks.experiments.refinement_folders import Folder, folders
from zsderm.benchmarks.experiments.refinement_home import Home
from zsderm.benchmarks.experiments.refinement_pools import synthetic_pools
from zsderm.proxies import refine


@pytest.fixture(scope="module")
def drawn() -> list[Folder]:
    return [one for pool in synthetic_pools([4], 2) for one in folders(pool, [1])]


def same(images: FolderImages, proxies: torch.Tensor, _home: HomeMeans) -> torch.Tensor:
    return text_labels(images.features, proxies)


def first_class(images: FolderImages, proxies: torch.Tensor, _home: HomeMeans) -> torch.Tensor:
    labels = torch.zeros(len(images.features), len(proxies), dtype=torch.float64)
    labels[:, 0] = 1
    return labels


def test_labels_that_stay_gain_nothing_and_are_evidence_of_nothing(drawn: list[Folder]) -> None:
    for folder in drawn:
        (row,) = evidence_rows(folder, candidates={"same": same})
        assert set(EVIDENCE) <= set(row)
        zero = ("gain", "balanced gain", "density over text", "neighbours", "views", "wordings", "changed", "moved")
        assert all(abs(row[name]) < 1e-9 for name in zero)
        assert row["dominant before"] == row["dominant after"] == row["largest after"]
        assert row["resampled"] == 1 and math.isnan(row["density per change"]) and not row["guard"]
        assert row["bound"] == max(1, 100 / row["size"]) and row["size"] == len(folder.rows)


def test_one_class_for_all_is_counted_by_hand(drawn: list[Folder]) -> None:
    for folder in drawn:
        (row,) = evidence_rows(folder, candidates={"first class": first_class})
        named = (folder.features @ folder.proxies.T).argmax(dim=1).numpy()
        right = named == folder.labels
        assert row["gain"] == pytest.approx(100 * ((folder.labels == 0).mean() - right.mean()))
        assert row["changed"] == pytest.approx((named != 0).mean()) == pytest.approx(row["moved"])
        assert row["largest after"] == 1 and row["resampled"] == 1
        near = nearest(folder.features).numpy()
        alike = np.mean([named[i] == named[j] for i in range(len(named)) for j in near[i]])
        assert row["neighbours"] == pytest.approx(1 - alike)
        seen = (folder.mirrored @ folder.proxies.T).argmax(dim=1).numpy()
        assert row["views"] == pytest.approx(1 - np.mean([a == b for a, b in zip(named, seen, strict=True)]))
        halves = [(folder.features @ half.T).argmax(dim=1) for half in folder.halves]
        assert row["wordings"] == pytest.approx(1 - (halves[0] == halves[1]).double().mean().item())


def test_home_is_known_where_the_pool_has_one(drawn: list[Folder]) -> None:
    folder = drawn[0]
    rows = folder.pool.features
    home = Home(rows, np.array(["nevus"] * len(rows)), np.array(["pad"] * len(rows)))
    at_home = replace(folder, pool=replace(folder.pool, home=home.statistics))
    far = replace(at_home, pool=replace(at_home.pool, features=-rows))
    near_row, far_row = (evidence_rows(one, candidates={"same": same})[0] for one in (at_home, far))
    assert near_row["home distance"] < far_row["home distance"]
    assert near_row["familiarity"] > far_row["familiarity"]
    assert math.isnan(evidence_rows(folder, candidates={"same": same})[0]["familiarity"])


def test_the_mirrored_folder_is_labelled_as_a_folder_of_its_own(drawn: list[Folder]) -> None:
    folder = next(one for one in drawn if not torch.equal(one.features, one.mirrored))
    labelled = []

    def noted(images: FolderImages, proxies: torch.Tensor, home: HomeMeans) -> torch.Tensor:
        labelled.append((images.features, images.mirrored))
        return same(images, proxies, home)

    evidence_rows(folder, candidates={"noted": noted})
    sides = (folder.features, folder.mirrored)
    for one, other in (sides, sides[::-1]):
        assert any(torch.equal(seen[0], one) and torch.equal(seen[1], other) for seen in labelled)


def test_a_folder_of_one_class_spreads_less_than_one_of_all(drawn: list[Folder]) -> None:
    for pool in synthetic_pools([4], 3):
        rows = [np.arange(200), np.flatnonzero(pool.labels == 0)]
        mixed, one = (
            evidence_rows(
                replace(drawn[0], pool=pool, rows=of, proxies=pool.proxies, halves=pool.halves),
                candidates={"same": same},
            )
            for of in rows
        )
        assert pool.spread is not None
        assert mixed[0]["spread"] == pytest.approx(pool.spread.of(pool.features[:200]))
        assert mixed[0]["spread"] > 1.1 and one[0]["spread"] == pytest.approx(1, abs=0.25)


def test_auto_is_what_refine_does(drawn: list[Folder]) -> None:
    folder = drawn[0]
    refined, row = refine(folder.features, folder.proxies), auto_row(folder)
    after = accuracies(refined.scores.argmax(dim=1), folder.labels)
    assert row["guard"] == refined.accepted and row["gain"] == pytest.approx(after[0] - row["text"])


def test_accuracies_count_images_and_classes() -> None:
    named, true = torch.tensor([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    assert accuracies(named, true) == (75, 75)
    assert accuracies(torch.tensor([0, 0, 0, 0]), np.array([0, 0, 0, 1])) == (75, 50)
