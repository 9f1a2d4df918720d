from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from zsderm import ZeroShotClassifier
from zsderm.class_list import checked_prior
from zsderm.config import Settings
from zsderm.errors import CheckpointError, InputError, SettingsError
from zsderm.fitted import Fitted
from zsderm.knowledge import KnowledgeBase, KnowledgeCard, Report
from zsderm.saved_classifier import SavedClassifier, read


@pytest.fixture(scope="module")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = torch.Generator().manual_seed(0)
    text, proxies = torch.nn.functional.normalize(torch.rand(2, 2, 4, generator=generator), dim=-1)
    fitted = Fitted(
        torch.arange(5), text, proxies, torch.zeros(4), torch.tensor([0.3, 0.7]), 20, 0.05, True, "given", "why"
    )
    base = KnowledgeBase.load("dermatology")
    stored = SavedClassifier(
        "tiny", "abc", "def", ("mole", "acne"), Settings(k=3, views=1), torch.tensor([0.3, 0.7]), base, fitted
    )
    folder = tmp_path_factory.mktemp("once") / "deep" / "saved"
    stored.write(folder)
    return folder


@pytest.fixture
def saved(saved_once: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved_once.parent, tmp_path / "deep") / "saved"


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


def test_what_patients_report_is_kept_and_guarded_by_a_checksum(saved: Path, tmp_path: Path) -> None:
    stored = read(saved)
    diseases = list(KnowledgeBase.load("dermatology").diseases.values())[:2]
    said = {diseases[0].name: (Report("It itches at night.", diseases[0].name, "itch"),)}
    base = KnowledgeBase(KnowledgeCard("mine"), diseases, reported=lambda: said)
    replace(stored, knowledge=base).write(tmp_path / "told")
    again = read(tmp_path / "told").knowledge
    assert again is not None and again.reported == said
    (file,) = (tmp_path / "told").rglob("reported/*.jsonl")
    file.write_text(file.read_text().replace("night", "noon"))
    with pytest.raises(InputError, match="damaged or changed"):
        read(tmp_path / "told")


@pytest.mark.slow
def test_a_place_that_is_taken_is_not_written_over(saved: Path) -> None:
    with pytest.raises(SettingsError, match="new or empty"):
        read(saved).write(saved)
    assert read(saved).model == "tiny"


def test_a_folder_that_is_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a saved classifier"):
        read(tmp_path)


def rewrite(folder: Path, change: Callable[[dict], object], *, older: bool = True) -> None:
    """Change the facts of a saved classifier; as those of an older version they have no checksums."""
    path = folder / "classifier.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    change(facts)
    if older:
        facts = {name: value for name, value in facts.items() if name not in ("files", "checksum")}
    path.write_text(json.dumps(facts), encoding="utf-8")


@pytest.mark.parametrize("older", [True, False], ids=["of an older version", "with checksums"])
@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("format", 99),
        ("format", True),
        ("classes", ["mole"]),
        ("classes", ["mole", 7]),
        ("classes", "mo"),
        ("knowledge", "0"),
        ("knowledge", 7),
        ("sentences", None),
        ("encoder.name", 5),
        ("encoder.fingerprint", ["abc"]),
        ("settings.colour", "red"),
        ("settings.k", "3"),
        ("settings.k", 3.0),
        ("settings.k", 0),
        ("settings.centre", "no"),
        ("settings.name_weight", float("nan")),
        ("settings.proxy_temperature", float("inf")),
        ("settings.method", "kpI"),
        ("settings.views", 3),
        ("settings", [1]),
        ("prior", "automatic"),
        ("prior", ["a", "b"]),
        ("prior", [0.5]),
        ("prior", [0.5, float("nan")]),
        ("prior", [[0.3, 0.7]]),
        ("prior", {"mole": 1}),
        ("fitted.temperature", 0),
        ("fitted.temperature", float("nan")),
        ("fitted.temperature", "0.05"),
        ("fitted.temperature", True),
        ("fitted.images", -4),
        ("fitted.refined", "yes"),
        ("fitted.refined", False),
        ("fitted.prior", "whatever"),
        ("fitted.kept", [0]),
        ("fitted", None),
        ("surplus", 1),
    ],
    ids=repr,
)
def test_facts_that_are_wrong_are_refused_in_one_sentence(saved: Path, where: str, value: object, older: bool) -> None:
    def change(facts: dict) -> None:
        *steps, last = where.split(".")
        for step in steps:
            facts = facts[step]
        facts[last] = value

    rewrite(saved, change, older=older)
    with pytest.raises(InputError) as caught:
        stored = read(saved)
        checked_prior(stored.prior, stored.classes)  # as the classifier does with it
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("text", lambda array: array * float("nan")),
        ("text", lambda array: array * 2),
        ("proxies", lambda array: array[:, :3]),
        ("proxies", lambda array: array.double()),
        ("proxies", lambda array: array * float("inf")),
        ("centre", lambda array: array + 7),
        ("mix", lambda array: -array),
        ("mix", lambda array: array[:1]),
        ("kept", lambda array: array - 9),
        ("kept", lambda array: array * 0),
        ("kept", lambda array: array.float()),
        ("kept", lambda array: array[:, None]),
    ],
)
def test_arrays_that_no_fit_gives_are_refused_without_a_checksum_too(saved: Path, name: str, spoil) -> None:
    tensors = load_file(saved / "proxies.safetensors")
    save_file({**tensors, name: spoil(tensors[name]).contiguous()}, saved / "proxies.safetensors")
    with pytest.raises(InputError, match="another of its files does not have its checksum"):
        read(saved)
    rewrite(saved, lambda facts: None)
    with pytest.raises(InputError, match="damaged or changed"):
        read(saved)


def test_a_digit_a_text_and_a_file_of_another_run_are_noticed(saved: Path, tmp_path: Path) -> None:
    path = saved / "classifier.json"
    content = path.read_text(encoding="utf-8")
    path.write_text(content.replace("0.05", "0.06"), encoding="utf-8")
    with pytest.raises(InputError, match=r"classifier\.json does not have its checksum"):
        read(saved)
    path.write_text(content, encoding="utf-8")
    base = next((saved / "knowledge").glob("*.jsonl"))
    base.write_text(base.read_text(encoding="utf-8").replace("pearly", "pearIy", 1), encoding="utf-8")
    with pytest.raises(InputError, match="another of its files does not have its checksum"):
        read(saved)


def test_a_text_nested_too_deep_is_one_sentence(saved: Path) -> None:
    (saved / "classifier.json").write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(InputError, match="nested too deep"):
        read(saved)


def test_an_encoder_that_a_folder_names_is_not_fetched(saved: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a folder reached for the network"))
    rewrite(saved, lambda facts: facts["encoder"].update(name="hf-hub:someone/else"))
    with pytest.raises(CheckpointError, match=r"the hub was not asked.* --model hf-hub:someone/else"):
        ZeroShotClassifier.load(saved)


@pytest.mark.parametrize(("kept", "said"), [([0, 99_999_999], "points at"), ([0], "keeps no sentence")])
def test_sentences_that_are_not_there_are_refused(saved: Path, kept: list[int], said: str) -> None:
    fitted = replace(read(saved).fitted, kept=torch.tensor(kept))
    with pytest.raises(ValueError, match=said):
        fitted.check_texts(torch.tensor([0, 0, 1]), 4)


def test_a_classifier_that_was_saved_before_there_were_views_is_of_one(saved: Path) -> None:
    rewrite(saved, lambda facts: facts["settings"].pop("views"))
    assert read(saved).settings.views == 1


def test_the_checksum_of_an_older_version_still_holds(saved: Path) -> None:
    base = read(saved).knowledge
    assert base is not None and base.card.ambiguous
    rewrite(saved, lambda facts: facts.update(knowledge=base._checksum(with_ambiguous=False)))
    assert read(saved).knowledge is not None
