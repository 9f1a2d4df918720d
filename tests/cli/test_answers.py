"""``zsderm evaluate --answers`` on tables of answers, with baselines."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from zsderm.cli import main

COLUMNS = ("id", "image", "question", "answer", "prediction", "kind", "form", "modality", "options")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows_of(count: int = 12, right: bool = True, start: int = 0) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for n in range(start, start + count):
        answer = "yes" if n % 2 else "no"
        said = answer if right or n % 3 else "I cannot tell"
        image = {"image": f"{n}.png", "modality": "clinical" if n % 4 else "dermoscopic"}
        closed = {"kind": "morphology", "form": "closed", "question": "Is there scale?", "answer": answer}
        found.append({**image, **closed, "id": f"c{n}", "prediction": f"{said}."})
        told = {"kind": "disease", "form": "open", "question": "What is it?", "answer": f"a red plaque {n % 3}"}
        found.append({**image, **told, "id": f"o{n}", "prediction": "a red plaque 0"})
        options = json.dumps(["scale", "crust", "ulcer"])
        choice = {"kind": "morphology", "form": "choice", "question": "Which?", "answer": "crust", "options": options}
        found.append({**image, **choice, "id": f"x{n}", "prediction": "B"})
    return found


def test_a_file_stands_beside_baselines_by_kind_and_modality(tmp_path: Path) -> None:
    answers = write(tmp_path / "answers.csv", rows_of())
    result = run("--answers", answers, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    ours = found["answers"][str(answers)]
    assert ours["questions"] == {"open": 12, "closed": 12, "choice": 12}
    assert ours["closed_balanced"]["value"] == ours["choice_accuracy"]["value"] == 1.0
    assert ours["exact_match"]["value"] == pytest.approx(28 / 36, abs=1e-6)
    assert set(ours["by_kind"]) == {"morphology", "disease"}
    assert set(ours["by_modality"]) == {"clinical", "dermoscopic"}
    assert set(found["baselines"]) == {"majority answer", "no image"}
    assert found["baselines"]["majority answer"]["choice_accuracy"]["value"] == 1.0  # the same option is always right
    shown = run("--answers", answers).stdout
    assert "| *no image* |" in shown and "METEOR (stem)" in shown and "kind disease: 12 questions" in shown


def test_several_files_answer_the_same_questions(tmp_path: Path) -> None:
    ours = write(tmp_path / "ours.csv", rows_of())
    theirs = write(tmp_path / "theirs.csv", rows_of(right=False)[::-1])
    found = json.loads(run("--answers", ours, "--answers", theirs, "--json").stdout)["answers"]
    assert found[str(theirs)]["not_read"]["value"] > found[str(ours)]["not_read"]["value"] == 0.0
    short = write(tmp_path / "short.csv", rows_of(3))
    result = run("--answers", ours, "--answers", short)
    assert (result.exit_code, "27 questions of the first file are not there" in result.output) == (1, True)


@pytest.mark.slow
def test_the_caption_of_the_most_similar_image_answers(tmp_path: Path) -> None:
    """Pictures of two colours; the captions name these, and the own picture of a question does not count."""
    rng = np.random.default_rng(0)
    for n in range(12):
        colour = (200, 30, 30) if n % 2 else (60, 40, 20)
        pixels = np.clip(np.full((48, 48, 3), colour) + rng.integers(-8, 9, (48, 48, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{n}.png")
    rows = [{**row, "answer": "red" if n % 2 else "brown", "form": "open"} for n, row in enumerate(rows_of()[::3])]
    answers = write(tmp_path / "answers.csv", rows)
    captions = tmp_path / "captions.csv"
    told = [f"{n}.png,{'red' if n % 2 else 'brown'}\n" for n in range(12)]
    captions.write_text("filename,caption\n" + "".join(told))
    result = run("--answers", answers, "--captions", captions, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["baselines"]["caption of the most similar image"]["exact_match"]["value"] >= 0.9


def test_training_questions_must_be_on_other_images(tmp_path: Path) -> None:
    answers, train = write(tmp_path / "a.csv", rows_of()), write(tmp_path / "t.csv", rows_of(start=8))
    result = run("--answers", answers, "--train-questions", train)
    assert (result.exit_code, "4 images are in both" in result.output) == (1, True)
    apart = write(tmp_path / "t2.csv", rows_of(start=40))
    assert run("--answers", answers, "--train-questions", apart).exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--answers", "{a}", "--classes", "a, b"], "--classes cannot be used with --answers"),
        (
            ["--predictions", "{a}", "--classes", "a, b", "--bert-layer", "3"],
            "--bert-layer cannot be used with --predictions",
        ),
        (["--classes", "a, b"], "Missing option '--predictions'"),
        ([], "Missing option '--predictions'"),
    ],
)
def test_wrong_commands_say_what_is_wrong(tmp_path: Path, words: list[str], told: str) -> None:
    answers = write(tmp_path / "a.csv", rows_of(2))
    result = run(*[word.format(a=answers) for word in words])
    assert (result.exit_code, told in result.output) == (2, True), result.output


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"form": "long"}, "expected the form of a question to be open, closed, choice"),
        ({"answer": "perhaps"}, "expected yes or no as the answer of a closed question"),
        ({"id": "c1"}, "occurs twice"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, change: dict[str, str], told: str) -> None:
    rows = rows_of()
    result = run("--answers", write(tmp_path / "a.csv", [{**rows[0], **change}, *rows[1:]]))
    assert (result.exit_code, told in result.output) == (1, True), result.output


def test_the_published_table_needs_no_more_than_it_has(tmp_path: Path) -> None:
    """Image, question, answer and a prediction: a bare yes is a closed question, everything else an open one."""
    path = tmp_path / "published.csv"
    path.write_text('image,question,answer,prediction\na.jpg,Q?,Yes.,yes\nb.jpg,Q?,"Yes, a plaque",Yes\n')
    found = json.loads(run("--answers", path, "--json").stdout)["answers"][str(path)]
    assert found["questions"] == {"open": 1, "closed": 1, "choice": 0}


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("--answers", write(tmp_path / "a.csv", rows_of(2)), "--bert", tmp_path / "empty")
    assert (result.exit_code, "expected a text model" in result.output) == (1, True), result.output
