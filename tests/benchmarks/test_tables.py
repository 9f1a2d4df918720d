from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from zsderm.benchmarks import sections, tables
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.results import read_result, read_results, write_result
from zsderm.benchmarks.runner import images_checksum
from zsderm.benchmarks.side_by_side import compare_models
from zsderm.cli.benchmark import benchmark
from zsderm.errors import InputError, SettingsError
from zsderm.metrics import compare

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "docs" / "benchmarks"


CARD = "zsderm/weights/zsderm-mini/CARD.md"


@pytest.mark.parametrize("page", ["README.md", "docs/benchmarks.md", "docs/tasks.md", CARD])
def test_the_tables_of_the_page_equal_what_the_committed_results_give(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert tables.fill(text, COMMITTED) == text, (
        f"make them anew: python -m zsderm.benchmarks.tables docs/benchmarks --into {page}"
    )


def test_the_differences_that_the_readme_quotes_are_the_committed_ones() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    points = {
        (result["config"]["title"], row["variant"]): row["accuracy"]
        for result in read_results(COMMITTED, "comparison")
        for row in result["rows"]
    }

    def signed(figure: dict) -> str:
        return ", ".join(
            " to ".join(f"{100 * figure[key]:+.1f}" for key in keys) for keys in (["value"], ["low", "high"])
        )

    pad, ham = (points[title, "knowledge"] for title in ("PAD dev", "HAM10000 dev"))
    assert f"by {100 * ham['value']:+.1f} points of accuracy on HAM10000" in text
    assert f"(95 % interval {100 * ham['low']:+.1f} to {100 * ham['high']:+.1f})" in text
    assert f"by {signed(pad).replace(', ', ' on PAD (')})" in text
    cost = [
        round(100 * (points[title, "kpl"]["value"] - points[title, "kpl, prior uniform"]["value"]))
        for title in ("HAM10000 dev", "PAD dev")
    ]
    assert f"would cost {cost[0]} points of accuracy on HAM10000's natural mix and {cost[1]} on PAD's" in text


def test_committed_results_are_small() -> None:
    assert all(path.stat().st_size < 40_000 for path in COMMITTED.glob("*.json"))


def test_the_summary_has_a_row_for_every_run_and_an_empty_one_for_make_with_its_command(results: Path) -> None:
    lines = tables.project(results).splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| PAD dev")]
    assert [row[4] for row in rows[:3]] == ["class-name", "knowledge", "kpl \\*"]
    metrics = read_results(results)[0]["metrics"]
    assert rows[0][1] == "16 (8 patients)" and rows[0][5].startswith(f"{metrics['accuracy']:.3f} (")
    assert "| PAD dev | | | MAKE |" in lines[5]
    assert "--model hf-hub:xieji-x/MAKE" in lines[-1] and "kpl answered as knowledge" in "\n".join(lines)
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_the_notes_say_what_the_interval_of_the_calibration_error_is_where_it_is_shown(results: Path) -> None:
    runs = read_results(results)
    bare = [{**run, "metrics": {k: v for k, v in run["metrics"].items() if "error_" not in k}} for run in runs]
    shown, hidden = (" ".join(sections.figures(of).notes) for of in (runs, bare))
    assert "where it begins at 0.000" in shown and "0.000" not in hidden
    assert "nothing was learned from the images together" in shown


def test_the_card_of_the_bundled_encoder_has_its_runs_and_no_row_of_another_model(results: Path) -> None:
    lines = tables.bundled(results).splitlines()
    assert [line.split(" | ")[4] for line in lines[2:5]] == ["class-name", "knowledge", "kpl \\*"]
    assert "MAKE" not in "\n".join(lines)


def test_the_table_of_the_readme_has_three_methods_for_each_data_set_and_few_columns() -> None:
    lines = tables.short(COMMITTED).splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    assert len(rows) - 1 == 6 and len(rows[0]) == 8
    assert [row[3] for row in rows[1:]] == 2 * ["class-name", "knowledge", "kpl \\*"]
    assert all(line in tables.SECTIONS["summary"](COMMITTED) for line in lines[lines.index("") :])


def test_differences_are_in_points_with_interval_and_p(results: Path) -> None:
    (result,) = read_results(results, "comparison")
    difference = result["rows"][0]["accuracy"]
    line = tables.SECTIONS["comparisons"](results).splitlines()[2]
    assert f"| knowledge | class-name | {100 * difference['value']:+.1f} (" in line
    assert f"| {difference['p']:.3f} |" in line


def test_what_is_printed_speaks_of_the_models_that_were_run_and_of_no_other(results: Path) -> None:
    text = tables.printed(results)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## summary",
        "## comparisons",
        "## groups",
    ]
    assert "MAKE" not in text and "bundled" not in text and "*" not in text.replace("\\*", "")


@pytest.fixture
def two_models(results: Path, tmp_path: Path) -> Path:
    """The results with those of a second model, of k = 4 and of k = 16, beside a JSON file of the user."""
    for path in (*results.glob("*.json"), *results.glob("*.parquet")):
        shutil.copy(path, tmp_path / path.name)
    for method, k in (("class-name", None), ("knowledge", None), ("knowledge", 16), ("knowledge", 4)):
        of = "kpl" if method == "class-name" else "class-name"  # other answers than those of the first model
        run = read_result(results / f"pad-dev--zsderm-mini--{of}.json")
        run["config"] |= {"encoder": "a_b & 100%", "model": "other", "method": method, "k": k, "prior": ""}
        run["config"]["variant"] = f"{method}, k = {k}" if k else method
        run["config"]["stem"] = stem = f"pad-dev--other--{method}-{k}"
        run["manifest"]["settings"]["k"] = k or 10
        write_result(tmp_path / f"{stem}.json", run)
        shutil.copy(results / f"pad-dev--zsderm-mini--{of}.parquet", tmp_path / f"{stem}.parquet")
    (tmp_path / "mine.json").write_text("[1, 2")
    return tmp_path


def test_k_is_sorted_as_a_number(two_models: Path) -> None:
    other = [run["config"] for run in read_results(two_models) if run["config"]["model"] == "other"]
    assert [config["variant"] for config in other] == [
        "class-name",
        "knowledge",
        "knowledge, k = 4",
        "knowledge, k = 16",
    ]


def test_models_are_compared_method_by_method_on_the_same_units(two_models: Path, photo_root: Path) -> None:
    data = load("pad", photo_root)
    compare_models(data, images_checksum(data), two_models)
    (result,) = read_results(two_models, "models")
    assert [(row["variant"], row["first"], row["second"]) for row in result["rows"]] == [
        ("class-name", "a_b & 100%", "zsderm-mini"),
        ("knowledge", "a_b & 100%", "zsderm-mini"),
    ]
    plain, whole = (
        pd.read_parquet(two_models / f"pad-dev--zsderm-mini--{name}.parquet") for name in ("class-name", "kpl")
    )
    first, second = (table.filter(like="probability: ").to_numpy() for table in (whole, plain))
    expected = compare(data.labels, first, second, clusters=data.units).to_dict()
    assert result["rows"][0]["balanced_accuracy"] == pytest.approx(expected["balanced_accuracy"], abs=1e-6)
    assert result["rows"][0]["units"] == 8
    lines = tables.SECTIONS["models"](two_models).splitlines()
    assert lines[2].startswith("| PAD dev | class-name | zsderm-mini | a_b & 100% | ") and "by chance" in lines[-1]


def test_tables_are_written_for_pages_papers_and_programs(two_models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    for _ in range(2):  # the second replaces the first
        done = CliRunner().invoke(benchmark, ["--tables", str(two_models), "--output", str(folder)])
        assert done.exit_code == 0 and done.stdout == "", done.output
    names = {path.name for path in folder.iterdir()}
    ends = (".md", ".tex", ".csv", ".csv.manifest.json")
    assert names == {f"{name}{end}" for name in ("summary", "comparisons", "groups") for end in ends}
    latex = (folder / "summary.tex").read_text(encoding="utf-8")
    assert r"\toprule" in latex and r"a\_b \& 100\% & knowledge, k = 4 * & " in latex and "–" not in latex
    rows = pd.read_csv(folder / "summary.csv")
    run = read_results(two_models)[0]
    assert rows["accuracy"][0] == run["metrics"]["accuracy"] and rows["macro_auroc_low"].notna().all()
    assert rows.loc[rows["variant"] == "knowledge, k = 16", "k"].tolist() == [16]
    assert (folder / "summary.md").read_text(encoding="utf-8").endswith(f"{tables.SECTIONS['summary'](two_models)}\n")
    command = json.loads((folder / "summary.csv.manifest.json").read_text())["manifest"]["run"]["command"]
    assert command.startswith("zsderm ") and "--tables" in command
    for end in (".md", ".tex", ".csv"):
        (tmp_path / f"mine{end}").write_text("mine")
        with pytest.raises(SettingsError, match="not what zsderm writes there"):
            tables.own_tables(two_models)["summary"].write(tmp_path / "mine")
        (tmp_path / f"mine{end}").unlink()


def test_earlier_results_without_the_newer_intervals_are_shown_as_they_were() -> None:
    table = tables.own_tables(COMMITTED)["summary"]
    run = read_results(COMMITTED)[0]["metrics"]
    if "macro_auroc_low" not in run:
        assert table.columns[-2:] == ["AUROC", "calibration error"] and table.records[0]["macro_auroc_low"] is None


def test_groups_have_their_n_and_the_gap_beside_the_gap_by_chance(results: Path) -> None:
    text = tables.groups(results)
    assert "| sex | female " in text and "(8)" in text and "by chance" in text.lower()
    assert "| kpl |" in text and "| class-name |" not in text
    (skin,) = (line for line in text.splitlines() if "| skin type |" in line)
    assert sum(map(int, re.findall(r"\((\d+)\)", skin))) == 16 and re.search(r"; unknown [\d.]+ \(6\) ", skin)
    records = tables.own_tables(results)["groups"].records
    assert [row["n"] for row in records if row["group"] == "unknown"] == [6]


def test_without_groups_there_is_a_sentence_instead_of_an_empty_table(results: Path, tmp_path: Path) -> None:
    result = read_result(results / "pad-dev--zsderm-mini--kpl.json")
    write_result(tmp_path / "one.json", {**result, "groups": {}})
    assert tables.groups(tmp_path) == "The tables of these data sets tell of no groups."


def test_published_figures_are_those_of_the_data_sets_of_the_results(results: Path) -> None:
    assert "| PAD | *MAKE* |" in tables.published_figures(results) and "HAM10000" not in tables.published_figures(
        results
    )


def test_published_retrieval_is_shown_whatever_the_results_are_of(results: Path) -> None:
    text = tables.SECTIONS["published-retrieval"](results)
    assert "| SkinCAP | *MONET* |" in text and "near copy in Derm1M" in text and "| PAD |" not in text


def test_only_what_stands_between_the_marks_is_replaced(results: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Ours\n\n<!-- results: groups -->\nold\n{tables.END}\n\nafter\n")
    done = CliRunner().invoke(tables.main, [str(results), "--into", str(page)])
    assert done.exit_code == 0 and "written" in done.stderr
    assert page.read_text() == f"# Ours\n\n<!-- results: groups -->\n{tables.groups(results)}\n{tables.END}\n\nafter\n"
    assert not tables.fill_page(page, results)


def test_a_page_without_marks_or_with_an_unknown_one_is_refused(results: Path) -> None:
    with pytest.raises(InputError, match="found none"):
        tables.fill("# Ours", results)
    with pytest.raises(InputError, match="Did you mean 'summary'"):
        tables.fill(f"<!-- results: sumary -->\n\n{tables.END}", results)
