"""Packages that only some users need, and the sentence for those who lack one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from zsderm.errors import MissingDependencyError


@contextmanager
def requires(install: str, purpose: str = "this") -> Iterator[None]:
    """A block of imports; a package that is missing there becomes a sentence with the command that installs it.

    ``with requires("zsderm[pretrain]"): import yaml``

    Args:
        install: what pip is to install: a package, or an extra of zsderm.
        purpose: what needs it.

    Raises:
        MissingDependencyError: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("zsderm"):
            raise  # a defect, and nothing to install
        from zsderm import installation  # not above: who lacks nothing need not wait for it

        extra = re.fullmatch(r"zsderm\[(\w+)\]", install)
        command = installation.extra(extra[1]) if extra else installation.pip(install)
        raise MissingDependencyError(
            f"{purpose} needs the package {error.name}, which is not installed. Install it with: {command}"
        ) from error
