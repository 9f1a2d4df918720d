"""What a command writes replaces nobody's files, is no input of the same command, and keeps every row."""

from __future__ import annotations

import csv
import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from zsderm.cli import main
from zsderm.embeddings import read_embeddings, write_embeddings
from zsderm.errors import SettingsError
from zsderm.tasks.explanation.explain import explain_predictions

Run = Callable[..., Result]
CLASSES = ("--classes", "melanoma, nevus", "--method", "templates", "--no-cache")
ODD = ["-b.png", "=c.png", "@d.png", "a\rb.png", "e\x1bf.png", "g\nh.png", "'-i.png", "tab\t.png"]


@pytest.fixture
def run(tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs zsderm in a folder of its own, with a small encoder in place of the bundled one."""
    for module in ("zsderm", "zsderm.classifier", "zsderm.encoders"):  # the first gets its own from the last
        monkeypatch.setattr(f"{module}.load_encoder", lambda name, device=None: tiny_encoder)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photographs whose names a spreadsheet, a terminal or a reader of lines would take for something else."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ODD:
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / name)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_odd_names_come_through_classify_and_evaluate(run: Run, photos: Path, suffix: str) -> None:
    os.chdir(photos)
    done = run("classify", "--images", ".", *CLASSES, "--output", f"../p{suffix}")
    assert done.exit_code == 0, done.output
    os.chdir(photos.parent)
    if suffix == ".csv":
        content = Path("p.csv").read_text(encoding="utf-8")
        with Path("p.csv").open(newline="", encoding="utf-8") as file:
            assert len(list(csv.reader(file))) == len(pd.read_csv("p.csv")) + 1 == len(ODD) + 1
        assert "\x1b" not in content and not any(line[:1] in "=+-@" for line in content.split("\n") if line)
    with Path("labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("image", "true_label"), *((name, "nevus") for name in ODD if not name.startswith("'"))])
        writer.writerow(("''-i.png", "melanoma"))  # as we write it
    files = ("--predictions", f"p{suffix}", "--labels", "labels.csv")
    scored = run("evaluate", *files, "--classes", "melanoma, nevus", "--json")
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout)["n"] == len(ODD) and scored.stderr == ""


@pytest.mark.parametrize(
    ("theirs", "arguments"),
    [
        ("rows.csv", ("embed", "--images", "photos", "--output", "rows.npy", "--no-cache")),
        ("rows.json", ("embed", "--images", "photos", "--output", "rows.npy", "--no-cache")),
        ("o.csv.manifest.json", ("annotate", "--images", "photos", "--output", "o.csv", "--no-cache")),
        ("o.csv.manifest.json", ("audit", "--train", "photos", "--model", "none", "--output", "o.csv")),
        ("o.csv.manifest.json", ("retrieve", "--index", "photos", "--query", "red", "--output", "o.csv")),
        ("p.csv.manifest.json", ("classify", "--images", "photos", *CLASSES, "--output", "p.csv")),
        (
            "p-groups.csv.manifest.json",
            ("classify", "--images", "photos", *CLASSES, "--output", "p.csv", "--group-by", "folder"),
        ),
        ("p-groups.csv", ("classify", "--images", "photos", *CLASSES, "--output", "p.csv", "--group-by", "folder")),
        ("heat/explanations.jsonl", ("classify", "--images", "photos", *CLASSES, "--explain", "heat")),
        ("heat/0001_-b.png", ("classify", "--images", "photos", *CLASSES, "--explain", "heat")),
        ("heat/0099_else.png", ("classify", "--images", "photos", *CLASSES, "--explain", "heat")),
        pytest.param(
            *("o-rejected.csv", ("pretrain", "extract", "--captions", "captions.csv", "--output", "o.csv")),
            marks=pytest.mark.slow,
        ),
        ("shards/shard-000000.tar", ("pretrain", "pack", "captions.csv", "--output", "shards")),
    ],
)
def test_a_file_of_the_user_is_not_replaced_under_a_name_that_the_user_did_not_give(
    run: Run, photos: Path, theirs: str, arguments: tuple[str, ...]
) -> None:
    Path("captions.csv").write_text("filename,caption\nphotos/-b.png,a melanoma\n", encoding="utf-8")
    Path(theirs).parent.mkdir(exist_ok=True)
    Path(theirs).write_text("mine", encoding="utf-8")
    before = set(Path().rglob("*"))
    done = run(*arguments)
    assert done.exit_code == 1 and Path(theirs).name in done.stderr, done.output
    assert "Traceback" not in done.output and Path(theirs).read_text(encoding="utf-8") == "mine"
    assert set(Path().rglob("*")) == before  # found before the work


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_what_an_earlier_run_has_written_is_replaced(run: Run, photos: Path, suffix: str) -> None:
    for _ in range(2):
        for arguments in (
            ("embed", "--images", "photos", "--output", "rows.npy", "--no-cache"),
            ("classify", "--images", "photos", *CLASSES, "--output", f"p{suffix}", "--group-by", "folder"),
        ):
            done = run(*arguments)
            assert done.exit_code == 0, done.output


def test_heat_maps_of_an_earlier_run_are_replaced_and_others_are_not(
    tiny_encoder: object, photos: Path, tmp_path: Path
) -> None:
    from zsderm import ZeroShotClassifier
    from zsderm.tasks.explanation.folder import written

    classifier = ZeroShotClassifier.from_pretrained(tiny_encoder, classes=["melanoma", "nevus"], method="templates")
    predictions = classifier.predict([photos / "-b.png"])
    heat = tmp_path / "heat"
    for _ in range(2):
        assert len(list(written(explain_predictions(classifier, predictions), heat))) == 1
    (heat / "0001_-b.png").write_bytes((photos / "=c.png").read_bytes())
    with pytest.raises(SettingsError, match="not what zsderm writes there"):
        list(written(explain_predictions(classifier, predictions), heat))


@pytest.mark.parametrize("place", ["photos", "photos/heat", "link"])
def test_heat_maps_do_not_go_where_they_would_be_taken_for_photographs(run: Run, photos: Path, place: str) -> None:
    Path("link").symlink_to("photos")
    done = run("classify", "--images", "photos", *CLASSES, "--explain", place)
    assert done.exit_code == 2 and "taken for photographs" in done.stderr
    assert sorted(os.listdir(photos)) == sorted(ODD)


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "--images", "photos", "--classes", "t.csv", "--output", "t.csv"),
        ("classify", "--images", "photos", *CLASSES, "--labels", "t.csv", "--output=./t.csv"),
        ("classify", "--images", "photos", *CLASSES, "--prior=t.csv", "--output", "t.csv"),
        ("classify", "--images", "photos", *CLASSES, "--labels", "t.csv", "--output", "link.csv"),
        ("classify", "--images", "photos", *CLASSES, "--labels", "t.csv", "--output", "hard.csv"),
        ("calibrate", "--images", "photos", *CLASSES, "--labels", "t.json", "--output", "t.json"),
        ("annotate", "--images", "photos", "--labels", "t.csv", "--output", "t.csv"),
        ("retrieve", "--captions", "t.csv", "--query", "red", "--output", "t.csv"),
        ("audit", "--train", "t.csv", "--output", "t.csv"),
        ("audit", "--train", "t.csv:split=train", "--output", "t.csv"),
        ("pretrain", "extract", "--captions", "t.csv", "--output", "t.csv"),
        ("pretrain", "extract", "--captions", "t.csv", "--output", "o.csv", "--rejected", "t.csv"),
        ("pretrain", "extract", "--captions", "t.csv", "--output", "o.csv", "--rejected", "o.csv"),
        ("pretrain", "validate", "t.csv", "--output", "t.csv"),
    ],
)
def test_an_input_is_not_an_output_of_the_same_command(run: Run, photos: Path, arguments: tuple[str, ...]) -> None:
    text = "class,weight,filename,image,caption,true_label\n"
    text += "nevus,1,a.jpg,a.jpg,a melanoma,nevus\nmelanoma,1,b.jpg,b.jpg,a nevus,nevus\n"
    for name in ("t.csv", "t.json"):
        Path(name).write_text(text, encoding="utf-8")
    Path("link.csv").symlink_to("t.csv")
    Path("hard.csv").hardlink_to("t.csv")
    done = run(*arguments)
    told = "an input and an output" in done.stderr or "two outputs" in done.stderr
    assert done.exit_code == 2 and told, done.output
    assert Path("t.csv").read_text(encoding="utf-8") == text and not Path("o.csv").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "--images", "", *CLASSES),
        ("classify", "--images", "photos", "--images", "", *CLASSES),
        ("classify", "--images", "photos", "--classes", ""),
        ("classify", "--images", "photos", *CLASSES, "--explain", ""),
        ("classify", "--images", "photos", *CLASSES[:4], "--cache-dir", ""),
        ("retrieve", "--index", "", "--query", "red"),
        ("retrieve", "--index", "photos", "--query", ""),
        ("audit", "--train", ""),
        ("annotate", "--images", "photos", "--concepts", ""),
    ],
)
def test_an_empty_value_is_not_the_folder_one_is_in(run: Run, photos: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2 and "the value is empty" in done.stderr, done.output


@pytest.mark.parametrize("query", ["photos", "photos/", "/dev/null", "./nevus", "scan.heif.pdf", "-", "nowhere.jpg"])
def test_a_query_that_looks_like_a_path_and_is_none_is_not_a_text(run: Run, photos: Path, query: str) -> None:
    done = run("retrieve", "--index", "photos", "--query", query, "--no-cache")
    assert done.exit_code == 1, done.output
    assert "looks like a path" in done.stderr or "there is no image" in done.stderr


@pytest.mark.parametrize("option", ["--output", "--report"])
def test_a_name_that_is_too_long_is_found_before_the_work(
    run: Run, photos: Path, tiny_encoder: object, option: str
) -> None:
    suffix = ".csv" if option == "--output" else ".html"
    done = run("classify", "--images", "photos", *CLASSES, option, f"{'x' * 252}{suffix}")
    assert done.exit_code == 2 and "name too long" in done.stderr.replace("\n", " ").lower()
    assert tiny_encoder.images_encoded == 0


@pytest.mark.slow
def test_a_cache_that_cannot_be_made_is_a_warning(run: Run, photos: Path) -> None:
    done = run("classify", "--images", "photos", *CLASSES[:4], "--cache-dir", "/proc/nohome/cache")
    assert done.exit_code == 0 and done.stderr.count("Going on without it") == 1
    done = run("retrieve", "--index", "photos", "--query", "red", "--cache-dir", "/proc/nohome/cache")
    assert done.exit_code == 0 and "the index is not kept" in done.stderr


def test_embeddings_of_odd_names_are_read_back(tiny_encoder: object, photos: Path, tmp_path: Path) -> None:
    write_embeddings(tmp_path / "rows.npy", tiny_encoder, sorted(photos.iterdir()))
    assert [Path(name).name for name in read_embeddings(tmp_path / "rows.npy").images] == sorted(ODD)


def test_every_csv_file_has_a_manifest_beside_it(run: Run, photos: Path) -> None:
    cached = ("--cache-dir", "cache")
    for arguments in (
        ("annotate", "--images", "photos", "--concepts", "derm7pt", *cached),
        ("audit", "--train", "photos", "--model", "tiny", *cached),
        ("retrieve", "--index", "photos", "--query", "red", *cached),
    ):
        done = run(*arguments, "--output", "o.csv")
        assert done.exit_code == 0, done.output
        manifest = json.loads(Path("o.csv.manifest.json").read_text(encoding="utf-8"))["manifest"]
        assert manifest["encoder"]["name"] == "tiny" and manifest["versions"]["zsderm"] and manifest["run"]["time"]
        assert manifest["run"]["command"] == shlex.join(("zsderm", *arguments, "--output", "o.csv"))


def test_embeddings_say_which_run_wrote_them(run: Run, photos: Path) -> None:
    assert run("embed", "--images", "photos", "--output", "rows.npy", "--no-cache").exit_code == 0
    found = json.loads(Path("rows.json").read_text(encoding="utf-8"))["run"]
    assert found["command"] == "zsderm embed --images photos --output rows.npy --no-cache" and found["time"]
