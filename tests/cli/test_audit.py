"""The command as users run it; with a small encoder where the comparison needs one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from zsderm.cli.audit import audit


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(4):
        picture = Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).resize((64, 64))
        picture.save(tmp_path / f"{index}.png")
    (tmp_path / "4.png").write_bytes((tmp_path / "0.png").read_bytes())
    rows = ["0.png,train,p0", "1.png,train,p1", "2.png,dev,p1", "3.png,dev,p3", "4.png,dev,p4"]
    (tmp_path / "index.csv").write_text("\n".join(["filename,split,patient_id", *rows]) + "\n", encoding="utf-8")
    return tmp_path / "index.csv"


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(audit, ["--model", "none", *map(str, arguments)])


def _splits(table: Path) -> list[str]:
    return ["--train", f"{table}:split=train", "--test", f"{table}:split=dev"]


def test_the_summary_goes_to_stdout_and_ends_well(table: Path) -> None:
    result = _run(*_splits(table))
    assert result.exit_code == 0 and "| across | 1 | 0 |" in result.stdout


def test_fail_on_leak_ends_with_1(table: Path) -> None:
    result = _run(*_splits(table), "--fail-on-leak")
    assert result.exit_code == 1 and "share something" in result.stderr
    clean = _run("--train", table.parent / "1.png", "--test", table.parent / "2.png", "--fail-on-leak")
    assert clean.exit_code == 0


def test_a_shared_patient_is_a_leak(table: Path) -> None:
    result = _run(*_splits(table), "--group-column", "patient_id", "--json")
    content = json.loads(result.stdout)
    assert content["overlaps"]["patient_id"] == {"train": 2, "test": 3, "shared": 1, "test_images": 1}
    assert content["leaks"] is True


def test_pairs_are_written_as_a_table_and_a_page(table: Path, tmp_path: Path) -> None:
    result = _run(*_splits(table), "--output", tmp_path / "pairs.csv", "--sheet", tmp_path / "sheet.html")
    assert result.exit_code == 0 and result.stderr.count("Written:") == 2
    with (tmp_path / "pairs.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["where"], row["kind"], Path(row["other"]).name) == ("across", "exact", "4.png")
    assert (tmp_path / "sheet.html").read_text(encoding="utf-8").count("<img ") == 2


def test_one_folder_alone_is_searched_for_repeats(table: Path) -> None:
    result = _run("--train", table.parent, "--fail-on-leak")
    assert result.exit_code == 0 and "| within train | 1 | 0 |" in result.stdout and "across" not in result.stdout


def test_embeddings_are_compared_with_an_encoder(
    tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, table: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("zsderm.load_encoder", lambda name, device=None: tiny_encoder)
    arguments = [*_splits(table), "--cache-dir", str(tmp_path / "cache"), "--cosine", "0.5"]
    result = CliRunner().invoke(audit, arguments)
    assert result.exit_code == 0 and "near neighbours by embedding" in result.stdout and "tiny" in result.stdout


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Photographs in two colours, twelve of each, one under the wrong label; and the probabilities of a tool."""
    rng = np.random.default_rng(0)
    labels, rows = ["image,true_label,patient_id"], ["image,probability: nevus,probability: melanoma"]
    for index in range(24):
        red = index % 2
        colour = (200 * red, 0, 200 * (1 - red))
        pixels = np.clip(np.array(colour) + rng.normal(0, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        true = "melanoma" if red else "nevus"
        labels.append(f"{index}.png,{'Nevus' if index == 5 else true},p{index}")
        rows.append(f"{index}.png,{0.1 if red else 0.9},{0.9 if red else 0.1}")
    (tmp_path / "labels.csv").write_text("\n".join(labels) + "\n", encoding="utf-8")
    (tmp_path / "predictions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path / "labels.csv"


def _suspects(result: Result, path: Path) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.output
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_wrong_label_is_first_in_table_summary_and_page(
    tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, labelled: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("zsderm.load_encoder", lambda name, device=None: tiny_encoder)
    table, page = tmp_path / "suspects.csv", tmp_path / "review.html"
    arguments = ["--train", labelled, "--labels", labelled, "--group-column", "patient_id", "--no-cache"]
    result = CliRunner().invoke(audit, [*map(str, arguments), "--suspects", str(table), "--review", str(page)])
    first, *others = _suspects(result, table)
    assert [Path(first["image"]).name, first["true_label"], first["suggested_label"]] == ["5.png", "nevus", "melanoma"]
    assert len(others) == 23 and {row["familiarity_rank"] for row in others} | {first["familiarity_rank"]} == {
        str(rank) for rank in range(1, 25)
    }
    assert "1 of 24 labels is doubtful" in result.stdout and "Perhaps off topic" in result.stdout
    text = page.read_text(encoding="utf-8")
    assert text.count('<article class="card"') == 40 and '"others": ["p5"]' in text
    assert (tmp_path / "suspects.csv.manifest.json").is_file()
    only_pictures = CliRunner().invoke(audit, ["--train", str(labelled), "--no-cache", "--suspects", str(table)])
    assert {row["label_rank"] for row in _suspects(only_pictures, table)} == {""}


def test_labels_are_held_against_predictions_of_any_tool_without_an_encoder(labelled: Path, tmp_path: Path) -> None:
    predictions = tmp_path / "predictions.csv"
    result = _run("--train", labelled, "--labels", labelled, "--predictions", predictions, "--json")
    found = json.loads(result.stdout)["suspects"]
    assert Path(found["likely_label_errors"][0]["image"]).name == "5.png" and found["doubtful"] == 1
    assert found["how"]["Labels held against"] == str(predictions) and found["least_familiar"] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--labels"], "--labels also needs --predictions"),
        (["--predictions"], "go with --labels"),
        (["--suspects", "x.csv"], "also need --labels"),
        (["--labels", "--predictions", "--classes", "nevus, wart"], "the label 'melanoma'"),
    ],
)
def test_what_does_not_go_together_is_said_before_the_work(
    labelled: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    files = {"--labels": labelled, "--predictions": tmp_path / "predictions.csv"}
    given = [part for word in arguments for part in ([word, files[word]] if word in files else [word])]
    result = _run("--train", labelled, *given)
    assert result.exit_code != 0 and sentence in result.output + str(result.exception)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [("image,label", "is empty for all of these images"), ("image,colour", "a column of true classes")],
)
def test_labels_that_say_nothing_are_refused(labelled: Path, tmp_path: Path, header: str, sentence: str) -> None:
    one = tmp_path / "one.csv"
    one.write_text(f"{header}\n1.png,\n", encoding="utf-8")
    result = _run("--train", labelled, "--labels", one, "--predictions", tmp_path / "predictions.csv")
    assert sentence in str(result.exception)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "why"),
    [("1.png,nevus\n2.png,melanoma\n", "fewer than two classes have 5"), ("1.png,nevus\n", "all of them are nevus")],
)
def test_labels_that_cannot_be_judged_leave_repeats_strangers_and_page(
    tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, labelled: Path, tmp_path: Path, rows: str, why: str
) -> None:
    monkeypatch.setattr("zsderm.load_encoder", lambda name, device=None: tiny_encoder)
    few, page = tmp_path / "few.csv", tmp_path / "review.html"
    few.write_text(f"image,true_label\n{rows}", encoding="utf-8")
    arguments = ["--train", labelled, "--labels", few, "--review", page, "--no-cache"]
    result = CliRunner().invoke(audit, [*map(str, arguments)])
    assert result.exit_code == 0 and f"Labels were not judged: {why}" in result.stdout
    assert "within train" in result.stdout and "Perhaps off topic" in result.stdout
    text = page.read_text(encoding="utf-8")
    assert "Labels were not judged" in text and text.count('<article class="card"') == 20
