"""The curl and Python examples of docs/service.md do what they say, against a server that runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.test_server import serving

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "service.md").read_text("utf-8")
SHELL = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")]


def test_the_examples_run(tmp_path: Path) -> None:
    assert len(SHELL) == 8 and len(PYTHON) == 1
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "README.md").symlink_to(ROOT / "README.md")
    with serving(tmp_path / "served") as (address, _):
        script = "set -e\n" + "\n".join(SHELL).replace("curl ", "curl --fail -sS -w '\\n' ")
        script = script.replace("http://127.0.0.1:8000/", address)
        done = subprocess.run(
            ["bash", "-c", script], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, done.stderr + done.stdout[-2000:]
        python = PYTHON[0].replace("http://127.0.0.1:8000", address.rstrip("/"))
        said = subprocess.run(
            [sys.executable, "-c", python], check=False, cwd=ROOT, capture_output=True, text=True, timeout=100
        )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"answers"')]
    assert [len(found["answers"]) for found in answers] == [2, 1, 2, 30]
    assert [answer["ok"] for answer in answers[2]["answers"]] == [True, False]
    assert (tmp_path / "predictions.csv").read_text("utf-8").startswith("image,label,probability")
    labels = (tmp_path / "labels.csv").read_text("utf-8").splitlines()
    assert labels[1].startswith("PAT_1071_312_841.jpg,nevus,correct") and len(labels) == 3
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")[:200]
    assert re.fullmatch(r"(melanoma|nevus) 0\.\d+\n", said.stdout), said.stderr
