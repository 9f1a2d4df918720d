"""Make a checkpoint folder whose image tower an engine runs; it is kept only if it agrees with the original."""

from __future__ import annotations

import json
import logging
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image

from zsderm import installation
from zsderm.atomic_files import atomic_folder
from zsderm.encoders import load_encoder
from zsderm.encoders.base import CARD_FILE, HOME_FILE, Encoder, card_facts, home_file
from zsderm.encoders.engines import ENGINE_FILE, TOWER_FILES, ExportedCheckpoint, check_offered
from zsderm.encoders.fingerprint import write_json
from zsderm.encoders.parity import AGREEMENT, COSINES, Parity, check_count, compare
from zsderm.encoders.resolve import find_checkpoint
from zsderm.encoders.torch_encoder import TorchEncoder
from zsderm.errors import CheckpointError, MissingDependencyError, SettingsError

BATCH = 8


def export_encoder(
    name: str, folder: Path, engine: str, precision: str, images: Sequence[Path | str], classes: Sequence[str]
) -> Parity:
    """Write an encoder into a folder of its own whose image tower an engine runs; load it as "local-dir:FOLDER".

    Args:
        name: the encoder, as for load_encoder.
        folder: to make; it appears when it is complete and has passed, or not at all.
        engine: "torch", "onnx" or "openvino".
        precision: "fp32", "bf16" or "int8", as far as the engine offers it.
        images: N real photographs, of the kind that the encoder will see.
        classes: C texts, among which the first answer is compared.

    Returns:
        What was kept of the original.

    Raises:
        CheckpointError: the engine differs too much from the original, or the tower cannot be brought into its format.
        ImageError: a photograph cannot be read.
        InputError: too few photographs to tell.
        MissingDependencyError: the engine, or what exports to it, is not installed.
        SettingsError: an engine or precision that is not on offer, or a folder that is there already.
    """
    check_offered(engine, precision)
    if folder.exists():
        raise SettingsError(f"expected a folder to make, but '{folder}' is there already")
    check_count(len(images))
    with atomic_folder(folder) as draft:
        encoder = write_unchecked(name, draft, engine, precision)
        pixels = torch.stack([encoder.pixels_of(image) for image in images])  # (N, 3, H, W)
        parity = _measure(encoder, load_encoder(draft, "cpu"), pixels, encoder.encode_texts(classes))
        if not parity.passes(precision):
            raise CheckpointError(
                f"{engine} at {precision} strays too far from '{name}'. Expected a cosine of {COSINES[precision]} at "
                f"least and the same first answer for {AGREEMENT:.0%}, but got {parity}. Nothing was written; try fp32."
            )
        _seal(draft, name, engine, precision, parity.rounded())
    return parity


def write_unchecked(name: str, folder: Path, engine: str, precision: str) -> TorchEncoder:
    """Fill a folder without comparing the engine with the original.

    Args:
        name: the encoder, as for load_encoder.
        folder: empty.
        engine: one that is installed.
        precision: one that it offers.

    Returns:
        The original, loaded.

    Raises:
        CheckpointError: the tower cannot be brought into the engine's format.
        MissingDependencyError: what exports to it is not installed.
        SettingsError: the encoder is exported already.
    """
    checkpoint = find_checkpoint(name)
    checkpoint.copy_to(folder)
    if measured := home_file(checkpoint.weights.parent):
        shutil.copyfile(measured, folder / HOME_FILE)
    write_json(folder / CARD_FILE, card_facts(checkpoint.card))
    encoder = checkpoint.encoder("cpu")
    blank = encoder.preprocess(Image.new("RGB", (64, 64)))  # (3, H, W)
    _write_tower(encoder, engine, precision, torch.stack([blank, blank]), folder)
    _seal(folder, name, engine, precision, {})
    return encoder


def _write_tower(encoder: TorchEncoder, engine: str, precision: str, pixels: torch.Tensor, folder: Path) -> None:
    """The image tower in the engine's format; torch needs no other than its own."""
    if engine == "torch":
        return
    path = folder / TOWER_FILES[engine][0]
    exact = path.with_name("exact.onnx")
    try:
        _to_onnx(encoder.image_tower().eval(), pixels, exact)
        if engine == "openvino":
            import openvino

            openvino.save_model(openvino.Core().read_model(exact), path, compress_to_fp16=False)
            exact.unlink()
        elif precision == "int8":
            _to_int8(exact, path)
            exact.unlink()
        else:
            exact.replace(path)
    except ImportError as error:
        message = f"exporting needs {error.name}. Install it with: {installation.extra(engine)}"
        raise MissingDependencyError(message) from error
    except Exception as error:  # exporters have no error in common
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"the image tower of '{encoder.card.name}' has no form in {engine}: {reason}") from error


def _to_onnx(tower: torch.nn.Module, pixels: torch.Tensor, path: Path) -> None:
    """Write a tower for batches of any size."""
    with _silence(), torch.no_grad():
        torch.onnx.export(
            tower,
            (pixels.contiguous(),),
            str(path),
            input_names=["pixels"],
            output_names=["rows"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _to_int8(source: Path, target: Path) -> None:
    """Eight-bit weights, one scale per output; activations are scaled at run time, so nothing has to be calibrated."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _silence():
        quantize_dynamic(
            source, target, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8
        )


def _seal(folder: Path, name: str, engine: str, precision: str, parity: dict[str, float]) -> None:
    """Write which engine runs the folder, and the fingerprint by which later changes are noticed."""
    (folder / ENGINE_FILE).unlink(missing_ok=True)
    original = find_checkpoint(str(folder))
    tower = tuple(folder / file for file in TOWER_FILES[engine])
    sealed = ExportedCheckpoint.of(original, engine, precision, tower, parity)
    content = {"engine": engine, "precision": precision, "fingerprint": sealed.fingerprint, "of": name}
    (folder / ENGINE_FILE).write_text(json.dumps({**content, "parity": parity}, indent=2) + "\n", encoding="utf-8")


def _measure(original: Encoder, exported: Encoder, pixels: torch.Tensor, texts: torch.Tensor) -> Parity:
    """Run both over the same pixels."""
    exported.encode_pixels(pixels[:BATCH])  # the first run allocates memory and compiles
    expected, before = _timed(original.encode_pixels, pixels)
    rows, after = _timed(exported.encode_pixels, pixels)
    return compare(rows, expected, texts, before / after)


def _timed(run: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor) -> tuple[torch.Tensor, float]:
    """(N, D) rows and the seconds they took; the quicker of two runs, because other processes may slow one down."""
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        rows = torch.cat([run(batch) for batch in pixels.split(BATCH)])
        seconds.append(time.perf_counter() - started)
    return rows, min(seconds)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep exporters from logging and warning; the result is measured afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
