"""The commands that mend an installation fit where it came from: a checkout, a wheel, or neither."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from zsderm import doctor, installation

PIP = shlex.join([sys.executable, "-m", "pip", "install"])


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder of installed packages that stands before all others; makes packages in it."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def make(name: str, version: str, requires: tuple[str, ...] = (), **origin: object) -> None:
        folder = tmp_path / "site" / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        if origin:
            (folder / "direct_url.json").write_text(json.dumps(origin))

    return make


def test_an_editable_checkout_takes_what_is_damaged_from_git_and_loses_nothing(installed, tmp_path: Path) -> None:
    home = tmp_path / "my code"
    weights, code = home / "zsderm" / "weights" / "model", home / "zsderm" / "code.py"
    weights.parent.mkdir(parents=True)
    git = ["git", "-C", str(home), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "--quiet", str(home)], check=True)
    for file in (weights, code):
        file.write_text("sound")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "all"], check=True)
    weights.write_text("damaged")
    code.write_text("somebody's work")
    installed("zsderm", "9.9", url=home.as_uri(), dir_info={"editable": True})
    subprocess.run(installation.again(), shell=True, check=True, capture_output=True)
    assert (weights.read_text(), code.read_text()) == ("sound", "somebody's work")


def test_a_wheel_is_installed_again_from_its_file(installed, tmp_path: Path) -> None:
    wheel = tmp_path / "zsderm-9.9-py3-none-any.whl"
    wheel.touch()
    installed("zsderm", "9.9", url=wheel.as_uri(), archive_info={})
    assert installation.again() == f"{PIP} --force-reinstall --no-deps {wheel}"


@pytest.mark.parametrize("origin", [{}, {"url": "file:///gone/zsderm.whl"}, {"url": "https://example.org/zsderm.whl"}])
def test_what_came_from_an_index_or_is_gone_is_asked_for_by_version(installed, origin: dict[str, str]) -> None:
    installed("zsderm", "9.9", **origin)
    assert installation.again() == f"{PIP} --force-reinstall --no-deps zsderm==9.9"


def test_an_extra_is_named_by_its_packages(installed) -> None:
    installed("zsderm", "9.9", ("torch>=2", "b>=1; extra == 'siglip'", "c>=3; extra == 'onnx'"))
    assert installation.extra("siglip") == f"{PIP} 'b>=1'"


def test_torch_for_processors_stays_what_it_is(installed) -> None:
    installed("torch", "2.13.0+cpu")
    assert installation.torch_again().endswith("torch torchvision --index-url https://download.pytorch.org/whl/cpu")


@pytest.mark.parametrize(("version", "status"), [("1.9", "PASS"), ("1.7", "FAIL")])
def test_faiss_for_processors_may_stand_in_for_the_one_with_cuda(
    installed, version: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = ("faiss-gpu>=1.14; python_version > '3'", "faiss-cpu>=1.8; python_version < '3'", "click>=8")
    installed("zsderm", "9.9", needs)
    installed("faiss-cpu", version)
    real = installation.version_of
    monkeypatch.setattr("zsderm.doctor.version_of", lambda name: "none" if name == "faiss-gpu" else real(name))
    found = doctor.packages()
    assert found.status == status
    assert found.remedy == ("" if status == "PASS" else f"{PIP} --upgrade 'faiss-cpu>=1.8'")


def test_a_torchvision_of_another_build_is_mended_together_with_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open_clip.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "open_clip", raising=False)
    found = doctor.open_clip()
    assert found.status == "FAIL" and "torch torchvision" in found.remedy
