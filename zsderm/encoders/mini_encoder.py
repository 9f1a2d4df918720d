"""The bundled encoder, ready in the time that torch takes: its towers need no open_clip, timm or transformers.

Its files come with the package and are checked by its tests, so that what is checked in a checkpoint from elsewhere
need not be checked here. Rows and fingerprint are those of the same files read as any other checkpoint.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import ftfy
import torch
from PIL.Image import Image, Resampling
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from zsderm import installation
from zsderm.encoders import mini
from zsderm.encoders.base import EncoderCard, home_file, read_config, read_json
from zsderm.encoders.bert_tower import BertTower
from zsderm.encoders.checkpoint import first_line
from zsderm.encoders.colour_constancy import norm_of, shades_of_grey
from zsderm.encoders.fingerprint import fingerprint
from zsderm.encoders.home import EncoderHome, read_home
from zsderm.encoders.lite_tower import LiteTower
from zsderm.encoders.pixels import normalised
from zsderm.encoders.tokenizer_files import tokenizer_files
from zsderm.encoders.torch_encoder import TorchEncoder, choose_device
from zsderm.errors import CheckpointError

log = logging.getLogger(__name__)


class MiniEncoder(TorchEncoder):
    """zsderm-mini; its text tower is loaded when the first text has to be embedded.

    Args:
        device: a torch device; None takes a GPU where there is one, else the processor.

    Raises:
        CheckpointError: this installation came without the weights, or they are damaged.
        SettingsError: there is no such device.
    """

    def __init__(self, device: str | torch.device | None = None) -> None:
        self.device = choose_device(device)
        self._folder = mini.folder()
        self.card: EncoderCard = mini.card()
        self._config = read_config(self._folder)
        how = self._config["preprocess_cfg"]
        self._size, self._norm = int(how["size"]), norm_of(how["mode"]) or 0
        self._mean, self._std = how["mean"], how["std"]
        self._weights = self._folder / "model.safetensors"
        log.debug("image tower of %s from %s", mini.NAME, self._folder)
        with _undamaged(self._weights):
            tower = LiteTower.of(self._read("visual."))
            self.temperature = float(torch.exp(-self._read("logit_scale")[""]))
        self._tower = tower.to(self.device).to(memory_format=torch.channels_last)  # convolutions on processors want it

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer and preprocessing: equal means the same embeddings."""
        settings = {"model": self._config["model_cfg"], "preprocess": self._config["preprocess_cfg"]}
        named = [*tokenizer_files(self._folder), self._folder / "config.json"]
        return fingerprint(settings, [self._weights], named)

    @cached_property
    def home(self) -> EncoderHome | None:
        """What the embeddings of its training images look like."""
        return read_home(home_file(self._folder), self.card.width, self.fingerprint)

    @cached_property
    def model(self) -> torch.nn.Module:
        """Both towers as open_clip builds them, for what looks inside a tower."""
        from zsderm.encoders.resolve import find_checkpoint  # takes longer than all else here

        encoder: Any = find_checkpoint(mini.NAME).encoder(self.device)
        return encoder._model

    def preprocess(self, image: Image) -> torch.Tensor:
        """One RGB image as (3, H, W) float32, resized and normalised the way the model was trained."""
        size, (short, long) = self._size, sorted(image.size)
        sides = (size, int(size * long / short))
        if (short, long) != sides:
            image = image.resize(sides if image.width <= image.height else sides[::-1], Resampling.BICUBIC)
        left, top = (round((side - size) / 2) for side in image.size)
        image = image.crop((left, top, left + size, top + size)).convert("RGB")
        return normalised(shades_of_grey(image, self._norm) if self._norm else image, self._mean, self._std)

    def image_tower(self) -> torch.nn.Module:
        """The part of the model that turns (B, 3, H, W) float32 pixels into (B, D) rows of any length."""
        return torch.nn.Sequential(self._tower)  # what is compiled are its parts

    def _embed_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        rows = self._tower(pixels.to(self.device, memory_format=torch.channels_last))
        return torch.nn.functional.normalize(rows, dim=-1)  # as open_clip does: the rows are then the same to the bit

    def _embed_texts(self, texts: list[str]) -> tuple[torch.Tensor, int]:
        tokenizer, tower = self._texts
        ids, most = (
            [entry.ids for entry in tokenizer.encode_batch(list(map(_cleaned, texts)))],
            self.card.context_length,
        )
        kept = [row if len(row) <= most else [*row[: most - 1], row[-1]] for row in ids]  # the last one says: the end
        longest = max(map(len, kept))
        tokens = torch.tensor([row + [tower.padding] * (longest - len(row)) for row in kept])  # (B, L)
        rows = torch.nn.functional.normalize(tower(tokens.to(self.device)), dim=-1)
        return rows, sum(len(row) > most for row in ids)

    @cached_property
    def _texts(self) -> tuple[Tokenizer, BertTower]:
        """The tokenizer, and the text tower on its device."""
        log.debug("text tower of %s from %s", mini.NAME, self._folder)
        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        with _undamaged(self._weights):
            tower = BertTower.of(read_json(self._folder / "config.json"), self._read("text."))
        return tokenizer, tower.to(self.device)

    def _read(self, part: str) -> dict[str, torch.Tensor]:
        """The weights of a part, as float32, by their names in it."""
        with safe_open(self._weights, framework="pt") as stored:
            names = [name for name in stored.keys() if name.startswith(part)]  # noqa: SIM118 - it is no mapping
            rows = {name.removeprefix(part): stored.get_tensor(name) for name in names}
        return {name: row.float() if row.is_floating_point() else row for name, row in rows.items()}


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Within, what is wrong with the weights ends in a sentence."""
    try:
        yield
    except (SafetensorError, RuntimeError, KeyError, OSError) as error:
        raise CheckpointError(
            f"the weights of '{mini.NAME}' in {path} are damaged: {first_line(error)}. Install the package again: "
            f"{installation.again()}"
        ) from error


def _cleaned(text: str) -> str:
    """A text as open_clip gives it to a tokenizer: with mended encoding, without entities, with single blanks."""
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())
