"""`refine` on features in a file: what it finds in memory, in chunks of any size."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from zsderm.errors import ConvergenceWarning, SettingsError
from zsderm.proxies.chunks import CHUNK_SIZE, FeatureChunks
from zsderm.proxies.cross_entropy import harden
from zsderm.proxies.multimodal import learn_proxies, proxy_objective
from zsderm.proxies.refinement import Refinement, refine
from zsderm.proxies.transport import transport, transport_labels


def skin(images: int = 3000, classes: int = 6, width: int = 24) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Overlapping classes of different sizes, a modality gap away from their text proxies, and the true classes."""
    generator = torch.Generator().manual_seed(0)
    gap, text_gap, means = (torch.randn(count, width, generator=generator) for count in (1, 1, classes))
    truth = torch.randint(classes, (images,), generator=generator)
    noise = torch.randn(images, width, generator=generator)
    error = torch.randn(classes, width, generator=generator)
    features = normalize(1.5 * gap + 0.8 * means[truth] + noise, dim=1)
    return features, normalize(1.5 * text_gap + means + error, dim=1), truth


def mapped(folder: Path, features: torch.Tensor, kind: str) -> np.ndarray:
    np.save(folder / "features.npy", features.numpy().astype(kind))
    return np.load(folder / "features.npy", mmap_mode="r")


def refine_streamed(
    features: np.ndarray | torch.Tensor,
    text: torch.Tensor,
    prior: str | list[float] = "auto",
    chunk_size: int = CHUNK_SIZE,
    **settings: object,
) -> Refinement:
    return refine(FeatureChunks(features, chunk_size), text, prior, **settings)  # type: ignore[arg-type]


def scores(refined: Refinement, features: np.ndarray | torch.Tensor) -> torch.Tensor:
    return torch.cat(list(refined.score_chunks(FeatureChunks(features, 611))))


def probabilities(rows: torch.Tensor) -> torch.Tensor:
    return torch.softmax(rows / 0.04, dim=1)


@pytest.mark.parametrize("kind", ["float16", "float32"])
@pytest.mark.parametrize("chunk_size", [997, 3000])
@pytest.mark.parametrize("prior", ["uniform", [5.0, 3, 2, 2, 0, 1]])
def test_the_result_equals_the_one_in_memory_to_1e_minus_4(
    tmp_path: Path, prior: str | list[float], chunk_size: int, kind: str
) -> None:
    """Labels, mix and objective everywhere; probabilities on average, for rounding lets two descents end apart."""
    features, text, _ = skin()
    file = mapped(tmp_path, features, kind)
    whole = torch.from_numpy(np.array(file, np.float32))
    streamed = refine_streamed(file, text, prior, chunk_size=chunk_size, sample_size=400, tolerance=1e-8)
    plan = transport(whole @ text.T, prior)
    learned = learn_proxies(whole, text, plan.labels, tolerance=1e-8)
    assert streamed.accepted
    assert streamed.converged
    torch.testing.assert_close(streamed.labels, plan.labels, atol=1e-4, rtol=0)
    torch.testing.assert_close(streamed.prior, plan.prior.float(), atol=1e-6, rtol=0)
    assert streamed.objective == pytest.approx(learned.objective, abs=1e-4)
    difference = (probabilities(scores(streamed, file)) - probabilities(whole @ learned.proxies.T)).abs()
    assert difference.mean() < 1e-4
    assert difference.max() < 2e-3


@pytest.mark.parametrize("centre", [False, True])
def test_at_its_usual_tolerance_the_objective_equals_the_one_in_memory_to_1e_minus_4(centre: bool) -> None:
    features, text, _ = skin()
    streamed = refine_streamed(features, text, "uniform", chunk_size=500, sample_size=400, centre=centre)
    learned = learn_proxies(features, text, transport_labels(features @ text.T), centre=centre)
    assert streamed.objective == pytest.approx(learned.objective, abs=1e-4)
    torch.testing.assert_close(streamed.centre, learned.centre, atol=1e-6, rtol=0)
    hard = harden(transport_labels(features @ text.T))
    again = proxy_objective(features - streamed.centre, streamed.proxies, hard).item()
    assert streamed.objective == pytest.approx(again, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["auto", "uniform"])
def test_a_folder_that_fits_in_the_sample_gets_what_refine_gives(prior: str) -> None:
    features, text, _ = skin(900)
    whole, streamed = refine(features, text, prior), refine_streamed(features, text, prior, chunk_size=128)
    for name in ("accepted", "prior_name", "reason", "figures"):
        assert getattr(streamed, name) == getattr(whole, name)
    torch.testing.assert_close(streamed.prior, whole.prior, atol=1e-6, rtol=0)
    torch.testing.assert_close(streamed.labels, whole.labels, atol=1e-4, rtol=0)
    torch.testing.assert_close(scores(streamed, features), whole.scores, atol=1e-3, rtol=0)


def test_auto_takes_the_test_result_and_the_mix_of_a_sample() -> None:
    features, text, truth = skin()
    streamed = refine_streamed(features, text, sample_size=1500)
    assert streamed.accepted
    assert (scores(streamed, features).argmax(dim=1) == truth).float().mean() > (
        (features @ text.T).argmax(dim=1) == truth
    ).float().mean() + 0.05
    torch.testing.assert_close(streamed.labels.double().mean(dim=0).float(), streamed.prior, atol=1e-5, rtol=0)


def test_where_the_guard_refuses_the_text_proxies_stand() -> None:
    generator = torch.Generator().manual_seed(0)
    features = normalize(1 + 0.3 * torch.randn(2000, 24, generator=generator), dim=1)  # one cluster
    text = normalize(torch.randn(4, 24, generator=generator), dim=1)
    streamed = refine_streamed(features, text, sample_size=500)
    assert not streamed.accepted
    assert (streamed.objective, streamed.iterations, streamed.passes) == (None, 0, 1)
    torch.testing.assert_close(streamed.proxies, text)
    plain = torch.softmax(features @ text.T / 0.01, dim=1)
    torch.testing.assert_close(streamed.labels, plain, atol=1e-4, rtol=0)
    torch.testing.assert_close(streamed.prior, plain.mean(dim=0), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("images", "classes"), [(1, 3), (15, 3), (200, 1)])
def test_too_few_images_or_one_class_keep_the_text_proxies(images: int, classes: int) -> None:
    features, text, _ = skin(images, classes)
    streamed = refine_streamed(features, text, "uniform")
    assert not streamed.accepted
    assert scores(streamed, features).shape == (images, classes)


def test_too_few_images_are_counted_in_the_whole_file_and_not_in_the_sample() -> None:
    features, text, _ = skin(200)
    streamed = refine_streamed(features, text, "uniform", chunk_size=50, sample_size=100, min_images=201)
    assert not streamed.accepted
    assert streamed.reason == "only 200 photographs; at least 201 are needed"
    assert refine_streamed(features, text, "uniform", chunk_size=50, sample_size=100, min_images=200).accepted


def test_scores_of_ones_own_need_images_in_memory() -> None:
    features, text, _ = skin(200)
    with pytest.raises(SettingsError, match="only for images in one chunk"):
        refine_streamed(features, text, chunk_size=50, scores=features @ text.T)


def test_each_row_of_labels_sums_to_1_and_proxies_are_unit_rows() -> None:
    features, text, _ = skin(1000)
    streamed = refine_streamed(features, text, "uniform", chunk_size=77, sample_size=300)
    torch.testing.assert_close(streamed.labels.sum(dim=1), torch.ones(1000))
    torch.testing.assert_close(streamed.proxies.norm(dim=1), torch.ones(6))
    assert streamed.proxies.dtype == torch.float32


def test_a_class_of_weight_0_gets_no_label() -> None:
    features, text, _ = skin(1000)
    streamed = refine_streamed(features, text, [1.0, 1, 0, 1, 1, 1], chunk_size=300, sample_size=300)
    assert streamed.text.potentials[2] == -math.inf
    assert (streamed.labels[:, 2] == 0).all()


def test_features_and_text_proxies_are_never_changed_in_place() -> None:
    features, text, _ = skin(600)
    before = features.clone(), text.clone()
    refine_streamed(features, text, "uniform", chunk_size=100, sample_size=200, centre=True)
    assert torch.equal(features, before[0])
    assert torch.equal(text, before[1])


def test_proxies_score_images_that_were_not_refined_on() -> None:
    features, text, _ = skin(1200)
    streamed = refine_streamed(features[:900], text, "uniform", sample_size=300, centre=True)
    torch.testing.assert_close(
        scores(streamed, features[900:]), (features[900:] - streamed.centre) @ streamed.proxies.T
    )
    with pytest.raises(SettingsError, match="one width, but got 23 and 24"):
        streamed.score_chunks(FeatureChunks(features[:, 1:]))


def test_stopping_early_warns_with_the_objective() -> None:
    features, text, _ = skin(600)
    with pytest.warns(ConvergenceWarning, match=r"cap of 1 iterations with objective \d"):
        streamed = refine_streamed(features, text, "uniform", sample_size=100, max_iterations=1)
    assert not streamed.converged


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": torch.zeros(3)}, "to be a matrix"),
        ({"features": torch.full((100, 24), math.nan)}, "finite image features"),
        ({"features": torch.zeros(100, 23)}, "one width"),
        ({"prior": "balanced"}, "'uniform', 'auto' or 6 weights"),
        ({"prior": [1.0, 2.0]}, "one weight per class"),
        ({"chunk_size": 0}, "chunk_size"),
        ({"sample_size": 0}, "sample_size"),
        ({"label_temperature": 0.0}, "label_temperature"),
        ({"tolerance": 0.0}, "tolerance"),
    ],
)
def test_what_cannot_be_refined_is_refused(change: dict[str, object], message: str) -> None:
    features, text, _ = skin(100)
    with pytest.raises(SettingsError, match=message):
        refine_streamed(**{"features": features, "text": text, "chunk_size": 60, **change})  # type: ignore[arg-type]
