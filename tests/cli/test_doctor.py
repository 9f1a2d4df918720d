"""Every part is examined, what is broken says how to mend it, and the exit code follows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from zsderm import doctor
from zsderm.cli import main

SUBJECTS = [
    "python",
    "packages",
    "torch",
    "open_clip",
    "faiss",
    "tokenizers",
    "photographs",
    "engines",
    "service",
    "bundled weights",
    "knowledge base",
    "threads",
    "hub",
    "cache",
]
DEPENDS = {"bundled weights", "threads", "tokenizers", "packages"}  # on the machine at hand


@pytest.mark.slow
def test_every_part_is_examined(tmp_path: Path) -> None:
    findings = list(doctor.examine(tmp_path / "cache"))
    assert [finding.subject for finding in findings] == SUBJECTS
    sound = {finding.subject: finding.status for finding in findings if finding.subject not in DEPENDS}
    assert set(sound.values()) == {"PASS"}
    assert all(finding.remedy for finding in findings if finding.status != "PASS")


@pytest.mark.slow
def test_the_bundled_weights_load() -> None:
    assert doctor.bundled_weights().status == "PASS"


@pytest.mark.parametrize(
    ("check", "module"), [(doctor.torch, "torch"), (doctor.open_clip, "open_clip"), (doctor.faiss, "faiss")]
)
def test_a_package_that_does_not_import_fails_with_a_command(
    check, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # makes Python refuse the import
    found = check()
    assert found.status == "FAIL" and "pip install" in found.remedy and module in found.remedy


def test_a_package_that_is_too_old_or_absent_fails_with_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["torch>=900", "no-such-package>=1; python_version > '3'", "other>=1; extra == 'test'", "click>=8"]
    monkeypatch.setattr("zsderm.doctor.requires", lambda name: needed)
    found = doctor.packages()
    assert found.status == "FAIL" and "no-such-package>=1 (found: none)" in found.detail
    assert found.remedy.endswith("-m pip install --upgrade 'torch>=900' 'no-such-package>=1'")
    monkeypatch.setattr("zsderm.doctor.requires", lambda name: needed[2:])
    assert doctor.packages().detail == "all 1 in versions that will do"


def test_a_tokenizer_package_that_is_absent_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsderm.doctor.find_spec", lambda name: None)
    found = doctor.tokenizers()
    assert found.status == "WARN" and found.remedy.endswith("-m pip install 'sentencepiece>=0.2' 'protobuf>=4.25'")


def test_engines_that_are_absent_are_told_and_broken_ones_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsderm.doctor.find_spec", lambda name: None)
    found = doctor.engines()
    assert found.status == "PASS" and "no onnxruntime (" in found.detail and "onnxscript>=0.2" in found.detail
    monkeypatch.setattr("zsderm.doctor.find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", sys)
    found = doctor.engines()
    assert found.status == "FAIL" and found.remedy.endswith("pip install --force-reinstall --no-deps openvino")


def test_formats_that_cannot_be_read_are_told_and_broken_packages_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor.photographs()
    assert found.status == "PASS" and "heic with pillow-heif" in found.detail and "dicom with pydicom" in found.detail
    monkeypatch.setattr("zsderm.doctor.find_spec", lambda name: None)
    found = doctor.photographs()
    assert found.status == "PASS" and "no heic (" in found.detail and "'pydicom>=3.0'" in found.detail
    monkeypatch.setattr("zsderm.doctor.find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    found = doctor.photographs()
    assert found.status == "FAIL" and found.remedy.endswith("pip install --force-reinstall --no-deps pillow-heif")


def test_a_service_that_cannot_start_is_told_and_one_with_known_faults_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = [
        'starlette>=0.49.1; extra == "serve"',
        'fastapi>=0.1; extra == "serve"',
        "torch>=2",
        'uvicorn; extra == "serve"',
    ]
    monkeypatch.setattr("zsderm.doctor.requires", lambda name: needed)
    found = {"starlette": "0.50", "fastapi": "0.2", "uvicorn": "1"}
    monkeypatch.setattr("zsderm.doctor.version_of", lambda name: found.get(name, "none"))
    assert str(doctor.service()) == "PASS  service         zsderm serve has fastapi 0.2 and uvicorn 1"
    found["starlette"] = "0.49.0"
    failed = doctor.service()
    assert failed.status == "FAIL" and failed.detail == "starlette>=0.49.1 (found: 0.49.0)" and failed.remedy
    del found["uvicorn"]
    assert doctor.service().status == "PASS" and doctor.service().detail.startswith("no uvicorn, which zsderm serve")


def test_the_hub_cache_and_the_mirror_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    (tmp_path / "models--a--b" / "blobs").mkdir(parents=True)
    (tmp_path / "models--a--b" / "blobs" / "c").write_bytes(bytes(1_500_000))
    (tmp_path / "models--a--b" / "d").symlink_to(tmp_path / "models--a--b" / "blobs" / "c")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "https://mirror.example")
    assert "1 repositories, 1.5 MB; others are fetched from https://mirror.example" in doctor.hub().detail
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in doctor.hub().detail


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = doctor.cache_folder(tmp_path / "file")
    assert found.status == "WARN" and "--cache-dir" in found.remedy


def test_the_size_of_the_cache_is_told(tmp_path: Path) -> None:
    (tmp_path / "features.bin").write_bytes(b"0" * 2_500_000)
    assert "2.5 MB" in doctor.cache_folder(tmp_path).detail


def test_few_threads_by_choice_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert doctor.threads().status == "WARN"


def test_the_command_prints_a_line_each_and_exits_0_or_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = doctor.Finding("PASS", "python", "3.12")
    bad = doctor.Finding("FAIL", "faiss", "ImportError", "pip install faiss-gpu")
    monkeypatch.setattr("zsderm.doctor.examine", lambda cache: iter([good]))
    done = CliRunner().invoke(main, ["doctor"])
    assert (done.exit_code, done.stdout) == (0, "PASS  python          3.12\n")
    monkeypatch.setattr("zsderm.doctor.examine", lambda cache: iter([good, bad]))
    done = CliRunner().invoke(main, ["doctor", "--cache-dir", str(tmp_path)])
    assert done.exit_code == 1 and "mend it with: pip install faiss-gpu" in done.stdout
