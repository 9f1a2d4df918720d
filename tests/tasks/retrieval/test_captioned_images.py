from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zsderm import InputError
from zsderm.image_table import ImageTable
from zsderm.tasks.retrieval.captioned_images import CaptionedImages


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{index}.png" for index in range(5)]
    for index, path in enumerate(paths):
        Image.new("RGB", (12, 12), (50 * index, 0, 255 - 50 * index)).save(path)
    return paths


def _match(files: list[Path], *rows: str) -> CaptionedImages:
    table = files[0].parent / "captions.csv"
    table.write_text("\n".join(["filename,caption", *rows]) + "\n", encoding="utf-8")
    return CaptionedImages.match(files, ImageTable.read(table))


def test_white_space_and_case_do_not_tell_captions_apart(files: list[Path]) -> None:
    matched = _match(files, "0.png,A nevus", "1.png, a  NEVUS ", "2.png,melanoma", "2.png,dark")
    assert matched.captions == ("A nevus", "melanoma", "dark")
    assert matched.pairs.tolist() == [[0, 0], [1, 0], [2, 1], [2, 2]]


def test_images_without_a_caption_are_counted_and_left_out(files: list[Path]) -> None:
    matched = _match(files, "0.png,a", "1.png,", "4.png,b")
    assert [path.name for path in matched.images] == ["0.png", "4.png"] and matched.without_caption == 3


def test_an_image_that_cannot_be_read_takes_its_caption_with_it(tiny_encoder, files: list[Path]) -> None:
    files[2].write_bytes(b"no image")
    matched = _match(files, "0.png,a", "1.png,a", "2.png,only here", "3.png,b", "4.png,c")
    report, errors = matched.recall(tiny_encoder, cutoffs=(1, 3))
    assert (report.images, report.captions) == (4, 3) and list(errors) == [str(files[2])]
    assert report.directions[0].figures[1].recall == 1.0  # three captions, three looked at


def test_recall_equals_a_look_at_every_score(tiny_encoder, files: list[Path]) -> None:
    captions = ["dark red", "dark red", "blue", "violet", "light"]
    matched = _match(files, *(f"{file.name},{text}" for file, text in zip(files, captions, strict=True)))
    report, _ = matched.recall(tiny_encoder, cutoffs=(1,))
    texts = ["dark red", "blue", "violet", "light"]
    scores = (tiny_encoder.encode_images(files) @ tiny_encoder.encode_texts(texts).T).numpy()
    right = [texts[best] == text for best, text in zip(scores.argmax(1), captions, strict=True)]
    assert report.directions[0].figures[0].recall == np.mean(right)
    found = [captions[best] == text for best, text in zip(scores.argmax(0), texts, strict=True)]
    assert report.directions[1].figures[0].recall == np.mean(found)


def test_no_captions_and_no_images_are_refused(tiny_encoder, files: list[Path]) -> None:
    with pytest.raises(InputError, match="all its cells are empty"):
        _match(files, "0.png,")
    files[0].write_bytes(b"no image")
    with pytest.raises(InputError, match="the only image could not be read"):
        _match(files[:1], "0.png,a").recall(tiny_encoder)
