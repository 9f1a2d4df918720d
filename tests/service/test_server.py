"""The command as a process: it says its address, ends on Ctrl-C, and a job outlives SIGKILL."""

from __future__ import annotations

import io
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pandas as pd
import pytest

from tests.service.conftest import CLASSES, form, photo_bytes
from zsderm.errors import SettingsError
from zsderm.service.jobs.store import JobStore

pytestmark = pytest.mark.slow


@contextmanager
def serving(folder: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[tuple[str, subprocess.Popen]]:
    """A server at a free port: its address, and the process."""
    command = [sys.executable, "-m", "zsderm", "serve", "--port", "0", "--data-dir", str(folder), *options]
    log = (folder.parent / f"{folder.name}.log").open("w+")
    process = subprocess.Popen(command, stderr=log, stdout=log, env={**os.environ, **(env or {})})
    try:
        until = time.monotonic() + 120
        while (found := re.search(r"http://\S+:\d+/", Path(log.name).read_text("utf-8"))) is None:
            assert process.poll() is None and time.monotonic() < until, Path(log.name).read_text("utf-8")
            time.sleep(0.05)
        yield found[0], process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        log.close()


def _state(address: str, job: str) -> dict:
    return httpx.get(f"{address}v1/jobs/{job}", timeout=60).json()


def _ended(address: str, job: str) -> dict:
    until = time.monotonic() + 240
    while (found := _state(address, job))["state"] in ("queued", "running"):
        assert time.monotonic() < until, found
        time.sleep(0.1)
    return found


def _make(address: str, count: int) -> str:
    files = form(*(photo_bytes(seed, side=200) for seed in range(count)), b"%PDF-1.7")
    done = httpx.post(f"{address}v1/jobs", files=files, data={"classes": CLASSES, "prior": "uniform"}, timeout=60)
    assert done.status_code == 201, done.text
    return done.json()["id"]


def _table(address: str, job: str) -> pd.DataFrame:
    text = httpx.get(f"{address}v1/jobs/{job}/result.csv", timeout=60).text
    return pd.read_csv(io.StringIO(text), keep_default_na=False, dtype=str)


@pytest.mark.parametrize(
    ("count", "kills"), [(120, 2), pytest.param(300, 10, marks=pytest.mark.long)], ids=["twice", "ten times"]
)
def test_a_job_outlives_a_server_that_is_killed(tmp_path: Path, count: int, kills: int) -> None:
    with serving(tmp_path / "calm") as (address, _):
        job = _make(address, count)
        assert _ended(address, job)["state"] == "done"
        expected = _table(address, job)
    folder, done, job = tmp_path / "killed", [1], ""
    for kill in range(kills):
        with serving(folder) as (address, process):
            job = job or _make(address, count)
            assert _state(address, job)["progress"]["done"] >= done[-1]  # what was done is not done again
            while (found := _state(address, job)["progress"]["done"]) < (kill + 1) * count // (kills + 2):
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.wait()
        done.append(found)
    with serving(folder) as (address, process):
        left = count + 1 - _state(address, job)["progress"]["done"]
        found = _ended(address, job)
        assert found["state"] == "done" and found["progress"]["failed"] == 1, found
        rows = _table(address, job)
        batches = re.search(r"^zsderm_batches_total (\S+)", httpx.get(f"{address}v1/metrics").text, re.M)
    assert 0 < left < count - done[1] and float(batches[1]) <= math.ceil(left / 16)
    assert rows["method"][0] == "kpl" and len(rows) == count + 1
    assert list(rows) == list(expected) and rows.equals(expected)  # to the last digit


@pytest.mark.parametrize("asked_by", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_it_ends_when_asked_and_a_job_goes_on_at_the_next_start(tmp_path: Path, asked_by: signal.Signals) -> None:
    with serving(tmp_path / "served") as (address, process):
        job = _make(address, 100)
        while _state(address, job)["progress"]["done"] < 16:
            time.sleep(0.02)
        asked = time.monotonic()
        process.send_signal(asked_by)
        assert process.wait(20) == 0 and time.monotonic() - asked < 15
    text = (tmp_path / "served.log").read_text("utf-8")
    assert "Stopped." in text and "Traceback" not in text, text
    with serving(tmp_path / "served") as (address, _):
        assert _ended(address, job)["state"] == "done"


def test_it_ends_while_a_long_class_list_is_read_and_nothing_of_it_is_in_the_log(tmp_path: Path) -> None:
    names = ", ".join(f"strange thing {number}" for number in range(390))
    with serving(tmp_path / "served") as (address, process):
        fields = {"classes": "melanoma, Hagrid's fever"}
        done = httpx.post(f"{address}v1/classify", files=form(photo_bytes(0)), data=fields, timeout=60)
        assert any("Hagrid" in note for note in done.json()["notes"])
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}v1/classify", files=form(photo_bytes(0)), data={"classes": names}, timeout=2)
        until = time.monotonic() + 5
        while 'route="/v1/classify",status="400"' not in httpx.get(f"{address}v1/metrics", timeout=20).text:
            assert time.monotonic() < until, "what nobody waits for goes on"
            time.sleep(0.1)
        with ThreadPoolExecutor(1) as pool:
            waits = pool.submit(
                httpx.post, f"{address}v1/classify", files=form(photo_bytes(0)), data={"classes": names}, timeout=60
            )
            time.sleep(3)
            again = httpx.post(f"{address}v1/classify", files=form(photo_bytes(1)), data=fields, timeout=20)
            assert again.status_code == 200 and not waits.done()
            process.send_signal(signal.SIGINT)
            assert process.wait(12) == 0
            assert waits.exception() is not None or waits.result().status_code == 503
    text = (tmp_path / "served.log").read_text("utf-8")
    assert "Stopped." in text, text
    assert not re.search("Traceback|CancelledError|Hagrid|strange|Warning", text), text


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    with serving(folder) as (address, _):
        port = address.rsplit(":", 1)[1].strip("/")
        for options, said in (
            (["--port", "0", "--data-dir", str(folder)], "another zsderm serve uses"),
            (["--port", port, "--data-dir", str(tmp_path / "other")], "Choose another --port."),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "zsderm", "serve", *options], check=False, capture_output=True, text=True
            )
            assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--host", "0.0.0.0"], 1, "Error: other machines could reach the photographs at 0.0.0.0 without a key."),
        (["--api-key-env", "NO_SUCH_KEY"], 1, "Error: the environment variable NO_SUCH_KEY is empty or not set."),
        (["--model", "no-such-model"], 1, "Error: "),
        (["--knowledge", "dermatologie"], 1, "Did you mean 'dermatology'?"),
        (["--keep", "0"], 2, "--keep"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_does_not_start_says_why(options: list[str], code: int, said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "zsderm", "serve", "--port", "0", "--data-dir", str(tmp_path / "served"), *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == code and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    database = tmp_path / "jobs.sqlite"
    database.write_bytes(b"no database" * 1000)
    with pytest.raises(SettingsError, match="Move it away, or choose another --data-dir"):
        JobStore(database)


def test_the_database_of_another_version_stays_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "jobs.sqlite"
    with closing(sqlite3.connect(database)) as other:
        other.execute("PRAGMA user_version = 2")
    before = database.read_bytes()
    with pytest.raises(SettingsError, match="another version of zsderm wrote the database of jobs"):
        JobStore(database)
    assert database.read_bytes() == before


def test_only_the_owner_reads_the_database(tmp_path: Path) -> None:
    database = tmp_path / "jobs.sqlite"
    store = JobStore(database)
    store.all()
    assert [file.stat().st_mode & 0o077 for file in sorted(tmp_path.iterdir())] == [0, 0, 0]
    store.close()
