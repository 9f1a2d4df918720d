"""A command that is killed leaves the old result or the new one, and the next run leaves nothing else."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zsderm.embeddings.feature_files import read_embeddings
from zsderm.errors import InputError
from zsderm.knowledge.base import KnowledgeBase
from zsderm.saved_classifier import read

pytestmark = [pytest.mark.slow, pytest.mark.long]
KILLS_EACH = 12
ZSDERM = [sys.executable, "-c", "from zsderm.cli import main; main()"]


@dataclass(frozen=True)
class Work:
    """A command that writes its result from one of two inputs, and what stands in that result.

    Attributes:
        arguments: of the command, for input "one" or "two".
        read: the content of the result; "none" where there is none, or where it is refused as parts of two runs.
        new: the command writes only into a new folder, which is taken away before every run.
    """

    arguments: Callable[[str], list[str]]
    read: Callable[[], object]
    new: Path | None = None


def _classify(folder: Path) -> Work:
    output = folder / "out" / "answers.csv"
    classes = ["--classes", "melanoma, nevus", "--no-cache", "--method", "class-name"]
    return Work(
        lambda which: ["classify", "--images", str(folder / which), *classes, "--output", str(output)],
        output.read_text,
    )


def _embed(folder: Path, suffix: str) -> Work:
    output = folder / "out" / f"rows{suffix}"

    def rows() -> object:
        try:
            stored = read_embeddings(output)
        except InputError:
            return "none"  # the parts of two runs side by side are never read as one
        return stored.images, np.asarray(stored.features).tolist()

    return Work(lambda which: ["embed", "--images", str(folder / which), "--no-cache", "--output", str(output)], rows)


def _build(folder: Path) -> Work:
    output = folder / "out" / "base"
    for which, colour in (("one", "red"), ("two", "blue")):
        rows = "".join(f"bird {number},{colour} breast number {number}\n" for number in range(3000))
        (folder / f"{which}.csv").write_text("class,description\n" + rows, encoding="utf-8")
    return Work(
        lambda which: ["kb", "build", str(folder / f"{which}.csv"), "--output", str(output)],
        lambda: KnowledgeBase.load(output).checksum if output.exists() else "none",
        output,
    )


def _fit(folder: Path) -> Work:
    output = folder / "out" / "fitted"
    classes = ["--classes", "melanoma, nevus", "--no-cache", "--output", str(folder / "answers.csv")]
    return Work(
        lambda which: ["classify", "--images", str(folder / which), *classes, "--fit", str(output)],
        lambda: read(output).fitted.proxies.tolist() if output.exists() else "none",
        output,
    )


WORKS: dict[str, Callable[[Path], Work]] = {
    "classify": _classify,
    "npy": lambda folder: _embed(folder, ".npy"),
    "parquet": lambda folder: _embed(folder, ".parquet"),
    "base": _build,
    "fitted": _fit,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for which in ("one", "two"):
        (tmp_path / which).mkdir()
        for number in range(12):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / which / f"{which}_{number}.png")
    (tmp_path / "out").mkdir()
    return tmp_path


def _run(arguments: list[str], out: Path) -> tuple[float, float]:
    """Run a command to its end; returns the seconds until it begins to write, and those until it ends."""
    before, start, begun = _listing(out), time.monotonic(), None
    with subprocess.Popen([*ZSDERM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            if begun is None and _listing(out) != before:
                begun = time.monotonic() - start
            time.sleep(0.0005)
        assert process.returncode == 0, process.stderr.read().decode() if process.stderr else ""
    seconds = time.monotonic() - start
    return seconds if begun is None else begun, seconds


def _killed(arguments: list[str], times: tuple[float, float], out: Path, rng: random.Random) -> None:
    """Kill the command before its first touch of the folder of results, at once after that, or until its end."""
    begun, ended = times
    after = rng.choice([rng.uniform(0, 0.004), rng.uniform(0, 0.004), rng.uniform(0, 1.05) * (ended - begun)])
    with subprocess.Popen([*ZSDERM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        before, start = _listing(out), time.monotonic()
        deadline = start + rng.uniform(0.5, 1) * begun if rng.random() < 0.3 else None
        while process.poll() is None and (deadline is None or time.monotonic() < deadline):
            if deadline is None and _listing(out) != before:
                deadline = time.monotonic() + after
            time.sleep(0.0002)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)


def _listing(out: Path) -> list[tuple[str, int]]:
    return [(entry.name, entry.stat(follow_symlinks=False).st_ino) for entry in os.scandir(out)]


@pytest.mark.parametrize("name", WORKS)
def test_a_kill_loses_nothing(name: str, folder: Path) -> None:
    work, rng, out = WORKS[name](folder), random.Random(name), folder / "out"
    results = {}
    for which in ("two", "one"):
        _clear(work)
        times = _run(work.arguments(which), out)
        results[which] = work.read()
    names = sorted(path.name for path in out.iterdir())
    seen = {"old": 0, "new": 0, "none": 0}
    before = "one"
    for turn in range(KILLS_EACH):
        now = "one" if before == "two" else "two"
        _clear(work)
        _killed(work.arguments(now), times, out, rng)
        found = work.read()
        state = next((key for key in results if results[key] == found), found)
        assert state in ("one", "two", "none"), f"after kill {turn} the result is neither the old nor the new one"
        seen["none" if state == "none" else "new" if state == now else "old"] += 1
        if state == "none" and not work.new:
            _run(work.arguments(now), out)
        before = now if state in (now, "none") else before
    _clear(work)
    _run(work.arguments("one"), out)
    assert work.read() == results["one"]
    assert sorted(path.name for path in out.iterdir()) == names, "a dead run left something behind"
    print(json.dumps({"command": name, "kills": KILLS_EACH, **seen}))


def _clear(work: Work) -> None:
    if work.new is not None and work.new.exists():
        shutil.rmtree(work.new)


def test_a_data_set_grows_from_kill_to_kill_and_ends_as_if_there_had_been_none(folder: Path) -> None:
    out, rng = folder / "out", random.Random("dataset")
    arguments = ["embed", str(folder / "one"), "--no-cache", "--part-rows", "1", "--output"]
    times = _run([*arguments, f"{out / 'whole'}/"], out)
    expected = {file.name: file.read_bytes() for file in (out / "whole").glob("*.parquet")}
    rows, grown = out / "rows", [0]
    rows.mkdir()  # where the commands are watched for their first touch
    for _ in range(KILLS_EACH):
        _killed([*arguments, f"{rows}/"], times, rows, rng)
        there = {file.name: file.read_bytes() for file in rows.glob("[!.]*.parquet")}
        assert there.items() <= expected.items(), "a part is there that no whole run makes"
        assert len(there) >= grown[-1], "a part is gone"
        grown.append(len(there))
    _run([*arguments, f"{rows}/"], rows)
    assert {file.name: file.read_bytes() for file in rows.iterdir() if file.suffix == ".parquet"} == expected
    assert len(read_embeddings(rows).images) == 12 and len(list(rows.iterdir())) == len(expected) + 1
    print(json.dumps({"command": "dataset", "kills": KILLS_EACH, "files there": grown}))
