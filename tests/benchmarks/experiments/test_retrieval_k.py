from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zsderm.benchmarks.experiments.knowledge_variants import Subject
from zsderm.benchmarks.experiments.retrieval_k import (
    BASELINES,
    COLOURS,
    DATASETS,
    DEFAULT,
    KEPT,
    STYLES,
    WORDINGS,
    _markdown,
    _plot,
    answers_of,
)
from zsderm.config import Settings


@pytest.fixture
def figures() -> pd.DataFrame:
    rng, rows = np.random.default_rng(0), []
    for dataset in DATASETS:
        for wording in WORDINGS:
            curves = [(mode, weight, k) for mode in COLOURS for weight in STYLES for k in KEPT]
            for method, weight, k in [*((name, 0.0, 0) for name in BASELINES), *curves]:
                accuracy = {"accuracy": rng.random(), "balanced_accuracy": rng.random(), "n": 9}
                rows.append(
                    {
                        "dataset": dataset,
                        "wording": wording,
                        "method": method,
                        "name_weight": weight,
                        "k": k,
                        **accuracy,
                    }
                )
    return pd.DataFrame(rows)


def test_the_page_names_the_defaults_of_the_library() -> None:
    assert {"k": Settings().k, "name_weight": Settings().name_weight} == DEFAULT


def test_the_page_holds_every_figure_once(figures: pd.DataFrame) -> None:
    page = _markdown(figures, "mine 1.0", "dev", "curve")
    for row in figures.itertuples():
        assert f"{100 * row.accuracy:.1f} / {100 * row.balanced_accuracy:.1f}" in page
    assert "knowledge base mine 1.0, `dev` splits" in page
    assert page.count("| batch | 0 |") == page.count("| image | 0.5 |") == len(DATASETS) * len(WORDINGS)


def test_the_plot_is_a_picture(figures: pd.DataFrame, tmp_path: Path) -> None:
    _plot(figures, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_every_curve_ends_at_all_descriptions(subject: Subject) -> None:
    answers = answers_of(subject)
    assert {key[0] for key in answers} == {*BASELINES, *COLOURS}
    for mode in COLOURS:  # a class has ten descriptions here, so larger K changes nothing
        assert (answers[mode, 0.0, 10] == answers["descriptions", 0.0, 0]).all()
        assert (answers[mode, 0.5, 10] == answers[mode, 0.5, 30]).all()


def test_the_page_of_docs_is_what_the_committed_figures_give() -> None:
    docs = Path(__file__).resolve().parents[3] / "docs"
    committed = json.loads((docs / "retrieval.json").read_text("utf-8"))
    part = _markdown(pd.DataFrame(committed["figures"]), committed["knowledge"], "dev", "retrieval")
    marked = f"<!-- retrieval curve -->\n\n{part}\n<!-- end of retrieval curve -->"
    assert marked in (docs / "knowledge.md").read_text("utf-8")
