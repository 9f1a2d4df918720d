from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zsderm.benchmarks.speed import serve


@pytest.mark.skipif(not serve.PROCESSES.is_dir(), reason="memory is read where Linux says it")
def test_memory_is_that_of_a_process_and_its_children() -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()']); print(); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        both, alone = serve.resident(process), serve._resident_of(process.pid)
        process.stdin.write(b"\n\n")
    assert 1 < alone < both < 200
    assert serve._resident_of(os.getpid()) > alone


def test_a_client_that_fails_ends_the_wait_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"x")
    with serve.Load("http://127.0.0.1:9", [file], clients=2, at_once=1, method="knowledge") as load:
        answered, took = load.wait(seconds=60)
    assert answered == 0 and took < 30 and "Is `zsderm serve` running?" in load.reason


def test_the_middle_and_the_slow_end_are_told() -> None:
    assert serve._milliseconds([number / 1000 for number in range(1, 102)]) == "p50 51 ms, p95 96 ms"
    assert serve._milliseconds([1.0]) == "too few"
