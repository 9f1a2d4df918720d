from __future__ import annotations

import csv
import json
import shutil
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
from transformers import MistralConfig

from tests.asking.tiny_vlm import write_vlm
from tests.pretrain.answers.conftest import SETTINGS
from zsderm.asking import Sampling
from zsderm.asking.local import LocalModel
from zsderm.asking.model_folder import ModelFolder
from zsderm.asking.pictures import picture
from zsderm.cli import main
from zsderm.errors import CheckpointError, SettingsError, ZsdermWarning
from zsderm.pretrain import run_answers
from zsderm.pretrain.answers.config import read_config

CONFIGS = Path(__file__).parents[3] / "pretrain" / "configs"
pytest.importorskip("peft")


def _config(folder: Path, model: Path, **settings: object) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**SETTINGS, "model": str(model), **settings}), encoding="utf-8")
    return path


def _losses(output: Path) -> list[float]:
    with (output / "log.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, vlm: Path, data: Path) -> Path:
    """The folder of a run."""
    folder = tmp_path_factory.mktemp("run")
    run_answers(_config(folder, vlm, epochs=30), folder / "run", data)
    return folder / "run"


@pytest.mark.slow
def test_the_loss_falls_and_the_adapter_answers_what_it_was_taught(trained: Path, vlm: Path, data: Path) -> None:
    losses = _losses(trained)
    assert losses[-1] < 0.1 * losses[0]
    asked = [(picture(data / "images" / f"{number}.png"), "what colour is the lesion ?") for number in (0, 1, 4, 7)]
    model = LocalModel.load(f"transformers:{trained / 'adapter'}", Sampling(max_tokens=4), device="cpu")
    assert [reply for _, reply in sorted(model.replies(asked))] == ["brown", "red", "brown", "red"]
    plain = LocalModel.load(str(vlm), Sampling(max_tokens=4), device="cpu")
    assert model.identity != plain.identity and [reply for _, reply in sorted(plain.replies(asked))][:2] != [
        "brown",
        "red",
    ]
    with (trained / "dropped.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["broken", "gone"]
    told = json.loads((trained / "adapter" / "zsderm_answers.json").read_text())
    assert told["card"] == {"name": "tiny"} and told["training"]["questions"] == 24
    card = (trained / "adapter" / "README.md").read_text()
    assert "# tiny" in card and "12 conversations with 24 questions" in card and told["base"] in card
    assert told["base"] == ModelFolder.of(vlm).fingerprint()


@pytest.mark.slow
def test_a_model_with_mistral_inside_learns_too_and_its_adapter_answers(tmp_path: Path, data: Path) -> None:
    model = write_vlm(tmp_path / "mistral", MistralConfig)
    adapter = run_answers(_config(tmp_path, model, epochs=8), tmp_path / "run", data)
    losses = _losses(tmp_path / "run")
    assert losses[-1] < 0.5 * losses[0]
    asked = [(picture(data / "images" / "1.png"), "is there scale ?")]
    how = Sampling(min_tokens=1, max_tokens=2)
    replies = [dict(LocalModel.load(str(f), how, device="cpu").replies(asked))[0] for f in (model, adapter)]
    assert replies[0] != replies[1]


@pytest.mark.slow
def test_adapters_and_projector_learn_and_nothing_else(trained: Path) -> None:
    names = set(load_file(trained / "adapter" / "adapter_model.safetensors"))
    assert any("q_proj.lora_A" in name for name in names) and any("multi_modal_projector.linear_1" in n for n in names)
    assert all(".language_model." in name or ".multi_modal_projector." in name for name in names)
    kept = torch.load(trained / "checkpoint.pt", weights_only=True)["model"]
    assert all("lora_" in name or "multi_modal_projector" in name for name in kept)


@pytest.mark.slow
def test_a_run_that_is_killed_ends_with_the_weights_of_one_that_is_not(tmp_path: Path, vlm: Path, data: Path) -> None:
    config = _config(tmp_path, vlm, checkpoint_every=1, epochs=4, accumulate=2, batch_size=2)
    whole = run_answers(config, tmp_path / "whole", data)
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "zsderm", "pretrain", "answers", "--config", str(config), "--output", str(killed)]
    with subprocess.Popen([*command, "--data-root", str(data)], stderr=subprocess.DEVNULL) as process:
        steps, end = killed / "steps.csv", time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            if steps.exists() and len(steps.read_text().splitlines()) > 4:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert (killed / "checkpoint.pt").is_file() and not (killed / "adapter").exists(), "killed too late"
    again = run_answers(config, killed, data)
    one, other = (load_file(folder / "adapter_model.safetensors") for folder in (whole, again))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert (killed / "steps.csv").read_text() == (tmp_path / "whole" / "steps.csv").read_text()


@pytest.mark.slow
def test_batches_that_are_accumulated_learn_as_one(tmp_path: Path, vlm: Path, data: Path) -> None:
    found = []
    for size, accumulate in ((4, 1), (1, 4)):
        config = _config(tmp_path, vlm, epochs=1, batch_size=size, accumulate=accumulate, lora_dropout=0.0)
        adapter = run_answers(config, tmp_path / f"{size}", data)
        found.append(load_file(adapter / "adapter_model.safetensors"))
    for name, weights in found[0].items():
        torch.testing.assert_close(weights, found[1][name], atol=2e-4, rtol=1e-3)


@pytest.mark.slow
def test_in_bfloat16_what_learns_stays_in_float32(tmp_path: Path, vlm: Path, data: Path) -> None:
    settings = {"precision": "bfloat16", "gradient_checkpointing": True, "epochs": 4}
    adapter = run_answers(_config(tmp_path, vlm, **settings), tmp_path / "run", data)
    assert {weights.dtype for weights in load_file(adapter / "adapter_model.safetensors").values()} == {torch.float32}
    losses = _losses(tmp_path / "run")
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_an_adapter_without_its_base_or_with_another_one_says_so(
    trained: Path, vlm: Path, data: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(trained / "adapter", adapter)
    file = adapter / "adapter_config.json"
    told = json.loads(file.read_text())
    assert told["base_model_name_or_path"] == str(vlm)
    file.write_text(json.dumps({**told, "base_model_name_or_path": "/no/such"}))
    with pytest.raises(CheckpointError, match="needs its base model in /no/such, which is not there"):
        ModelFolder.of(adapter)
    shutil.copytree(vlm, tmp_path / "base")
    generation = tmp_path / "base" / "generation_config.json"
    generation.write_text(json.dumps({**json.loads(generation.read_text()), "bos_token_id": 1}))
    file.write_text(json.dumps({**told, "base_model_name_or_path": "../base"}))
    with pytest.warns(ZsdermWarning, match="was trained on other weights"):
        ModelFolder.of(adapter).load()
    with pytest.raises(SettingsError, match="to be a whole model"):
        run_answers(_config(tmp_path, adapter), tmp_path / "run", data)


@pytest.mark.slow
def test_the_command_prints_the_folder_and_mistakes_are_one_sentence(tmp_path: Path, vlm: Path, data: Path) -> None:
    config = _config(tmp_path, vlm, epochs=1)
    start = ["pretrain", "answers", "--config", str(config), "--data-root", str(data), "--output", str(tmp_path / "r")]
    done = CliRunner().invoke(main, start, catch_exceptions=False)
    assert done.exit_code == 0 and done.stdout.strip() == str(tmp_path / "r" / "adapter")
    for setting, told in (
        ("epoch=1", "Did you mean 'epochs'?"),
        ("epochs=2", "was begun with other settings (epochs)"),
        ("precision=half", "to be one of float32, bfloat16"),
        ("batch_size=0", "expected setting `batch_size` to be from 1"),
        ("model=/no/such", "There is no folder"),
        ("projector=bridge", "has no module 'bridge'"),
        ('lora_on=["query"]', "has no layers named query"),
        ("conversations=none.json", "the file cannot be read"),
    ):
        done = CliRunner().invoke(main, [*start, "--set", setting])
        assert told.lower() in done.stderr.lower() and done.exit_code == 1, (setting, done.stderr)


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_conversations(tmp_path: Path, vlm: Path, data: Path) -> None:
    config = _config(tmp_path, vlm, epochs=1)
    run_answers(config, tmp_path / "run", data)
    shutil.copytree(data, tmp_path / "data")
    entries = json.loads((data / "conversations.json").read_text())
    (tmp_path / "data" / "conversations.json").write_text(json.dumps(entries[::-1]))
    with pytest.raises(SettingsError, match="begun with other conversations"):
        run_answers(config, tmp_path / "run", tmp_path / "data")


def test_the_bundled_configuration_has_the_published_settings() -> None:
    config = read_config(CONFIGS / "skinvl.yaml")
    assert (config.lora_rank, config.lora_alpha, config.epochs, config.batch_size, config.max_tokens) == (
        128, 64, 1, 16, 2048,
    )  # fmt: skip
    assert (config.learning_rate, config.projector_learning_rate) == (5e-5, 2e-5)
    assert (config.weight_decay, config.warm_up_share, config.precision) == (0.01, 0.02, "bfloat16")
