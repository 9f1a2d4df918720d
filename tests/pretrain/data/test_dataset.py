"""Batches: the same whatever the number of workers, and never stopped by a bad image."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from zsderm import ImageError, KnowledgeBase
from zsderm.pretrain.config import Source, TrainConfig, read_config
from zsderm.pretrain.data.captions import CAPTIONS_PER_IMAGE, CaptionWriter
from zsderm.pretrain.data.dataset import CaptionedImages, collate, train_transform
from zsderm.pretrain.data.records import image_bytes
from zsderm.pretrain.data.sampling import DrawPlan, Draws
from zsderm.pretrain.data.sources import read_source

MINI = Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml"
SOURCE = Source("index.csv")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    with (tmp_path / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("filename", "label"))
        for n in range(11):
            Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(tmp_path / f"{n}.png")
            writer.writerow((f"{n}.png", "melanoma" if n < 2 else "nevus"))
    return tmp_path


def config(**changes: object) -> TrainConfig:
    return read_config(MINI, {"samples_per_epoch": 8, "batch_size": 4, **changes})


def captioned(root: Path) -> CaptionedImages:
    writer = CaptionWriter(KnowledgeBase.load("dermatology"))
    return CaptionedImages(read_source(SOURCE, root), writer, train_transform(config()))


def test_batches_do_not_depend_on_the_number_of_workers(labelled: Path) -> None:
    dataset = captioned(labelled)
    here, *there = (
        list(
            DataLoader(
                dataset,
                batch_sampler=Draws(dataset.records, DrawPlan(config())),
                num_workers=workers,
                collate_fn=collate,
                generator=torch.Generator().manual_seed(workers),  # the loader's own seed does not matter either
            )
        )
        for workers in (0, 1, 2)
    )
    for batches in there:
        for one, other in zip(here, batches, strict=True):
            assert one.pixels.shape == (4, 3, 160, 160) and one.mask.shape == (4, CAPTIONS_PER_IMAGE)
            assert one.captions == other.captions and one.labels == other.labels and one.about == other.about
            torch.testing.assert_close(one.pixels, other.pixels, rtol=0, atol=0)


def test_a_draw_leaves_the_random_state_of_the_process_alone(labelled: Path) -> None:
    before = torch.get_rng_state()
    captioned(labelled)[0, 1]
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("kinds", "places"), [(["caption"], [0]), (["visual", "ontology"], [1, 2]), (["sub-captions"], range(3, 11))]
)
def test_only_the_kinds_of_captions_that_are_wanted_are_there(
    labelled: Path, kinds: list[str], places: Sequence[int]
) -> None:
    every = captioned(labelled)
    some = CaptionedImages(every.records, every.writer, every.transform, kinds)
    for draw in ((0, 1), (5, 2)):
        whole, part = every[draw], some[draw]
        assert torch.equal(whole.pixels, part.pixels), "what is left out changes nothing else"
        for now, before in ((part.captions.texts, whole.captions.texts), (part.captions.about, whole.captions.about)):
            assert now == tuple(text if place in places else "" for place, text in enumerate(before))
        assert any(part.captions.texts)


def test_quarter_turns_show_a_picture_in_all_eight_ways() -> None:
    corners = np.zeros((32, 32, 3), dtype=np.uint8)
    corners[:16, :16], corners[:16, 16:], corners[16:, :16] = 60, 120, 180
    ways = {}
    for turns in (False, True):
        plain = config(quarter_turns=turns, crop_scale=[1.0, 1.0], jitter_probability=0.0)
        transform = train_transform(plain)
        torch.manual_seed(0)
        shown = [transform(Image.fromarray(corners))[0] for _ in range(60)]
        ways[turns] = {tuple((pixels[::120, ::120] * 10).round().flatten().tolist()) for pixels in shown}
    assert len(ways[False]) == 4 and len(ways[True]) == 8 and ways[False] < ways[True]


def test_a_batch_says_of_each_image_its_label_and_of_each_caption_what_it_is_about(labelled: Path) -> None:
    dataset = captioned(labelled)
    batch = collate([dataset[0, 1], None, dataset[5, 2], dataset[6, 3]])
    assert batch.labels == ["melanoma", "nevus", "nevus"] and batch.skipped == 1
    names = [{name for name in row if name} for row in batch.about]
    assert names == [{"melanoma"}, {"melanocytic nevus"}, {"melanocytic nevus"}]
    for texts, about in zip(batch.captions, batch.about, strict=True):
        assert len(about) == CAPTIONS_PER_IMAGE and not any(
            name for name, text in zip(about, texts, strict=True) if not text
        )
    part = batch.part(slice(1, 3))
    assert part.labels == batch.labels[1:] and part.captions == batch.captions[1:] and part.about == batch.about[1:]
    assert torch.equal(part.pixels, batch.pixels[1:]) and torch.equal(part.mask, batch.mask[1:]) and not part.skipped


def test_captions_as_found_are_about_their_image_alone(labelled: Path) -> None:
    (labelled / "found.csv").write_text("filename,caption\n0.png,red\n1.png,red\n")
    dataset = captioned(labelled)
    found = CaptionedImages(read_source(Source("found.csv"), labelled), dataset.writer, dataset.transform)
    batch = collate([found[0, 1], found[1, 1]])
    assert batch.labels == ["", ""] and not any(name for row in batch.about for name in row)


@pytest.mark.parametrize("harm", ["missing", "empty", "cut short", "not an image"])
def test_an_unreadable_image_is_counted_and_left_out_and_the_epoch_goes_on(labelled: Path, harm: str) -> None:
    path = labelled / "0.png"
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut short": whole[: len(whole) // 2]}.get(harm, b"not an image"))
    if harm == "missing":
        path.unlink()
    dataset = captioned(labelled)
    batches = [[(0, 1), (1, 1)], [(0, 1)], [(2, 1), (3, 1)]]
    mixed, bad, good = DataLoader(dataset, batch_sampler=batches, num_workers=1, collate_fn=collate)
    assert mixed.skipped == 1 and len(mixed.pixels) == len(mixed.captions) == len(mixed.mask) == 1
    assert bad.skipped == 1 and not bad.captions
    assert good.skipped == 0 and len(good.pixels) == 2


def test_the_bytes_of_an_image_that_is_not_there_are_a_clause(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        image_bytes(tmp_path / "none.png")
