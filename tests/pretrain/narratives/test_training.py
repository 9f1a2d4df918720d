from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file

from tests.narratives.tiny_model import SETTINGS
from zsderm.cli import main
from zsderm.errors import CheckpointError, SettingsError
from zsderm.narratives.words_model import WordsModel
from zsderm.pretrain import run_narratives
from zsderm.pretrain.narratives.training import masked_loss

CONFIGS = Path(__file__).parents[3] / "pretrain" / "configs"


def _config(folder: Path, language_model: Path, **settings: object) -> Path:
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({**SETTINGS, "model": str(language_model), **settings}), encoding="utf-8")
    return path


def test_the_loss_is_a_softmax_over_the_options_of_each_row_alone() -> None:
    scores = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    allowed = torch.tensor([[True, False, True, False, False], [True, True, True, True, True]])
    expected = [-scores[0, [0, 2]].log_softmax(dim=0)[1], -scores[1].log_softmax(dim=0)[4]]
    torch.testing.assert_close(masked_loss(scores, allowed, torch.tensor([2, 4])), torch.stack(expected).mean())


@pytest.mark.slow
@pytest.mark.parametrize("options", ["none", "full", "chain", "chapters"])
def test_words_that_tell_diseases_apart_are_learned(tmp_path: Path, stories: Path, encoder: Path, options: str) -> None:
    output = tmp_path / "run"
    folder = run_narratives(_config(tmp_path, encoder, options=options), output, stories)
    words = WordsModel.load(folder)
    asked = ["On my neck: a dark spot that grew and bled this year.", "On my neck: my cheeks are red and burn."]
    assert words.classes == ("melanoma", "rosacea", "scabies", "vitiligo")
    assert words.log_probabilities(asked).argmax(dim=1).tolist() == [0, 1]
    assert words.log_probabilities(asked, [["scabies", "melanoma"], ["rosacea", "vitiligo"]]).argmax(1).tolist() == [
        0,
        1,
    ]
    with (output / "evaluation.csv").open(newline="") as file:
        figures = {(row["name"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}
    assert figures["test", "accuracy"] == figures["dev", "accuracy"] == 1.0
    assert len((output / "log.csv").read_text().splitlines()) == 13 and (output / "loss_curve.png").is_file()
    told = json.loads((folder / "zsderm_words.json").read_text())
    assert told["card"] == {"name": "small"} and told["training"]["stories"] == {"train": 16, "dev": 4, "test": 4}


@pytest.mark.slow
def test_a_decoder_is_trained_by_adapters_which_become_part_of_its_weights(
    tmp_path: Path, stories: Path, decoder: Path
) -> None:
    pytest.importorskip("peft")
    lora = {"lora_rank": 4, "pooling": "last", "epochs": 36, "learning_rate": 1e-2, "precision": "bfloat16"}
    folder = run_narratives(_config(tmp_path, decoder, **lora), tmp_path / "run", stories)
    before, after = load_file(decoder / "model.safetensors"), load_file(folder / "model.safetensors")
    assert before.keys() == after.keys(), "who reads it needs no peft"
    changed = {
        name.split(".")[-2] for name in before if not torch.equal(before[name].to(after[name].dtype), after[name])
    }
    assert changed == {"q_proj", "k_proj", "v_proj", "o_proj"}
    kept = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["model"]
    assert all("lora" in name or name.startswith("head") for name in kept), "frozen weights are not kept twice"
    asked = ["On my neck: a dark spot that grew and bled this year."]
    assert WordsModel.load(folder).log_probabilities(asked).argmax(dim=1).tolist() == [0]


@pytest.mark.slow
def test_a_run_that_is_killed_ends_with_the_weights_of_one_that_is_not(
    tmp_path: Path, stories: Path, encoder: Path
) -> None:
    config = _config(tmp_path, encoder, checkpoint_every=1, epochs=4, frozen_layers=1)
    whole = run_narratives(config, tmp_path / "whole", stories)
    killed = tmp_path / "killed"
    command = [
        sys.executable,
        "-m",
        "zsderm",
        "pretrain",
        "narratives",
        "--config",
        str(config),
        "--output",
        str(killed),
    ]
    with subprocess.Popen([*command, "--data-root", str(stories)], stderr=subprocess.DEVNULL) as process:
        steps, end = killed / "log.csv", time.monotonic() + 120
        while not steps.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert (killed / "checkpoint.pt").is_file() and not (killed / "words_model").exists(), "killed too late"
    again = run_narratives(config, killed, stories)
    for file in ("model.safetensors", "head.safetensors"):
        one, other = load_file(whole / file), load_file(again / file)
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    logs = [
        (folder / "steps.csv").read_text() if (folder / "steps.csv").exists() else ""
        for folder in (tmp_path / "whole", killed)
    ]
    assert logs[0] == logs[1]
    start = load_file(encoder / "model.safetensors")
    stay = [name for name in start if name.startswith(("embeddings", "encoder.layer.0"))]
    assert len(stay) > 10 and all(
        torch.equal(start[name], load_file(whole / "model.safetensors")[name]) for name in stay
    )


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_stories(tmp_path: Path, stories: Path, encoder: Path) -> None:
    config = _config(tmp_path, encoder, epochs=1)
    run_narratives(config, tmp_path / "run", stories)
    again = run_narratives(config, tmp_path / "run", stories)  # a finished run is written again
    assert (again / "model.safetensors").is_file()
    figures = (tmp_path / "run" / "evaluation.csv").read_text().splitlines()
    assert len(figures) == len(set(figures)) == 9, "its figures are there once"
    rows = (stories / "stories.jsonl").read_text().splitlines()
    (tmp_path / "stories.jsonl").write_text("\n".join(reversed(rows)))
    with pytest.raises(SettingsError, match="was begun with other stories"):
        run_narratives(config, tmp_path / "run", tmp_path)


@pytest.mark.slow
def test_the_command_prints_the_folder_and_mistakes_are_one_sentence(
    tmp_path: Path, stories: Path, encoder: Path
) -> None:
    config = _config(tmp_path, encoder)
    start = ["pretrain", "narratives", "--config", str(config), "--data-root", str(stories)]
    start += ["--output", str(tmp_path / "run")]
    done = CliRunner().invoke(main, [*start, "--set", "epochs=1"], catch_exceptions=False)
    assert done.exit_code == 0 and done.stdout.strip() == str(tmp_path / "run" / "words_model")
    for setting, told in (
        ("epoch=1", "Did you mean 'epochs'?"),
        ("options=chains", "expected setting `options` to be one of none, full, chain, chapters"),
        ("epochs=2", "was begun with other settings (epochs)"),
        ("max_tokens=33", "expected setting `max_tokens` to be at least"),
        ("max_tokens=513", "expected setting `max_tokens` to be at most 512, because"),
        ("fold=3", ""),
    ):
        done = CliRunner().invoke(main, [*start, "--set", setting])
        assert told.lower() in done.stderr.lower() and (done.exit_code == 1 or not told), setting


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"frozen_layers": 3}, SettingsError, "to be at most 2"),
        ({"model": "no/such"}, CheckpointError, "'no/such' cannot be loaded"),
        ({"lora_rank": 2}, SettingsError, "has no layers named q_proj"),
        ({"precision": "bfloat16"}, SettingsError, "float32 unless"),
        ({"folds": 3, "fold": 3}, SettingsError, "from 0 to 2"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    tmp_path: Path,
    stories: Path,
    encoder: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, object],
    error: type[Exception],
    told: str,
) -> None:
    if "lora_rank" in settings:
        pytest.importorskip("peft")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(error, match=told):
        run_narratives(_config(tmp_path, encoder, **settings), tmp_path / "run", stories)


def test_it_is_one_process(tmp_path: Path, stories: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match="one process"):
        run_narratives(_config(tmp_path, encoder), tmp_path / "run", stories)


@pytest.mark.parametrize("name", ["narratives.yaml", "narratives_pad.yaml"])
def test_the_bundled_configurations_are_read(name: str) -> None:
    from zsderm.pretrain.narratives.config import read_config

    assert read_config(CONFIGS / name).options == "chain"
