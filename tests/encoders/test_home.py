"""Where an encoder is at home: distances, the file beside the weights, and pictures of anything but skin."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from sklearn.metrics import roc_auc_score
from torch.nn.functional import normalize

from zsderm import CheckpointError, FallbackWarning, SettingsError, load_encoder
from zsderm.benchmarks.experiments.made_pictures import made_pictures
from zsderm.encoders import mini
from zsderm.encoders.base import HOME_FILE
from zsderm.encoders.export import export_encoder
from zsderm.encoders.home import EncoderHome, read_home
from zsderm.images import find
from zsderm.pretrain.model.home import measure_home

EXAMPLES = Path(__file__).parents[2] / "examples" / "images"


@pytest.fixture
def rows() -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return normalize(torch.randn(300, 6, generator=random) * torch.tensor([3.0, 2, 1, 1, 1, 0.5]) + 1, dim=1)


@pytest.fixture
def home(rows: torch.Tensor) -> EncoderHome:
    return measure_home(rows, ["one"] * 300, "0123")


def test_familiarity_is_the_logarithm_of_the_mahalanobis_distance(rows: torch.Tensor, home: EncoderHome) -> None:
    table = rows.double().numpy()
    inverse = np.linalg.inv(np.cov(table.T, bias=True))
    expected = [-math.log10(mahalanobis(row, table.mean(axis=0), inverse) ** 2 / 6) for row in table[:20]]
    assert home.familiarity(rows[:20]).tolist() == pytest.approx(expected, abs=1e-3)
    assert -(10 ** -home.familiarity(rows)).mean().log10().item() == pytest.approx(0, abs=1e-3), "0 is the usual one"


def test_directions_that_are_not_stored_share_their_mean_variance(monkeypatch: pytest.MonkeyPatch, rows) -> None:
    monkeypatch.setattr("zsderm.pretrain.model.home.AXES", 2)
    home = measure_home(rows, ["one"] * 300, "0123")
    assert home.axes.shape == (2, 6) and home.variances.tolist() == sorted(home.variances.tolist(), reverse=True)
    torch.testing.assert_close(home.axes @ home.axes.T, torch.eye(2), rtol=0, atol=1e-5)
    assert home.variances.sum() + 4 * home.rest == pytest.approx(rows.var(dim=0, correction=0).sum().item(), rel=1e-4)


def test_the_mean_of_a_diagnosis_is_that_of_the_means_of_its_tables(rows: torch.Tensor, tmp_path: Path) -> None:
    tables, names = ["one"] * 100 + ["other"] * 200, ["nevus"] * 90 + ["melanoma"] * 20 + [""] * 10 + ["nevus"] * 180
    home = measure_home(rows, tables, "0123", names)
    assert home.diagnoses == ("melanoma", "nevus")
    table = rows.double().numpy()
    nevus = (table[:90].mean(axis=0) + table[120:].mean(axis=0)) / 2
    melanoma = (table[90:100].mean(axis=0) + table[100:110].mean(axis=0)) / 2
    np.testing.assert_allclose(home.class_means.numpy(), [melanoma, nevus], atol=1e-6)
    found = home.mean_of([["nevus"], ["melanoma", "psoriasis"], ["psoriasis"]])
    assert found is not None
    np.testing.assert_allclose(found.numpy(), (melanoma + nevus) / 2, atol=1e-6)
    both = home.mean_of([["nevus", "melanoma"], ["nevus"]])
    assert both is not None
    np.testing.assert_allclose(both.numpy(), 0.25 * melanoma + 0.75 * nevus, atol=1e-6)
    assert home.mean_of([["nevus"], ["psoriasis"]]) is None, "one class tells nothing of the others"
    home.save(tmp_path / HOME_FILE)
    again = EncoderHome.read(tmp_path / HOME_FILE)
    assert again.diagnoses == home.diagnoses and torch.equal(again.class_means, home.class_means)
    plain = measure_home(rows, tables, "0123")
    assert plain.diagnoses == () and plain.mean_of([["nevus"], ["melanoma"]]) is None
    torch.testing.assert_close(plain.mean, home.mean)


def test_every_table_counts_alike_however_many_images_it_has(rows: torch.Tensor) -> None:
    once = measure_home(rows, ["few"] * 100 + ["many"] * 200, "0123")
    often = measure_home(torch.cat([rows, rows[100:]]), ["few"] * 100 + ["many"] * 400, "0123")
    torch.testing.assert_close(once.mean, often.mean)
    assert once.threshold == pytest.approx(often.threshold, abs=1e-5) and once.images == 300
    assert once.threshold == once.familiarity(rows).min(), "of 300 images one in a thousand is none"


def test_the_file_gives_back_what_was_saved(home: EncoderHome, tmp_path: Path) -> None:
    home.save(tmp_path / HOME_FILE)
    again = EncoderHome.read(tmp_path / HOME_FILE)
    for name, value in vars(home).items():
        same = torch.equal(value, vars(again)[name]) if isinstance(value, torch.Tensor) else value == vars(again)[name]
        assert same, name


@pytest.mark.parametrize("how", ["cut", "text", "shape", "variance"])
def test_a_damaged_file_is_an_error_that_says_what_to_do(home: EncoderHome, tmp_path: Path, how: str) -> None:
    path = tmp_path / HOME_FILE
    other = {"shape": {"mean": torch.zeros(5)}, "variance": {"variances": torch.zeros(6)}}
    replace(home, **other.get(how, {})).save(path)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif how == "text":
        path.write_text("no tensors")
    with pytest.raises(CheckpointError, match="or take it away"):
        EncoderHome.read(path)
    with pytest.warns(FallbackWarning, match="or take it away. Until then it is left aside"):
        assert read_home(path, 6, "0123") is None


def test_the_home_of_other_weights_is_left_aside_with_a_warning(home: EncoderHome, tmp_path: Path) -> None:
    home.save(tmp_path / HOME_FILE)
    assert read_home(tmp_path / HOME_FILE, 6, "0123") is not None and read_home(None, 6, "0123") is None
    with pytest.warns(FallbackWarning, match="zsderm pretrain home"):
        assert read_home(tmp_path / HOME_FILE, 6, "4567") is None


def test_other_widths_are_refused_and_missing_rows_stay_missing(home: EncoderHome) -> None:
    with pytest.raises(SettingsError, match=r"\(N, 6\)"):
        home.familiarity(torch.ones(2, 5))
    found = home.familiarity(torch.full((1, 6), math.nan))
    assert found.isnan().all() and not home.is_strange(found).any()


def test_the_note_names_the_strangest_first_and_not_all_of_many(home: EncoderHome) -> None:
    values = torch.tensor([0.0, home.threshold - 1, home.threshold - 2, math.nan])
    note = home.note(["a/w.jpg", "a/x.jpg", "a/y.jpg", "a/z.jpg"], values, "tiny")
    assert note.startswith("2 of 4 images look like nothing that tiny was trained with (familiarity below ")
    assert note.endswith("their answers are guesses: y.jpg, x.jpg.") and home.note(["w.jpg"], values[:1], "tiny") == ""
    assert home.note([str(n) for n in range(9)], values[1].repeat(9), "tiny").endswith("and 4 more.")


@pytest.mark.slow
def test_pictures_of_anything_but_skin_are_less_familiar_than_photographs() -> None:
    encoder = load_encoder("zsderm-mini", "cpu")
    assert encoder.home is not None and encoder.home.encoder == encoder.fingerprint
    assert encoder.home.mean.shape == (384,) and encoder.home.axes.shape == (48, 384)
    usual = encoder.home.familiarity(encoder.encode_images(find(EXAMPLES)))
    strange = encoder.home.familiarity(encoder.encode_images([picture for _, picture in made_pictures(4, seed=1)]))
    true = [1] * len(usual) + [0] * len(strange)
    assert roc_auc_score(true, torch.cat([usual, strange])) >= 0.95
    assert encoder.home.is_strange(usual).float().mean() <= 0.05, "thirty photographs, of which one may stand out"
    assert encoder.home.is_strange(strange).float().mean() >= 0.5


@pytest.mark.slow
def test_a_folder_without_the_file_has_no_home_and_the_file_is_not_taken_for_weights(tmp_path: Path) -> None:
    for path in mini.FOLDER.iterdir():
        shutil.copyfile(path, tmp_path / ("weights.safetensors" if path.name == "model.safetensors" else path.name))
    with_home = load_encoder(tmp_path, "cpu")  # weights of a name of their own, beside home.safetensors
    assert with_home.home is not None and with_home.card.parameters == mini.card().parameters
    (tmp_path / HOME_FILE).unlink()
    assert load_encoder(tmp_path, "cpu").home is None


@pytest.mark.slow
def test_an_export_takes_the_home_of_its_original_along(tmp_path: Path) -> None:
    export_encoder("zsderm-mini", tmp_path / "out", "torch", "fp32", find(EXAMPLES)[:20], ["melanoma", "nevus"])
    exported = load_encoder(tmp_path / "out", "cpu")
    assert exported.home is not None and exported.home.encoder != exported.fingerprint
    assert exported.card.diagnoses == mini.card().diagnoses
