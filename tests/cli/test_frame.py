"""The frame around the commands: what reaches the user when something goes wrong, and with which exit code."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from zsderm import cli
from zsderm.errors import FallbackWarning, ImageError


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a function as if it were the command ``kb``."""

    def call(body: Callable[[], None], *before: str) -> Result:
        monkeypatch.setattr(cli.OrderedGroup, "get_command", lambda self, ctx, name: click.Command(name, callback=body))
        return CliRunner().invoke(cli.main, [*before, "kb"])

    return call


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    logger, root = logging.getLogger("zsderm"), logging.getLogger()
    before = logger.level, list(root.handlers)
    yield
    logger.setLevel(before[0])
    root.handlers[:] = before[1]


def test_a_mistake_of_the_user_is_one_sentence_and_exit_code_1(run: Callable[..., Result]) -> None:
    def body() -> None:
        raise ImageError("there is no folder 'x'")

    done = run(body)
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "Error: there is no folder 'x'\n")


def test_a_defect_keeps_its_traceback(run: Callable[..., Result]) -> None:
    def body() -> None:
        raise KeyError("a defect")

    assert isinstance(run(body).exception, KeyError)


def test_a_warning_of_zsderm_is_one_line_and_said_once(run: Callable[..., Result]) -> None:
    def body() -> None:
        for _ in range(2):
            warnings.warn("something simpler\n  was used", FallbackWarning, stacklevel=1)

    done = run(body)
    assert (done.exit_code, done.stderr) == (0, "Warning: something simpler was used\n")


@pytest.mark.parametrize(("before", "lines"), [((), 0), (("--verbose",), 1)])
def test_warnings_of_others_are_shown_when_asked_for(run: Callable[..., Result], before: tuple, lines: int) -> None:
    def body() -> None:
        warnings.simplefilter("default", DeprecationWarning) if before else None
        warnings.warn("an old function", DeprecationWarning, stacklevel=1)

    assert run(body, *before).stderr.count("an old function") == lines


def test_verbose_shows_what_is_being_done(run: Callable[..., Result]) -> None:
    run(lambda: None, "-v")
    assert logging.getLogger("zsderm").level == logging.DEBUG


@pytest.mark.parametrize("arguments", [["diagnose"], ["--loud"], ["classify"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli.main, arguments).exit_code == 2


def test_pretraining_without_its_packages_names_the_command_that_installs_them(tmp_path: Path) -> None:
    (tmp_path / "mini.yaml").touch()
    arguments = ["pretrain", "--config", str(tmp_path / "mini.yaml"), "--data-root", str(tmp_path)]
    # A process of its own, since which module asks for the package first depends on what is loaded.
    script = f"import sys; sys.modules['yaml'] = None; from zsderm.cli import main; main({arguments!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "yaml" in done.stderr.lower() and "pip install 'PyYAML>=6" in done.stderr
