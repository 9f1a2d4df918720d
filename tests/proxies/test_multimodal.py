"""Multimodal proxies: as good as the slow twin, unit rows, alive in half precision, arguments untouched."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from zsderm.errors import ConvergenceWarning, SettingsError
from zsderm.proxies.chunks import FeatureChunks
from zsderm.proxies.cross_entropy import CrossEntropy, harden, inverse_curvature
from zsderm.proxies.multimodal import learn_proxies, multimodal_proxies, proxy_objective
from zsderm.proxies.transport import transport_labels


def skin(images: int = 240, classes: int = 5, width: int = 32, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Unit rows around a common direction, as contrastive models make them: images, text proxies, true classes."""
    generator = torch.Generator().manual_seed(seed)
    gap, text_gap = 2 * normalize(torch.randn(2, width, generator=generator), dim=1)
    means = normalize(torch.randn(classes, width, generator=generator), dim=1)
    truth = torch.arange(images) % classes
    noise = torch.randn(images, width, generator=generator) / width**0.5
    error = normalize(torch.randn(classes, width, generator=generator), dim=1)
    return normalize(gap + 0.8 * means[truth] + noise, dim=1), normalize(text_gap + means + error, dim=1), truth


def slow_proxies(
    images: torch.Tensor, start: torch.Tensor, labels: torch.Tensor, temperature: float, steps: int = 2000
) -> torch.Tensor:
    """The obvious twin: projected gradient descent, the gradient written by hand, the step halved when it fails."""
    proxies, step = start.double().clone(), 0.1
    images, labels = images.double(), labels.double()
    value = proxy_objective(images, proxies, labels, temperature)
    for _ in range(steps):
        residual = torch.softmax(images @ proxies.T / temperature, dim=1) - labels
        gradient = residual.T @ images / (len(images) * temperature)
        trial = normalize(proxies - step * gradient, dim=1)
        trial_value = proxy_objective(images, trial, labels, temperature)
        if trial_value < value:
            proxies, value, step = trial, trial_value, step * 1.1
        else:
            step /= 2
    return proxies


def largest_cosine(proxies: torch.Tensor) -> float:
    """Of any two proxies: near 1 they have collapsed, and low precision cannot tell them apart."""
    return float((proxies @ proxies.T).fill_diagonal_(-1.0).max())


@pytest.mark.slow
@pytest.mark.parametrize(("images", "classes"), [(240, 2), (240, 5), (30, 12)])
def test_objective_is_not_worse_than_the_slow_twins(images: int, classes: int) -> None:
    features, start, _ = skin(images, classes)
    labels = transport_labels(features @ start.T)
    learned = learn_proxies(features, start, labels)
    twin = slow_proxies(features, start, harden(labels), 0.04)
    assert learned.converged
    assert learned.objective <= proxy_objective(features.double(), twin, harden(labels).double(), 0.04) + 1e-4
    assert learned.iterations < 150


@pytest.mark.parametrize(("images", "classes"), [(240, 2), (240, 5), (30, 12)])
def test_the_result_is_a_stationary_point(images: int, classes: int) -> None:
    features, start, _ = skin(images, classes)
    labels = transport_labels(features @ start.T)
    learned = learn_proxies(features, start, labels)
    proxies = learned.proxies.double().requires_grad_(True)
    proxy_objective(features.double(), normalize(proxies, dim=1), harden(labels).double(), 0.04).backward()
    assert proxies.grad.norm() == pytest.approx(learned.gradient_norm, abs=5e-4)
    assert learned.gradient_norm < 5e-3


def test_a_finer_tolerance_comes_nearer_to_the_stationary_point() -> None:
    features, start, _ = skin()
    labels = transport_labels(features @ start.T)
    usual, fine = (learn_proxies(features, start, labels, tolerance=tolerance) for tolerance in (1e-7, 1e-11))
    assert fine.converged
    assert fine.gradient_norm < 2e-5
    assert fine.objective == pytest.approx(usual.objective, abs=1e-4)
    assert fine.proxies.dtype == torch.float32


def test_value_and_gradient_are_those_of_the_slow_objective() -> None:
    features, start, _ = skin(50)
    features, start = features.double(), start.double().requires_grad_(True)
    labels = transport_labels((features @ start.T).detach()).double()
    slow = proxy_objective(features, start, labels, 0.04)
    slow.backward()
    chunks = FeatureChunks(features, None, dtype=torch.float64)
    value, gradient = CrossEntropy(chunks, lambda _: labels, 0.04, hard_label=1.0)(start.detach())
    assert value == pytest.approx(slow.item(), abs=1e-6)
    torch.testing.assert_close(gradient, start.grad, atol=1e-6, rtol=1e-5)


def test_inverse_curvature_is_positive_definite_even_with_one_image() -> None:
    features, start, _ = skin(1)
    guess = inverse_curvature(features, len(start), 0.04)
    assert torch.linalg.eigvalsh(guess).min() > 0


def test_proxies_are_unit_rows_in_float32() -> None:
    features, start, _ = skin()
    proxies = multimodal_proxies(features, start, transport_labels(features @ start.T))
    assert proxies.dtype == torch.float32
    assert proxies.shape == (5, 32)
    torch.testing.assert_close(proxies.norm(dim=1), torch.ones(5))


def test_proxies_beat_text_when_the_mix_is_known() -> None:
    features, start, truth = skin(600)
    proxies = multimodal_proxies(features, start, transport_labels(features @ start.T))
    before = ((features @ start.T).argmax(dim=1) == truth).float().mean()
    after = ((features @ proxies.T).argmax(dim=1) == truth).float().mean()
    assert after > before + 0.05


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_does_not_collapse_the_proxies(kind: torch.dtype) -> None:
    """A defect of the published code: with few classes all proxies fell onto minus the image mean, apart by 1e-5."""
    features, start, truth = skin(600, classes=2)
    labels = transport_labels((features @ start.T).to(kind))
    proxies = multimodal_proxies(features.to(kind), start.to(kind), labels)
    assert (proxies[0] @ proxies[1]) < 0.99
    answers = (features.to(kind) @ proxies.to(kind).T).argmax(dim=1)
    assert (answers == truth).float().mean() > 0.8


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_agrees_with_single(kind: torch.dtype) -> None:
    features, start, _ = skin(600, classes=12)
    single, half = (
        learn_proxies(x, t, transport_labels(x @ t.T))
        for x, t in [(features, start), (features.to(kind), start.to(kind))]
    )
    assert largest_cosine(half.proxies) == pytest.approx(largest_cosine(single.proxies), abs=0.05)
    assert largest_cosine(half.proxies) < 0.9
    one, other = ((features @ learned.proxies.T).argmax(dim=1) for learned in (single, half))
    assert (one == other).float().mean() > 0.97


def test_labels_and_features_are_never_changed_in_place() -> None:
    """A defect of the published code: the label matrix was overwritten."""
    features, start, _ = skin(50)
    labels = transport_labels(features @ start.T)
    before = [value.clone() for value in (features, start, labels)]
    learn_proxies(features, start, labels, centre=True)
    harden(labels)
    assert all(torch.equal(now, then) for now, then in zip((features, start, labels), before, strict=True))


def test_labels_above_the_threshold_become_one_hot_and_others_stay_soft() -> None:
    labels = torch.tensor([[0.7, 0.3], [0.55, 0.45], [0.6, 0.4]])
    torch.testing.assert_close(harden(labels, 0.6), torch.tensor([[1.0, 0.0], [0.55, 0.45], [0.6, 0.4]]))
    torch.testing.assert_close(harden(labels, 1.0), labels)


def test_centring_makes_scores_independent_of_a_common_offset() -> None:
    features, start, _ = skin(100)
    labels = transport_labels(features @ start.T)
    plain = learn_proxies(features, start, labels, centre=True)
    moved = learn_proxies(features + 0.3, start, labels, centre=True)
    torch.testing.assert_close(plain.centre, features.mean(dim=0))
    one = (features - plain.centre) @ plain.proxies.T
    other = (features + 0.3 - moved.centre) @ moved.proxies.T
    torch.testing.assert_close(one, other, atol=5e-3, rtol=0)


def test_centring_changes_nothing_when_images_are_centred_already() -> None:
    features, start, _ = skin(100)
    features = features - features.mean(dim=0)
    labels = transport_labels(features @ start.T)
    centred, plain = (learn_proxies(features, start, labels, centre=centre) for centre in (True, False))
    torch.testing.assert_close(centred.centre, torch.zeros(32), atol=1e-6, rtol=0)
    torch.testing.assert_close(centred.proxies, plain.proxies, atol=1e-2, rtol=0)


def test_without_centring_there_is_nothing_to_subtract() -> None:
    features, start, _ = skin(20)
    assert not learn_proxies(features, start, transport_labels(features @ start.T)).centre.any()


def test_permuting_images_and_classes_permutes_proxies() -> None:
    features, start, _ = skin(60)
    labels = transport_labels(features @ start.T)
    random = torch.Generator().manual_seed(0)
    rows, columns = torch.randperm(60, generator=random), torch.randperm(5, generator=random)
    permuted = multimodal_proxies(features[rows], start[columns], labels[rows][:, columns])
    torch.testing.assert_close(permuted, multimodal_proxies(features, start, labels)[columns], atol=2e-2, rtol=0)


@pytest.mark.parametrize(("images", "classes"), [(1, 3), (1, 1), (5, 1), (4, 134)])
def test_tiny_batches_give_finite_unit_rows(images: int, classes: int) -> None:
    features, start, _ = skin(images, classes)
    proxies = multimodal_proxies(features, start, transport_labels(features @ start.T, [1.0] * classes, 0.1))
    torch.testing.assert_close(proxies.norm(dim=1), torch.ones(classes))


def test_numpy_in_torch_out() -> None:
    features, start, _ = skin(40)
    labels = transport_labels(features @ start.T)
    from_numpy = multimodal_proxies(features.numpy(), start.numpy(), labels.numpy())
    assert torch.equal(from_numpy, multimodal_proxies(features, start, labels))


def test_stopping_early_warns_with_the_objective() -> None:
    features, start, _ = skin()
    with pytest.warns(ConvergenceWarning, match=r"cap of 2 iterations with objective \d"):
        learned = learn_proxies(features, start, transport_labels(features @ start.T), max_iterations=2)
    assert not learned.converged


def test_works_inside_no_grad() -> None:
    features, start, _ = skin(40)
    labels = transport_labels(features @ start.T)
    with torch.no_grad():
        proxies = multimodal_proxies(features, start, labels)
    assert not proxies.requires_grad
    assert torch.equal(proxies, multimodal_proxies(features, start, labels))


def test_shapes_that_do_not_fit_together_are_refused() -> None:
    features, start, _ = skin(10)
    with pytest.raises(SettingsError, match=r"\(10, 32\), \(5, 32\) and \(10, 4\)"):
        multimodal_proxies(features, start, torch.ones(10, 4) / 4)
    with pytest.raises(SettingsError, match="temperature to be a positive number"):
        multimodal_proxies(features, start, torch.ones(10, 5) / 5, temperature=0.0)
    with pytest.raises(SettingsError, match="finite labels"):
        multimodal_proxies(features, start, torch.full((10, 5), float("nan")))
