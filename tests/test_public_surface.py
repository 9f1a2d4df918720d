"""What ``zsderm`` promises is there, is all there is, and costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import zsderm.pretrain


@pytest.mark.parametrize("name", zsderm.__all__)
def test_every_promised_name_can_be_imported(name: str) -> None:
    assert getattr(zsderm, name) is not None


@pytest.mark.parametrize("name", zsderm.pretrain.__all__)
def test_every_name_that_pretrain_promises_can_be_imported(name: str) -> None:
    assert callable(getattr(zsderm.pretrain, name))


def test_all_is_sorted_and_equals_dir() -> None:
    assert sorted(zsderm.__all__) == zsderm.__all__ == dir(zsderm)


def test_every_error_and_warning_is_promised() -> None:
    from zsderm import errors

    tree = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert tree == {name for name in zsderm.__all__ if name.endswith(("Error", "Warning"))}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'melanoma'"):
        _ = zsderm.melanoma


def test_import_is_quick_because_torch_stays_out() -> None:
    code = "import sys, zsderm; print(*{'torch', 'open_clip', 'pandas', 'numpy', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
