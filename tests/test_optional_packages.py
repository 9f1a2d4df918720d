from __future__ import annotations

import sys

import pytest

from zsderm import MissingDependencyError
from zsderm.optional_packages import requires


@pytest.mark.parametrize(
    ("install", "command"),
    [("zsderm[pretrain]", r".* -m pip install 'PyYAML>=6' .*"), ("pyarrow", ".* -m pip install pyarrow")],
)
def test_a_missing_package_is_a_sentence_with_the_command_that_installs_it(
    install: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)  # makes Python refuse the import
    with (
        pytest.raises(MissingDependencyError, match=f"^reading needs the package yaml, .*: {command}$"),
        requires(install, "reading"),
    ):
        import yaml  # noqa: F401


def test_a_module_of_zsderm_that_is_missing_is_a_defect() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"zsderm\.nothing"), requires("zsderm[x]"):
        import zsderm.nothing  # noqa: F401


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="mine"), requires("zsderm[x]"):
        raise ValueError("mine")
