from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zsderm import CheckpointError, SettingsError
from zsderm.cli import main
from zsderm.pretrain import publish
from zsderm.pretrain.publish import push_to_hub

MODEL_CFG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32},
    "text_cfg": {"context_length": 77},
}
WORDS = {
    "name": "tiny", "licence": "CC BY-NC 4.0", "description": "two small towers", "training_data": ["A", "B"],
    "sigma": 0.3, "lambda_m": 1.0, "lambda_s": 0.7,
    "pretraining": {"images": 18, "epochs_done": 2, "data": "0123456789abcdef", "git": None},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "open_clip_config.json").write_text(json.dumps({"model_cfg": MODEL_CFG, "preprocess_cfg": {}}))
    (encoder / "zsderm.json").write_text(json.dumps(WORDS))
    (encoder / "model.safetensors").write_bytes(b"12345")
    (tmp_path / "evaluation.csv").write_text("epoch,name,metric,value\n1,dev,accuracy,0.4\n2,dev,accuracy,0.6\n")
    return encoder


def test_a_figure_that_was_not_measured_says_so_on_the_card(folder: Path) -> None:
    table = "epoch,name,metric,value,reason\n2,dev,macro_auroc,nan,only one class\n2,dev,accuracy,0.6,\n"
    (folder.parent / "evaluation.csv").write_text(table)
    card = push_to_hub(folder, "me/tiny", dry_run=True).card
    assert "| dev | macro_auroc | not measured: only one class |" in card and "| dev | accuracy | 0.6 |" in card


class Hub:
    """Takes down what it is asked, as huggingface_hub's HfApi would be."""

    asked: list[tuple[str, dict[str, Any]]] = []  # noqa: RUF012

    def create_repo(self, repository: str, **options: Any) -> None:
        self.asked.append(("create", {"repository": repository, **options}))

    def upload_folder(self, **options: Any) -> str:
        self.asked.append(("upload", options))
        return "https://hub.example/tiny/commit/1"


def test_a_dry_run_writes_the_card_and_asks_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "HfApi", None)
    done = push_to_hub(folder, "me/tiny", dry_run=True)
    assert done.address == "" and set(done.files) == {
        "README.md", "model.safetensors", "open_clip_config.json", "zsderm.json"
    }  # fmt: skip
    assert done.files["model.safetensors"] == 5 and (folder / "README.md").read_text() == done.card
    front = done.card.split("---")[1]
    assert "license: cc-by-nc-4.0" in front and "library_name: open_clip" in front
    assert "| dev | accuracy | 0.6 |" in done.card and "0.4" not in done.card, "figures of the last epoch"
    assert 'create_model_and_transforms("hf-hub:me/tiny")' in done.card, "both towers are open_clip's own"
    assert "not a medical device" in done.card and "0123456789abcdef" in done.card


def test_an_encoder_that_open_clip_would_refuse_is_not_said_to_load_there(folder: Path) -> None:
    config = {"model_cfg": MODEL_CFG, "preprocess_cfg": {"mode": "RGB, shades of grey 6"}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    card = push_to_hub(folder, "me/tiny", dry_run=True).card
    assert "| colours | RGB, shades of grey 6 |" in card and "create_model_and_transforms" not in card


def test_an_upload_sends_the_encoder_and_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "HfApi", Hub)
    monkeypatch.setattr(Hub, "asked", [])
    assert push_to_hub(folder, "me/tiny").address == "https://hub.example/tiny/commit/1"
    (_, made), (_, sent) = Hub.asked
    assert made == {"repository": "me/tiny", "private": True, "exist_ok": True}
    assert sent["folder_path"] == folder and not any("csv" in pattern for pattern in sent["allow_patterns"])


def test_a_hub_that_refuses_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("401 Client Error")

    monkeypatch.setattr(Hub, "create_repo", refuse)
    monkeypatch.setattr(publish, "HfApi", Hub)
    with pytest.raises(CheckpointError, match=r"did not take 'me/tiny': 401.*hf auth login"):
        push_to_hub(folder, "me/tiny")


def test_a_card_written_by_hand_is_kept_and_a_generated_one_is_renewed(folder: Path) -> None:
    push_to_hub(folder, "me/tiny", dry_run=True)
    (folder / "zsderm.json").write_text(json.dumps({**WORDS, "description": "renewed", "licence": "my own terms"}))
    renewed = push_to_hub(folder, "me/tiny", dry_run=True).card
    assert "renewed" in renewed and 'license: other\nlicense_name: "my own terms"' in renewed
    (folder / "README.md").write_text("by hand")
    assert push_to_hub(folder, "me/tiny", dry_run=True).card == "by hand"


def test_what_is_no_encoder_and_no_repository_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="organisation/name"):
        push_to_hub(folder, "tiny", dry_run=True)
    with pytest.raises(CheckpointError, match=r"no exported encoder: open_clip_config.json"):
        push_to_hub(tmp_path, "me/tiny", dry_run=True)


def test_the_command_prints_the_card(folder: Path) -> None:
    done = CliRunner().invoke(main, ["pretrain", "publish", str(folder), "--repository", "me/tiny", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "would upload model.safetensors" in done.stderr and done.stdout.startswith("---\nlicense:")
