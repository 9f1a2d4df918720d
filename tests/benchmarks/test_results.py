from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from zsderm.benchmarks.results import details, read_result, read_results, write_result
from zsderm.errors import InputError, SettingsError


def test_floats_have_six_decimals_and_nan_is_null(tmp_path: Path) -> None:
    write_result(tmp_path / "deep" / "a.json", {"kind": "run", "x": 1 / 3, "y": (math.nan, {"z": 2})})
    assert read_result(tmp_path / "deep" / "a.json") == {
        "layout": 1,
        "kind": "run",
        "x": 0.333333,
        "y": [None, {"z": 2}],
    }
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.json"]  # no draft is left


@pytest.mark.parametrize("text", ["nothing", "[]", '{"layout": 0}'])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="expected a result of zsderm benchmark"):
        read_result(tmp_path / "a.json")


def test_a_folder_without_results_says_what_writes_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="zsderm benchmark --output writes them"):
        read_results(tmp_path)


def test_a_place_that_cannot_be_written_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot write"):
        write_result(tmp_path / "file" / "a.json", {})


def test_results_come_by_data_set_and_then_from_the_plainest_method(results: Path) -> None:
    assert [run["config"]["method"] for run in read_results(results)] == ["class-name", "knowledge", "kpl"]
    assert len(read_results(results, "comparison")) == 1


def test_details_are_of_the_whole_method_at_its_defaults_or_of_the_nearest_to_it(results: Path) -> None:
    runs = read_results(results)
    assert [run["config"]["method"] for run in details(runs)] == ["kpl"]
    assert [run["config"]["method"] for run in details(runs[:2])] == ["knowledge"]
    variant = json.loads(json.dumps(runs[2]))
    variant["config"]["variant"] = "kpl, k = 1"
    assert details([variant, *runs])[0]["config"]["variant"] == "kpl"
    assert details([variant])[0]["config"]["variant"] == "kpl, k = 1"
