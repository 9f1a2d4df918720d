"""What patients tell beside the photographs of ``zsderm classify``, from option to file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from zsderm.cli import main
from zsderm.cli import narratives as options
from zsderm.narratives import given, trained_words

CLASSES = "melanoma, basal cell carcinoma, nevus"
Run = Callable[..., Result]


@pytest.fixture
def stories(tmp_path: Path) -> Path:
    path = tmp_path / "stories.csv"
    path.write_text(
        'image,narrative\n0.png,"I am 72, it is a sore that bleeds. They said melanoma."\n1.png,\n'
        "2.png,Me pica mucho por la noche desde hace tres semanas.\ntorn.jpg,It itches.\n"
    )
    return path


@pytest.fixture
def run(tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs ``zsderm classify`` with the small encoder in place of both bundled models."""
    monkeypatch.setattr("zsderm.classifier.load_encoder", lambda name, device=None: tiny_encoder)
    monkeypatch.setattr("zsderm.narratives.answers._bundled", lambda: tiny_encoder)
    monkeypatch.setenv("ZSDERM_CACHE", str(tmp_path / "cache"))

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["classify", *map(str, arguments)])

    return call


def test_a_table_of_stories_makes_three_answers_and_a_page(
    run: Run, photos: Path, stories: Path, tmp_path: Path
) -> None:
    plain, told, page = tmp_path / "plain.csv", tmp_path / "told.csv", tmp_path / "report.html"
    how = ("-c", CLASSES, "--method", "knowledge")
    assert run(photos, *how, "-o", plain).exit_code == 0
    done = run(photos, *how, "--narratives", stories, "-o", told, "--report", page)
    assert done.exit_code == 0, done.output
    said = done.stderr.replace("\n", " ")
    assert "1 of 3 narratives was left out" in said and "2 of 5 have no narrative, and are answered by image" in said
    before, after = (pd.read_csv(path, keep_default_na=False, dtype=str).set_index("image") for path in (plain, told))
    assert list(after["label_by_image"]) == list(before["label"])
    names = {Path(image).name: image for image in after.index}
    shares = [column for column in before if column.startswith("probability: ")]
    for same in ("1.png", "2.png", "3.png", "torn.jpg"):
        assert list(after.loc[names[same], shares]) == list(before.loc[names[same], shares])
    assert list(after.loc[names["0.png"], shares]) != list(before.loc[names["0.png"], shares])
    assert after.loc[names["0.png"], "masked"] == "melanoma" and after.loc[names["0.png"], "label_by_words"]
    manifest = json.loads(Path(f"{told}.manifest.json").read_text("utf-8"))["manifest"]
    assert manifest["narratives"]["told"] == 3 and manifest["narratives"]["words_weight"] == given.WEIGHT
    html = page.read_text("utf-8")
    assert html.count("What the patient tells") == 3
    assert "Answers are by the photograph and by what the patient tells" in html and "&nbsp;%</td>" in html
    assert "They said [...]." in html and "few of its words are English" in html


def test_the_words_of_one_patient_go_with_all_photographs(run: Run, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "told.jsonl"
    done = run(photos / "0.png", photos / "1.png", "-c", CLASSES, "--narrative", "It bleeds <script>.", "-o", out)
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [line["words"]["read"] for line in lines] == ["It bleeds <script>."] * 2
    assert lines[0]["label_by_words"] == lines[1]["label_by_words"] != ""


def test_a_weight_of_nothing_leaves_the_answers_as_they_are(run: Run, photos: Path, tmp_path: Path) -> None:
    tables = []
    for name, more in (("a", ()), ("b", ("--narrative", "It bleeds and I am 80.", "--words-weight", "0"))):
        assert run(photos, "-c", CLASSES, *more, "-o", tmp_path / f"{name}.csv").exit_code == 0
        tables.append(pd.read_csv(tmp_path / f"{name}.csv"))
    assert tables[0].drop(columns="method").equals(tables[1][tables[0].columns].drop(columns="method"))


def test_cases_are_told_of_by_group(run: Run, photos: Path, tmp_path: Path) -> None:
    groups, told, out = tmp_path / "groups.csv", tmp_path / "told.csv", tmp_path / "out.csv"
    groups.write_text("image,lesion_id\n0.png,a\n1.png,a\n2.png,b\n3.png,b\ntorn.jpg,b\n")
    told.write_text("lesion_id,narrative\na,It bleeds and I am 80.\n")
    how = ("-c", CLASSES, "--narratives", told, "-o", out)
    done = run(photos, *how, "--group-by", "lesion_id", "--group-table", groups)
    assert done.exit_code == 0, done.output
    lesions = pd.read_csv(tmp_path / "out-groups.csv", keep_default_na=False).set_index("group")
    assert lesions.loc["a", "label_by_words"] and not lesions.loc["b", "label_by_words"]
    alone = run(photos, *how)
    assert alone.exit_code == 1 and "--group-by" in alone.stderr


@pytest.mark.slow
def test_a_trained_model_reads_the_stories_with_the_options_of_a_calibration(
    run: Run, photos: Path, words_folder: Path, tmp_path: Path
) -> None:
    how = (photos, "-c", "melanoma, rosacea, scabies, psoriasis", "--method", "knowledge")
    told = ("--narrative", "It itches at night and my brother has it too.", "--words-model", words_folder)
    out, page = tmp_path / "told.jsonl", tmp_path / "report.html"
    done = run(*how, *told, "--words-options", "3", "-o", out, "--report", page)
    assert done.exit_code == 0, done.output
    notes = " ".join(done.stderr.split())
    assert "does not know psoriasis" in notes and "among the first 3 classes by photograph" in notes
    first, *others = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {line["label_by_words"] for line in others} == {"scabies"}
    assert sum(first["words"]["by_words"].values()) == pytest.approx(1)
    assert first["words"]["by_words"]["psoriasis"] == pytest.approx(0.25)
    described = first["manifest"]["narratives"]["words_model"]
    assert described["name"] == "small" and len(described["fingerprint"]) == 16
    assert first["manifest"]["narratives"]["words_weight"] == given.TRAINED_WEIGHT
    assert "What the patient tells" in page.read_text("utf-8")
    labels, record = tmp_path / "labels.csv", tmp_path / "record.json"
    labels.write_text("image,label\n" + "".join(f"{n}.png,{'melanoma' if n % 2 else 'scabies'}\n" for n in range(4)))
    calibrated = CliRunner().invoke(main, ["calibrate", *map(str, (*how, "--labels", labels, "-o", record))])
    assert calibrated.exit_code == 0, calibrated.output
    done = run(*how, *told, "--calibration", record, "-o", out)
    assert done.exit_code == 0 and "among the prediction set by photograph" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--narrative", "a", "--narratives", "STORIES"), 2, "exclude each other"),
        (("--words-weight", "2"), 2, "--words-weight needs --narratives or --narrative"),
        (("--words-model", "PHOTOS"), 2, "--words-model needs --narratives or --narrative"),
        (("--narrative", "a", "--words-options", "3"), 2, "--words-options needs --words-model"),
        (("--narrative", "a", "--words-options", "1"), 2, "not in the range"),
        (("--narrative", "a", "--words-model", "PHOTOS"), 1, "no model of stories that can be read: it holds no"),
        (("--narrative", "a", "--knowledge", "none"), 2, "Leave out --knowledge none"),
        (("--narrative", ""), 2, "the value is empty"),
        (("--narrative", " ? "), 2, "has no word"),
        (("--narrative", "STORIES"), 2, "looks like a path, and there is such a file. A table of stories goes to"),
        (("--narrative", "@stories.csv"), 2, "looks like a path, and there is no such file"),
        (("--narrative", "a", "--words-weight", "nan"), 2, "--words-weight is no number"),
        (("--narrative", "a", "--words-weight", "-1"), 2, "not in the range"),
        (("--narratives", "nowhere.csv"), 2, "does not exist"),
        (("--narratives", "OTHER"), 1, "expected a column narrative"),
    ],
)
def test_what_does_not_go_together_is_refused(
    run: Run, photos: Path, stories: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    (tmp_path / "other.csv").write_text("image,label\n0.png,a\n")
    places = {"PHOTOS": photos, "STORIES": stories, "OTHER": tmp_path / "other.csv"}
    done = run(photos, "-c", CLASSES, *(places.get(one, one) for one in arguments))
    assert done.exit_code == code and says in " ".join(done.stderr.split())


def test_the_options_promise_what_the_library_takes() -> None:
    for name in ("WEIGHT", "TRAINED_WEIGHT", "HEAVIEST", "OPTIONS"):
        assert getattr(options, name) == getattr(given, name)
    assert options.LEAST == trained_words.LEAST


@pytest.mark.slow
def test_with_the_bundled_models_as_a_user_runs_it(tmp_path: Path) -> None:
    photo = next((Path(__file__).resolve().parents[2] / "examples" / "images").glob("*.jpg"))
    told = ("--narrative", "I have had it since I was a child, and it never changed.", "-o", tmp_path / "out.csv")
    done = CliRunner().invoke(main, ["classify", *map(str, (photo, "-c", CLASSES, *told))])
    assert done.exit_code == 0, done.output
    row = pd.read_csv(tmp_path / "out.csv").iloc[0]
    assert row["label_by_words"] == "nevus" and "schoolchild" in row["matched"]
