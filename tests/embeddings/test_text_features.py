from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zsderm.embeddings import embed_texts
from zsderm.errors import SettingsError


def test_texts_are_encoded_once_each_and_come_back_in_order(tiny_encoder) -> None:
    texts = ["a brown macule", "a pearly nodule", "a brown macule", "a scaly plaque", "a pearly nodule"]
    rows = embed_texts(tiny_encoder, texts)
    assert tiny_encoder.texts_encoded == 3
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[0], rows[2])
    slow = np.concatenate([tiny_encoder.encode_texts([text]).numpy() for text in texts])
    np.testing.assert_allclose(rows, slow, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_more_texts_than_a_batch_and_no_texts(tiny_encoder) -> None:
    texts = [f"description {number}" for number in range(600)]
    np.testing.assert_allclose(embed_texts(tiny_encoder, texts), tiny_encoder.encode_texts(texts).numpy(), atol=1e-6)
    assert embed_texts(tiny_encoder, []).shape == (0, 32)


def test_a_single_string_is_refused(tiny_encoder) -> None:
    with pytest.raises(SettingsError, match="Expected argument `texts` to be a list of strings, but got the string"):
        embed_texts(tiny_encoder, "melanoma")


def test_texts_in_the_cache_are_not_encoded_again(tiny_encoder, tmp_path: Path) -> None:
    texts = ["a brown macule", "a pearly nodule", "a brown macule"]
    first = embed_texts(tiny_encoder, texts, cache=tmp_path)
    again = embed_texts(tiny_encoder, [*texts, "a scaly plaque"], cache=tmp_path)
    assert tiny_encoder.texts_encoded == 3
    np.testing.assert_array_equal(again[:3], first)
    np.testing.assert_allclose(again, embed_texts(tiny_encoder, [*texts, "a scaly plaque"]), atol=1e-6)
    other = type(tiny_encoder)(fingerprint="fedcba9876543210")
    embed_texts(other, texts, cache=tmp_path)
    assert other.texts_encoded == 2


def test_no_texts_with_a_cache_are_fine(tiny_encoder, tmp_path: Path) -> None:
    assert embed_texts(tiny_encoder, [], cache=tmp_path).shape == (0, 32)
