"""What is said neither fails nor steers a terminal, and the work is not lost when nobody listens."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pandas as pd
import pytest
from click.testing import CliRunner

from zsderm.cli import main
from zsderm.cli.terminal import ends_when_asked, harmless_streams, print_rows, print_table

ZSDERM = [str(Path(sys.executable).with_name("zsderm"))]
NAME = "\x1b[31mred\x07\x9b2J\u202egpj.exe\r.jpg"


@pytest.fixture
def stdout(monkeypatch: pytest.MonkeyPatch) -> Callable[[], io.BytesIO]:
    """Puts a stdout in place as a program finds it under Windows-1252, without PYTHONIOENCODING; gives what it gets."""

    def replaced() -> io.BytesIO:
        content = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding="cp1252", newline=""))
        return content

    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    return replaced


def test_what_goes_to_a_file_or_a_program_is_utf_8(stdout: Callable[[], io.BytesIO]) -> None:
    content = stdout()
    with harmless_streams():
        click.echo("日本 − ×")
        print_rows(("image", "note"), [("日本.jpg", "-x")])
    assert content.getvalue().decode() == "日本 − ×\nimage,note\n日本.jpg,'-x\n"


def test_an_encoding_that_was_asked_for_is_kept_and_nothing_is_lost(
    stdout: Callable[[], io.BytesIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    content = stdout()
    with harmless_streams():
        click.echo("é 日 \udcff")
        print_table(pd.DataFrame({"image": ["日.jpg"]}))
    assert content.getvalue().decode("cp1252") == "é \\u65e5 \\udcff\nimage\n\\u65e5.jpg\n"


def test_a_terminal_is_not_steered(stdout: Callable[[], io.BytesIO]) -> None:
    content = stdout()
    with harmless_streams():
        click.echo(f"Written: {NAME}")
        print(NAME)
    shown = content.getvalue().decode()
    assert "\\x1b[31mred\\x07\\x9b2J\\u202egpj.exe\\x0d.jpg" in shown
    assert not any(sign in shown for sign in "\x1b\x07\x9b\u202e\r")


def test_a_table_that_nobody_reads_any_more_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with harmless_streams():
            print_table(pd.DataFrame({"image": ["x" * 1000] * 1000}))
            click.echo("more")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["models", "show", NAME], 1),
        (["classify", "--images", ".", "--classes", f"{NAME}.txt"], 1),
        (["kb", "show", NAME], 1),
        (["evaluate", "--predictions", NAME], 2),
        ([NAME], 2),
    ],
)
def test_an_error_about_a_name_does_not_steer_the_terminal(arguments: list[str], code: int) -> None:
    found = CliRunner().invoke(main, arguments, color=True)
    assert found.exit_code == code and "red" in found.stderr
    assert not any(sign in found.output for sign in "\x1b\x07\x9b\u202e\r")


def test_what_the_system_refuses_is_one_sentence() -> None:
    found = CliRunner().invoke(main, ["models", "show", "x" * 300])
    assert found.exit_code == 1 and "Error: " in found.stderr and isinstance(found.exception, SystemExit)


@pytest.mark.slow
@pytest.mark.parametrize("listener", ["head -1", "true"])
@pytest.mark.parametrize("command", ["models list", "kb show dermatology -q"])
def test_a_closed_pipe_leaves_no_traceback(command: str, listener: str) -> None:
    piped = f"set -o pipefail; {' '.join(ZSDERM)} {command} | {listener}"
    ran = subprocess.run(["bash", "-c", piped], check=False, capture_output=True)
    assert ran.stderr == b"" and ran.returncode == 0


@pytest.mark.slow
def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run([*ZSDERM, "models", "list"], check=False, stdout=full, stderr=subprocess.PIPE)
    assert ran.returncode == 1
    assert ran.stderr.decode().splitlines() == ["Error: the system refuses: No space left on device"]


def test_a_signal_ends_the_work_as_an_error_does(capfd: pytest.CaptureFixture[str]) -> None:
    before, cleaned = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(SystemExit) as stopped, ends_when_asked():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            cleaned.append("draft")
    assert stopped.value.code == 143 and cleaned == ["draft"]
    assert signal.getsignal(signal.SIGTERM) == before
    assert capfd.readouterr().err.startswith("Stopped by a signal.")


def test_a_text_of_a_knowledge_base_is_one_line_of_a_table(tmp_path: Path) -> None:
    text = "red\nand\tround\r\x1b[31m, with a long border"
    for name, texts in (("a", [text]), ("b", [text, "pearly\nwhite shine"])):
        descriptions = [{"aspect": "colour", "modality": "any", "text": text, "source": "x"} for text in texts]
        record = {"name": "odd disease", "aliases": [], "ontology": ["x"], "descriptions": descriptions}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(record), encoding="utf-8")
    found = CliRunner().invoke(main, ["kb", "search", str(tmp_path / "a.jsonl"), "round red border"])
    assert found.exit_code == 0, found.output
    assert [line.count("\t") for line in found.stdout.splitlines()] == [4] and "\\n" in found.stdout
    found = CliRunner().invoke(main, ["kb", "diff", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")])
    assert [line.count("\t") for line in found.stdout.splitlines()] == [3], found.output


def test_memory_that_is_used_up_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("zsderm.cli.scores.score", full)
    (tmp_path / "p.csv").write_text("image,label\na.jpg,nevus\n")
    done = CliRunner().invoke(main, ["evaluate", "--predictions", str(tmp_path / "p.csv"), "--classes", "nevus, wart"])
    assert done.exit_code == 1 and "the memory of this machine" in done.stderr
