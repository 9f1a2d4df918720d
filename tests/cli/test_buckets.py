"""Commands on photographs in buckets, by pattern, in tables and in tar shards; on a real S3 server."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet

from tests.places.s3_server import KEYS, Bucket, S3Server
from tests.places.test_buckets import name, photograph
from tests.places.test_tar_members import shard
from zsderm.cli import main
from zsderm.embeddings import read_embeddings

CLASSES = ("-c", "melanoma, nevus", "--method", "templates")

pytestmark = pytest.mark.slow  # they wait for a server


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    objects = {f"photos/{number}.jpg": photograph(number) for number in range(5)}
    table = io.BytesIO()
    parquet.write_table(pa.table({"file": ["photos/2.jpg", "photos/none.jpg"], "image": ["x", "y"]}), table)
    objects |= {"list.csv": b"dx,image\nmel,photos/3.jpg\nnv,photos/1.jpg\n", "list.parquet": table.getvalue()}
    objects |= {"set.2024/1.jpg": photograph(1)}
    objects |= {"list.txt": b"# mine\nphotos/1.jpg\n", "shards/0.tar": shard({"a.jpg": photograph(1), "a.json": b"{}"})}
    return s3.bucket(name(), objects)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, [*arguments, "--no-cache"])


def images_of(done: Result) -> list[str]:
    assert done.exit_code == 0, done.output
    return [row["image"] for row in csv.DictReader(io.StringIO(done.stdout))]


def test_what_means_photographs_on_a_disk_means_them_in_a_bucket(run: Callable[..., Result], bucket: Bucket) -> None:
    place = f"s3://{bucket.name}"
    photos = [f"{place}/photos/{number}.jpg" for number in range(5)]
    given = {
        ("photos/",): photos,
        ("set.2024",): [f"{place}/set.2024/1.jpg"],
        ("photos/[13].*",): [photos[1], photos[3]],
        ("list.csv",): [photos[3], photos[1]],
        ("list.txt",): [photos[1]],
        ("shards/*.tar",): [f"{place}/shards/0.tar/a.jpg"],
        ("photos/4.jpg", "photos/"): [photos[4], *photos[:4]],
    }
    for texts, meant in given.items():
        assert images_of(run("classify", *(f"{place}/{text}" for text in texts), *CLASSES)) == meant, texts
    assert images_of(run("classify", f"{place}/list.parquet", "--image-column", "file", *CLASSES)) == [
        photos[2],
        f"{place}/photos/none.jpg",
    ]


def test_a_data_set_in_a_bucket_holds_the_rows_of_a_file(
    run: Callable[..., Result], bucket: Bucket, s3: S3Server
) -> None:
    place = f"s3://{bucket.name}"
    assert run("embed", f"{place}/photos", "-o", "rows.npy").exit_code == 0
    assert run("embed", f"{place}/set.2024", "-o", "one.npy").exit_code == 0
    for said in ("3 parts made", "3 of 3 parts were there, 0 made"):
        done = run("embed", f"{place}/photos", "-o", f"{place}/rows/", "--part-rows", "2")
        assert done.exit_code == 0 and said in done.stderr and f"Written: {place}/rows" in done.stderr, done.output
    rows = np.asarray(read_embeddings(f"{place}/rows").features)
    assert np.abs(rows - np.load("rows.npy")).max() < 1e-6
    keys = [key for key in bucket.names() if key.startswith("rows/")]
    written = b"".join(map(bucket.get, keys))
    for secret in KEYS.values():
        assert secret.encode() not in written and secret not in done.output


def test_answers_in_a_bucket_are_evaluated_as_those_on_a_disk(run: Callable[..., Result], bucket: Bucket) -> None:
    place = f"s3://{bucket.name}"
    labels = "\n".join(
        ["image,true_label", *(f"{number}.jpg,{'nevus' if number % 2 else 'melanoma'}" for number in range(5))]
    )
    Path("labels.csv").write_text(labels, encoding="utf-8")
    figures = []
    for output in ("answers/", f"{place}/answers/"):
        assert run("classify", f"{place}/photos/", "-o", output, *CLASSES).exit_code == 0
        done = CliRunner().invoke(
            main, ["evaluate", "--predictions", output, "--labels", "labels.csv", "--classes", CLASSES[1], "--json"]
        )
        assert done.exit_code == 0, done.output
        figures.append(done.stdout)
    assert figures[0] == figures[1]
    for predictions, told in {
        f"{place}/photos/": f"cannot read the data set of answers '{place}/photos'",
        f"{place}/answers.csv": "a table of predictions is read from a disk",
        f"{place}/answers": f"nothing says what the images of {place}/answers really show",
    }.items():
        done = CliRunner().invoke(main, ["evaluate", "--predictions", predictions, "--classes", CLASSES[1]])
        assert done.exit_code in (1, 2) and told in " ".join(done.stderr.split()), done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("embed", "s3://{}/photos/9.jpg", "-o", "a.npy"), "cannot read s3://{}/photos/9.jpg: no such object"),
        (("embed", "s3://{}-b/photos/", "-o", "a.npy"), "cannot use 's3://{}-b/photos': there is no such bucket"),
        (("embed", "s3://{}/photos/", "-o", "s3://{}-b/rows/"), "cannot use 's3://{}-b/rows': there is no such bucket"),
        (("embed", "s3://{}/photos/", "-o", "s3://{}/rows.npy"), "in a bucket name a folder"),
        (("embed", "s3://{}/list.parquet", "--image-column", "fil", "-o", "a.npy"), "'fil' in s3://{}/list.parquet"),
        (("embed", "s3://{}/none.csv", "-o", "a.npy"), "cannot read the list of images 's3://{}/none.csv'"),
        (("embed", "http://example.org/1.jpg", "-o", "a.npy"), "begins with s3://, gs://, hf:// or file://"),
        (
            ("retrieve", "--index", "s3://{}/photos/", "--query", "a mole"),
            "zsderm embed s3://{}/photos/ -o rows/; then",
        ),
        (("classify", "s3://{}/notes/", "-c", "a, b"), "there is no folder 's3://{}/notes'"),
        (("classify", "s3://key:verysecret@{}/", "-c", "a, b"), "but got 's3://...@{}/'"),
        (("classify", "s3://{}/1.jpg?X-Amz-Signature=verysecret", "-c", "a, b"), "but got 's3://{}/1.jpg?...'"),
    ],
    ids=lambda value: value[0] if isinstance(value, str) else "",
)
def test_mistakes_are_one_sentence_before_an_encoder_is_loaded(
    run: Callable[..., Result], bucket: Bucket, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.setattr("zsderm.cli.embed.loaded_encoder", None)
    monkeypatch.setattr("zsderm.cli.classify.classifier_of", None)
    monkeypatch.setattr("zsderm.cli.retrieve.loaded_encoder", None)
    done = run(*(argument.format(bucket.name) for argument in arguments))
    assert done.exit_code in (1, 2) and told.format(bucket.name) in done.stderr, done.output
    assert "verysecret" not in done.output and not list(Path.cwd().iterdir())


def test_a_pattern_in_quotes_is_what_a_shell_makes_of_it(run: Callable[..., Result]) -> None:
    for place in ("a/1.jpg", "a/10.jpg", "a/2.jpg", "b/c/3.jpg"):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_bytes(photograph(1))
    Path("a/notes.txt").write_text("", encoding="utf-8")
    assert images_of(run("classify", "a/*", *CLASSES)) == ["a/1.jpg", "a/2.jpg", "a/10.jpg"]
    assert images_of(run("classify", "--images", "**/[13].jpg", *CLASSES)) == ["a/1.jpg", "b/c/3.jpg"]
    Path("[1].jpg").write_bytes(photograph(1))
    assert images_of(run("classify", "[1].jpg", *CLASSES)) == ["[1].jpg"]
    done = run("classify", "a/*.png", *CLASSES)
    assert done.exit_code == 1 and "no file matches it" in done.stderr


def test_a_column_of_a_table_is_chosen(run: Callable[..., Result]) -> None:
    for number in range(3):
        Path(f"{number}.jpg").write_bytes(photograph(number))
    names = [f"{number}.jpg" for number in range(3)]
    parquet.write_table(pa.table({"image": ["x"] * 3, "file": [*names]}), "list.parquet")
    Path("list.csv").write_text("\n".join(["image,file", *(f"x,{one}" for one in names)]), encoding="utf-8")
    Path("labels.csv").write_text("\n".join(["file,label", *(f"{one},nevus" for one in names)]), encoding="utf-8")
    for table in ("list.parquet", "list.csv"):
        assert images_of(run("classify", table, "--image-column", "file", *CLASSES)) == names
        done = run("classify", table, "--image-column", "photo", *CLASSES)
        assert done.exit_code == 1 and "expected a column 'photo'" in done.stderr
    # A column that is meant of another table is not asked of the list.
    Path("plain.csv").write_text("\n".join(["image", *names]), encoding="utf-8")
    labelled = ("--labels", "labels.csv", "--image-column", "file", "--report", "r.html", "-o", "p.csv")
    done = run("classify", "plain.csv", *labelled, *CLASSES)
    assert done.exit_code == 0, done.output


def test_a_long_table_is_read_as_it_is_asked_for(run: Callable[..., Result]) -> None:
    Path("1.jpg").write_bytes(photograph(1))
    parquet.write_table(pa.table({"image": ["1.jpg", *(f"{row}.jpg" for row in range(2, 20_000))]}), "list.parquet")
    from zsderm.cli.image_sources import images_meant
    from zsderm.images import NameList, walk

    (meant,) = images_meant(["list.parquet"])
    assert isinstance(meant, NameList) and meant == "list.parquet"
    first = walk(meant)
    assert [str(next(first)) for _ in range(2)] == ["1.jpg", "2.jpg"] and sum(1 for _ in walk(meant)) == 19_999


def test_a_photograph_in_a_tar_file_is_named(run: Callable[..., Result]) -> None:
    Path("a.tar").write_bytes(shard({"one/1.jpg": photograph(1), "2.jpg": photograph(2)}))
    assert images_of(run("classify", "a.tar", *CLASSES)) == ["a.tar/one/1.jpg", "a.tar/2.jpg"]
    assert images_of(run("classify", "a.tar/2.jpg", *CLASSES)) == ["a.tar/2.jpg"]
    Path("list.csv").write_text("image\na.tar/one/1.jpg\n", encoding="utf-8")
    assert images_of(run("classify", "list.csv", *CLASSES)) == ["a.tar/one/1.jpg"]


def test_an_address_of_a_folder_on_this_machine_is_that_folder(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "my photos").mkdir()
    for number in range(2):
        (tmp_path / "my photos" / f"{number}.jpg").write_bytes(photograph(number))
    photos = [str(tmp_path / "my photos" / f"{number}.jpg") for number in range(2)]
    for end in ("", "/", "/*.jpg"):
        address = f"file://{tmp_path}/my%20photos{end}"
        assert images_of(run("classify", address, *CLASSES)) == photos
        done = run("embed", address, "-o", f"rows{len(end)}/")
        assert done.exit_code == 0, done.output
        assert list(read_embeddings(f"rows{len(end)}").images) == photos


def test_pictures_in_a_table_are_refused_without_their_bytes(run: Callable[..., Result]) -> None:
    picture = photograph(1) * 20
    struct = {"bytes": picture, "path": "1.jpg"}  # as the datasets library of Hugging Face stores them
    for number, column in enumerate(([picture], [struct])):
        parquet.write_table(pa.table({"image": column}), f"{number}.parquet")
        done = run("embed", f"{number}.parquet", "-o", "rows/")
        assert done.exit_code == 1 and "Pictures inside a table are not read" in done.stderr
        assert len(done.stderr) < 300 and not Path("rows").exists()


def test_what_was_found_in_buckets_and_tar_files_is_asked_with(run: Callable[..., Result], bucket: Bucket) -> None:
    place = f"s3://{bucket.name}/photos/"
    assert run("embed", place, "-o", "rows/").exit_code == 0
    found = images_of(run("retrieve", "--index", "rows/", "--query", f"{place}2.jpg"))
    assert sorted(found) == [f"{place}{number}.jpg" for number in (0, 1, 3, 4)]  # not itself
    done = run("retrieve", "--index", "rows/", "--query", f"{place}9.jpg")
    assert done.exit_code == 1 and "no such object" in done.stderr
    Path("a.tar").write_bytes(shard({"1.jpg": photograph(1), "2.jpg": photograph(2)}))
    assert run("embed", "a.tar", "-o", "tar/").exit_code == 0
    assert images_of(run("retrieve", "--index", "tar/", "--query", "a.tar/1.jpg")) == ["a.tar/2.jpg"]
