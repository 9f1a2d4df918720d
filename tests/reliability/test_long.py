"""The same as its quick siblings, on far more files and through whole commands in processes of their own; see docs."""

from __future__ import annotations

import json
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.reliability.odd_images import odd_images
from tests.reliability.odd_tables import CLASSES, truth, written_alike, written_badly
from tests.reliability.saved_things import KINDS, harmed
from tests.reliability.test_tables import evaluated
from zsderm.errors import ZsdermError

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.filterwarnings("default")]
ZSDERM = [sys.executable, "-c", "from zsderm.cli import main; main()"]


def test_two_thousand_odd_images(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name, data in odd_images(seed=7, count=2000):
        (folder / name).write_bytes(data)
    output, start = tmp_path / "answers.csv", time.monotonic()
    arguments = ["classify", "--images", str(folder), "--classes", "melanoma, nevus", "--output", str(output)]
    done = subprocess.run([*ZSDERM, *arguments], capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-3000:]
    table = pd.read_csv(output, keep_default_na=False, dtype=str)
    assert len(table) == 2000
    assert ((table["label"] == "") == (table["error"] != "")).all()
    figures = {"files": len(table), "with a reason": int((table["error"] != "").sum())}
    print(json.dumps({**figures, "seconds": round(time.monotonic() - start), **_memory()}))


def test_a_thousand_tables(tmp_path: Path) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("\n".join(CLASSES), encoding="utf-8")
    predictions, labels = truth()
    right = float(np.mean(predictions["label"].to_numpy() == labels["true_label"].to_numpy()))
    refused = 0
    for seed in range(1000, 1500):
        result = evaluated(tables := written_alike(seed, tmp_path), classes)
        assert result.exit_code == 0, (tables.how, result.output)
        assert json.loads(result.stdout)["accuracy"] == pytest.approx(right), tables.how
    for seed in range(1500, 2000):
        result = evaluated(tables := written_badly(seed, tmp_path), classes)
        assert result.exception is None or isinstance(result.exception, SystemExit), (tables.how, result.exception)
        refused += result.exit_code != 0
    print(json.dumps({"tables alike": 500, "tables damaged": 500, "of them refused": refused}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_harmed_folders_of_each_kind(kind: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    KINDS[kind].write(whole)
    before, refused = KINDS[kind].use(whole), 0
    for seed in range(100, 200):
        folder = tmp_path / "harmed"
        shutil.copytree(whole, folder)
        done = harmed(random.Random(f"{kind} {seed}"), folder)
        try:
            after = KINDS[kind].use(folder)
        except ZsdermError:
            refused += 1
        else:
            if KINDS[kind].exact:
                np.testing.assert_array_equal(before, after, err_msg=done)
        shutil.rmtree(folder)
    print(json.dumps({"kind": kind, "harmed": 100, "refused": refused}))


def _memory() -> dict[str, int]:
    """The largest memory of any child process so far, in MB."""
    return {"largest memory, MB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024}
