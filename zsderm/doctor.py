"""Is this installation in working order? One finding per part, with the command that mends it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

from zsderm import installation
from zsderm.errors import ZsdermError
from zsderm.installation import version_of

_OLDEST_PYTHON = (3, 10)


@dataclass(frozen=True)
class Finding:
    """What one check found: PASS, WARN (works, but not as well as it could) or FAIL, and how to mend it."""

    status: Literal["PASS", "WARN", "FAIL"]
    subject: str
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.status}  {self.subject:<15} {self.detail}"
        return f"{line}\n      {'':<15} mend it with: {self.remedy}" if self.remedy else line


def examine(cache: Path) -> Iterator[Finding]:
    """Check every part in turn, from the interpreter to the cache folder; a finding is yielded as soon as it is known.

    Args:
        cache: the folder in which image features are kept.
    """
    checks: tuple[Callable[[], Finding], ...] = (
        python,
        packages,
        torch,
        open_clip,
        faiss,
        tokenizers,
        photographs,
        engines,
        service,
        bundled_weights,
        knowledge_base,
        threads,
        hub,
    )
    for check in checks:
        yield check()
    yield cache_folder(cache)


def python() -> Finding:
    """The interpreter is new enough."""
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST_PYTHON:
        return Finding(
            "FAIL",
            "python",
            f"{detail}; 3.10 or newer is needed",
            "python3.12 -m venv FOLDER, and install zsderm there",
        )
    return Finding("PASS", "python", detail)


def packages() -> Finding:
    """Every package that zsderm needs is there, in a version that will do."""
    from packaging.requirements import Requirement

    try:
        needed = [Requirement(line) for line in requires("zsderm") or ()]
    except PackageNotFoundError:
        return Finding("WARN", "packages", "zsderm runs, but is not installed", installation.registered())
    faiss = {"faiss-gpu", "faiss-cpu"}
    others = [
        need for need in needed if need.name not in faiss and (not need.marker or need.marker.evaluate({"extra": ""}))
    ]
    needed = others + [need for need in needed if need.name in faiss and need.name == _faiss_package()]
    wrong = {str(need): found for need in needed if not need.specifier.contains(found := version_of(need.name), True)}
    if wrong:
        named = ", ".join(f"{need.partition(';')[0].strip()} (found: {found})" for need, found in wrong.items())
        remedy = installation.pip("--upgrade", *(need.partition(";")[0].strip() for need in wrong))
        return Finding("FAIL", "packages", named, remedy)
    return Finding("PASS", "packages", f"all {len(needed)} in versions that will do")


def torch() -> Finding:
    """Torch imports and multiplies."""
    remedy = installation.torch_again()
    try:
        library = import_module("torch")
        total = float((library.ones(2, 3) @ library.ones(3, 1)).sum())
    except (ImportError, OSError, RuntimeError) as error:
        return Finding("FAIL", "torch", _one_line(error), remedy)
    if total != 6.0:
        return Finding("FAIL", "torch", f"expected a sum of 6, but got {total}", remedy)
    return Finding("PASS", "torch", f"{library.__version__}, {_accelerator()}")


def open_clip() -> Finding:
    """open_clip imports."""
    try:
        import_module("open_clip")
        return Finding("PASS", "open_clip", version("open_clip_torch"))
    except (ImportError, OSError, RuntimeError, PackageNotFoundError) as error:
        wrong_build = "torchvision" in str(error)
        remedy = installation.torch_again() if wrong_build else installation.pip("--upgrade", "open_clip_torch")
        return Finding("FAIL", "open_clip", _one_line(error), remedy)


def faiss() -> Finding:
    """FAISS imports and finds the nearest of two vectors."""
    remedy = installation.pip("--force-reinstall", "--no-deps", _faiss_package())
    try:
        import numpy as np

        library = import_module("faiss")
        index = library.IndexFlatIP(2)
        index.add(np.eye(2, dtype=np.float32))
        nearest = int(index.search(np.array([[0.1, 0.9]], dtype=np.float32), 1)[1][0, 0])
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return Finding("FAIL", "faiss", _one_line(error), remedy)
    if nearest != 1:
        return Finding("FAIL", "faiss", f"expected row 1, but found {nearest}", remedy)
    return Finding("PASS", "faiss", f"{library.__version__}, a search found what it should")


def tokenizers() -> Finding:
    """The tokenizer of a SigLIP saved by transformers can be read."""
    if find_spec("sentencepiece") is None:
        detail = "sentencepiece is not installed: SigLIP of transformers will not load, everything else will"
        return Finding("WARN", "tokenizers", detail, installation.extra("siglip"))
    return Finding("PASS", "tokenizers", f"sentencepiece {version_of('sentencepiece')}")


def photographs() -> Finding:
    """Which formats of photographs can be read besides those that need nothing; a broken package is a FAIL."""
    from PIL import features

    found = ["jpg png webp tiff bmp gif"]
    avif = "avif" in features.modules and features.check("avif")
    found.append("avif" if avif else f"no avif ({installation.pip('--upgrade', 'Pillow>=11.3')})")
    for name, module, package in (("heic", "pillow_heif", "pillow-heif"), ("dicom", "pydicom", "pydicom")):
        if find_spec(module) is None:
            found.append(f"no {name} ({installation.extra(name)})")
            continue
        try:
            import_module(module)
        except (ImportError, OSError, RuntimeError) as error:
            remedy = installation.pip("--force-reinstall", "--no-deps", package)
            return Finding("FAIL", "photographs", _one_line(error), remedy)
        found.append(f"{name} with {package} {version_of(package)}")
    return Finding("PASS", "photographs", ", ".join(found))


def engines() -> Finding:
    """What can run an image tower besides torch; a broken engine is a FAIL, an absent one is not."""
    found = [f"torch {version_of('torch')}"]
    for name, module in (("onnx", "onnxruntime"), ("openvino", "openvino")):
        if find_spec(module) is None:
            found.append(f"no {module} ({installation.extra(name)})")
            continue
        try:
            import_module(module)
        except (ImportError, OSError, RuntimeError) as error:
            return Finding(
                "FAIL", "engines", _one_line(error), installation.pip("--force-reinstall", "--no-deps", module)
            )
        found.append(f"{module} {version_of(module)}")
    return Finding("PASS", "engines", ", ".join(found))


def service() -> Finding:
    """What `zsderm serve` needs besides; a version with a known fault is a FAIL, none at all is not."""
    from packaging.requirements import Requirement

    try:
        needs = [Requirement(line) for line in requires("zsderm") or ()]
    except PackageNotFoundError:
        return Finding("WARN", "service", "zsderm runs, but is not installed", installation.registered())
    asked = [need for need in needs if need.marker and not need.marker.evaluate({"extra": ""})]
    asked = [need for need in asked if need.marker and need.marker.evaluate({"extra": "serve"})]
    found = {need.name: version_of(need.name) for need in asked}
    if missing := [name for name, number in found.items() if number == "none"]:
        detail = f"no {', '.join(missing)}, which zsderm serve needs ({installation.extra('serve')})"
        return Finding("PASS", "service", detail)
    if old := [need for need in asked if not need.specifier.contains(found[need.name], True)]:
        detail = ", ".join(f"{need.name}{need.specifier} (found: {found[need.name]})" for need in old)
        return Finding("FAIL", "service", detail, installation.extra("serve"))
    return Finding("PASS", "service", f"zsderm serve has fastapi {found['fastapi']} and uvicorn {found['uvicorn']}")


def bundled_weights() -> Finding:
    """The encoder that comes with the package loads."""
    from zsderm.encoders import load_encoder

    try:
        card = load_encoder("zsderm-mini").card
    except (ZsdermError, OSError) as error:
        return Finding("FAIL", "bundled weights", _one_line(error), installation.again())
    return Finding("PASS", "bundled weights", f"{card.name}, {card.width} dimensions, licence {card.licence}")


def knowledge_base() -> Finding:
    """The knowledge base that comes with the package loads and holds diseases."""
    from zsderm.knowledge.base import KnowledgeBase

    try:
        base = KnowledgeBase.load("dermatology")
    except (ZsdermError, OSError) as error:
        return Finding("FAIL", "knowledge base", _one_line(error), installation.again("knowledge_bases"))
    count = sum(len(disease.descriptions) for disease in base.diseases.values())
    return Finding("PASS", "knowledge base", f"{base.name}, {len(base.diseases)} diseases, {count} descriptions")


def threads() -> Finding:
    """Torch uses the processors there are."""
    try:
        used = import_module("torch").get_num_threads()
    except (ImportError, OSError) as error:
        return Finding("FAIL", "threads", _one_line(error), installation.torch_again())
    available = os.cpu_count() or 1
    detail = f"{used} of {available} processors"
    if used * 2 < available and "OMP_NUM_THREADS" in os.environ:
        return Finding("WARN", "threads", f"{detail}: OMP_NUM_THREADS is set", "unset OMP_NUM_THREADS")
    return Finding("PASS", "threads", detail)


def hub() -> Finding:
    """Where weights of the Hugging Face hub are kept, and whether it may be asked for more."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    kept = len(list(folder.glob("models--*"))) if folder.is_dir() else 0
    detail = f"{folder}, {kept} repositories, {_size(folder)}; "
    if constants.HF_HUB_OFFLINE:
        return Finding("PASS", "hub", detail + "offline, because HF_HUB_OFFLINE is set")
    return Finding("PASS", "hub", detail + f"others are fetched from {constants.ENDPOINT}")


def cache_folder(folder: Path) -> Finding:
    """The folder for image features can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = f"chmod u+rwx {folder}, or: zsderm classify --cache-dir FOLDER"
        return Finding("WARN", "cache", f"{folder} cannot be written: {error.strerror or error}", remedy)
    return Finding("PASS", "cache", f"{folder}, {_size(folder)}")


def _size(folder: Path) -> str:
    """What the files below a folder hold; links are not followed, so nothing counts twice."""
    files = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return f"{sum(file.lstat().st_size for file in files) / 1e6:.1f} MB"


def _faiss_package() -> str:
    """The FAISS of this installation: the one that is there, or else the one that fits torch and the machine.

    faiss-cpu may stand in the place of faiss-gpu: zsderm does not use its kernels for GPUs.
    """
    for name in ("faiss-gpu", "faiss-cpu"):
        if version_of(name) != "none":
            return name
    lean = version_of("torch").endswith("+cpu") or (sys.platform, platform.machine()) != ("linux", "x86_64")
    return "faiss-cpu" if lean else "faiss-gpu"


def _accelerator() -> str:
    """What torch can compute on, in a word or two."""
    library = import_module("torch")
    if library.cuda.is_available():
        return f"CUDA: {library.cuda.get_device_name(0)}"
    return "Apple GPU" if library.backends.mps.is_available() else "CPU only"


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()) if not isinstance(error, ZsdermError) else str(error)
