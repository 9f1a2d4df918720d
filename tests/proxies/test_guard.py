"""The judge: clusters that are there win, cuts through one cluster lose."""

from __future__ import annotations

import pytest
import torch

from zsderm.proxies.guard import (
    LEAST_GAIN,
    SPARE_ERRORS,
    DominantClass,
    HeldOutGain,
    RefinementTest,
    RefinementTestResult,
    component_count,
    distinct_images,
)
from zsderm.proxies.mixture import held_out_log_density

ENOUGH = HeldOutGain(LEAST_GAIN + 0.01 + 0.01 * SPARE_ERRORS, 0.01)
UNSURE = HeldOutGain(LEAST_GAIN - 0.01 + 0.01 * SPARE_ERRORS, 0.01)


def cluster_pair(images: int = 300, distance: float = 8.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(images) % 2
    points = torch.randn(images, 4, generator=generator, dtype=torch.float64)
    points[:, 0] += distance * truth
    return points - points.mean(dim=0), truth


def result(points: torch.Tensor, text: torch.Tensor, new: torch.Tensor, seed: int = 0) -> RefinementTestResult:
    return RefinementTest.of(points, torch.eye(2)[text], seed).result(torch.eye(2)[new])


def test_labels_that_follow_the_clusters_are_accepted_over_biased_ones() -> None:
    points, truth = cluster_pair()
    biased = torch.where(torch.arange(300) % 5 == 1, 0, truth)
    judged = result(points, biased, truth)
    assert judged.accepted
    assert judged.changed == pytest.approx((biased != truth).double().mean().item())
    assert judged.reason == "the photographs form groups that fit the refined answers better" and judged.figures == str(
        judged.over_text
    )


def test_biased_labels_are_refused_over_those_that_follow_the_clusters() -> None:
    points, truth = cluster_pair()
    biased = torch.where(torch.arange(300) % 5 == 1, 0, truth)
    judged = result(points, truth, biased)
    assert not judged.accepted
    assert judged.over_text.mean < 0


def test_labels_that_cut_one_cluster_are_refused() -> None:
    points, _ = cluster_pair(distance=0.0)
    judged = result(points, torch.zeros(300, dtype=torch.long), (points[:, 0] > 0).long())
    assert not judged.accepted
    assert (judged.reason, judged.figures) == ("the photographs form no groups that match these classes", "")


def test_the_same_labels_are_refused() -> None:
    points, truth = cluster_pair()
    judged = result(points, truth, truth)
    assert not judged.accepted
    assert judged.over_text == HeldOutGain(0.0, 0.0)
    assert judged.reason == "it is not clear that refined answers fit the groups of photographs any better"


def test_both_gains_must_be_surely_large_enough() -> None:
    assert RefinementTestResult(ENOUGH, ENOUGH, changed=0.01).accepted
    assert not RefinementTestResult(UNSURE, ENOUGH, changed=0.01).accepted
    assert not RefinementTestResult(ENOUGH, UNSURE, changed=0.01).accepted


def test_a_gain_is_sure_when_it_is_large_for_its_error() -> None:
    assert HeldOutGain(0.5, 0.0).sure == 0.5
    assert HeldOutGain(0.5, 0.1).sure == pytest.approx(0.5 - 0.1 * SPARE_ERRORS)
    assert str(HeldOutGain(0.5, 0.04)) == "+0.50 nats an image, standard error 0.04"


def test_many_changes_need_a_gain_to_match() -> None:
    assert RefinementTestResult(ENOUGH, ENOUGH, changed=0.3).accepted
    assert not RefinementTestResult(ENOUGH, ENOUGH, changed=0.5).accepted


def test_gains_are_paired_by_image_and_held_out() -> None:
    points, truth = cluster_pair()
    text, new = torch.eye(2)[truth.flip(0)], torch.eye(2)[truth]
    test = RefinementTest.of(points, text, seed=2)
    densities = [held_out_log_density(points, labels, test.folds) for labels in (new, text)]
    difference = densities[0] - densities[1]
    gain = test.result(new).over_text
    assert gain.mean == pytest.approx(difference.mean().item())
    assert gain.error == pytest.approx(difference.std().item() / 300**0.5)


def test_the_verdict_depends_on_nothing_but_its_arguments() -> None:
    points, truth = cluster_pair()
    assert result(points, truth, 1 - truth, seed=3) == result(points, truth, 1 - truth, seed=3)


def test_component_count_leaves_sixteen_images_for_every_direction() -> None:
    assert component_count(10_000, 384, 7) == 16
    assert component_count(10_000, 384, 134) == 142
    assert component_count(200, 384, 134) == 12
    assert component_count(10_000, 8, 134) == 8


def judged_by(*dominant: tuple[float, float], class_count: int = 6) -> RefinementTestResult:
    return RefinementTestResult(
        ENOUGH, ENOUGH, changed=0.01, dominant=tuple(DominantClass(*one) for one in dominant), class_count=class_count
    )


def test_a_class_that_fills_most_of_the_folder_loses_no_images() -> None:
    assert not judged_by((0.7, 0.65)).accepted
    assert judged_by((0.7, 0.65)).reason == (
        "70 % of the photographs have one and the same answer, and refining would give some of these another"
    )
    assert judged_by((0.7, 0.75)).accepted
    assert judged_by((0.6, 0.4)).accepted
    assert not judged_by((0.65, 0.55)).accepted  # groups out of one class look so
    assert judged_by((0.65, 0.55), class_count=2).accepted
    assert judged_by((0.7, 0.6), class_count=2).accepted, "of two classes one often fills two thirds"


def test_a_class_may_fill_the_folder_with_its_copies_or_without_them() -> None:
    assert not judged_by((0.7, 0.65), (0.4, 0.2)).accepted
    assert not judged_by((0.4, 0.2), (0.7, 0.65)).accepted
    assert "70 %" in judged_by((0.4, 0.2), (0.7, 0.65)).reason
    assert judged_by((0.4, 0.2), (0.3, 0.2)).accepted


def test_the_judge_sees_which_class_fills_the_folder() -> None:
    points, truth = cluster_pair()
    text = (torch.arange(300) >= 240).long()
    judged = RefinementTest.of(points, torch.eye(3)[text]).result(torch.eye(3)[truth])
    assert (judged.dominant, judged.class_count) == ((DominantClass(0.8, 0.5),) * 2, 3)
    assert judged.shrinks_dominant_class


def test_the_judge_sees_a_class_that_fills_the_folder_with_copies() -> None:
    points, truth = cluster_pair()
    text = (torch.arange(300) >= 150).long()
    whole_before = torch.cat([text, torch.zeros(700, dtype=torch.long)])  # 85 in a hundred are of class 0
    whole_after = torch.cat([truth, torch.zeros(600, dtype=torch.long), torch.ones(100, dtype=torch.long)])
    judged = RefinementTest.of(points, torch.eye(3)[text], all_named=whole_before).result(
        torch.eye(3)[truth], whole_after
    )
    assert judged.dominant[0] == DominantClass(0.85, 0.75) and judged.dominant[1].before == 0.5
    assert judged.shrinks_dominant_class


def test_of_an_image_and_its_copy_one_is_distinct() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(1500, 8, generator=generator)
    copies = images[:700] + 0.01 * torch.randn(700, 8, generator=generator)
    distinct = distinct_images(torch.cat([images, copies])).tolist()
    originals = [row if row < 1500 else row - 1500 for row in distinct]
    assert len(set(originals)) == len(originals) > 0.9 * 1500


def test_distinct_images_equal_the_definition_written_out() -> None:
    images = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    squared = torch.cdist(images, images).square()
    near = squared <= 0.02 * squared.mean()
    order = (images - images.mean(dim=0)).norm(dim=1).argsort(descending=True).tolist()
    expected = [row for place, row in enumerate(order) if not near[row, order[:place]].any()]
    assert distinct_images(images).tolist() == expected
    assert len(expected) < 40


def test_which_images_are_distinct_does_not_depend_on_their_order() -> None:
    images = torch.randn(1500, 3, generator=torch.Generator().manual_seed(0))
    expected = images[distinct_images(images)]
    assert 100 < len(expected) < 1400
    for seed in range(5):
        shuffled = images[torch.randperm(1500, generator=torch.Generator().manual_seed(seed))]
        torch.testing.assert_close(shuffled[distinct_images(shuffled)], expected, rtol=0, atol=0)


def test_of_identical_images_one_is_distinct() -> None:
    assert len(distinct_images(torch.ones(5, 3))) == 1
