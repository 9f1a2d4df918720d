"""The command from option to file, with a small real encoder; and once with the bundled one, as a user runs it."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from tests.images.dicom_files import PATIENT, REPORT, dicom, picture, several
from tests.images.test_containers import encoded as contained
from zsderm.benchmarks.experiments.made_pictures import made_pictures
from zsderm.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def photos(make_photos: Callable[[int], Path]) -> Path:
    """Twelve photographs in a folder, and a file that is none."""
    return make_photos(12)


@pytest.fixture
def run(tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    """Runs ``zsderm classify`` with the small encoder in place of the bundled one."""
    monkeypatch.setattr("zsderm.classifier.load_encoder", lambda name, device=None: tiny_encoder)
    monkeypatch.setenv("ZSDERM_CACHE", str(tmp_path / "cache"))

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["classify", *map(str, arguments)])

    return call


def test_without_output_the_table_goes_to_stdout_and_the_talk_to_stderr(run, photos: Path) -> None:
    done = run("--images", photos, "--classes", "melanoma, nevus", "--method", "templates")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(io.StringIO(done.stdout), keep_default_na=False)
    assert len(table) == 13
    assert {"image", "label", "probability", "error", "probability: melanoma", "probability: nevus"} <= set(
        table.columns
    )
    assert (table["error"] != "").sum() == 1 and set(table["label"]) <= {"melanoma", "nevus", ""}
    assert "13 images, 12 classified" in done.stderr and "torn.jpg" in done.stderr


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_suffix_of_output_says_the_format(run, photos: Path, tmp_path: Path, suffix: str) -> None:
    from zsderm.table_files import read_cells

    target = tmp_path / "out" / f"predictions{suffix}"
    done = run("--images", photos / "1.png", "--classes", "melanoma, nevus", "--output", target, "--top-k", 2)
    assert done.exit_code == 0, done.output
    assert done.stdout == "" and f"Written: {target}" in done.stderr
    assert {"label_2", "probability_2"} <= set(read_cells(target).columns)


def test_a_report_with_labels_shows_figures(run, photos: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image,true_label\n" + "\n".join(f"{index}.png,{index % 2}" for index in range(12)))
    report = tmp_path / "report.html"
    done = run("--images", photos, "--classes", "melanoma, nevus", "--labels", labels, "--report", report)
    assert done.exit_code == 0, done.output
    assert "Beside the true labels" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize(("how", "by"), [((), "patient_id"), (("--cluster", "visit"), "visit")])
def test_a_report_has_figures_by_group_and_intervals_by_patient(run, photos: Path, tmp_path: Path, how, by) -> None:
    labels, report = tmp_path / "labels.csv", tmp_path / "report.html"
    rows = [f"{index}.png,{'nevus' if index % 2 else 'melanoma'},P{index // 2},V{index // 3}" for index in range(12)]
    skin = ["I", "VI", "", "unknown", *["I"] * 8]
    table = [",".join(pair) for pair in zip(rows, skin, strict=True)]
    labels.write_text("\n".join(["image,dx,patient_id,visit,skin", *table]))
    files = ("--images", photos, "--classes", "melanoma, nevus", "--labels", labels, "--report", report)
    done = run(*files, "--groups", "skin", *how)
    assert done.exit_code == 0, done.output
    page = report.read_text(encoding="utf-8")
    assert f"which draws by {by}, each with all its photographs" in page and "<h2>By skin</h2>" in page
    lines = re.findall(r'<th scope="row">(\w+)</th>\s*<td class="number">(\d+)</td>\s*<td class="number">[01]', page)
    assert lines == [("I", "9"), ("VI", "1"), ("unknown", "2")]
    missing = run(*files, "--groups", "skn")
    assert missing.exit_code == 1 and "'skn'" in missing.stderr and "skin" in missing.stderr


def test_several_images_may_be_named(run, photos: Path) -> None:
    done = run("--images", photos / "1.png", "--images", photos / "2.png", "--classes", "melanoma, nevus")
    assert len(pd.read_csv(io.StringIO(done.stdout))) == 2


def test_too_few_images_for_kpl_are_told_once(run, photos: Path) -> None:
    done = run("--images", photos / "1.png", "--classes", "melanoma, nevus")
    assert done.stderr.count("Not refined: only 1 photograph; at least 100 are needed.") == 1


def test_what_the_refinement_changed_is_told_and_stands_in_table_manifest_and_report(
    run, make_photos, tmp_path: Path
) -> None:
    photos, target, report = make_photos(20), tmp_path / "predictions.csv", tmp_path / "report.html"
    how = ("--images", photos, "--classes", "melanoma, nevus, psoriasis")
    done = run(*how, "--prior", "uniform", "--output", target, "--report", report, "--group-by", "folder")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(target, keep_default_na=False)
    plain = pd.read_csv(io.StringIO(run(*how, "--method", "knowledge").stdout), keep_default_na=False)
    assert table["unrefined_label"].tolist() == plain["label"].tolist() and "unrefined_label" not in plain
    changed = int((table["unrefined_label"] != table["label"]).sum())
    sentence = f"Refined: every class was stated to be equally common. {changed} of 20 answers changed."
    assert changed and done.stderr.count(sentence) == 1 and " of these answers changed\n" in done.stderr
    manifest = json.loads((tmp_path / "predictions.csv.manifest.json").read_text(encoding="utf-8"))["manifest"]
    told = manifest["refinement"]
    assert (told["summary"], told["changed"], told["answers"]) == (sentence, changed, 20)
    page = report.read_text(encoding="utf-8")
    assert sentence in page and page.count('class="set changed"') == changed
    groups = pd.read_csv(tmp_path / "predictions-groups.csv")
    assert int((groups["unrefined_label"] != groups["label"]).sum()) == manifest["groups"]["changed_by_refinement"]


def test_a_class_without_descriptions_is_one_warning(run, photos: Path) -> None:
    done = run("--images", photos / "1.png", "--classes", "melanoma, frumious bandersnatch")
    assert done.exit_code == 0, done.output
    told = [
        line for line in done.stderr.splitlines() if "bandersnatch" in line and line.startswith(("Warning", "Note"))
    ]
    assert len(told) == 1 and told[0].startswith("Warning: ")


def test_codes_that_their_list_makes_plain_are_told_once_and_stay_in_the_table(run, photos: Path) -> None:
    done = run(
        "--images", photos / "1.png", "--classes", "akiec, bcc, bkl, df, mel, nv, vasc", "--method", "descriptions"
    )
    assert done.exit_code == 0, done.output
    told = [line for line in done.stderr.splitlines() if "HAM10000" in line]
    assert len(told) == 1 and told[0].startswith("Note: ") and "df = dermatofibroma" in told[0]
    assert set(pd.read_csv(io.StringIO(done.stdout))["label"]) <= {"akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"}


def test_a_code_that_nothing_makes_plain_is_asked_back(run, photos: Path) -> None:
    done = run("--images", photos / "1.png", "--classes", "PG, acne")
    assert done.exit_code == 1 and "'pyoderma gangrenosum' or 'pyogenic granuloma'" in done.stderr


@pytest.mark.parametrize(
    ("names", "read"),
    [("known", "melanocytic nevus, nevus, naevus"), ("canonical", "melanocytic nevus<"), ("typed", "mole<")],
)
def test_the_report_lists_the_names_that_stood_for_a_class(run, photos: Path, tmp_path: Path, names, read) -> None:
    how = ("--method", "templates", "--names", names, "--report", tmp_path / "report.html")
    assert run("--images", photos / "1.png", "--classes", "melanoma, mole", *how).exit_code == 0
    assert f"names › mole</th><td>{read}" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_knowledge_none_leaves_templates(run, photos: Path) -> None:
    done = run("--images", photos / "1.png", "--classes", "melanoma, nevus", "--knowledge", "none")
    assert "method templates" in done.stderr


def test_features_are_kept_in_the_cache_unless_told_otherwise(run, photos: Path, tmp_path: Path) -> None:
    run("--images", photos / "1.png", "--classes", "melanoma, nevus", "--no-cache")
    assert not (tmp_path / "cache").exists()
    run("--images", photos / "1.png", "--classes", "melanoma, nevus", "--cache-dir", tmp_path / "mine")
    assert any((tmp_path / "mine").rglob("*"))


def test_a_prior_file_is_used(run, photos: Path, tmp_path: Path) -> None:
    prior = tmp_path / "prior.csv"
    prior.write_text("class,weight\nnevus,9\nmelanoma,1\n")
    report = tmp_path / "report.html"
    done = run("--images", photos, "--classes", "melanoma, nevus", "--prior", prior, "--report", report)
    assert done.exit_code == 0, done.output
    assert "0.9" in report.read_text(encoding="utf-8")


@pytest.mark.slow
def test_explanations_are_written_and_shown_in_the_report(run, photos: Path, tmp_path: Path) -> None:
    heat, report = tmp_path / "heat", tmp_path / "report.html"
    images = ("--images", photos / "1.png", "--images", photos / "torn.jpg", "--images", photos / "2.png")
    done = run(*images, "--classes", "melanoma, nevus", "--explain", heat, "--report", report)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in heat.iterdir()) == ["0001_1.png", "0003_2.png", "explanations.jsonl"]
    table = pd.read_csv(io.StringIO(done.stdout))
    told = [json.loads(line) for line in (heat / "explanations.jsonl").read_text().splitlines()]
    assert [row["winner"] for row in told] == [table["label"][0], table["label"][2]]
    assert report.read_text(encoding="utf-8").count('class="heat"') == 2 and f"Written: {heat}" in done.stderr


@pytest.mark.slow
def test_explanations_need_no_report_and_patches_need_patch_features(run, photos: Path, tmp_path: Path) -> None:
    one = ("--images", photos / "1.png", "--classes", "melanoma, nevus", "--explain", tmp_path / "heat")
    assert run(*one, "--retrieval", "image").exit_code == 0
    assert (tmp_path / "heat" / "0001_1.png").is_file()
    done = run(*one, "--explain-method", "patches")
    assert done.exit_code == 1 and "none for its patches" in done.stderr


@pytest.mark.slow
def test_modality_chooses_the_sentences_beside_an_answer_and_no_answer(run, photos: Path, tmp_path: Path) -> None:
    asked = ["--images", photos, "--classes", "melanoma, nevus", "--method", "knowledge"]
    first = run(*asked, "--modality", "dermoscopic", "--fit", tmp_path / "fitted", "--output", tmp_path / "a.jsonl")
    page = tmp_path / "report.html"
    later = run("--images", photos, "--fitted", tmp_path / "fitted", "--output", tmp_path / "b.jsonl")
    other = ["--modality", "clinical", "--output", tmp_path / "c.jsonl", "--report", page]
    third = run("--images", photos, "--fitted", tmp_path / "fitted", *other)
    assert [one.exit_code for one in (first, later, third)] == [0, 0, 0], third.output
    tables = [pd.read_json(tmp_path / f"{name}.jsonl", lines=True) for name in "abc"]
    said = [set(table["evidence"][table["error"] == ""]) for table in tables]
    assert said[0] == said[1] != said[2]
    assert tables[0]["probability"].equals(tables[2]["probability"])
    modalities = [table["manifest"][0]["settings"]["modality"] for table in tables]
    assert modalities == ["dermoscopic", "dermoscopic", "clinical"]
    assert "They are signs for photographs, as <code>--modality</code> says" in page.read_text(encoding="utf-8")
    assert run(*asked, "--modality", "x-ray").exit_code == 2


def test_what_was_fitted_on_one_folder_answers_for_another(run, photos: Path, tmp_path: Path) -> None:
    fitted = tmp_path / "fitted"
    first = run("--images", photos, "--classes", "melanoma, nevus", "--k", "3", "--fit", fitted)
    assert first.exit_code == 0 and f"Written: {fitted}" in first.stderr
    later = run("--images", photos / "1.png", "--fitted", fitted)
    assert later.exit_code == 0, later.output
    before, after = (pd.read_csv(io.StringIO(done.stdout)) for done in (first, later))
    row = before[before["image"] == str(photos / "1.png")].iloc[0]
    assert after["label"][0] == row["label"] and after["probability"][0] == pytest.approx(row["probability"], abs=1e-4)
    again = run("--images", photos, "--classes", "melanoma, nevus", "--fit", fitted)
    assert again.exit_code == 1 and "new or empty" in again.stderr


def test_a_folder_with_an_older_base_says_so_beside_the_answers_and_in_the_manifest(
    run, photos: Path, tmp_path: Path
) -> None:
    fitted = tmp_path / "fitted"
    assert run("--images", photos, "--classes", "melanoma, nevus", "--fit", fitted).exit_code == 0
    card, facts = fitted / "knowledge" / "base.json", fitted / "classifier.json"
    now = json.loads(card.read_text())["version"]
    card.write_text(card.read_text().replace(f'"version": "{now}"', '"version": "0.4.0"'))
    told = {name: value for name, value in json.loads(facts.read_text()).items() if name not in ("files", "checksum")}
    facts.write_text(json.dumps(told))  # folders of that time had no checksums
    later = run("--images", photos / "1.png", "--fitted", fitted, "--output", tmp_path / "a.jsonl")
    sentence = f"sentences of knowledge base 'dermatology' 0.4.0, which its folder holds; installed is {now}."
    assert later.exit_code == 0 and later.stderr.count(sentence) == 1, later.output
    row = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])
    assert sum(sentence in note for note in row["manifest"]["notes"]) == 1


def test_weight_of_names_and_centring_reach_the_classifier(run, photos: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    how = ("--name-weight", "0.25", "--centre", "--prior", "uniform", "--report", report)
    assert run("--images", photos, "--classes", "melanoma, nevus", *how).exit_code == 0
    page = report.read_text(encoding="utf-8")
    assert "settings › name_weight</th><td>0.25" in page and "settings › centre</th><td>True" in page


def test_the_heat_maps_to_choose_from_are_those_of_the_library() -> None:
    from zsderm.cli import classify
    from zsderm.tasks.explanation import heat_map

    assert classify.HEAT_METHODS == heat_map.HEAT_METHODS


@pytest.mark.slow
def test_when_no_image_can_be_read_the_exit_code_is_1(run, photos: Path) -> None:
    done = run("--images", photos / "torn.jpg", "--classes", "melanoma, nevus")
    assert done.exit_code == 1
    assert "Error: the only image could not be classified" in done.stderr
    assert len(done.stdout.splitlines()) == 2  # the table with the reason is written all the same


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--images", "nowhere/", "--classes", "a, b"], "nowhere"),
        (["--images", "PHOTOS", "--classes", " , "], "expected class names"),
        (["--images", "PHOTOS", "--classes", "nevus, Nevus"], "nevus, Nevus"),
        (["--images", "PHOTOS", "--classes", "missing.txt"], "no such file"),
        (["--images", "PHOTOS", "--classes", "a, b", "--knowledge", "dermatologie"], "dermatology"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_1(run, photos: Path, arguments: list[str], words: str) -> None:
    done = run(*(str(photos) if word == "PHOTOS" else word for word in arguments))
    assert done.exit_code == 1
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert line.startswith("Error: ") and words in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["--classes", "a, b"],
        ["--images", "."],
        ["--images", ".", "--fitted", ".", "--classes", "a, b"],
        ["--images", ".", "--fitted", ".", "--fit", "fitted"],
        ["--images", ".", "--classes", "a, b", "--name-weight", "2"],
        ["--images", ".", "--classes", "a, b", "--explain-method", "gradients"],
        ["--images", ".", "--classes", "a, b", "--method", "magic"],
        ["--images", ".", "--classes", "a, b", "--output", "predictions.xlsx"],
        ["--images", ".", "--classes", "a, b", "--report", "report.html", "--groups", "skin"],
        ["--images", ".", "--classes", "a, b", "--cluster", "patient_id"],
        ["--images", ".", "--classes", "a, b", "--report", "report.pdf"],
        ["--images", ".", "--classes", "a, b", "--prior", "often"],
        ["--images", ".", "--classes", "a, b", "--k", "0"],
        ["--images", ".", "--classes", "a, b", "--views", "3"],
        ["--images", ".", "--fitted", ".", "--views", "4"],
        ["--images", ".", "--classes", "a, b", "--group-by", "folder"],  # nowhere to write the groups
        ["--images", ".", "--classes", "a, b", "--group-table", __file__, "--output", "predictions.csv"],
    ],
)
def test_wrong_usage_is_exit_code_2(run, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    def broken(name: str, device: object = None) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("zsderm.classifier.load_encoder", broken)
    done = CliRunner().invoke(main, ["classify", "--images", str(photos), "--classes", "a, b", "--knowledge", "none"])
    assert isinstance(done.exception, ZeroDivisionError)


@pytest.mark.slow
def test_the_bundled_encoder_classifies_the_examples_as_a_user_runs_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from zsderm.cli import main; main()", "classify"]
    options = {
        "--images": EXAMPLES / "images",
        "--classes": EXAMPLES / "classes.txt",
        "--output": tmp_path / "predictions.jsonl",
        "--report": tmp_path / "report.html",
        "--cache-dir": tmp_path / "cache",
    }
    arguments = [str(word) for pair in options.items() for word in pair]
    done = subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(list((EXAMPLES / "images").iterdir())) and not any(row["error"] for row in rows)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("data:image/jpeg") == len(rows)


@pytest.mark.slow
def test_what_the_bundled_encoder_does_not_know_is_named_before_the_work_and_wherever_answers_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZSDERM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photos").mkdir()
    photo = next((EXAMPLES / "images").iterdir())
    (tmp_path / "photos" / "skin.jpg").write_bytes(photo.read_bytes())
    letter = next(picture for kind, picture in made_pictures(1) if kind == "page")
    letter.save(tmp_path / "photos" / "letter.png")
    output, report = tmp_path / "predictions.jsonl", tmp_path / "report.html"
    where = ["--images", str(tmp_path / "photos"), "--output", str(output), "--report", str(report)]
    done = CliRunner().invoke(main, ["classify", *where, "--classes", "psoriasis, mole, acne, nodular melanoma"])
    assert done.exit_code == 0, done.output
    classes = "2 of your 4 classes were never shown to zsderm-mini: psoriasis, acne; answers for them are guesses."
    picture = "1 of 2 images looks like nothing that zsderm-mini was trained with"
    assert done.stderr.startswith(f"Note: {classes}\n") and done.stderr.count(classes) == 1
    assert done.stderr.count(picture) == 1 and "its answer is a guess: letter.png." in done.stderr
    first = json.loads(output.read_text(encoding="utf-8").splitlines()[0])
    assert first["manifest"]["encoder"]["never_shown"] == ["psoriasis", "acne"]
    shown_as = {"mole": ["melanocytic nevus"], "nodular melanoma": ["melanoma"]}
    assert first["manifest"]["encoder"]["shown_as"] == shown_as
    assert classes in first["manifest"]["notes"] and any(picture in note for note in first["manifest"]["notes"])
    assert classes in report.read_text(encoding="utf-8") and picture in report.read_text(encoding="utf-8")
    values = {Path(row["image"]).name: row["familiarity"] for row in map(json.loads, output.read_text().splitlines())}
    assert values["letter.png"] < first["manifest"]["encoder"]["familiarity_threshold"] < values["skin.jpg"]


# views


@pytest.mark.slow
def test_views_reach_the_answers_the_cache_and_the_saved_classifier(run, photos: Path, tmp_path: Path) -> None:
    how = ("--images", photos, "--classes", "melanoma, nevus", "--k", "3")
    tables = []
    for views in (1, 4, 8):
        done = run(*how, "--views", views, "--report", tmp_path / "report.html", "--fit", tmp_path / f"fitted{views}")
        assert done.exit_code == 0, done.output
        assert f"settings › views</th><td>{views}<" in (tmp_path / "report.html").read_text(encoding="utf-8")
        tables.append(done.stdout)
    plain, fitted = (
        pd.read_csv(io.StringIO(table)).drop(columns="evidence")  # what is fitted answers, and speaks, for each alone
        for table in (run(*how).stdout, tables[0])
    )
    assert len(set(tables)) == 3
    pd.testing.assert_frame_equal(plain, fitted)  # one view unless more are asked for
    assert {path.name for path in (tmp_path / "cache").iterdir()} >= {
        "images-4",
        "images-4-views-4",
        "images-4-views-8",
    }
    later = run("--images", photos, "--fitted", tmp_path / "fitted4")
    assert (
        pd.read_csv(io.StringIO(later.stdout))["probability"]
        .round(4)
        .equals(pd.read_csv(io.StringIO(tables[1]))["probability"].round(4))
    )
    refused = run("--images", photos, "--fitted", tmp_path / "fitted4", "--views", "1")
    assert refused.exit_code == 2 and "--views cannot be given with --fitted" in refused.stderr


def test_without_a_number_there_are_as_many_views_as_the_encoders_card_says(
    run, photos: Path, tmp_path: Path, tiny_encoder
) -> None:
    how = ("--images", photos, "--classes", "melanoma, nevus", "--method", "class-name")
    four = run(*how, "--views", "4").stdout
    tiny_encoder.card = replace(tiny_encoder.card, views=4)
    done = run(*how, "--report", tmp_path / "report.html")
    assert done.exit_code == 0 and done.stdout == four, done.output
    assert "settings › views</th><td>4<" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert {path.name for path in (tmp_path / "cache").glob("images-*")} == {"images-4-views-4"}


# groups


@pytest.fixture
def lesions(tmp_path: Path) -> Path:
    """Three photographs for each of "00", "01" and "02"; nobody knows whose the other three are, one of them torn."""
    lines = [f"{index}.png,{index // 3:02d}" for index in range(9)] + ["9.png,unknown", "10.png,", "torn.jpg,02"]
    (tmp_path / "lesions.csv").write_text("image,lesion_id\n" + "\n".join(lines))
    return tmp_path / "lesions.csv"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_groups_are_a_second_table_beside_the_first(run, photos: Path, lesions: Path, tmp_path: Path, suffix) -> None:
    from zsderm.table_files import read_cells

    plain, output = tmp_path / f"plain{suffix}", tmp_path / f"predictions{suffix}"
    how = ("--images", photos, "--classes", "melanoma, nevus", "--method", "templates")
    assert run(*how, "--output", plain).exit_code == 0
    done = run(*how, "--output", output, "--group-by", "lesion_id", "--group-table", lesions)
    assert done.exit_code == 0, done.output
    assert "6 groups by lesion_id, 6 of them answered" in done.stderr
    assert "3 of 13 photographs have no lesion_id; each is a group of its own" in done.stderr
    assert read_cells(output).equals(read_cells(plain))
    groups = read_cells(tmp_path / f"predictions-groups{suffix}").set_index("group")
    assert set(groups.index[:3]) == {"00", "01", "02"} and str(photos / "9.png") in groups.index
    assert groups.loc["02", ["images", "unreadable"]].tolist() == ["4", "1"]
    assert f"Written: {tmp_path / f'predictions-groups{suffix}'}" in done.stderr
    rows = read_cells(output).set_index("image")
    own = [rows.loc[str(photos / f"{index}.png"), "label"] for index in (6, 7, 8)]
    assert float(groups.loc["02", "agreement"]) == pytest.approx(own.count(groups.loc["02", "label"]) / 3)
    alone = str(photos / "10.png")
    assert float(groups.loc[alone, "probability"]) == pytest.approx(float(rows.loc[alone, "probability"]), abs=1e-5)


@pytest.mark.slow
def test_folders_are_groups_and_the_report_has_a_line_for_each(run, photos: Path, tmp_path: Path) -> None:
    for index in range(4):
        place = photos / f"lesion {index % 2}"
        place.mkdir(exist_ok=True)
        (photos / f"{index}.png").rename(place / f"{index}.png")
    images = ("--images", photos / "lesion 0", "--images", photos / "lesion 1")
    labels, report = tmp_path / "labels.csv", tmp_path / "report.html"
    labels.write_text("image,true_label\n0.png,0\n1.png,1\n2.png,0\n3.png,0\n")
    how = ("--classes", "melanoma, nevus", "--group-by", "folder", "--report", report, "--labels", labels)
    done = run(*images, *how)
    assert done.exit_code == 0, done.output
    page = report.read_text(encoding="utf-8")
    assert "2 groups by folder" in page and f'<th scope="row">{photos / "lesion 1"}</th>' in page
    assert "of 1</b> groups with a label" in page and "<td>several</td>" in page
    assert "groups › by</th><td>folder<" in page
    assert len(pd.read_csv(io.StringIO(done.stdout))) == 4


def test_a_column_of_groups_that_is_not_there_is_a_mistake_before_any_work(
    run, photos: Path, lesions: Path, tmp_path: Path, tiny_encoder
) -> None:
    how = ("--images", photos, "--classes", "melanoma, nevus", "--output", tmp_path / "p.csv")
    done = run(*how, "--group-by", "lesion", "--group-table", lesions)
    assert done.exit_code == 1 and "expected a column 'lesion'" in done.stderr and "'lesion_id'" in done.stderr
    done = run(*how, "--group-by", "lesion_id")
    assert done.exit_code == 1 and "expected a table with the column 'lesion_id'" in done.stderr
    assert tiny_encoder.images_encoded == 0 and not (tmp_path / "p.csv").exists()


@pytest.mark.slow
def test_views_and_groups_from_the_examples_to_the_figures(run, tmp_path: Path, monkeypatch) -> None:
    """As a user runs it, with the bundled encoder: one answer per patient, and figures for both."""
    monkeypatch.undo()
    table = pd.read_csv(EXAMPLES / "labels.csv")
    table["patient"] = table["image"].str.split("_").str[1]
    table["lesion"] = table["patient"] + "_" + table["image"].str.split("_").str[2]
    table.to_csv(tmp_path / "labels.csv", index=False)
    files = ("--classes", str(EXAMPLES / "classes.txt"), "--labels", str(tmp_path / "labels.csv"))
    places = ("--output", str(tmp_path / "p.csv"), "--report", str(tmp_path / "r.html"))
    how = ("--views", "4", "--group-by", "lesion", "--cache-dir", str(tmp_path / "cache"))
    done = CliRunner().invoke(main, ["classify", "--images", str(EXAMPLES / "images"), *files, *places, *how])
    assert done.exit_code == 0, done.output
    count = table["lesion"].nunique()
    assert len(pd.read_csv(tmp_path / "p-groups.csv")) == count
    figures = ["evaluate", "--predictions", str(tmp_path / "p.csv"), *files, "--group-by", "lesion", "--json"]
    done = CliRunner().invoke(main, figures)
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert (shown["n"], shown["per_group"]["n"], shown["per_group"]["answers"]) == (len(table), count, "p-groups.csv")
    answers = pd.read_csv(tmp_path / "p-groups.csv").set_index("group")["label"]
    right = [answers[lesion] == label for lesion, label in table.groupby("lesion")["label"].first().items()]
    assert shown["per_group"]["accuracy"] == pytest.approx(sum(right) / count)


def test_labels_that_nothing_shows_are_wrong_usage(run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,true_label\n1.png,nevus\n")
    done = run("--images", photos, "--classes", "melanoma, nevus", "--labels", tmp_path / "labels.csv")
    assert done.exit_code == 2 and "--labels needs --report" in done.stderr


def test_a_mistake_in_the_labels_shows_before_the_work(run, photos: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("zsderm.classifier.ZeroShotClassifier.predict", lambda *_, **__: pytest.fail("worked"))
    labels, report = tmp_path / "labels.csv", tmp_path / "report.html"
    labels.write_text("image,true_label\n1.png,nervus\n")
    done = run("--images", photos, "--classes", "melanoma, nevus", "--labels", labels, "--report", report)
    assert done.exit_code == 1 and "has the label 'nervus'" in done.stderr


def test_a_long_table_is_evaluated_as_the_wide_one_with_its_groups(run, photos: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    rows = "\n".join(f"{index}.png,{index % 2},p{index % 4}" for index in range(12))
    labels.write_text(f"image,true_label,patient\n{rows}")
    figures = {}
    for layout in ("wide", "long"):
        table = tmp_path / f"{layout}.csv"
        how = ("--method", "templates", "--group-by", "patient", "--group-table", labels, "--format", layout)
        done = run("--images", photos, "--classes", "melanoma, nevus", *how, "--output", table)
        assert done.exit_code == 0, done.output
        arguments = ["evaluate", "--predictions", table, "--labels", labels, "--classes", "melanoma, nevus", "--json"]
        scored = CliRunner().invoke(main, [*map(str, arguments), "--group-by", "patient"])
        assert "are answered by" in scored.stderr and f"{layout}-groups.csv" in scored.stderr, scored.output
        figures[layout] = json.loads(scored.stdout)
    assert figures["wide"]["per_group"].pop("answers") != figures["long"]["per_group"].pop("answers")
    assert figures["wide"] == figures["long"]
    assert len(pd.read_csv(tmp_path / "long.csv")) == 13 * 2  # the file that is no image has its rows too
    as_labels = ["evaluate", "--predictions", tmp_path / "wide.csv", "--labels", tmp_path / "long.csv"]
    wrong = CliRunner().invoke(main, [*map(str, as_labels), "--classes", "melanoma, nevus"])
    assert wrong.exit_code == 1 and "expected a column of true classes" in wrong.stderr


def test_a_manifest_stands_beside_csv_and_says_how_to_repeat_the_run(run, photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "p.csv"
    arguments = ("--images", photos, "--classes", "melanoma, nevus", "--method", "templates", "--output", table)
    done = run(*arguments, "--group-by", "folder")
    assert done.exit_code == 0, done.output
    for name in ("p.csv", "p-groups.csv"):
        found = json.loads((tmp_path / f"{name}.manifest.json").read_text(encoding="utf-8"))
        assert found["manifest_of"] == name and found["classes"] == ["melanoma", "nevus"]
        manifest = found["manifest"]
        assert manifest["encoder"]["name"] == "tiny" and manifest["versions"]["zsderm"]
        assert manifest["run"]["time"] and "commit" in manifest["run"]
        assert shlex.split(manifest["run"]["command"]) == [
            "zsderm", "classify", *map(str, arguments), "--group-by", "folder",
        ]  # fmt: skip


def test_a_manifest_of_the_user_is_found_before_the_work(run, photos: Path, tmp_path: Path, tiny_encoder) -> None:
    (tmp_path / "p.csv.manifest.json").write_text("mine")
    done = run("--images", photos, "--classes", "melanoma, nevus", "--output", tmp_path / "p.csv")
    assert done.exit_code == 1 and "not what zsderm writes there" in done.stderr
    assert tiny_encoder.images_encoded == 0 and not (tmp_path / "p.csv").exists()


def test_telephones_and_clinics_get_the_rows_of_their_png_twins(run: object, tmp_path: Path) -> None:
    folder, twins = tmp_path / "photos", [picture(seed) for seed in range(3)]
    folder.mkdir()
    for number, twin in enumerate(twins):
        twin.save(folder / f"{number}.png")
    (folder / "a.heic").write_bytes(contained(twins[0], "HEIF"))
    (folder / "b.dcm").write_bytes(several(twins))
    (folder / "report.dcm").write_bytes(dicom(None, kind=REPORT))
    output, page = tmp_path / "predictions.csv", tmp_path / "report.html"
    done = run("--images", folder, "--classes", "melanoma, nevus", "-o", output, "--report", page)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(output, keep_default_na=False)
    rows = {Path(row["image"]).name: row for _, row in table.iterrows()}
    for twin, others in {"0.png": ("a.heic", "b.dcm#1"), "1.png": ("b.dcm#2",), "2.png": ("b.dcm#3",)}.items():
        for other in others:
            assert rows[other].drop("image").equals(rows[twin].drop("image"))
    assert "without pixels" in rows["report.dcm"]["error"]
    for file in tmp_path.glob("*.*"):
        assert not any(word in file.read_text(encoding="utf-8") for word in (PATIENT, "Doe"))
