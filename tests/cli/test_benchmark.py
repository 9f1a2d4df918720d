"""``zsderm benchmark`` from the outside: the grid, what is there already, tables, figures, cards and mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from zsderm.cli.benchmark import benchmark
from zsderm.errors import InputError, NotFoundError, SettingsError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of six photographs of two classes, and room for results."""
    root, rng = tmp_path_factory.mktemp("benchmark"), np.random.default_rng(0)
    for number in range(6):
        Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(root / f"{number}.png")
    labels = ["nevus", "melanoma"] * 3
    pd.DataFrame({"filename": [f"{n}.png" for n in range(6)], "label": labels}).to_csv(root / "mine.csv", index=False)
    (root / "prior.json").write_text('{"nevus": 3, "melanoma": 1}')
    return root


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(benchmark, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def done(folder: Path) -> Result:
    grid = ["--method", "class-name", "--method", "kpl", "--prior", "auto", "--prior", folder / "prior.json", "--k", 3]
    places = ["--output", folder / "results", "--cache-dir", folder / "cache", "--plots", folder / "plots"]
    return _run("--dataset", folder / "mine.csv", *grid, *places)


def test_a_grid_leaves_results_and_figures_and_says_a_line_a_run(done: Result, folder: Path) -> None:
    assert done.exit_code == 0 and done.stdout == ""
    names = {path.name for path in (folder / "results").glob("*.json")}
    assert names == {
        "mine--zsderm-mini--class-name.json",
        "mine--zsderm-mini--kpl-k3.json",
        "mine--zsderm-mini--kpl-prior-prior-k3.json",
        "mine--zsderm-mini--comparison.json",
    }
    assert done.stderr.count("n = 6, accuracy ") == 3
    assert (folder / "plots" / "ablation.png").is_file()


@pytest.mark.slow
def test_notes_on_the_answers_are_said_once_and_the_unknown_classes_first(folder: Path, tmp_path: Path) -> None:
    table = (folder / "mine.csv").read_text().replace("nevus", "psoriasis")
    (folder / "strange.csv").write_text(table)
    how = ["--method", "kpl", "--method", "class-name", "--prior", "uniform"]
    places = ["--output", tmp_path, "--cache-dir", folder / "cache"]
    ran = _run("--dataset", folder / "strange.csv", *how, *places)
    lines = ran.stderr.splitlines()
    assert lines[0].startswith("Note on strange: 1 of your 2 classes was never shown to zsderm-mini: psoriasis;")
    assert sum("never shown" in line for line in lines) == 1
    told = [line for line in lines if "The prior 'uniform' was not used" in line]
    assert len(told) == 1 and told[0].startswith("Note on strange: Not refined: ")


@pytest.mark.slow
def test_names_are_measured_side_by_side(folder: Path, tmp_path: Path) -> None:
    names = [part for name in ("known", "typed") for part in ("--names", name)]
    places = ["--output", tmp_path / "results", "--cache-dir", folder / "cache"]
    ran = _run("--dataset", folder / "mine.csv", "--method", "class-name", *names, *places)
    assert ran.exit_code == 0, ran.output
    files = {
        path.stem.rpartition("--")[2]: json.loads(path.read_text()) for path in (tmp_path / "results").glob("*.json")
    }
    used = {name: files[name]["manifest"]["settings"]["names"] for name in files if "manifest" in files[name]}
    assert used == {"class-name": "known", "class-name-names-typed": "typed"}


@pytest.mark.slow
def test_what_is_finished_is_not_repeated(done: Result, folder: Path) -> None:
    again = _run("--dataset", folder / "mine.csv", "--method", "class-name", "--output", folder / "results")
    assert "mine--zsderm-mini--class-name: there already" in again.stderr


def test_a_prior_that_no_method_uses_is_told(done: Result, folder: Path) -> None:
    how = ["--dataset", folder / "mine.csv", "--method", "class-name", "--output", folder / "results"]
    assert _run(*how, "--prior", "home").stderr.startswith("Note: --prior was not used: none of the methods uses")
    assert "--prior was not used" not in _run(*how).stderr


def test_tables_are_printed_or_written_into_pages(done: Result, folder: Path) -> None:
    printed = _run("--tables", folder / "results")
    assert "## summary" in printed.stdout and "MAKE" not in printed.stdout and "| mine | 6 |" in printed.stdout
    page = folder / "page.md"
    page.write_text("<!-- results: summary -->\n\n<!-- end of results -->\n")
    assert "page.md: written" in _run("--tables", folder / "results", "--into", page).stderr
    assert "| mine | 6 |" in page.read_text()


def test_cards_say_where_a_data_set_comes_from() -> None:
    assert _run("--cards").stdout.count("looked for") == 15
    assert _run("--cards", "--dataset", "hiba").stdout.startswith("hiba: HIBA")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--dataset", "snu", "--output", "x"], NotFoundError, "Get it from the authors"),
        (["--dataset", "sun", "--output", "x"], NotFoundError, "Did you mean 'snu'"),
        (["--tables", "nowhere"], InputError, "there is no nowhere"),
        (["--cards", "--dataset", "sun"], NotFoundError, "there is no data set"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], error: type, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZSDERM_DATA", raising=False)
    done = _run(*arguments)
    assert isinstance(done.exception, error) and words in str(done.exception)
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_a_prior_for_other_classes_is_refused(done: Result, folder: Path, tmp_path: Path) -> None:
    prior = tmp_path / "other.json"
    prior.write_text('{"wart": 1}')
    wrong = _run("--dataset", folder / "mine.csv", "--method", "kpl", "--prior", prior, "--output", tmp_path)
    assert isinstance(wrong.exception, SettingsError) and "prior weight for every class" in str(wrong.exception)


@pytest.mark.slow
def test_views_are_runs_of_their_own(
    done: Result, folder: Path, tmp_path: Path, folder_of_views: Callable[[int], Path]
) -> None:
    how = ["--method", "class-name", "--views", 1, "--views", 4, "--cache-dir", folder / "cache"]
    places = ["--model", folder_of_views(1), "--output", tmp_path / "results"]
    assert _run("--dataset", folder / "mine.csv", *how, *places).exit_code == 0
    files = (tmp_path / "results").glob("*--class-name*.json")
    found = {path.name.split("--")[-1]: json.loads(path.read_text()) for path in files}
    assert {name: one["inputs"]["settings"]["views"] for name, one in found.items()} == {
        "class-name.json": 1,
        "class-name-4-views.json": 4,
    }
    assert len({one["metrics"]["calibration_error"] for one in found.values()}) == 2


@pytest.mark.slow
def test_a_run_with_the_views_of_the_encoders_card_has_the_plain_name(
    folder: Path, tmp_path: Path, folder_of_views: Callable[[int], Path]
) -> None:
    output, how = tmp_path / "results", ["--method", "class-name", "--model", folder_of_views(4)]
    places = ["--dataset", folder / "mine.csv", "--cache-dir", output / "cache", "--output", output]
    assert _run(*places, *how).exit_code == 0
    again = _run(*places, *how, "--views", 4, "--views", 1)
    assert "class-name: there already" in again.stderr and "class-name-1-view: n = 6" in again.stderr
    found = {path.name.split("--")[-1]: json.loads(path.read_text()) for path in output.glob("*--class-name*.json")}
    assert {name: one["config"]["views"] for name, one in found.items()} == {
        "class-name.json": 4,
        "class-name-1-view.json": 1,
    }
    assert all(one["inputs"]["settings"]["views"] == one["config"]["views"] for one in found.values())
    tables = _run("--tables", output).stdout
    assert "mean of 4 views of each image, as its card says" in tables and "| class-name, 1 view |" in tables


@pytest.mark.parametrize("arguments", [[], ["--dataset", "pad"], ["--output", "x"], ["--method", "magic"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert _run(*arguments).exit_code == 2


def test_importing_the_command_imports_nothing_heavy() -> None:
    code = "import sys, zsderm.cli.benchmark, zsderm.cli.evaluate; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "pandas", "matplotlib", "sklearn"} & set(loaded)
