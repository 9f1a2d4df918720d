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
from zsderm.pretrain.data.augmentation import COLUMNS, apply_effects
from zsderm.pretrain.data.captions import CAPTIONS_PER_IMAGE, CaptionWriter
from zsderm.pretrain.data.dataset import CaptionedImages, collate, tower_input
from zsderm.pretrain.data.records import image_bytes
from zsderm.pretrain.data.sampling import DrawPlan, Draws
from zsderm.pretrain.data.sources import read_source
from zsderm.pretrain.data.squares import KeptSquares, Squares

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
    records = read_source(SOURCE, root)
    writer = CaptionWriter(KnowledgeBase.load("dermatology"))
    return CaptionedImages(records, writer, Squares(records, side=40), config().augmentation)


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
            assert one.squares.shape == (4, 3, 40, 40) and one.squares.dtype == torch.uint8
            assert one.effects.shape == (4, COLUMNS) and one.mask.shape == (4, CAPTIONS_PER_IMAGE)
            assert one.captions == other.captions and one.labels == other.labels and one.about == other.about
            assert torch.equal(one.squares, other.squares) and torch.equal(one.effects, other.effects)


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
    some = CaptionedImages(every.records, every.writer, every.squares, every.augmentation, kinds)
    for draw in ((0, 1), (5, 2)):
        whole, part = every[draw], some[draw]
        assert torch.equal(whole.square, part.square), "what is left out changes nothing else"
        assert torch.equal(whole.effects, part.effects)
        for now, before in ((part.captions.texts, whole.captions.texts), (part.captions.about, whole.captions.about)):
            assert now == tuple(text if place in places else "" for place, text in enumerate(before))
        assert any(part.captions.texts)


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
    assert torch.equal(part.squares, batch.squares[1:]) and torch.equal(part.effects, batch.effects[1:])
    assert torch.equal(part.mask, batch.mask[1:]) and not part.skipped


def test_captions_as_found_are_about_their_image_alone(labelled: Path) -> None:
    (labelled / "found.csv").write_text("filename,caption\n0.png,red\n1.png,red\n")
    dataset = captioned(labelled)
    records = read_source(Source("found.csv"), labelled)
    found = CaptionedImages(records, dataset.writer, Squares(records, side=40), dataset.augmentation)
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
    assert mixed.skipped == 1 and len(mixed.squares) == len(mixed.captions) == len(mixed.mask) == 1
    assert bad.skipped == 1 and not bad.captions
    assert good.skipped == 0 and len(good.squares) == 2


def test_the_bytes_of_an_image_that_is_not_there_are_a_clause(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        image_bytes(tmp_path / "none.png")


def test_the_tower_is_given_the_images_with_their_effects_and_normalised(labelled: Path) -> None:
    dataset = captioned(labelled)
    items = [dataset[index, 5] for index in range(4)]
    settings = config(**{"preprocess_cfg.mean": [0.5, 0.4, 0.3], "preprocess_cfg.std": [0.2, 0.25, 0.5]})
    found = tower_input(collate(items), settings, torch.device("cpu"))
    assert found.shape == (4, 3, settings.image_size, settings.image_size) and found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    for item, image in zip(items, found, strict=True):
        pixels = apply_effects(item.square[None], item.effects[None], settings.image_size)[0]
        for channel, mean, std in zip(range(3), (0.5, 0.4, 0.3), (0.2, 0.25, 0.5), strict=True):
            error = (image[channel] - (pixels[channel] - mean) / std).abs()
            assert error.mean() < 1e-3, "a coefficient of JPEG may be rounded the other way"


def test_squares_that_the_device_holds_are_named_by_their_places(labelled: Path, tmp_path: Path) -> None:
    carried = captioned(labelled)
    kept = KeptSquares.made(carried.squares, tmp_path / "decoded")
    named = CaptionedImages(carried.records, carried.writer, kept, carried.augmentation, places_only=True)
    resident = torch.from_numpy(np.array(kept.pixels))
    here = torch.device("cpu")
    draws = [(7, 3), (0, 1), (7, 2)]
    batch = collate([named[draw] for draw in draws])
    assert batch.squares.tolist() == [7, 0, 7], "a place, not a picture"
    whole = collate([carried[draw] for draw in draws])
    assert torch.equal(batch.effects, whole.effects) and batch.captions == whole.captions
    found = tower_input(batch, config(), here, resident)
    torch.testing.assert_close(found, tower_input(whole, config(), here), rtol=0, atol=0)
    part = tower_input(batch.part(slice(1, 3)), config(), here, resident)
    assert (part - found[1:]).abs().mean() < 1e-2, "parts of a batch are drawn from the same squares"
