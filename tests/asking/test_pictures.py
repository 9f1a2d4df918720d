from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.asking.tiny_vlm import PLACE
from zsderm.asking.pictures import data_url, digest, picture


def test_nothing_but_pixels_leaves(tagged: Path) -> None:
    file = tagged / "patient-Meier-0.jpg"
    assert PLACE in file.read_bytes()
    url = data_url(picture(file))
    sent = base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))
    assert PLACE not in sent and b"Meier" not in sent
    with Image.open(BytesIO(sent)) as image:
        assert image.size == (60, 40) and not image.getexif() and set(image.info) <= {
            "jfif", "jfif_version", "jfif_unit", "jfif_density",
        }  # fmt: skip


def test_no_side_is_longer_than_told_and_pixels_are_the_key(tagged: Path) -> None:
    whole, small = (picture(tagged / "patient-Meier-0.jpg", side) for side in (1024, 30))
    assert whole.size == (60, 40) and small.size == (30, 20)
    assert digest(whole) == digest(picture(tagged / "patient-Meier-0.jpg")) != digest(small)
    assert digest(None) == ""
