"""Tokenizer and configuration of a text tower: from beside the weights or from the hub's cache, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zsderm.encoders.base import CONFIG_FILE, read_json
from zsderm.errors import CheckpointError

# Without one of these, transformers makes up a tokenizer of five tokens, for which every word is unknown.
VOCABULARY_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
TOKENIZER_FILES = (
    *VOCABULARY_FILES,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
)

# Keys of a config.json that must not reach transformers: a stored dtype would build the tower in half precision, and
# the rest would run code or change the layers.
UNWANTED_KEYS = ("dtype", "torch_dtype", "auto_map", "quantization_config")


def find_tokenizer(text_cfg: Mapping[str, Any], folder: Path | None, *, download: bool) -> tuple[Path, ...]:
    """Files of the tokenizer that a configuration names; none when CLIP's own is meant.

    Args:
        text_cfg: the text half of a model_cfg.
        folder: looked into first; None goes to the hub at once.
        download: False looks only into the hub's cache.

    Raises:
        CheckpointError: the tokenizer is not named, or not to be had.
    """
    name, tower = text_cfg.get("hf_tokenizer_name"), text_cfg.get("hf_model_name")
    if not name and tower:
        raise CheckpointError(
            f"expected text_cfg.hf_tokenizer_name beside hf_model_name '{tower}' in {CONFIG_FILE}, but there is none, "
            "and a tokenizer is never guessed"
        )
    if not name:
        return ()
    files = tokenizer_files(folder) if folder else ()
    if files:
        return files
    source = _repository("tokenizer", name, TOKENIZER_FILES, download)
    files = tokenizer_files(source)
    if not files:
        raise CheckpointError(f"expected the tokenizer '{name}' in {source}, but found none of its vocabulary files")
    return files


def find_config(text_cfg: Mapping[str, Any], folder: Path | None, *, download: bool) -> Path | None:
    """config.json of the transformers text tower that a configuration names, if it names one.

    Args:
        text_cfg: the text half of a model_cfg.
        folder: looked into first; None goes to the hub at once.
        download: False looks only into the hub's cache.

    Raises:
        CheckpointError: it is not to be had, or open_clip has no use for such a tower.
    """
    name = text_cfg.get("hf_model_name")
    if not name:
        return None
    if folder and _is_text_tower(folder / "config.json"):
        return folder / "config.json"
    path = _repository("text tower", name, ["config.json"], download) / "config.json"
    if not _is_text_tower(path):
        known = ", ".join(_architectures())
        raise CheckpointError(f"expected {path} to describe a text tower ({known}), but it does not")
    return path


def tidy_config(path: Path) -> dict[str, Any]:
    """Content of a text tower's config.json without the keys that would change how it is built."""
    return {key: value for key, value in read_json(path).items() if key not in UNWANTED_KEYS}


def _is_text_tower(path: Path) -> bool:
    """Whether a config.json is a text tower's; a hub repository may hold one of a whole CLIP model instead."""
    return path.is_file() and read_json(path).get("model_type") in _architectures()


def _architectures() -> Mapping[str, Any]:
    """The text towers that open_clip has a use for. Here and not above: the bundled encoder does without it."""
    from open_clip.hf_configs import arch_dict

    return arch_dict


def tokenizer_files(folder: Path) -> tuple[Path, ...]:
    """Tokenizer files of a folder; none when it has no vocabulary."""
    if not any((folder / name).is_file() for name in VOCABULARY_FILES):
        return ()
    return tuple(folder / name for name in TOKENIZER_FILES if (folder / name).is_file())


def _repository(part: str, name: str, files: Sequence[str], download: bool) -> Path:
    """Folder of the hub repository, or the local folder, that a configuration names."""
    from zsderm.encoders import hub  # not above, as in `_architectures`

    if Path(name).is_dir():
        return Path(name)
    if not hub.REPOSITORY.fullmatch(name):
        raise CheckpointError(
            f"the {part} '{name}' of this checkpoint is a folder that is not on this machine. "
            f"Copy its files ({', '.join(files)}) into the checkpoint folder."
        )
    return hub.fetch(name, files, download=download)
