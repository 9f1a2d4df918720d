from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from zsderm import KnowledgeBase, PretrainingDataError
from zsderm.pretrain.captions import CAPTIONS_PER_IMAGE, CaptionWriter
from zsderm.pretrain.config import Source, TrainConfig, read_config
from zsderm.pretrain.data import (
    CaptionedImages,
    Draws,
    collate,
    draw_weights,
    read_records,
    read_source,
    train_transform,
)

MINI = Path(__file__).parents[2] / "pretrain" / "configs" / "mini.yaml"
ROW = {
    "filename": "a.png",
    "truncated_caption": "a red plaque",
    "ontology_caption": "inflammatory, psoriasis",
    "visual_concept_caption": "",
    "sub_captions": "2",
    "subcaption_1": "silvery scale",
    "subcaption_2": "nan",
    "sub_caption_mask": "[1,0,0,0,0,0,0,0]",
    "knowledge_masks": "[1,1,0]",
}


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for n in range(12):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(tmp_path / f"{n}.png")
        label, split = ("melanoma" if n < 2 else "nevus"), ("dev" if n == 11 else "train")
        rows.append(
            {"filename": f"{n}.png", "label": label, "split": split, "region": "BACK", "age": "63.0", "itch": "True"}
        )
    write_table(tmp_path / "index.csv", rows)
    return tmp_path


def config(**changes: object) -> TrainConfig:
    return read_config(MINI, {"samples_per_epoch": 8, "batch_size": 4, **changes})


def test_a_labelled_table_gives_the_facts_of_its_split(labelled: Path) -> None:
    source = Source("index.csv", split="train", columns={"site": "region", "age": "age"}, signs={"itch": "itches"})
    records = read_source(source, labelled)
    assert len(records) == 11
    case = records[0].case
    assert case is not None
    assert (case.label, case.site, case.age, case.signs) == ("melanoma", "back", 63, ("itches",))


def test_the_published_format_is_read_and_nan_is_a_missing_caption(tmp_path: Path) -> None:
    write_table(tmp_path / "captions.csv", [ROW])
    (record,) = read_source(Source("captions.csv"), tmp_path)
    assert record.captions == ("a red plaque", "inflammatory, psoriasis", "", "silvery scale", *[""] * 7)


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("sub_caption_mask", "[1,1,0,0,0,0,0,0]", "marks an empty text as present"),
        ("knowledge_masks", "[1,1,1]", "marks an empty text as present"),
        ("knowledge_masks", "[1,1]", "3 values"),
        ("knowledge_masks", "__import__('os').getcwd()", "list of 0 and 1"),
        ("sub_caption_mask", "[2,0,0,0,0,0,0,0]", "8 values of 0 or 1"),
    ],
)
def test_a_mask_that_contradicts_the_text_is_refused_with_its_line(
    tmp_path: Path, column: str, cell: str, reason: str
) -> None:
    write_table(tmp_path / "captions.csv", [ROW, {**ROW, column: cell}])
    with pytest.raises(PretrainingDataError, match=f"line 3.*{reason}"):
        read_source(Source("captions.csv"), tmp_path)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (Source("none.csv"), "There is no table"),
        (Source("index.csv", split="test"), "no row with split 'test'"),
        (Source("index.csv", columns={"site": "where"}), "no column 'where'"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(labelled: Path, source: Source, reason: str) -> None:
    with pytest.raises(PretrainingDataError, match=reason):
        read_source(source, labelled)


def test_labels_that_are_left_out_are_never_seen(labelled: Path) -> None:
    sources = [{"table": "index.csv", "split": "train"}]
    records = read_records(config(train=sources, leave_out=["melanoma"]), labelled)
    assert {record.case.label for record in records if record.case} == {"nevus"}
    with pytest.raises(PretrainingDataError, match="melanma"):
        read_records(config(train=sources, leave_out=["melanma"]), labelled)


def test_rare_classes_are_drawn_more_often_than_they_occur(labelled: Path) -> None:
    records = read_source(Source("index.csv", split="train"), labelled)
    weights = draw_weights(records, class_balance=1.0)
    assert weights[:2].sum() == pytest.approx(weights[2:].sum())
    assert draw_weights(records, class_balance=0.0) == pytest.approx(np.ones(11))
    draws = [i for batch in Draws(records, config(samples_per_epoch=4000, class_balance=1.0), 0) for i, _ in batch]
    assert Counter(i < 2 for i in draws)[True] == pytest.approx(2000, abs=150)


def test_what_is_drawn_depends_on_the_seed_and_the_epoch_alone(labelled: Path) -> None:
    records = read_source(Source("index.csv", split="train"), labelled)
    assert list(Draws(records, config(), 1)) == list(Draws(records, config(), 1))
    assert list(Draws(records, config(), 1)) != list(Draws(records, config(), 2))
    assert list(Draws(records, config(), 1)) != list(Draws(records, config(seed=8), 1))


def test_batches_do_not_depend_on_the_number_of_workers(labelled: Path) -> None:
    records = read_source(Source("index.csv", split="train"), labelled)
    dataset = CaptionedImages(records, CaptionWriter(KnowledgeBase.load("dermatology")), train_transform(config()))
    here, there = (
        list(DataLoader(dataset, batch_sampler=Draws(records, config(), 0), num_workers=workers, collate_fn=collate))
        for workers in (0, 1)
    )
    for one, other in zip(here, there, strict=True):
        assert one.pixels.shape == (4, 3, 160, 160) and one.mask.shape == (4, CAPTIONS_PER_IMAGE)
        assert one.captions == other.captions
        torch.testing.assert_close(one.pixels, other.pixels, rtol=0, atol=0)


def test_an_unreadable_image_is_counted_and_left_out(labelled: Path) -> None:
    (labelled / "0.png").write_bytes(b"not an image")
    records = read_source(Source("index.csv", split="train"), labelled)
    dataset = CaptionedImages(records, CaptionWriter(KnowledgeBase.load("dermatology")), train_transform(config()))
    batch = collate([dataset[0, 1], dataset[1, 1]])
    assert batch.skipped == 1 and len(batch.pixels) == len(batch.captions) == len(batch.mask) == 1
    assert collate([dataset[0, 1]]).skipped == 1
