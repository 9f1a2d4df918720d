from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from zsderm.config import Settings
from zsderm.errors import InputError, SettingsError
from zsderm.fitted import Fitted
from zsderm.knowledge.base import KnowledgeBase
from zsderm.saved_classifier import SavedClassifier, read


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    generator = torch.Generator().manual_seed(0)
    text, proxies = torch.rand(2, 2, 4, generator=generator)
    fitted = Fitted(
        torch.arange(5), text, proxies, torch.zeros(4), torch.tensor([0.3, 0.7]), 20, 0.05, True, "given", "why"
    )
    base = KnowledgeBase.load("dermatology")
    stored = SavedClassifier(
        "tiny", "abc", "def", ("mole", "acne"), Settings(k=3, views=1), torch.tensor([0.3, 0.7]), base, fitted
    )
    stored.write(tmp_path / "deep" / "saved")
    return tmp_path / "deep" / "saved"


def test_what_was_written_is_read_back(saved: Path) -> None:
    stored = read(saved)
    assert (stored.model, stored.fingerprint, stored.sentences, stored.classes) == (
        "tiny",
        "abc",
        "def",
        ("mole", "acne"),
    )
    assert stored.settings == Settings(k=3, views=1)
    torch.testing.assert_close(stored.prior, torch.tensor([0.3, 0.7]).double())
    assert stored.knowledge is not None and stored.knowledge.checksum == KnowledgeBase.load("dermatology").checksum
    assert stored.fitted.facts() == {
        "images": 20,
        "temperature": 0.05,
        "refined": True,
        "prior": "given",
        "reason": "why",
        "iterations": 0,
        "converged": True,
    }
    torch.testing.assert_close(stored.fitted.kept, torch.arange(5))
    assert sorted(path.name for path in saved.parent.iterdir()) == ["saved"]  # no draft is left behind


@pytest.mark.slow
def test_a_place_that_is_taken_is_not_written_over(saved: Path) -> None:
    with pytest.raises(SettingsError, match="new or empty"):
        read(saved).write(saved)
    assert read(saved).model == "tiny"


def test_a_folder_that_is_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a saved classifier"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format": 99}, "of format 1"), ({"classes": ["mole"]}, "do not fit 1 classes"), ({"knowledge": "0"}, "changed")],
)
def test_parts_that_do_not_belong_together_are_refused(saved: Path, change: dict, message: str) -> None:
    facts = json.loads((saved / "classifier.json").read_text(encoding="utf-8"))
    (saved / "classifier.json").write_text(json.dumps(facts | change), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read(saved)


def test_an_unknown_or_missing_setting_is_refused(saved: Path) -> None:
    facts = json.loads((saved / "classifier.json").read_text(encoding="utf-8"))
    facts["settings"]["colour"] = "red"
    (saved / "classifier.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(InputError, match="colour"):
        read(saved)


def test_a_classifier_that_was_saved_before_there_were_views_is_of_one(saved: Path) -> None:
    facts = json.loads((saved / "classifier.json").read_text(encoding="utf-8"))
    assert facts["settings"].pop("views") == 1
    (saved / "classifier.json").write_text(json.dumps(facts), encoding="utf-8")
    assert read(saved).settings.views == 1
