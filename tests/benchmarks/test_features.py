"""Feature files are checked, and images are embedded once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zsderm.benchmarks.features import image_features, read_features
from zsderm.errors import InputError


def written(file: Path, **changed: np.ndarray) -> Path:
    arrays = {"image_features": np.full((4, 3), 2.0), "labels": np.arange(4) % 2, "text_proxies": np.eye(3)[:2]}
    arrays.update(changed)
    np.savez(file, **{name: array for name, array in arrays.items() if array.size})
    return file


def test_rows_become_unit_rows_in_float32(tmp_path: Path) -> None:
    features = read_features(written(tmp_path / "some.npz"))
    assert features.name == "some"
    assert features.image_features.dtype == torch.float32
    torch.testing.assert_close(features.image_features.norm(dim=1), torch.ones(4))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"labels": np.empty(0)}, "the arrays image_features, labels, text_proxies"),
        ({"labels": np.zeros(3, int)}, r"got shapes \(4, 3\), \(3,\) and \(2, 3\)"),
        ({"text_proxies": np.eye(5)}, r"got shapes \(4, 3\), \(4,\) and \(5, 5\)"),
        ({"labels": np.array([0, 1, 2, 0])}, "labels from 0 to 1"),
        ({"labels": np.array([{}] * 4)}, "Object arrays cannot be loaded"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, changed: dict[str, np.ndarray], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_features(written(tmp_path / "some.npz", **changed))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("image_features", encoding="utf-8")
    with pytest.raises(InputError, match=r"text\.npz to be an \.npz"):
        read_features(tmp_path / "text.npz")


def test_images_are_embedded_once_for_each_encoder_and_list(tmp_path: Path) -> None:
    class Encoder:
        fingerprint = "0123"
        calls = 0

        def encode_images(self, images: list[str]) -> torch.Tensor:
            self.calls += 1
            return torch.eye(4)[: len(images)]

    encoder = Encoder()
    first = image_features(encoder, ["a.jpg", "b.jpg"], tmp_path / "cache")
    again = image_features(encoder, ["a.jpg", "b.jpg"], tmp_path / "cache")
    assert torch.equal(first, again) and first.shape == (2, 4) and encoder.calls == 1
    image_features(encoder, ["b.jpg", "a.jpg"], tmp_path / "cache")
    assert encoder.calls == 2 and len(list((tmp_path / "cache").iterdir())) == 2
    image_features(encoder, ["a.jpg", "b.jpg"])
    assert encoder.calls == 3
