"""What setup.cfg promises: every room and every data file is packed, every import is declared, and help is quick."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import entry_points, requires, version
from pathlib import Path

import pytest
import yaml
from click import Context
from packaging.requirements import Requirement

import zsderm
from zsderm.cli import _COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {
    "zsderm": "zsderm",
    "pretrain": "zsderm/pretrain",
    "benchmarks": "zsderm/benchmarks",
    "knowledge_bases": "zsderm/knowledge_bases",
}
SOLD_AS = {
    "rouge_score": "rouge-score",
    "PIL": "pillow",
    "faiss": "faiss-gpu",
    "open_clip": "open_clip_torch",
    "pillow_heif": "pillow-heif",
    "prometheus_client": "prometheus-client",
    "python_multipart": "python-multipart",
    "sentence_transformers": "sentence-transformers",
    "sklearn": "scikit-learn",
}
OF_AN_EXTRA = {"service"}  # rooms that only the command that asks for the extra enters
UNPACKED = {"__pycache__", ".ipynb_checkpoints"}


@pytest.fixture(scope="module")
def config() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files that a wheel would hold, by building the tree of one."""
    folder = tmp_path_factory.mktemp("build")
    command = [
        sys.executable,
        "setup.py",
        "--quiet",
        "build",
        "--build-base",
        str(folder),
        "--build-lib",
        f"{folder}/lib",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return {path.relative_to(folder / "lib").as_posix() for path in (folder / "lib").rglob("*") if path.is_file()}


def _lines(config: ConfigParser, section: str, key: str) -> list[str]:
    return [line.strip() for line in config[section][key].splitlines() if line.strip()]


def _files(room: str) -> list[Path]:
    files = (path for path in (ROOT / room).rglob("*") if path.is_file())
    return [path for path in files if not UNPACKED & set(path.parts) and not path.name.startswith(".")]


def test_every_package_that_exists_is_listed(config: ConfigParser) -> None:
    folders = {
        (Path(target) / path.parent.relative_to(ROOT / room)).as_posix().replace("/", ".")
        for room, target in ROOMS.items()
        for path in _files(room)
        if path.suffix == ".py"
    }
    assert folders == set(_lines(config, "options", "packages"))


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_of_a_room_is_packed(room: str, packed: set[str]) -> None:
    expected = {(Path(ROOMS[room]) / path.relative_to(ROOT / room)).as_posix() for path in _files(room)}
    assert expected <= packed


def test_nothing_but_the_house_is_packed(packed: set[str]) -> None:
    assert {name.split("/")[0] for name in packed} == {"zsderm"}


def test_every_room_can_be_imported_under_the_one_root() -> None:
    code = "import zsderm.benchmarks, zsderm.knowledge_bases, zsderm.pretrain"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "tests")


def test_the_version_has_one_source() -> None:
    assert version("zsderm") == zsderm.__version__


def test_the_command_is_installed() -> None:
    (script,) = entry_points(group="console_scripts", name="zsderm")
    assert script.value == "zsderm.cli:main"


@pytest.mark.slow
def test_every_import_of_the_library_is_declared() -> None:
    needed = {Requirement(line).name.lower() for line in requires("zsderm") or () if "extra ==" not in line}
    offered = {Requirement(line).name.lower() for line in requires("zsderm") or ()}
    for path in (ROOT / "zsderm").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {node for part in ast.walk(tree) if isinstance(part, ast.FunctionDef) for node in ast.walk(part)}
        apart = path.relative_to(ROOT).parts[1] in OF_AN_EXTRA
        for node in ast.walk(tree):
            # What an extra brings is imported where it is used.
            declared = offered if node in inside or apart else needed
            for name in _imported(node) - set(sys.stdlib_module_names) - {"zsderm"}:
                package = SOLD_AS.get(name, name).lower()
                assert package in declared, f"{path.relative_to(ROOT)} imports {name}, which setup.cfg does not require"


def _imported(node: ast.AST) -> set[str]:
    """The packages that a statement imports, without those of the same room."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and not node.level:
        return {(node.module or "").partition(".")[0]}
    return set()


def test_setup_cfg_is_the_only_place_for_metadata() -> None:
    assert "[project]" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert len((ROOT / "setup.py").read_text(encoding="utf-8").splitlines()) == 3
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from zsderm.cli import main; main(['--help'], standalone_mode=False); "
        "heavy = {'torch', 'open_clip', 'pandas', 'numpy', 'sklearn', 'PIL', 'pydicom', 'pillow_heif'};"
        "print('HEAVY:', *heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == "HEAVY:"


@pytest.mark.parametrize("name", _COMMANDS)
def test_help_says_the_same_at_the_door_and_in_the_room(name: str) -> None:
    command = main.get_command(Context(main), name)
    assert command is not None and (command.help or "").startswith(_COMMANDS[name].rstrip("."))


def test_the_lean_requirements_are_those_of_setup_cfg_with_faiss_for_processors(config: ConfigParser) -> None:
    lines = (ROOT / "requirements-cpu.txt").read_text(encoding="utf-8").splitlines()
    lean = {line for line in lines if line and not line.startswith("#")}
    needed = {line.partition(";")[0] for line in _lines(config, "options", "install_requires")}
    assert lean == {line for line in needed if not line.startswith("faiss-gpu")}


def test_the_container_of_the_service_has_what_its_extras_ask_for(config: ConfigParser) -> None:
    stage = (ROOT / "Containerfile").read_text(encoding="utf-8").partition(" AS serve\n")[2].partition("\nFROM ")[0]
    extras = (_lines(config, "options.extras_require", name) for name in ("serve", "heic", "dicom"))
    assert set(re.findall(r'"([\w-]+>=[\d.]+)"', stage)) == {line for lines in extras for line in lines}


def test_what_a_package_index_shows_has_no_link_to_a_file_beside_it(config: ConfigParser) -> None:
    page = (ROOT / config["metadata"]["long_description"].removeprefix("file:").strip()).read_text(encoding="utf-8")
    assert all(target.startswith("https://") for target in re.findall(r"\]\(([^)]*)\)", page))


def test_the_licences_of_code_weights_and_knowledge_are_packed(config: ConfigParser) -> None:
    given = {
        path.relative_to(ROOT).as_posix()
        for line in _lines(config, "metadata", "license_files")
        for path in ROOT.glob(line)
    }
    assert {"LICENSE", "zsderm/weights/LICENSE.md", "knowledge_bases/dermatology/SOURCES.md"} <= given
    assert config["metadata"]["license_expression"].split(" AND ") == ["Apache-2.0", "CC-BY-NC-4.0", "CC-BY-4.0"]


def test_the_citation_names_this_version_and_no_place_that_is_not_there() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (zsderm.__version__, "Apache-2.0")
    assert not {"doi", "url", "repository", "repository-code"} & set(citation)


def test_pip_is_heard_in_make() -> None:
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (line,) = (line for line in told.stdout.splitlines() if "pip install" in line)
    assert "--quiet" not in line and " -q" not in line
