"""The judge: clusters that are there win, cuts through one cluster lose."""

from __future__ import annotations

import torch

from zsderm.proxies.guard import LEAST_GAIN, LEAST_Z, Verdict, component_count, judge


def cluster_pair(images: int = 300, distance: float = 5.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(images) % 2
    points = torch.randn(images, 4, generator=generator, dtype=torch.float64)
    points[:, 0] += distance * truth
    return points - points.mean(dim=0), truth


def test_labels_that_follow_the_clusters_are_accepted_over_biased_ones() -> None:
    points, truth = cluster_pair()
    biased = torch.where(torch.arange(300) % 5 == 1, 0, truth)
    verdict = judge(points, torch.eye(2)[biased], torch.eye(2)[truth])
    assert verdict.accepted
    assert "better than the text labels" in verdict.reason


def test_biased_labels_are_refused_over_those_that_follow_the_clusters() -> None:
    points, truth = cluster_pair()
    biased = torch.where(torch.arange(300) % 5 == 1, 0, truth)
    verdict = judge(points, torch.eye(2)[truth], torch.eye(2)[biased])
    assert not verdict.accepted
    assert verdict.over_text < 0


def test_labels_that_cut_one_cluster_are_refused() -> None:
    points, _ = cluster_pair(distance=0.0)
    text = torch.eye(2)[torch.zeros(300, dtype=torch.long)]
    cut = torch.eye(2)[(points[:, 0] > 0).long()]
    verdict = judge(points, text, cut)
    assert not verdict.accepted
    assert verdict.reason == "the images form no clusters that match these classes"


def test_the_same_labels_are_refused() -> None:
    points, truth = cluster_pair()
    labels = torch.eye(2)[truth]
    verdict = judge(points, labels, labels)
    assert not verdict.accepted
    assert verdict.over_text == 0
    assert "not describe the images clearly better" in verdict.reason


def test_every_gain_must_be_large_and_sure() -> None:
    enough = (LEAST_GAIN + 0.01, LEAST_Z + 0.1)
    assert Verdict(*enough, *enough, changed=0.01).accepted
    for i in range(4):
        figures = [*enough, *enough]
        figures[i] = 0.01
        assert not Verdict(*figures, changed=0.01).accepted


def test_many_changes_need_a_gain_to_match() -> None:
    assert Verdict(0.2, 9.0, 0.2, 9.0, changed=0.3).accepted
    assert not Verdict(0.2, 9.0, 0.2, 9.0, changed=0.5).accepted


def test_the_verdict_depends_on_nothing_but_its_arguments() -> None:
    points, truth = cluster_pair()
    labels = torch.eye(2)[truth]
    assert judge(points, labels, labels.flip(1), seed=3) == judge(points, labels, labels.flip(1), seed=3)


def test_component_count_leaves_sixteen_images_for_every_direction() -> None:
    assert component_count(10_000, 384, 7) == 16
    assert component_count(10_000, 384, 134) == 142
    assert component_count(200, 384, 134) == 12
    assert component_count(10_000, 8, 134) == 8


def test_a_class_that_fills_half_of_the_folder_loses_no_images() -> None:
    enough = (LEAST_GAIN + 0.01, LEAST_Z + 0.1) * 2
    fills = {"changed": 0.01, "dominant_share": 0.6, "dominant_excess": 3.6}
    assert not Verdict(*enough, **fills, dominant_gain=-0.05).accepted
    assert "60%" in Verdict(*enough, **fills, dominant_gain=-0.05).reason
    assert Verdict(*enough, **fills, dominant_gain=0.05).accepted
    assert Verdict(*enough, changed=0.01, dominant_share=0.4, dominant_excess=2.4, dominant_gain=-0.05).accepted
    two_classes = {"changed": 0.01, "dominant_share": 0.6, "dominant_excess": 1.2}
    assert Verdict(*enough, **two_classes, dominant_gain=-0.05).accepted, "of two classes one always fills half"


def test_the_judge_sees_which_class_fills_the_folder() -> None:
    points, truth = cluster_pair()
    text = torch.cat([torch.zeros(240, dtype=torch.long), torch.ones(60, dtype=torch.long)])
    verdict = judge(points, torch.eye(3)[text], torch.eye(3)[truth])
    assert (round(verdict.dominant_share, 6), round(verdict.dominant_excess, 6)) == (0.8, 2.4)
    assert round(verdict.dominant_gain, 6) == -0.3
    assert verdict.robs_dominant
