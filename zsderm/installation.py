"""How this installation is mended or extended: commands that fit where it came from, a checkout or a wheel."""

from __future__ import annotations

import json
import shlex
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def pip(*arguments: str) -> str:
    """The command line that runs ``pip install`` in the environment that is running, whether or not it is activated.

    Args:
        arguments: what follows ``pip install``; each is quoted where the shell asks for it.
    """
    return shlex.join([sys.executable or "python", "-m", "pip", "install", *arguments])


def again(part: str = "zsderm/weights") -> str:
    """The command that puts the files of zsderm back in place and leaves all other packages alone.

    An editable checkout under git takes the part from git, any other installation comes from where it was installed
    from. The name alone would ask a package index, where this zsderm need not be.

    Args:
        part: the folder of a checkout that is damaged. Only that is put back, and what was changed in it is kept in
            git's stash: it may be somebody's work.
    """
    origin, editable = _origin()
    if origin is None:
        return pip("--force-reinstall", "--no-deps", f"zsderm=={version_of('zsderm')}")
    if editable and (origin / ".git").exists():
        return shlex.join(["git", "-C", str(origin), "stash", "push", "--", part])
    return pip("--force-reinstall", "--no-deps", *(["--editable"] if editable else []), str(origin))


def registered() -> str:
    """The command that installs a zsderm that runs from a folder without being installed."""
    return pip("--editable", str(Path(__file__).resolve().parents[1]))


def torch_again() -> str:
    """The command that installs torch and torchvision again, in the builds for processors alone where torch was that.

    Both at once: a torchvision from another index than torch's does not find its own operators.
    """
    found = version_of("torch")
    lean = found.endswith("+cpu") or (_has("faiss-cpu") and not _has("faiss-gpu") and sys.platform == "linux")
    return pip("--force-reinstall", "torch", "torchvision", *(["--index-url", _CPU_INDEX] if lean else []))


def extra(name: str) -> str:
    """The command that installs what an extra of zsderm asks for, package by package.

    ``pip install 'zsderm[NAME]'`` would install all that zsderm needs besides: in an environment made with
    requirements-cpu.txt, faiss-gpu with the CUDA libraries.

    Args:
        name: an extra of setup.cfg, such as ``"siglip"``.
    """
    from packaging.requirements import Requirement

    try:
        needs = [Requirement(line) for line in distribution("zsderm").requires or ()]
    except PackageNotFoundError:
        needs = []
    asked = [need for need in needs if need.marker and not need.marker.evaluate({"extra": ""})]
    named = [f"{need.name}{need.specifier}" for need in asked if need.marker and need.marker.evaluate({"extra": name})]
    return pip(*named) if named else pip(f"zsderm[{name}]")


def version_of(package: str) -> str:
    """The version of a package; "none" where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _origin() -> tuple[Path | None, bool]:
    """The folder or file that zsderm was installed from, if it is still there, and whether that is editable."""
    try:
        found: Distribution = distribution("zsderm")
        told = json.loads(found.read_text("direct_url.json") or "{}")
        parts = urlsplit(told["url"])
    except (PackageNotFoundError, ValueError, KeyError, OSError):
        return None, False
    path = Path(url2pathname(parts.path))
    if parts.scheme != "file" or not path.exists():
        return None, False
    return path, bool(told.get("dir_info", {}).get("editable"))


def _has(package: str) -> bool:
    return version_of(package) != "none"
