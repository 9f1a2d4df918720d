from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zsderm import ImageError, InputError, KnowledgeBase
from zsderm.knowledge.prompts import described
from zsderm.tasks.retrieval.description_search import nearest_descriptions


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


@pytest.mark.slow
def test_the_nearest_descriptions_equal_scoring_every_one(
    tiny_encoder, base: KnowledgeBase, photo: Image.Image
) -> None:
    matches = nearest_descriptions(tiny_encoder, base, photo, k=5)
    image = tiny_encoder.encode_images([photo])[0]
    cosines = [float(tiny_encoder.encode_texts([described(d.disease, d.text)])[0] @ image) for d in base.descriptions]
    order = np.argsort(-np.array(cosines), kind="stable")[:5]
    assert [m.score for m in matches] == pytest.approx([cosines[row] for row in order], abs=1e-5)
    assert matches[0].description == base.descriptions[order[0]]


@pytest.mark.slow
def test_a_second_search_encodes_no_text(tiny_encoder, base: KnowledgeBase, photo: Image.Image, tmp_path: Path) -> None:
    first = nearest_descriptions(tiny_encoder, base, photo, cache=tmp_path)
    encoded = tiny_encoder.texts_encoded
    assert nearest_descriptions(tiny_encoder, base, photo, cache=tmp_path) == first
    assert tiny_encoder.texts_encoded == encoded


@pytest.mark.slow
def test_a_damaged_index_is_built_again(tiny_encoder, base: KnowledgeBase, photo: Image.Image, tmp_path: Path) -> None:
    first = nearest_descriptions(tiny_encoder, base, photo, cache=tmp_path)
    for file in tmp_path.rglob("entries.faiss"):
        file.write_bytes(b"damaged")
    assert nearest_descriptions(tiny_encoder, base, photo, cache=tmp_path) == first


def test_an_unreadable_image_and_an_empty_base_are_refused(tiny_encoder, base, photo, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match="cannot read"):
        nearest_descriptions(tiny_encoder, base, tmp_path / "a.png")
    with pytest.raises(InputError, match="no descriptions"):
        nearest_descriptions(tiny_encoder, base.subset(lambda d: False), photo)
