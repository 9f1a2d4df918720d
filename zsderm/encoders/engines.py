"""Other ways to run an image tower: half precision, on a GPU too; ONNX Runtime and OpenVINO on a processor.

An exported folder is a whole checkpoint with zsderm_engine.json beside it, which says how its image tower is run, and
with the tower in the engine's own format. Texts are few and cached, so torch encodes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from zsderm import installation
from zsderm.encoders.base import read_json
from zsderm.encoders.checkpoint import Checkpoint
from zsderm.encoders.fingerprint import fingerprint
from zsderm.encoders.home import EncoderHome
from zsderm.encoders.torch_encoder import TorchEncoder
from zsderm.errors import CheckpointError, MissingDependencyError, SettingsError

ENGINE_FILE = "zsderm_engine.json"
# Which precisions each engine offers. Eight bits are left to ONNX Runtime: it needs no photographs to calibrate on.
PRECISIONS = {"torch": ("fp32", "bf16"), "onnx": ("fp32", "int8"), "openvino": ("fp32", "bf16")}
# The tower in the engine's format, first what is opened; torch takes it from the checkpoint.
TOWER_FILES = {"torch": (), "onnx": ("image_tower.onnx",), "openvino": ("image_tower.xml", "image_tower.bin")}
_PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}
_OPENVINO_TYPES = {"fp32": "f32", "bf16": "bf16"}

Runner = Callable[[torch.Tensor], torch.Tensor]  # (B, 3, H, W) float32 to (B, D)


@dataclass(frozen=True)
class ExportedCheckpoint(Checkpoint):
    """A checkpoint whose image tower is run by an engine."""

    original: Checkpoint
    engine: str
    precision: str
    tower: tuple[Path, ...]
    parity: Mapping[str, Any]  # what was measured when it was exported

    @classmethod
    def of(
        cls, original: Checkpoint, engine: str, precision: str, tower: tuple[Path, ...], parity: Mapping[str, Any]
    ) -> ExportedCheckpoint:
        """A checkpoint with the card and the weights of its original."""
        return cls(original.card, original.weights, original, engine, precision, tower, parity)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer, preprocessing, engine and precision."""
        settings = {"engine": self.engine, "precision": self.precision, "of": self.original.fingerprint}
        return fingerprint(settings, self.tower, [])

    @property
    def home(self) -> EncoderHome | None:
        """That of the original, whose embeddings these are but for rounding."""
        return self.original.home

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """The files that hold weights, those of the engine among them."""
        return (*self.original.weight_files, *self.tower)

    def tidy_folder(self) -> AbstractContextManager[Path]:
        """The original's temporary folder."""
        return self.original.tidy_folder()

    def copy_to(self, folder: Path) -> None:
        """An exported checkpoint is not exported again.

        Raises:
            SettingsError: always.
        """
        raise _exported_already(self.card.name)

    def encoder(self, device: str | torch.device | None = None) -> EngineEncoder:
        """The encoder whose image tower the engine runs; see Checkpoint.encoder.

        Raises:
            SettingsError: there is no such device, or it is none that the engine runs on: only torch knows GPUs.
        """
        if self.engine == "torch":
            return EngineEncoder(self.original.encoder(device), self)
        if str(device or "cpu") != "cpu":
            raise _runs_as_it_is(self)
        return EngineEncoder(self.original.encoder("cpu"), self)

    def facts(self) -> dict[str, str]:
        """What its files say, for people."""
        parity = {f"parity.{key}": str(value) for key, value in self.parity.items()}
        return {**self.original.facts(), "engine": f"{self.engine}, {self.precision}", **parity}


class EngineEncoder(TorchEncoder):
    """An encoder whose image tower is run by an engine; texts and preprocessing are the original's.

    Args:
        original: the encoder as torch runs it, on the device that texts are encoded on; its image tower is given up.
        checkpoint: says which engine, and where its tower lies.

    Raises:
        CheckpointError: the engine cannot read its tower.
        MissingDependencyError: the engine is not installed.
    """

    _checkpoint: ExportedCheckpoint

    def __init__(self, original: TorchEncoder, checkpoint: ExportedCheckpoint) -> None:
        self.card = original.card
        self.device = original.device
        self.temperature, self.logit_bias = original.temperature, original.logit_bias
        self._original, self._checkpoint = original, checkpoint
        self._run = open_tower(checkpoint.engine, checkpoint.precision, checkpoint.tower, original.image_tower())

    @property
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer, preprocessing, engine and precision."""
        return self._checkpoint.fingerprint

    def preprocess(self, image: Any) -> torch.Tensor:
        """One RGB image as (3, H, W) float32, resized and normalised the way the model was trained."""
        return self._original.preprocess(image)

    def image_tower(self) -> torch.nn.Module:
        """The engine has replaced it.

        Raises:
            SettingsError: always.
        """
        raise _exported_already(self.card.name)

    def compile(self) -> None:
        """An engine's tower is not compiled again.

        Raises:
            SettingsError: always.
        """
        raise _runs_as_it_is(self._checkpoint)

    def _embed_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._run(pixels)

    def _embed_texts(self, texts: list[str]) -> tuple[torch.Tensor, int]:
        return self._original._embed_texts(texts)


def with_engine(folder: Path, original: Checkpoint) -> Checkpoint:
    """The checkpoint of a folder, with the engine that the folder names, if it names one.

    Args:
        folder: may hold zsderm_engine.json.
        original: the checkpoint in it.

    Raises:
        CheckpointError: the engine is unknown, its tower is missing, or was exported from other weights.
    """
    path = folder / ENGINE_FILE
    if not path.is_file():
        return original
    said = read_json(path)
    engine, precision = said.get("engine"), said.get("precision")
    if precision not in PRECISIONS.get(str(engine), ()):
        raise CheckpointError(
            f"expected {path} to name an engine and a precision of {_offered()}, but got {engine!r}, {precision!r}"
        )
    tower = tuple(folder / name for name in TOWER_FILES[str(engine)])
    if missing := [file.name for file in tower if not file.is_file()]:
        raise CheckpointError(f"{folder} lacks {' and '.join(missing)}. Make it again with: zsderm export")
    parity = said.get("parity", {})
    if not isinstance(parity, Mapping):
        raise CheckpointError(f"expected parity in {path} to be an object, but got {parity!r:.60}")
    checkpoint = ExportedCheckpoint.of(original, str(engine), str(precision), tower, parity)
    if said.get("fingerprint") != checkpoint.fingerprint:
        raise CheckpointError(
            f"{folder} was changed after it was exported: its parts have the fingerprint {checkpoint.fingerprint}, but "
            f"{ENGINE_FILE} says {said.get('fingerprint')}. Make it again with: zsderm export"
        )
    return checkpoint


def check_offered(engine: str, precision: str) -> None:
    """Refuse an engine, or a precision of it, that there is none of.

    Raises:
        SettingsError: not one of those on offer.
        MissingDependencyError: the engine is not installed.
    """
    if precision not in PRECISIONS.get(engine, ()):
        raise SettingsError(f"expected an engine and a precision of {_offered()}, but got {engine}, {precision}")
    _need(engine)


def open_tower(engine: str, precision: str, tower: tuple[Path, ...], original: torch.nn.Module) -> Runner:
    """A tower made ready to run.

    Args:
        engine: one of PRECISIONS.
        precision: one that the engine offers.
        tower: its files, as TOWER_FILES names them.
        original: the tower as torch runs it; changed in place for torch, emptied for the others.

    Raises:
        CheckpointError: the engine cannot read the files.
        MissingDependencyError: the engine is not installed.
    """
    if engine == "torch":
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        module = original.to(kind)
        device = next(module.parameters()).device  # pixels are rounded there: processors have images to decode
        return lambda pixels: module(pixels.to(device).to(kind, memory_format=torch.channels_last))
    library = _need(engine)
    try:
        runner = {"onnx": _open_onnx, "openvino": _open_openvino}[engine](library, tower[0], precision)
    except Exception as error:  # each engine has a tree of errors of its own, right under Exception
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{engine} cannot read {tower[0]}: {reason}. Make it again with: zsderm export"
        ) from error
    original.to("meta")  # its memory is free again
    return runner


def _open_onnx(library: Any, path: Path, precision: str) -> Runner:
    options = library.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = torch.get_num_threads()
    session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pixels: torch.from_numpy(session.run(None, {name: pixels.contiguous().numpy()})[0])


def _open_openvino(library: Any, path: Path, precision: str) -> Runner:
    settings = {
        "INFERENCE_PRECISION_HINT": _OPENVINO_TYPES[precision],  # by itself it takes bf16 wherever the processor can
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = library.Core().compile_model(str(path), "CPU", settings)
    return lambda pixels: torch.from_numpy(compiled(pixels.contiguous().numpy())[0].copy())


def _need(engine: str) -> Any:
    """The package of an engine.

    Raises:
        MissingDependencyError: it is not installed.
    """
    package = _PACKAGES.get(engine)
    if package is None:
        return torch
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingDependencyError(
            f"the engine '{engine}' needs {package}. Install it with: {installation.extra(engine)}"
        ) from error


def _exported_already(name: str) -> SettingsError:
    return SettingsError(f"'{name}' is exported already. Export the original checkpoint instead.")


def _runs_as_it_is(checkpoint: ExportedCheckpoint) -> SettingsError:
    return SettingsError(
        f"'{checkpoint.card.name}' was exported for {checkpoint.engine}, which runs it as it is: leave out `compile`"
        f"{'' if checkpoint.engine == 'torch' else ' and `device`'}, or name the original checkpoint"
    )


def _offered() -> str:
    return "; ".join(f"{engine} ({', '.join(kinds)})" for engine, kinds in PRECISIONS.items())
