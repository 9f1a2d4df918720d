"""A value of another kind anywhere in a checkpoint's settings: the encoder works, or one sentence says why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zsderm.encoders import load_encoder
from zsderm.errors import CheckpointError, ZsdermError

VALUES = [None, True, -1, 0, 10**9, 1e300, float("nan"), "", "x" * 300, [], [1], {}, {"a": 1}, [[[]]], "hf-hub:a/b"]
CARD = {
    "licence": "MIT",
    "views": 1,
    "figures": [{"dataset": "a", "metric": "b", "value": 0.5, "source": "c"}],
    "training_data": ["x"],
    "metadata": {"a": 1},
    "parameters": 5,
    "gated": False,
}


def places(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inside:
        yield (*above, key)
        yield from places(value, (*above, key))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # colours that are not stated are assumed, numbers overflow
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("clip_folder", "open_clip_config.json"),
        ("clip_folder", "zsderm.json"),
        ("hf_clip_folder", "config.json"),
        ("hf_clip_folder", "preprocessor_config.json"),
        ("hf_clip_folder", "tokenizer_config.json"),
    ],
)
def test_a_value_of_another_kind_is_one_sentence_or_does_no_harm(kind: str, name: str, request, tmp_path: Path) -> None:
    folder = shutil.copytree(request.getfixturevalue(kind), tmp_path / "copy")
    (folder / "zsderm.json").write_text(json.dumps(CARD))
    path, random = folder / name, np.random.default_rng(4)
    content = path.read_text()
    everywhere = list(places(json.loads(content)))
    refused = 0
    for _ in range(20):
        changed = inner = json.loads(content)
        *steps, last = everywhere[int(random.integers(len(everywhere)))]
        for step in steps:
            inner = inner[step]
        inner[last] = VALUES[int(random.integers(len(VALUES)))]
        path.write_text(json.dumps(changed))
        try:
            encoder = load_encoder(folder)
            encoder.encode_texts(["melanoma"])
            encoder.encode_images([Image.new("RGB", (40, 30))])
        except ZsdermError as error:
            refused += 1
            assert "\n" not in str(error), (steps, last)
    assert refused


@pytest.mark.parametrize("content", ["", "[]", "[" * 200_000, '{"model_cfg": 7}', "\udcff"], ids=lambda text: text[:9])
def test_settings_that_are_no_object_are_one_sentence(clip_folder, copy_of, content: str) -> None:
    folder = copy_of(clip_folder)
    (folder / "open_clip_config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match="open_clip_config"):
        load_encoder(folder)
