"""Is this installation in working order? One finding per part, with the command that mends it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

from zsderm.errors import ZsdermError

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
        torch,
        open_clip,
        faiss,
        bundled_weights,
        knowledge_base,
        threads,
    )
    for check in checks:
        yield check()
    yield cache_folder(cache)


def python() -> Finding:
    """The interpreter is new enough."""
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("FAIL", "python", f"{detail}; 3.10 or newer is needed", "make setup PYTHON=python3.12")
    return Finding("PASS", "python", detail)


def torch() -> Finding:
    """Torch imports and multiplies."""
    remedy = "pip install --force-reinstall torch"
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
        return Finding("FAIL", "open_clip", _one_line(error), "pip install --upgrade open_clip_torch")


def faiss() -> Finding:
    """FAISS imports and finds the nearest of two vectors."""
    package = "faiss-gpu" if (sys.platform, platform.machine()) == ("linux", "x86_64") else "faiss-cpu"
    try:
        import numpy as np

        library = import_module("faiss")
        index = library.IndexFlatIP(2)
        index.add(np.eye(2, dtype=np.float32))
        nearest = int(index.search(np.array([[0.1, 0.9]], dtype=np.float32), 1)[1][0, 0])
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return Finding("FAIL", "faiss", _one_line(error), f"pip install --force-reinstall {package}")
    if nearest != 1:
        return Finding(
            "FAIL", "faiss", f"expected row 1, but found {nearest}", f"pip install --force-reinstall {package}"
        )
    return Finding("PASS", "faiss", f"{library.__version__}, a search found what it should")


def bundled_weights() -> Finding:
    """The encoder that comes with the package loads."""
    from zsderm.encoders import load_encoder

    try:
        card = load_encoder("zsderm-mini").card
    except (ZsdermError, OSError) as error:
        return Finding("FAIL", "bundled weights", _one_line(error), "pip install --force-reinstall --no-deps zsderm")
    return Finding("PASS", "bundled weights", f"{card.name}, {card.width} dimensions, licence {card.licence}")


def knowledge_base() -> Finding:
    """The knowledge base that comes with the package loads and holds diseases."""
    from zsderm.knowledge.base import KnowledgeBase

    try:
        base = KnowledgeBase.load("dermatology")
    except (ZsdermError, OSError) as error:
        return Finding("FAIL", "knowledge base", _one_line(error), "pip install --force-reinstall --no-deps zsderm")
    count = sum(len(disease.descriptions) for disease in base.diseases.values())
    return Finding("PASS", "knowledge base", f"{base.name}, {len(base.diseases)} diseases, {count} descriptions")


def threads() -> Finding:
    """Torch uses the processors there are."""
    try:
        used = import_module("torch").get_num_threads()
    except (ImportError, OSError) as error:
        return Finding("FAIL", "threads", _one_line(error), "pip install --force-reinstall torch")
    available = os.cpu_count() or 1
    detail = f"{used} of {available} processors"
    if used * 2 < available and "OMP_NUM_THREADS" in os.environ:
        return Finding("WARN", "threads", f"{detail}: OMP_NUM_THREADS is set", "unset OMP_NUM_THREADS")
    return Finding("PASS", "threads", detail)


def cache_folder(folder: Path) -> Finding:
    """The folder for image features can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = f"chmod u+rwx {folder}, or: zsderm classify --cache-dir FOLDER"
        return Finding("WARN", "cache", f"{folder} cannot be written: {error.strerror or error}", remedy)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Finding("PASS", "cache", f"{folder}, {size / 1e6:.1f} MB")


def _accelerator() -> str:
    """What torch can compute on, in a word or two."""
    library = import_module("torch")
    if library.cuda.is_available():
        return f"CUDA: {library.cuda.get_device_name(0)}"
    return "Apple GPU" if library.backends.mps.is_available() else "CPU only"


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()) if not isinstance(error, ZsdermError) else str(error)
