"""Runs in real processes: one that is killed, two that train together."""

from __future__ import annotations

import csv
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from zsderm.pretrain import train

MINI = Path(__file__).parents[2] / "pretrain" / "configs" / "mini.yaml"
RECIPES = runpy.run_path(str(Path(__file__).with_name("recipes.py")))
TINY, DROPPING, settings = RECIPES["TINY"], RECIPES["DROPPING"], RECIPES["settings"]


def config_file(folder: Path, **changes: object) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(MINI.read_text()), **settings(**changes)}))
    return path


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "encoder" / "model.safetensors")


def test_a_run_killed_by_sigkill_and_resumed_ends_with_the_same_weights(tmp_path: Path, data: Path) -> None:
    changes = {**DROPPING, "samples_per_epoch": 240, "epochs": 1, "checkpoint_every": 3, "log_every": 1}
    config = config_file(tmp_path, **changes)  # 40 batches
    train.run(config, tmp_path / "whole", data)
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "zsderm.pretrain", "--config", str(config), "--output", str(killed)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as here: sums depend on how many threads share them
    process = subprocess.Popen([*command, "--data-root", str(data)], stderr=subprocess.DEVNULL, env=one_thread)
    steps, deadline = killed / "steps.csv", time.monotonic() + 120
    while not (steps.exists() and len(steps.read_text().splitlines()) > 8) and time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    progress = torch.load(killed / "checkpoint.pt", weights_only=True)["progress"]
    assert progress["epoch"] == 0 and 6 <= progress["batch"] < 40, "killed in the middle of an epoch"
    assert not (killed / "encoder").exists()
    train.run(config, killed, data)
    for name, tensor in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(killed)[name], tensor, rtol=0, atol=0, msg=name)
    assert [row["loss"] for row in rows(steps)] == [row["loss"] for row in rows(tmp_path / "whole" / "steps.csv")]


@pytest.mark.parametrize("targets", ["own", "label"])
def test_two_processes_under_torchrun_train_as_one_does(targets: str, tmp_path: Path, data: Path) -> None:
    config = config_file(tmp_path, **TINY, log_every=1, micro_batch=2, targets=targets)
    train.run(config, tmp_path / "one", data)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    options = ["--config", str(config), "--output", str(tmp_path / "two"), "--data-root", str(data)]
    done = subprocess.run(
        [*command, "-m", "zsderm.pretrain", *options], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "two" / "encoder")], "one of them talks"
    one, two = (rows(tmp_path / run / "steps.csv") for run in ("one", "two"))
    for name in ("loss", "contrastive", "local", "gradient_norm"):
        ours, theirs = ([float(row[name]) for row in table] for table in (one, two))
        assert theirs == pytest.approx(ours, rel=1e-3), name
    for name, tensor in weights(tmp_path / "one").items():
        torch.testing.assert_close(weights(tmp_path / "two")[name], tensor, rtol=5e-3, atol=5e-4, msg=name)
    assert rows(tmp_path / "two" / "log.csv")[0]["skipped"] == "0"
