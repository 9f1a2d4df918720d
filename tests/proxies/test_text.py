"""Text proxies: re-normalised class means, and retrieval that clips K per class."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from zsderm.errors import SettingsError
from zsderm.proxies import batch_query, relevant_descriptions, retrieved_scores, text_proxies, with_names


def unit_rows(rows: int, width: int = 16, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def slow_proxies(features: np.ndarray, class_of: list[int], class_count: int) -> np.ndarray:
    proxies = []
    for c in range(class_count):
        own = [features[i] for i in range(len(features)) if class_of[i] == c]
        mean = np.mean(own, axis=0) if own else np.full(features.shape[1], np.nan)
        proxies.append(mean / np.linalg.norm(mean))
    return np.array(proxies)


@settings(max_examples=20, deadline=None)
@given(classes=st.integers(1, 6), extra=st.integers(0, 12), seed=st.integers(0, 99))
def test_equals_the_slow_twin(classes: int, extra: int, seed: int) -> None:
    owners = list(range(classes)) + np.random.default_rng(seed).integers(0, classes, extra).tolist()
    features = unit_rows(len(owners), seed=seed)
    proxies = text_proxies(features, owners, classes)
    assert proxies.dtype == torch.float32
    np.testing.assert_allclose(proxies.numpy(), slow_proxies(features.numpy(), owners, classes), atol=1e-6)
    torch.testing.assert_close(proxies.norm(dim=1), torch.ones(classes))


def test_a_weight_counts_as_so_many_descriptions() -> None:
    features, owners, times = unit_rows(5), [0, 0, 1, 1, 1], [3, 1, 2, 2, 1]
    repeated = [row for row, count in enumerate(times) for _ in range(count)]
    expected = text_proxies(features[repeated], [owners[row] for row in repeated], 2)
    torch.testing.assert_close(text_proxies(features, owners, 2, torch.tensor(times) / 7), expected)


@pytest.mark.parametrize("weights", [[1, 1], [1, 1, 0], [1, 1, -1], [1, 1, float("nan")]])
def test_weights_that_are_no_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(SettingsError, match="3 weights above 0"):
        text_proxies(unit_rows(3), [0, 0, 1], 2, torch.tensor(weights))


def test_one_description_is_its_own_proxy() -> None:
    features = unit_rows(3)
    torch.testing.assert_close(text_proxies(features, [2, 0, 1], 3), features[[1, 2, 0]])


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_numpy_of_any_float_type_gives_float32_torch(kind: type) -> None:
    features = unit_rows(6)
    proxies = text_proxies(features.numpy().astype(kind), np.array([0, 0, 1, 1, 2, 2]), 3)
    torch.testing.assert_close(proxies, text_proxies(features, [0, 0, 1, 1, 2, 2], 3), atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("owners", "message"),
    [
        ([0, 0, 2], r"classes \[1\] have none"),
        ([0, 1], r"shape \(3,\), but got shape \(2,\)"),
        ([0, 1, 3], "from 0 to 2, but got 0 to 3"),
    ],
)
def test_classes_that_do_not_fit_are_refused(owners: list[int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        text_proxies(unit_rows(3), owners, 3)


def test_descriptions_that_cancel_out_are_refused() -> None:
    row = unit_rows(1)
    with pytest.raises(SettingsError, match=r"classes \[0\] cancel out"):
        text_proxies(torch.cat([row, -row]), [0, 0], 1)


def test_batch_query_ranks_as_mean_cosine_does() -> None:
    images, descriptions = unit_rows(30, seed=1), unit_rows(50, seed=2)
    query = batch_query(images)
    assert query.shape == (1, 16)
    torch.testing.assert_close(query.norm(), torch.tensor(1.0))
    ranked = (descriptions @ query.T).flatten().argsort()
    assert torch.equal(ranked, (images @ descriptions.T).mean(dim=0).argsort())


def test_k_is_clipped_per_class_never_globally() -> None:
    """A defect of the published code: after one short class, K shrank for all later classes."""
    owners = [0] + [1] * 8 + [2] * 5
    features, query = unit_rows(len(owners)), unit_rows(1, seed=9)
    kept = relevant_descriptions(query, features, owners, 3, k=5)
    assert torch.bincount(torch.tensor(owners)[kept]).tolist() == [1, 5, 5]


def test_relevant_descriptions_are_the_nearest_of_their_class() -> None:
    owners = torch.arange(24) % 3
    features, query = unit_rows(24), unit_rows(1, seed=5)
    cosines = (features @ query.T).flatten()
    kept = relevant_descriptions(query, features, owners, 3, k=2)
    for c in range(3):
        members = [i for i in range(24) if owners[i] == c]
        best = sorted(members, key=lambda i: -float(cosines[i]))[:2]
        assert [i for i in kept.tolist() if owners[i] == c] == best


@pytest.mark.parametrize("name_weight", [None, 0.0, 0.3, 1.0])
def test_retrieved_scores_equal_the_slow_twin(name_weight: float | None) -> None:
    owners = [0, 1, 1, 1, 2, 2]
    images, features, names = unit_rows(7, seed=3), unit_rows(6, seed=4), unit_rows(3, seed=5)
    blend = {} if name_weight is None else {"name_proxies": names, "name_weight": name_weight}
    scores = retrieved_scores(images, features, owners, 3, k=2, **blend)
    for n in range(7):
        for c in range(3):
            own = sorted((i for i in range(6) if owners[i] == c), key=lambda i: -float(images[n] @ features[i]))[:2]
            proxy = slow_proxies(features.numpy(), [c if i in own else -1 for i in range(6)], c + 1)[c]
            if name_weight is not None:
                proxy = (1 - name_weight) * proxy + name_weight * names[c].numpy()
                proxy /= np.linalg.norm(proxy)
            assert scores[n, c].item() == pytest.approx(float(images[n].numpy() @ proxy), abs=1e-6)


def test_a_large_folder_is_scored_in_blocks_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    images, features, owners = unit_rows(50, seed=1), unit_rows(12, seed=2), list(range(4)) * 3
    whole = retrieved_scores(images, features, owners, 4, k=2)
    monkeypatch.setattr("zsderm.proxies.text._IMAGES_AT_A_TIME", 7)
    torch.testing.assert_close(retrieved_scores(images, features, owners, 4, k=2), whole)


def test_names_blend_from_none_of_them_to_nothing_else() -> None:
    proxies, names = unit_rows(4, seed=1), unit_rows(4, seed=2)
    torch.testing.assert_close(with_names(proxies, names, 0.0), proxies)
    torch.testing.assert_close(with_names(proxies, names, 1.0), names)
    half = with_names(proxies, names, 0.5)
    torch.testing.assert_close(half.norm(dim=1), torch.ones(4))
    torch.testing.assert_close((half * proxies).sum(dim=1), (half * names).sum(dim=1))
    with pytest.raises(SettingsError, match=r"between 0 and 1, but got 1\.5"):
        with_names(proxies, names, 1.5)


def test_the_score_of_an_image_does_not_depend_on_the_images_beside_it() -> None:
    images, features, owners = unit_rows(9, seed=3), unit_rows(12, seed=4), list(range(4)) * 3
    together = retrieved_scores(images, features, owners, 4, k=2)
    torch.testing.assert_close(retrieved_scores(images[4:5], features, owners, 4, k=2), together[4:5])


def test_k_below_1_is_refused() -> None:
    with pytest.raises(SettingsError, match="k to be 1 or more, but got 0"):
        relevant_descriptions(unit_rows(1), unit_rows(2), [0, 1], 2, k=0)


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(SettingsError, match="finite image features"):
        batch_query(torch.full((2, 3), float("nan")))
