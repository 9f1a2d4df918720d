"""A checkpoint in open_clip's format: its parts found and checked, before anything is built.

open_clip only warns about a folder without weights and makes a random model, refuses a key that it does not know, and
asks the hub for files that the folder already holds. So the parts of a checkpoint are first found and checked here, and
open_clip then reads a tidy copy, in which every file that it may ask for is present.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from open_clip.coca_model import MultimodalCfg
from open_clip.model import CLIPTextCfg, CLIPVisionCfg

from zsderm.encoders import hub, tokenizer_files
from zsderm.encoders.base import CARD_FILE, CONFIG_FILE, HOME_FILE, OPEN_CLIP_FILES, EncoderCard, read_config
from zsderm.encoders.checkpoint import CheckpointFormat
from zsderm.encoders.colour_constancy import PLAIN
from zsderm.encoders.fingerprint import fingerprint, link, write_json
from zsderm.encoders.open_clip_format.build import build
from zsderm.encoders.open_clip_format.encoder import OpenClipEncoder
from zsderm.encoders.open_clip_format.preprocessing import complete_preprocessing
from zsderm.encoders.sizes import check_sizes
from zsderm.encoders.torch_encoder import choose_device
from zsderm.errors import CheckpointError

log = logging.getLogger(__name__)

# In the order in which open_clip prefers them; the hub is asked for the same names.
WEIGHT_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")

# Top-level keys of a model_cfg that open_clip's three model classes take.
MODEL_KEYS = (
    "embed_dim",
    "vision_cfg",
    "text_cfg",
    "multimodal_cfg",
    "custom_text",
    "quick_gelu",
    "init_logit_scale",
    "init_logit_bias",
    "nonscalar_logit_scale",
)


@dataclass(frozen=True)
class OpenClipCheckpoint(CheckpointFormat):
    """The parts of a checkpoint in open_clip's format, each known to be there."""

    EXPECTED = OPEN_CLIP_FILES
    SMALL_FILES = (CONFIG_FILE, CARD_FILE, HOME_FILE, "config.json", "README.md", *tokenizer_files.TOKENIZER_FILES)

    model_cfg: Mapping[str, Any]  # only keys that open_clip knows
    preprocess_cfg: Mapping[str, Any]  # complete
    tokenizer: tuple[Path, ...] = ()  # none: CLIP's own byte-pair tokenizer
    text_config: Path | None = None  # config.json of a transformers text tower
    dropped: tuple[str, ...] = ()  # keys that open_clip does not know

    @classmethod
    def holds(cls, folder: Path) -> bool:
        """Whether a folder has open_clip's configuration."""
        return (folder / CONFIG_FILE).is_file()

    @classmethod
    def fetch(cls, repository: str, folder: Path, *, download: bool) -> None:
        """Fetch the weights of a hub repository, and its configuration if it is not there yet."""
        if not cls.holds(folder):
            hub.fetch_one(repository, [CONFIG_FILE], folder.name, download=download)
        if find_weights(folder) is None:
            hub.fetch_one(repository, WEIGHT_FILES, folder.name, download=download)

    @classmethod
    def read(cls, folder: Path, name: str, facts: Mapping[str, Any], *, download: bool) -> OpenClipCheckpoint:
        """The checkpoint in a folder with open_clip_config.json, one weights file, and perhaps tokenizer files."""
        config = read_config(folder)
        weights = find_weights(folder)
        if weights is None:
            raise CheckpointError(
                f"{folder} has a {CONFIG_FILE} but no weights. Expected model.safetensors, "
                "open_clip_model.safetensors or open_clip_pytorch_model.bin beside it; a model without weights would "
                "answer at random."
            )
        card = EncoderCard.read(folder, name, otherwise=facts)
        return assemble(card, config, weights, folder, download=download)

    def build(self) -> tuple[Any, Any]:
        """The model with all its weights, on the processor, and a callable from strings to (B, L) token ids.

        Raises:
            CheckpointError: the parts do not fit together.
        """
        model_cfg = dict(self.model_cfg)
        if self.text_config:
            model_cfg["text_tower"] = tokenizer_files.tidy_config(self.text_config)
            check_sizes(self.card.name, model_cfg)
        with self.tidy_folder() as folder:
            return build(
                folder,
                self.card,
                self.weights,
                model_cfg,
                own_tokenizer=bool(self.tokenizer),
                dropped=self.dropped,
            )

    def encoder(self, device: str | torch.device | None = None) -> OpenClipEncoder:
        """Build the model and load its weights; see Checkpoint.encoder."""
        chosen = choose_device(device)
        return OpenClipEncoder(self, *self.build(), chosen, mode=self.preprocess_cfg["mode"])

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer and preprocessing; where the files lie does not enter."""
        settings = {"model": self.model_cfg, "preprocess": self.preprocess_cfg}
        named = [*self.tokenizer, *([self.text_config] if self.text_config else [])]
        return fingerprint(settings, self.weight_files, named)

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """The files that hold the weights."""
        return (self.weights,)

    @contextmanager
    def tidy_folder(self) -> Iterator[Path]:
        """A temporary folder that open_clip reads as it is, without a network.

        Yields:
            The folder: a configuration of known keys, and links to weights, tokenizer and text tower configuration.
        """
        with tempfile.TemporaryDirectory(prefix="zsderm-") as name:
            folder = Path(name)
            suffix = self.weights.suffix
            link(self.weights, folder / ("model.safetensors" if suffix == ".safetensors" else "pytorch_model.bin"))
            for path in self.tokenizer:
                link(path, folder / path.name)
            text_cfg = dict(self.model_cfg["text_cfg"])
            if self.text_config:
                text_cfg |= {"hf_model_name": name, "hf_model_pretrained": False}
                write_json(folder / "config.json", tokenizer_files.tidy_config(self.text_config))
            model_cfg = {**self.model_cfg, "text_cfg": text_cfg}
            known = {**self.preprocess_cfg, "mode": PLAIN}  # open_clip refuses any other mode
            write_json(folder / CONFIG_FILE, {"model_cfg": model_cfg, "preprocess_cfg": known})
            yield folder

    def copy_to(self, folder: Path) -> None:
        """Copy all parts but the card into an empty folder, under names by which they are found again."""
        weights = "model.safetensors" if self.weights.suffix == ".safetensors" else "pytorch_model.bin"
        copies = {self.weights: weights, **{path: path.name for path in self.tokenizer}}
        copies |= {self.text_config: "config.json"} if self.text_config else {}
        write_json(folder / CONFIG_FILE, {"model_cfg": self.model_cfg, "preprocess_cfg": self.preprocess_cfg})
        for path, name in copies.items():
            shutil.copyfile(path, folder / name)

    def facts(self) -> dict[str, str]:
        """What its files say, for people."""
        shown = ("mode", "resize_mode", "interpolation", "mean", "std")
        return {
            "format": "open_clip",
            **{key: str(self.preprocess_cfg[key]) for key in shown},
            "tokenizer": ", ".join(path.name for path in self.tokenizer) or "CLIP's own",
        }


def assemble(
    card: EncoderCard, config: Mapping[str, Any], weights: Path, folder: Path | None = None, *, download: bool = True
) -> OpenClipCheckpoint:
    """Put a checkpoint together from a configuration and a weights file.

    Args:
        card: what is known about it.
        config: content of an open_clip_config.json, with model_cfg and perhaps preprocess_cfg.
        weights: the file with all weights.
        folder: where tokenizer and text tower configuration are looked for, before the hub.
        download: False looks only into the hub's cache.

    Raises:
        CheckpointError: a part is missing or cannot be right.
    """
    model_cfg, dropped = _known_keys(config["model_cfg"])
    text_cfg = model_cfg["text_cfg"]
    _check_timm_name(card, model_cfg["vision_cfg"])
    return OpenClipCheckpoint(
        card=card,
        model_cfg=model_cfg,
        preprocess_cfg=complete_preprocessing(config.get("preprocess_cfg") or {}, card, model_cfg["vision_cfg"]),
        weights=weights,
        tokenizer=tokenizer_files.find_tokenizer(text_cfg, folder, download=download),
        text_config=tokenizer_files.find_config(text_cfg, folder, download=download),
        dropped=dropped,
    )


def find_weights(folder: Path) -> Path | None:
    """The weights file of a folder: a name that open_clip prefers, else the only one there is.

    Raises:
        CheckpointError: several files with names of their own.
    """
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    others = sorted(path for path in folder.iterdir() if path.suffix in WEIGHT_SUFFIXES and path.name != HOME_FILE)
    if len(others) > 1:
        names = ", ".join(path.name for path in others)
        raise CheckpointError(f"{folder} holds several weight files: {names}. Keep one, and name it model.safetensors.")
    return others[0] if others else None


def _known_keys(model_cfg: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The part of a model_cfg that open_clip understands, and the names of the keys left out."""
    known = {key: model_cfg[key] for key in MODEL_KEYS if key in model_cfg}
    dropped = [key for key in model_cfg if key not in MODEL_KEYS]
    for part, kind in (("vision_cfg", CLIPVisionCfg), ("text_cfg", CLIPTextCfg), ("multimodal_cfg", MultimodalCfg)):
        if part in known:
            allowed = {field.name for field in fields(kind)}
            dropped += [f"{part}.{key}" for key in known[part] if key not in allowed]
            known[part] = {key: value for key, value in known[part].items() if key in allowed}
    if dropped:
        log.debug("open_clip does not know %s; left out", ", ".join(dropped))
    if known["text_cfg"].get("tokenizer_kwargs", {}) is None:
        del known["text_cfg"]["tokenizer_kwargs"]  # open_clip would call None.update
    if "multimodal_cfg" not in known:
        # A model trained on patches may say output_tokens; plain CLIP classes then trip over the pair that comes back.
        for part in ("vision_cfg", "text_cfg"):
            known[part].pop("output_tokens", None)
    return known, tuple(dropped)


def _check_timm_name(card: EncoderCard, vision_cfg: Mapping[str, Any]) -> None:
    """Refuse an image tower by an address, from which timm would fetch settings that nobody has looked at."""
    name = vision_cfg.get("timm_model_name")
    if name is not None and (not isinstance(name, str) or ":" in name or "/" in name):
        raise CheckpointError(
            f"expected vision_cfg.timm_model_name of '{card.name}' to be the name of an architecture of timm, but got "
            f"{name!r:.80}, from which timm would take its settings. Write the value of `architecture` in the "
            "config.json there."
        )
