"""Tar shards: the same records as the table they came from, and a disjoint share for every worker."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from zsderm import KnowledgeBase, PretrainingDataError, SettingsError
from zsderm.pretrain.config import Source, TrainConfig, read_config
from zsderm.pretrain.data.captions import CaptionWriter
from zsderm.pretrain.data.dataset import CaptionedImages, collate
from zsderm.pretrain.data.pack import pack
from zsderm.pretrain.data.records import image_bytes
from zsderm.pretrain.data.sampling import DrawPlan, Draws, ShardDraws, epoch_draws
from zsderm.pretrain.data.sources import read_source
from zsderm.pretrain.data.squares import Squares
from zsderm.pretrain.distributed import Group

MINI = Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml"
IMAGES, PER_SHARD = 24, 4
TABLE, SHARDS = Source("captions.csv"), Source("shards/*.tar")


def config(**changes: object) -> TrainConfig:
    settings = {"samples_per_epoch": IMAGES, "batch_size": 4, "workers": 1, "class_balance": 0.0}
    return read_config(MINI, settings | changes)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    lines = ["filename,caption,subcaption_1,sub_caption_mask"]
    for n in range(IMAGES):
        Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(folder / f"{n}.png")
        lines.append(f'{n}.png,"lesion, number {n}",scaly skin,"[1,0,0,0,0,0,0,0]"')
    (folder / "captions.csv").write_text("\n".join(lines))
    shards, errors = pack(TABLE, folder, folder / "shards", PER_SHARD)
    assert [shard.name for shard in shards] == [f"shard-{n:06d}.tar" for n in range(6)] and not errors
    return folder


def test_shards_hold_what_their_table_holds(root: Path) -> None:
    table, shards = read_source(TABLE, root), read_source(SHARDS, root)
    assert [record.captions for record in shards] == [record.captions for record in table]
    assert [image_bytes(record.path, record.span) for record in shards] == [
        record.path.read_bytes() for record in table
    ]


def test_equal_tables_give_equal_shards(root: Path, tmp_path: Path) -> None:
    again, _ = pack(TABLE, root, tmp_path, PER_SHARD)
    assert [shard.read_bytes() for shard in again] == [p.read_bytes() for p in sorted((root / "shards").iterdir())]


def test_an_image_that_is_missing_is_left_out_of_the_shards_with_a_reason(root: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"filename,caption\n{root}/0.png,red\nnone.png,blue\n")
    _, errors = pack(Source("table.csv"), tmp_path, tmp_path / "out", allow_outside=True)
    assert errors == {"none.png": "no such file"}
    assert len(read_source(Source("out/*.tar"), tmp_path)) == 1


def test_batches_from_shards_are_those_of_the_table_for_any_number_of_workers(root: Path) -> None:
    writer = CaptionWriter(KnowledgeBase.load("dermatology"))
    batches = []
    for source, workers in ((TABLE, 0), (SHARDS, 0), (SHARDS, 2)):
        records = read_source(source, root)
        dataset = CaptionedImages(records, writer, Squares(records, side=40), config().augmentation)
        draws = Draws(dataset.records, DrawPlan(config(samples_per_epoch=8), 0))
        batches.append(list(DataLoader(dataset, batch_sampler=draws, num_workers=workers, collate_fn=collate)))
    for one, *others in zip(*batches, strict=True):
        for other in others:
            assert one.captions == other.captions
            assert torch.equal(one.squares, other.squares) and torch.equal(one.effects, other.effects)


@pytest.mark.parametrize(("world_size", "workers"), [(1, 1), (1, 3), (2, 1), (2, 3), (3, 2)])
def test_no_two_workers_open_the_same_shard_and_no_image_is_drawn_twice(
    root: Path, world_size: int, workers: int
) -> None:
    records = read_source(SHARDS, root)
    settings = config(workers=workers, batch_size=2 * world_size, samples_per_epoch=IMAGES)
    opened: list[set[Path]] = []
    drawn: list[int] = []
    for rank in range(world_size):
        batches = list(ShardDraws(records, DrawPlan(settings, 0, Group(rank, world_size))))
        drawn += [index for batch in batches for index, _ in batch]
        opened += [
            {records[i].path for batch in batches[worker::workers] for i, _ in batch} for worker in range(workers)
        ]
    assert sorted(drawn) == list(range(IMAGES)), "one epoch is one pass"
    assert sum(map(len, opened)) == 6 == len(set.union(*opened))


def test_draws_from_shards_depend_on_seed_and_epoch_and_go_on_in_mid_epoch(root: Path) -> None:
    records = read_source(SHARDS, root)
    whole = list(ShardDraws(records, DrawPlan(config(), 1)))
    assert whole == list(ShardDraws(records, DrawPlan(config(), 1)))
    assert whole != list(ShardDraws(records, DrawPlan(config(), 2)))
    assert whole != list(ShardDraws(records, DrawPlan(config(seed=8), 1)))
    rest = ShardDraws(records, DrawPlan(config(), 1, start=4))
    assert list(rest) == whole[4:] and len(rest) == 2


def test_when_shards_are_used_up_a_worker_begins_again_in_another_order(root: Path) -> None:
    draws = ShardDraws(read_source(SHARDS, root), DrawPlan(config(samples_per_epoch=2 * IMAGES), 0))
    indices = [index for batch in draws for index, _ in batch]
    first, second = indices[:IMAGES], indices[IMAGES:]
    assert sorted(first) == sorted(second) == list(range(IMAGES)) and first != second


def test_shards_are_read_in_order_only_where_every_image_is_alike(root: Path) -> None:
    table, shards = read_source(TABLE, root), read_source(SHARDS, root)
    heavy = read_source(Source("shards/*.tar", weight=2.0), root)
    assert isinstance(epoch_draws(shards, DrawPlan(config(), 0)), ShardDraws)
    assert isinstance(epoch_draws(table, DrawPlan(config(), 0)), Draws)
    assert isinstance(epoch_draws(shards + heavy, DrawPlan(config(), 0)), Draws)


def test_fewer_shards_than_workers_is_refused(root: Path) -> None:
    with pytest.raises(SettingsError, match=r"each of the 8 workers \(4 in each of 2 processes\), but there are 6"):
        ShardDraws(read_source(SHARDS, root), DrawPlan(config(workers=4), group=Group(0, 2)))


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> None:
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_shards_of_other_tools_are_read(tmp_path: Path) -> None:
    # Folders in names, .txt for a bare caption, further files in a sample, masks as lists.
    cells = {"caption": "red", "subcaption_1": "scaly", "sub_caption_mask": [1] + [0] * 7, "knowledge_masks": [1, 0, 0]}
    files = {"a/1.jpg": b"1", "a/1.json": json.dumps(cells).encode(), "a/1.cls": b"7", "b/1.txt": b"blue\n"}
    write_tar(tmp_path / "one.tar", {**files, "b/1.seg.npy": b"0", "b/1.JPEG": b"22"})
    one, other = read_source(Source("one.tar"), tmp_path)
    assert one.captions[:4] == ("red", "", "", "scaly") and image_bytes(one.path, one.span) == b"1"
    assert other.captions == ("blue", *[""] * 10) and image_bytes(other.path, other.span) == b"22"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none*.tar", "There is no shard"),
        ("packed.tar", "uncompressed tar file"),
        ("cut.tar", "complete"),
        ("single.tar", "sample 1: expected an image and a .json file, but got 1.jpg"),
        ("words.tar", "sample 1: expected JSON in 1.json"),
        ("list.tar", "sample 1: expected an object in 1.json"),
        ("masked.tar", "row 1: knowledge_masks marks an empty text as present"),
    ],
)
def test_a_shard_that_cannot_be_read_says_why(tmp_path: Path, name: str, reason: str) -> None:
    write_tar(tmp_path / "packed.tar", {"1.jpg": b"1"}, "w:gz")
    write_tar(tmp_path / "cut.tar", {"1.jpg": b"1" * 3000, "1.json": b"{}"})
    (tmp_path / "cut.tar").write_bytes((tmp_path / "cut.tar").read_bytes()[:1500])
    write_tar(tmp_path / "single.tar", {"1.jpg": b"1"})
    write_tar(tmp_path / "words.tar", {"1.jpg": b"1", "1.json": b"{"})
    write_tar(tmp_path / "list.tar", {"1.jpg": b"1", "1.json": b"[]"})
    write_tar(tmp_path / "masked.tar", {"1.jpg": b"1", "1.json": b'{"caption": "", "knowledge_masks": [1, 0, 0]}'})
    with pytest.raises(PretrainingDataError, match=reason):
        read_source(Source(name), tmp_path)
