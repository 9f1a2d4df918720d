"""A CLIP or SigLIP in transformers' format: its parts found and checked, before anything is built.

transformers makes up what it does not find: random layers with a log line, a tokenizer of five tokens, ImageNet's
colours. So every file is looked for by name here, and a missing one is an error.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from zsderm.encoders import hub
from zsderm.encoders.base import CARD_FILE, CONFIG_FILE, HOME_FILE, SIGMOID, EncoderCard, folder_facts, read_json
from zsderm.encoders.checkpoint import BUILD_ERRORS, CheckpointFormat, first_line
from zsderm.encoders.fingerprint import fingerprint, link, write_json
from zsderm.encoders.sizes import check_numbers, check_size, check_sizes
from zsderm.encoders.stored_tensors import count_numbers, stored_shapes
from zsderm.encoders.tokenizer_files import TOKENIZER_FILES, UNWANTED_KEYS, tokenizer_files
from zsderm.encoders.torch_encoder import choose_device
from zsderm.encoders.transformers_format.encoder import TransformersEncoder, build, silence
from zsderm.errors import CheckpointError

# The kinds of model whose two towers end in one space and whose preprocessing is a plain resize.
KINDS = ("clip", "siglip")

PREPROCESSING_FILES = ("preprocessor_config.json", "processor_config.json")  # newer versions write the second
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


@dataclass(frozen=True)
class TransformersCheckpoint(CheckpointFormat):
    """The parts of a checkpoint in transformers' format, each known to be there."""

    EXPECTED = (
        "a CLIP or SigLIP saved by transformers (config.json, preprocessor_config.json, a tokenizer, model.safetensors)"
    )
    SMALL_FILES = (CARD_FILE, HOME_FILE, "config.json", "README.md", *TOKENIZER_FILES, *PREPROCESSING_FILES)

    kind: str  # one of KINDS
    config: Path
    preprocessing: tuple[Path, ...]
    shards: tuple[Path, ...]
    tokenizer: tuple[Path, ...]

    @classmethod
    def holds(cls, folder: Path) -> bool:
        """Whether a folder without open_clip's configuration holds a whole model of transformers, of any kind."""
        if (folder / CONFIG_FILE).is_file() or not (folder / "config.json").is_file():
            return False
        config = read_json(folder / "config.json")
        return {"text_config", "vision_config"} <= config.keys() or config.get("model_type") in KINDS

    @classmethod
    def fetch(cls, repository: str, folder: Path, *, download: bool) -> None:
        """Fetch the weights of a hub repository, one file or several."""
        weights = hub.fetch_one(repository, WEIGHT_FILES, folder.name, download=download)
        for shard in shards(weights):
            hub.fetch_one(repository, [shard], folder.name, download=download)

    @classmethod
    def read(cls, folder: Path, name: str, facts: Mapping[str, Any], *, download: bool) -> TransformersCheckpoint:
        """The checkpoint in a folder with config.json, preprocessor_config.json, tokenizer files and weights."""
        config = read_json(folder / "config.json")
        kind = config.get("model_type")
        if kind not in KINDS:
            raise CheckpointError(
                f"expected the model_type in {folder / 'config.json'} to be {' or '.join(KINDS)}, but got {kind!r}. "
                "Other models of transformers are not supported as encoders; see: zsderm models list"
            )
        preprocessing = tuple(folder / file for file in PREPROCESSING_FILES if (folder / file).is_file())
        weights = next((folder / file for file in WEIGHT_FILES if (folder / file).is_file()), None)
        tokenizer = tokenizer_files(folder)
        parts: dict[str, object] = {
            PREPROCESSING_FILES[0]: preprocessing,
            "a tokenizer": tokenizer,
            WEIGHT_FILES[0]: weights,
        }
        parts |= {shard: (folder / shard).is_file() for shard in (shards(weights) if weights else ())}
        if missing := [what for what, found in parts.items() if not found]:
            raise CheckpointError(
                f"{folder} lacks {' and '.join(missing)}, and nothing is guessed. Save all parts into it: "
                "model.save_pretrained(FOLDER) and processor.save_pretrained(FOLDER)"
            )
        assert weights is not None
        return cls(
            card=_card(name, kind, config, folder_facts(folder, facts)),
            kind=kind,
            config=folder / "config.json",
            preprocessing=preprocessing,
            weights=weights,
            shards=tuple(folder / file for file in shards(weights)),
            tokenizer=tokenizer,
        )

    def encoder(self, device: str | torch.device | None = None) -> TransformersEncoder:
        """Build the model and load its weights; see Checkpoint.encoder."""
        chosen = choose_device(device)
        self._check_before_building()
        with self.tidy_folder() as folder:
            parts = build(folder, self.card, self.kind, self.weights, self.tokenizer)
        return TransformersEncoder(self, *parts, chosen, sigmoid=self.kind == "siglip")

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer and preprocessing; where the files lie does not enter."""
        settings = {"format": "transformers", "model": tidy_config(read_json(self.config))}
        return fingerprint(settings, self.weight_files, [*self.tokenizer, *self.preprocessing])

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """The files that hold the weights."""
        return self.shards or (self.weights,)

    def _check_before_building(self) -> None:
        """Refuse sizes of preprocessing, and more numbers than the weights hold, before memory is taken for them."""
        for path in self.preprocessing:
            for what, side in _sides_of(read_json(path)):
                check_size(self.card.name, f"{what} in {path.name}", side)
        try:
            stored = sum(count_numbers(stored_shapes(path)) for path in self.weight_files)
        except BUILD_ERRORS as error:
            raise CheckpointError(
                f"'{self.card.name}' cannot be built from {self.weights}: {first_line(error)}. Copy the file again."
            ) from error
        check_numbers(self.card.name, read_json(self.config), stored)

    @contextmanager
    def tidy_folder(self) -> Iterator[Path]:
        """A temporary folder that holds links to these parts and nothing else: no code, no adapters.

        Yields:
            The folder, ready for transformers to read.
        """
        with tempfile.TemporaryDirectory(prefix="zsderm-") as name:
            folder = Path(name)
            write_json(folder / "config.json", tidy_config(read_json(self.config)))
            for path in (self.weights, *self.shards, *self.tokenizer, *self.preprocessing):
                link(path, folder / path.name)
            yield folder

    def copy_to(self, folder: Path) -> None:
        """Copy all parts but the card into an empty folder, under their own names."""
        for path in (self.config, self.weights, *self.shards, *self.tokenizer, *self.preprocessing):
            shutil.copyfile(path, folder / path.name)

    def facts(self) -> dict[str, str]:
        """What its files say, for people."""
        named = {"preprocessing": self.preprocessing, "tokenizer": self.tokenizer}
        files = {part: ", ".join(path.name for path in paths) for part, paths in named.items()}
        return {"format": f"transformers, {self.kind}", **files}


def shards(weights: Path) -> list[str]:
    """Names of the files over which weights are spread, when the weights file is an index of them.

    Raises:
        CheckpointError: the index is not one, or names files elsewhere.
    """
    if weights.suffix != ".json":
        return []
    index = read_json(weights).get("weight_map")
    names = sorted(set(index.values())) if isinstance(index, dict) else []
    if not names or any(Path(name).name != name for name in names):
        raise CheckpointError(f"expected {weights} to name the files that hold the weights, but it does not")
    return names


def _sides_of(preprocessing: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The sides that an image processor resizes to and crops, with the names of the settings."""
    inside = preprocessing.get("image_processor")
    stated = {**preprocessing, **(inside if isinstance(inside, Mapping) else {})}
    for key in ("size", "crop_size"):
        value = stated.get(key)
        if isinstance(value, Mapping):
            yield from ((f"{key}.{side}", length) for side, length in value.items())
        elif value is not None:
            yield key, value


def tidy_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config.json without the keys that would run code or build the model in half precision."""
    kept = {key: value for key, value in config.items() if key not in (*UNWANTED_KEYS, "transformers_version")}
    return {key: tidy_config(value) if isinstance(value, dict) else value for key, value in kept.items()}


def _card(name: str, kind: str, config: Mapping[str, Any], facts: Mapping[str, Any]) -> EncoderCard:
    """Card of a model given as its config.json and facts about it; sizes that cannot be are refused."""
    from transformers import CLIPConfig, SiglipConfig

    check_sizes(name, config)
    with silence():
        try:
            full: Any = (CLIPConfig if kind == "clip" else SiglipConfig)(**tidy_config(config))  # with every default
        except Exception as error:  # what is raised for a value of another kind differs between versions
            raise CheckpointError(f"the config.json of '{name}' cannot be used: {first_line(error)}.") from error
    text, vision = full.text_config, full.vision_config
    return EncoderCard(
        name=name,
        width=int(full.projection_dim if kind == "clip" else vision.hidden_size),
        image_size=int(vision.image_size),
        context_length=int(text.max_position_embeddings),
        **EncoderCard.fields_from(facts, {"head": SIGMOID} if kind == "siglip" else {}),
    )
