"""The mixture behind the guard."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import multivariate_t

from zsderm.proxies.mixture import FREEDOM, fit_mixture, held_out_log_density, principal_components


def points(images: int = 200, width: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(images, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_log_joint_equals_the_density_written_out() -> None:
    data = points(40)
    labels = torch.softmax(points(40, 2, seed=1), dim=1)
    mixture = fit_mixture(data, labels)
    shape = (mixture.factor @ mixture.factor.T).numpy()
    joint = mixture.log_joint(data)
    for n in (0, 7, 39):
        for c in range(2):
            student = multivariate_t(mixture.means[c].numpy(), shape * mixture.spread[c].item(), df=FREEDOM)
            density = student.logpdf(data[n].numpy())
            assert joint[n, c].item() == pytest.approx(density + mixture.log_shares[c].item())


def test_means_rest_on_the_images_and_small_classes_are_drawn_to_the_middle() -> None:
    data = points(100) + 5
    labels = torch.zeros(100, 2)
    labels[:99, 0] = 1
    labels[99, 1] = 1
    mixture = fit_mixture(data, labels)
    torch.testing.assert_close(mixture.means[0], data[:99].mean(dim=0) * 99 / 100)
    torch.testing.assert_close(mixture.means[1], data[99] / 2)
    assert mixture.spread[1] > mixture.spread[0] > 1


def test_class_shares_sum_to_1_with_and_without_damping() -> None:
    labels = torch.eye(3)[torch.tensor([0, 0, 0, 1])]
    for damping in (0.0, 0.3, 1.0):
        shares = fit_mixture(points(4), labels, damping).log_shares.exp()
        assert shares.sum().item() == pytest.approx(1.0)
        assert (shares > 0).all()


def test_labels_that_follow_clusters_predict_unseen_images() -> None:
    truth = torch.arange(200) % 2
    data = points(200) + 6.0 * truth[:, None]
    data, folds, none = data - data.mean(dim=0), torch.arange(200) // 2 % 5, torch.ones(200, 1)
    by_truth = held_out_log_density(data, torch.eye(2)[truth], folds).mean()
    by_none = held_out_log_density(data, none, folds).mean()
    by_chance = held_out_log_density(data, torch.eye(2)[torch.arange(200) // 100], folds).mean()
    assert by_truth > by_none + 1
    assert by_chance < by_none + 0.02


def test_labels_that_cut_one_cluster_predict_no_better_than_none() -> None:
    data = points(400)
    folds, none = torch.arange(400) % 5, torch.ones(400, 1)
    cut = torch.eye(2)[(data[:, 0] > 0).long()]
    gain = held_out_log_density(data, cut, folds).mean() - held_out_log_density(data, none, folds).mean()
    assert gain < 0.02


@pytest.mark.parametrize("case", ["identical images", "fewer images than components", "an empty class"])
def test_degenerate_input_gives_finite_densities(case: str) -> None:
    data = {"identical images": torch.zeros(20, 3, dtype=torch.float64), "an empty class": points(20)}.get(
        case, points(10, 30)
    )
    labels = torch.zeros(len(data), 4)
    labels[:, 0] = 1
    assert torch.isfinite(held_out_log_density(data, labels, torch.arange(len(data)) % 5)).all()


def test_components_keep_distances_and_come_in_order_of_falling_variance() -> None:
    data = points(30, 6) * torch.tensor([1.0, 3, 0.1, 2, 5, 0.5])
    components = principal_components(data, 6)
    variance = components.var(dim=0)
    assert (variance[:-1] >= variance[1:]).all()
    torch.testing.assert_close(torch.pdist(components), torch.pdist(data))
    assert principal_components(data, 2).shape == (30, 2)


def test_some_rows_decide_about_the_components_and_all_have_them() -> None:
    data, of = points(30, 6), torch.tensor([1, 4, 5, 9, 11, 20, 22, 29])
    found = principal_components(data, 6, of)
    torch.testing.assert_close(found[of], principal_components(data[of], 6))
    torch.testing.assert_close(torch.pdist(found), torch.pdist(data))  # all six axes: nothing is lost
