"""What every checkpoint can do, and what a format of checkpoints has to say so that names lead to it.

A new format is one folder, NAME_format/, with a subclass of CheckpointFormat, and one line in the list FORMATS of
zsderm/encoders/resolve.py.
"""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError

from zsderm.encoders.base import EncoderCard, home_file
from zsderm.encoders.home import EncoderHome, read_home
from zsderm.encoders.torch_encoder import TorchEncoder

# The errors that torch, safetensors, timm, transformers and open_clip raise for a file that does not fit its
# configuration: none of them has an error of its own for that.
BUILD_ERRORS = (
    RuntimeError,  # with RecursionError
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    OSError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)


@dataclass(frozen=True)
class Checkpoint(ABC):
    """The parts of a checkpoint, each known to be there."""

    card: EncoderCard
    weights: Path  # one file, or the index of several

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer and preprocessing; where the files lie does not enter."""

    @property
    @abstractmethod
    def weight_files(self) -> tuple[Path, ...]:
        """The files that hold the weights."""

    @property
    def home(self) -> EncoderHome | None:
        """What the embeddings of its training images look like; None where that was not measured.

        Warns:
            FallbackWarning: the file that says it is damaged, or was measured with other weights.
        """
        return read_home(home_file(self.weights.parent), self.card.width, self.fingerprint)

    @abstractmethod
    def tidy_folder(self) -> AbstractContextManager[Path]:
        """A temporary folder that holds these parts and nothing else, ready for the library that builds the model."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """What its files say, for people."""

    @abstractmethod
    def copy_to(self, folder: Path) -> None:
        """Copy all parts but the card into an empty folder, under names by which they are found again.

        Raises:
            SettingsError: it is an exported checkpoint, which is not exported twice.
        """

    @abstractmethod
    def encoder(self, device: str | torch.device | None = None) -> TorchEncoder:
        """Build the model and load its weights.

        Args:
            device: a torch device; None takes a GPU where there is one, else the processor.

        Raises:
            CheckpointError: the parts do not fit together.
            MissingDependencyError: it needs a package that is not installed.
            SettingsError: there is no such device, or it cannot be used with this checkpoint.
        """


class CheckpointFormat(Checkpoint):
    """A checkpoint whose format can be told from the files of its folder."""

    EXPECTED: ClassVar[str]  # the files of this format, for the error about a folder that no format holds
    SMALL_FILES: ClassVar[tuple[str, ...]]  # all files but the weights: what is fetched from a hub repository first

    @classmethod
    @abstractmethod
    def holds(cls, folder: Path) -> bool:
        """Whether a folder is in this format; weights may still be missing."""

    @classmethod
    @abstractmethod
    def fetch(cls, repository: str, folder: Path, *, download: bool) -> None:
        """Fetch the weights of a hub repository whose small files are there.

        Args:
            repository: "org/name".
            folder: its snapshot in the cache, named after the commit.
            download: False looks only into the cache.

        Raises:
            CheckpointError: the repository has no such files, or they cannot be had from here.
        """

    @classmethod
    @abstractmethod
    def read(cls, folder: Path, name: str, facts: Mapping[str, Any], *, download: bool) -> Checkpoint:
        """The checkpoint in a folder of this format.

        Args:
            folder: holds all parts.
            name: the name the user gave.
            facts: licence, source, description to use where the folder does not say.
            download: False takes what is not in the folder only from the hub's cache.

        Raises:
            CheckpointError: a part is missing or cannot be right.
        """


def first_line(error: BaseException) -> str:
    """The start of a message that may run over hundreds of lines."""
    lines = " ".join(str(error).split())
    return (lines[:300] + " ..." if len(lines) > 300 else lines or type(error).__name__).rstrip(".")
