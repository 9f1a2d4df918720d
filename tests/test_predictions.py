from __future__ import annotations

import json
import math
import os
from dataclasses import FrozenInstanceError, asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zsderm.errors import ClassListError, InputError, MissingDependencyError, SettingsError
from zsderm.predictions import Evidence, Predictions

NAN = math.nan
WEAK = Evidence("brown, evenly coloured", 0.21, "colour", "zsderm")
STRONG = Evidence('irregular border, "notched"\nand blurred', 0.42, "border", "zsderm")


def predictions(**changes: object) -> Predictions:
    parts: dict[str, object] = {
        "images": ("a.jpg", "b.jpg", "c.jpg"),
        "classes": ("nevus", "melanoma", "psoriasis"),
        "probabilities": torch.tensor([[0.2, 0.7, 0.1], [NAN, NAN, NAN], [0.4, 0.2, 0.4]]),
        "method": "knowledge",
        "prior": "uniform",
        "requested_method": "kpl",
        "evidence": ((WEAK, STRONG), (), ()),
        "errors": {"b.jpg": "the file is empty"},
        "manifest": {"encoder": "tiny"},
    }
    return Predictions(**(parts | changes))


# the answer


def test_labels_confidence_and_ok() -> None:
    answer = predictions()
    assert len(answer) == 3
    assert answer.labels == ["melanoma", "", "nevus"]
    assert answer.ok.tolist() == [True, False, True]
    torch.testing.assert_close(answer.confidence, torch.tensor([0.7, NAN, 0.4]), equal_nan=True)


def test_proxies_have_a_row_for_each_class() -> None:
    assert predictions(proxies=torch.ones(3, 8)).proxies.shape == (3, 8)
    with pytest.raises(InputError, match="a row for each of 3 classes"):
        predictions(proxies=torch.ones(2, 8))


def test_what_is_said_of_the_runner_up_is_empty_or_of_each_image() -> None:
    assert predictions().runner_up_evidence == ((), (), ())
    assert predictions(runner_up_evidence=[[WEAK], [], []]).runner_up_evidence == ((WEAK,), (), ())
    with pytest.raises(InputError, match="`runner_up_evidence` to hold one entry for each of the 3 images, but got 1"):
        predictions(runner_up_evidence=((WEAK,),))


def test_top_k_is_best_first_and_equal_ones_in_the_order_of_classes() -> None:
    first, failed, third = predictions().top_k(2)
    assert first == [("melanoma", pytest.approx(0.7)), ("nevus", pytest.approx(0.2))]
    assert failed == []
    assert third == [("nevus", pytest.approx(0.4)), ("psoriasis", pytest.approx(0.4))]


def test_top_k_is_clipped_to_the_number_of_classes_and_at_least_one() -> None:
    assert [len(row) for row in predictions().top_k(9)] == [3, 0, 3]
    with pytest.raises(SettingsError, match="Expected argument `k` to be at least 1, but got 0"):
        predictions().top_k(0)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9), st.integers(0, 999))
def test_top_k_equals_sorting_by_hand(count: int, class_count: int, k: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    table = torch.randint(1, 5, (count, class_count), generator=random).float()
    table /= table.sum(1, keepdim=True)
    names = tuple(f"class {i}" for i in range(class_count))
    answer = Predictions(tuple(map(str, range(count))), names, table, "m", "p", "m", ((),) * count)
    for row, ranked in zip(table.tolist(), answer.top_k(k), strict=True):
        assert ranked == sorted(zip(names, row, strict=True), key=lambda pair: -pair[1])[:k]
    assert answer.labels == [row[0][0] for row in answer.top_k(1)]


def test_numpy_and_double_come_out_as_torch_float32() -> None:
    answer = predictions(probabilities=np.array([[0.2, 0.7, 0.1], [NAN] * 3, [0.4, 0.2, 0.4]]))
    assert isinstance(answer.probabilities, torch.Tensor)
    assert answer.probabilities.dtype == torch.float32


def test_an_answer_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        predictions().method = "other"


# refusals


def test_shapes_that_do_not_fit_are_refused() -> None:
    expected = r"Expected argument `probabilities` to be of shape \(images, classes\) = \(3, 3\), but got \(3, 2\)"
    with pytest.raises(InputError, match=expected):
        predictions(probabilities=torch.full((3, 2), 0.5))
    with pytest.raises(InputError, match="one entry for each of the 3 images, but got 1"):
        predictions(evidence=((),))


@pytest.mark.parametrize("row", [[0.5, 0.6, 0.1], [1.2, -0.2, 0.0], [0.5, NAN, 0.5], [NAN, NAN, 1], [math.inf, 0, 0]])
def test_each_row_sums_to_1_or_is_nan_throughout(row: list[float]) -> None:
    with pytest.raises(InputError, match=r"non-negative and sum to 1, but got .* for image 'a.jpg'"):
        predictions(probabilities=torch.tensor([row, [NAN] * 3, [0.4, 0.2, 0.4]]))


def test_a_failed_image_needs_a_reason_and_a_reason_needs_an_image() -> None:
    with pytest.raises(InputError, match=r"a reason in `errors` for image 'b.jpg'"):
        predictions(errors={})
    with pytest.raises(InputError, match=r"keys of `errors` to be among `images`, but got 'z.jpg'"):
        predictions(errors={"b.jpg": "empty", "z.jpg": "empty"})


def test_classes_are_distinct_and_at_least_one() -> None:
    with pytest.raises(ClassListError, match="distinct names, but got 'nevus' twice"):
        predictions(classes=("nevus", "melanoma", "nevus"))
    with pytest.raises(ClassListError, match="at least one name"):
        predictions(classes=(), probabilities=torch.zeros(3, 0))


# the table


def test_the_table_has_one_row_per_image_and_the_columns_in_order() -> None:
    frame = predictions().to_frame(top_k=2)
    assert list(frame.columns) == [
        "image", "label", "probability", "label_2", "probability_2",
        "probability: nevus", "probability: melanoma", "probability: psoriasis", "method", "evidence", "error",
    ]  # fmt: skip
    assert frame["image"].tolist() == ["a.jpg", "b.jpg", "c.jpg"]
    assert frame["label"].tolist() == ["melanoma", "", "nevus"]
    assert frame["label_2"].tolist() == ["nevus", "", "psoriasis"]
    assert frame["error"].tolist() == ["", "the file is empty", ""]
    assert frame["evidence"].tolist() == [WEAK.text, "", ""], "the first, whatever its cosine"
    assert frame["method"].tolist() == ["knowledge"] * 3
    assert frame["probability"].isna().tolist() == [False, True, False]
    table = frame[predictions().probability_columns].to_numpy()
    np.testing.assert_array_equal(table, predictions().probabilities.numpy())


def test_the_table_does_not_share_memory_with_the_answer() -> None:
    answer = predictions()
    frame = answer.to_frame()
    frame.loc[0, "probability: nevus"] = 9.0
    assert answer.probabilities[0, 0] == pytest.approx(0.2)


def test_an_image_given_twice_and_an_image_that_failed_twice_keep_their_rows() -> None:
    frame = predictions(images=("b.jpg", "b.jpg", "a.jpg"), probabilities=torch.tensor([[NAN] * 3] * 2 + [[0, 0, 1.0]]))
    assert frame.to_frame()["error"].tolist() == ["the file is empty", "the file is empty", ""]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".CSV"])
def test_every_format_reads_back_as_the_table(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new folder" / f"out{suffix}"
    predictions().save(path, top_k=2)
    match suffix:
        case ".jsonl":
            read = pd.DataFrame([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
            read = read.drop(columns=["classes", "manifest", "descriptions", "runner_up_descriptions"])
        case ".parquet":
            read = pd.read_parquet(path)
        case _:
            names = predictions().classes
            numbers = {f"probability{end}": [""] for end in ("", "_2", *(f": {name}" for name in names))}
            read = pd.read_csv(path, keep_default_na=False, na_values=numbers)
    expected = predictions().to_frame(top_k=2)
    assert list(read.columns) == list(expected.columns)
    for column in expected:
        if column.startswith("probability"):
            np.testing.assert_array_equal(read[column].to_numpy(np.float32), expected[column].to_numpy())
        else:
            assert read[column].tolist() == expected[column].tolist()
    beside = [f"{path.name}.manifest.json"] if suffix.lower() == ".csv" else []
    assert sorted(os.listdir(path.parent)) == [path.name, *beside]


def test_jsonl_writes_nan_as_null(tmp_path: Path) -> None:
    predictions().to_jsonl(tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert "NaN" not in lines[1]
    assert json.loads(lines[1])["probability"] is None


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_jsonl_has_all_evidence_with_its_scores(tmp_path: Path, layout: str) -> None:
    told = predictions(runner_up_evidence=((WEAK,), (), ()))
    told.to_jsonl(tmp_path / "out.jsonl", layout=layout)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    found = [line["descriptions"] for line in lines]
    first, second = [asdict(WEAK), asdict(STRONG)], [asdict(WEAK)]
    if layout == "wide":
        assert found == [first, [], []]
        assert [line["runner_up_descriptions"] for line in lines] == [second, [], []]
    else:  # in the rows of the two most probable classes; the third image has no text
        assert found == [second, first, *[None] * 4, [], None, []]


def test_the_manifest_in_a_file_says_which_run_wrote_it(tmp_path: Path) -> None:
    run = {"run": {"command": "mine", "time": "now", "commit": None}}
    for manifest, command in (({"encoder": "tiny"}, None), ({"encoder": "tiny", **run}, "mine")):
        predictions(manifest=manifest).to_csv(tmp_path / "out.csv")
        found = json.loads((tmp_path / "out.csv.manifest.json").read_text(encoding="utf-8"))
        assert found["classes"] == list(predictions().classes) and found["manifest"]["encoder"] == "tiny"
        assert found["manifest"]["run"]["command"] == command and found["manifest"]["run"]["time"]


def test_another_suffix_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ending in .csv, .jsonl, .parquet, but got '.*out.xlsx'"):
        predictions().save(tmp_path / "out.xlsx")


@pytest.mark.parametrize("write", ["to_csv", "to_jsonl", "to_parquet"])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, write: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    path.write_text("of yesterday")

    def power_cut(self: Path, target: Path) -> None:
        assert self.stat().st_size > 100
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        getattr(predictions(), write)(path)
    assert path.read_text() == "of yesterday"
    assert os.listdir(tmp_path) == ["out"]
    monkeypatch.undo()
    getattr(predictions(), write)(path)
    assert path.stat().st_size > 100
    assert sorted(os.listdir(tmp_path)) == (["out", "out.manifest.json"] if write == "to_csv" else ["out"])


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file" / "out.csv", tmp_path):
        with pytest.raises(SettingsError, match=r"cannot write '.*': .*\. Choose another place"):
            predictions().to_csv(place)


@pytest.mark.parametrize(
    ("write", "name"),
    [("to_csv", "nb.xlsx"), ("to_csv", "nb.parquet"), ("to_jsonl", "nb.csv"), ("to_parquet", "nb.csv")],
)
def test_a_suffix_of_another_format_is_refused(tmp_path: Path, write: str, name: str) -> None:
    with pytest.raises(SettingsError, match="Expected a file name ending in"):
        getattr(predictions(), write)(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_parquet_without_pyarrow_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsderm.table_files.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install pyarrow"):
        predictions().to_parquet(tmp_path / "out.parquet")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_file_names_that_are_not_valid_utf8_can_be_written(tmp_path: Path, suffix: str) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    answer = predictions(images=("a.jpg", "b.jpg", name))
    answer.save(tmp_path / f"out{suffix}")
    assert answer.images[2] == name
    assert answer.to_frame()["image"][2].startswith("caf")


def test_sets_and_abstention_are_columns_when_they_were_asked_for() -> None:
    plain = predictions().to_frame()
    assert "prediction_set" not in plain and "abstained" not in plain
    sets = torch.tensor([[True, True, False], [False, False, False], [True, False, True]])
    frame = predictions(sets=sets, abstained=torch.tensor([False, True, False])).to_frame()
    assert frame["prediction_set"].tolist() == ["nevus; melanoma", "", "nevus; psoriasis"]
    assert frame["abstained"].tolist() == [False, True, False]


@pytest.mark.parametrize("part", [{"sets": torch.ones(3, 2, dtype=torch.bool)}, {"abstained": torch.ones(2)}])
def test_sets_and_abstention_of_another_shape_are_refused(part: dict) -> None:
    with pytest.raises(InputError, match=f"Expected argument `{next(iter(part))}` to be of shape"):
        predictions(**part)
