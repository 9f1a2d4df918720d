from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from threadpoolctl import threadpool_limits

from zsderm.encoders import mini
from zsderm.encoders.base import CARD_FILE, EncoderCard
from zsderm.images import open_image

if TYPE_CHECKING:
    from tests.places.s3_server import S3Server
    from zsderm.benchmarks.experiments.protocol_server import ProtocolServer

WIDTH, SIDE, WORD_SLOTS = 32, 8, 512


def pytest_configure() -> None:
    """One thread for each worker, and for what it starts: small sums lose more by waiting than they gain."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    threadpool_limits(1)
    torch.set_num_threads(1)


class TinyEncoder:
    """A real, deterministic encoder without training: fixed random projections of 8 x 8 pixels and of hashed words.

    ``images_encoded`` and ``texts_encoded`` count what went through it, ``batch_sizes`` lists the batches of pixels.
    """

    card = EncoderCard(name="tiny", width=WIDTH, image_size=SIDE, context_length=64, licence="Apache-2.0")
    temperature = 0.05
    home = None  # what its training images look like was not measured

    def __init__(self, fingerprint: str = "0123456789abcdef") -> None:
        self.fingerprint = fingerprint
        random = torch.Generator().manual_seed(7)
        self._image_projection = torch.randn(3 * SIDE * SIDE + 1, WIDTH, generator=random)
        self._word_projection = torch.randn(WORD_SLOTS, WIDTH, generator=random)
        self.images_encoded = self.texts_encoded = 0
        self.batch_sizes: list[int] = []

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
        return torch.from_numpy(np.asarray(small, np.float32) / 127.5 - 1).permute(2, 0, 1)

    def encode_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        self.images_encoded += len(pixels)
        self.batch_sizes.append(len(pixels))
        flat = torch.cat([pixels.flatten(1), torch.ones(len(pixels), 1)], dim=1)  # the one keeps mid-grey off zero
        return torch.nn.functional.normalize(flat @ self._image_projection, dim=1)

    def encode_images(self, images: Sequence[Image.Image | str | Path]) -> torch.Tensor:
        return self.encode_pixels(torch.stack([self.preprocess(open_image(image)) for image in images]))

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        self.texts_encoded += len(texts)
        words = [[zlib.crc32(word.encode()) % WORD_SLOTS for word in text.lower().split()] or [0] for text in texts]
        return torch.nn.functional.normalize(torch.stack([self._word_projection[slots].sum(0) for slots in words]))


@pytest.fixture
def tiny_encoder() -> TinyEncoder:
    return TinyEncoder()


@pytest.fixture
def folder_of_views(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a checkpoint folder whose card recommends so many views: the bundled encoder under a card of its own."""

    def make(views: int) -> Path:
        folder = tmp_path / f"of {views}"
        folder.mkdir()
        for file in mini.FOLDER.iterdir():
            (folder / file.name).symlink_to(file)
        (folder / CARD_FILE).unlink()
        (folder / CARD_FILE).write_text(json.dumps({"views": views}), encoding="utf-8")
        return folder

    return make


@pytest.fixture(scope="session")
def data_root() -> Path:
    root = Path(os.environ.get("ZSDERM_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not (root / "pad" / "index.csv").is_file():
        pytest.skip("no development images: set ZSDERM_DATA to the folder that holds pad/index.csv")
    return root


@pytest.fixture
def supervised_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes the folder of a supervised classifier: the smallest network of timm, with random weights."""

    def make(trained: Sequence[str], name: str = "classifier", **said: object) -> Path:
        torch.manual_seed(len(name))
        network = timm.create_model("test_efficientnet", num_classes=len(trained))
        folder = tmp_path / name
        folder.mkdir(parents=True)
        save_file(network.state_dict(), folder / "model.safetensors")
        how = {"size": 32, "mode": "RGB", "mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
        card = {"tower": "test_efficientnet", "classes": list(trained), "preprocess_cfg": how, **said}
        (folder / "supervised.json").write_text(json.dumps(card), encoding="utf-8")
        return folder

    return make


@pytest.fixture(scope="session")
def words_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of stories, trained for melanoma, rosacea, scabies and vitiligo: `tests.narratives.tiny_model`."""
    from tests.narratives.tiny_model import trained_in

    return trained_in(tmp_path_factory.mktemp("words"))


@pytest.fixture
def photo() -> Image.Image:
    """A 60 x 40 picture whose four corners differ, so that every turn and flip shows: red, green, blue, grey."""
    image = Image.new("RGB", (60, 40), (128, 128, 128))
    image.paste((255, 0, 0), (0, 0, 30, 20))
    image.paste((0, 255, 0), (30, 0, 60, 20))
    image.paste((0, 0, 255), (0, 20, 30, 40))
    return image


@pytest.fixture(scope="session")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model of the LLaVA family, with random weights."""
    from tests.asking.tiny_vlm import write_vlm

    return write_vlm(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs that say where they were taken, and a file that is none."""
    from tests.asking.tiny_vlm import write_photos

    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture
def vision_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProtocolServer]:
    """A server on this machine that sees a round brown spot in every photograph, and is asked again without a wait."""
    from zsderm.benchmarks.experiments.protocol_server import serving

    monkeypatch.setattr("zsderm.language_model.client.FIRST_WAIT", 0.01)
    with serving(lambda content, number: "a round brown spot") as running:
        yield running


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server on loopback, for all tests of this process; each test has buckets of its own."""
    from tests.places.s3_server import running

    with running() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, with keys in the environment, and nothing that the machine says of stores."""
    from tests.places.s3_server import OF_STORES

    for name in [name for name in os.environ if name.startswith(OF_STORES)]:
        monkeypatch.delenv(name)
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server
