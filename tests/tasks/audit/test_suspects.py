"""Planted errors are ranked first, groups and copies judge nobody of their own, and the page gives corrections back."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.report.browser import FOUND, Browser
from zsderm import InputError, MissingDependencyError
from zsderm.image_table import ImageTable
from zsderm.tasks.audit import AuditReport, ImageSet, Labels, Pair, familiarities, find_suspects, write_suspects
from zsderm.tasks.audit.cross_fitting import FOLDS, NO_LABEL, checkable, cross_fitted, joined
from zsderm.tasks.audit.label_errors import label_doubts

CLASSES = ("nevus", "melanoma", '=scar, "old"')
EACH = 12


def _features(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Unit rows in a cloud for each label."""
    rng = np.random.default_rng(seed)
    centres = np.eye(3, 8)
    rows = centres[labels] + rng.normal(0, 0.05, (len(labels), 8))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _audit(
    features: np.ndarray | None, pairs: tuple[Pair, ...] = (), folder: Path = Path("x"), **groups: list[str]
) -> AuditReport:
    count = 3 * EACH if features is None else len(features)
    paths = tuple(folder / f"{row}.png" for row in range(count))
    columns = {name: tuple(cells) for name, cells in groups.items()}
    return AuditReport((ImageSet("x", paths, columns),), pairs, (), {}, 40, None, "tiny", features)


@pytest.fixture
def true() -> np.ndarray:
    return np.repeat(np.arange(3), EACH)


def test_a_swapped_label_is_first_with_its_true_class_as_suggestion(true: np.ndarray) -> None:
    given = true.copy()
    given[[2, 20]] = [1, 0]
    found = find_suspects(_audit(_features(true)), Labels(CLASSES, given))
    assert set(found.by_label[:2].tolist()) == {2, 20} and found.doubts.doubtful.nonzero()[0].tolist() == [2, 20]
    assert (found.label(2), found.suggestion(2)) == ("melanoma", "nevus")
    first = found.to_frame().iloc[0]
    assert first["doubtful"] == "yes" and first["label_rank"] == 1 and first["probability_of_label"] < 0.5
    assert "Likely label errors: 2 of 36 labels are doubtful" in found.to_markdown()
    assert found.to_dict()["doubtful_by_label"] == {"melanoma": 1, "nevus": 1}


def test_one_doubtful_label_is_one_in_words_too(true: np.ndarray) -> None:
    given = true.copy()
    given[2] = 1
    assert find_suspects(_audit(_features(true)), Labels(CLASSES, given)).headline == "1 of 36 labels is doubtful"


def test_rows_sum_to_1_and_no_row_is_from_a_model_that_saw_its_group(true: np.ndarray) -> None:
    features = _features(true)
    table = cross_fitted(features, true, np.arange(len(true)), 3)
    np.testing.assert_allclose(table.sum(axis=1), 1, rtol=1e-6)
    # All photographs of one wrong label are of one group: nobody outside of it says that they are a class.
    given, groups = true.copy(), np.arange(len(true))
    given[:6], groups[:6] = 1, 0
    assert (cross_fitted(features, given, groups, 3)[:6].argmax(axis=1) == 0).all()


def test_copies_and_chains_of_names_are_one_group() -> None:
    groups = joined(6, [["p", "p", "", "", "q", ""], ["", "l", "l", "", "", ""]], [(4, 5)])
    assert groups[0] == groups[1] == groups[2] and groups[4] == groups[5] and len(set(groups.tolist())) == 3


def test_copies_with_the_same_wrong_label_do_not_hide_each_other(true: np.ndarray) -> None:
    given, features = true.copy(), _features(true)
    given[:4] = 1
    features[1:4] = features[0]
    copies = tuple(Pair("perceptual", "within train", 0, other, bits=0) for other in (1, 2, 3))
    assert set(find_suspects(_audit(features, copies), Labels(CLASSES, given)).by_label[:4].tolist()) == {0, 1, 2, 3}


def test_a_class_of_few_is_not_judged_and_named(true: np.ndarray) -> None:
    given = true.copy()
    given[given == 2] = NO_LABEL
    given[-FOLDS + 1 :] = 2
    assert checkable(given, np.arange(len(given))).tolist() == [0, 1]
    found = find_suspects(_audit(_features(true)), Labels(CLASSES, given))
    assert len(found.by_label) == 2 * EACH and "=scar" in dict(found.facts)["Not judged"]


@pytest.mark.parametrize(
    ("classes", "table", "why"),
    [
        (CLASSES, None, "fewer than two classes have 5 patients"),
        (CLASSES[:1], None, "all of them are nevus"),
        (CLASSES, np.full((3 * EACH, 3), np.nan), "no photograph with a label has probabilities in theirs.csv"),
    ],
)
def test_labels_that_cannot_be_judged_leave_the_rest(
    true: np.ndarray, classes: tuple[str, ...], table: np.ndarray | None, why: str
) -> None:
    one_patient = _audit(_features(true), patient_id=["p"] * len(true))
    found = find_suspects(one_patient, Labels(classes, true % len(classes), table, "theirs.csv"))
    assert len(found.by_familiarity) == len(true) and not found.by_label.size
    assert f"Labels were not judged: {why}" in found.to_markdown() and "held against" not in dict(found.facts)


def test_probabilities_of_another_tool_need_no_embeddings(true: np.ndarray) -> None:
    table = np.full((len(true), 3), 0.05)
    table[np.arange(len(true)), true] = 0.9
    table[5] = np.nan
    given = true.copy()
    given[7] = 2
    found = find_suspects(_audit(None), Labels(CLASSES, given, table, "theirs.csv"))
    assert found.by_label[0] == 7 and 5 not in found.by_label and not found.by_familiarity.size
    assert dict(found.facts)["Labels held against"] == "theirs.csv"
    with pytest.raises(InputError, match="need predictions or an encoder"):
        find_suspects(_audit(None), Labels(CLASSES, given))


def test_without_cleanlab_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, true: np.ndarray) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    with pytest.raises(MissingDependencyError, match="pip install 'cleanlab>="):
        label_doubts(true, np.full((len(true), 3), 1 / 3))


def test_a_stranger_is_first_by_familiarity_and_an_unreadable_image_has_none(true: np.ndarray) -> None:
    features = _features(true)
    features[9] = np.eye(8)[7]
    features[4] = 0
    readable = np.arange(len(true)) != 4
    found = familiarities(features, readable)
    assert np.isnan(found[4]) and np.nanargmin(found) == 9
    assert np.isnan(familiarities(features[:1], readable[:1])).all()
    two = familiarities(features[:2], readable[:2])
    np.testing.assert_allclose(two, features[0] @ features[1], atol=1e-6)


@pytest.fixture
def page(tmp_path: Path, true: np.ndarray) -> Path:
    rng = np.random.default_rng(0)
    for row in range(len(true)):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(tmp_path / f"{row}.png")
    given = true.copy()
    given[2] = 1
    patients = {"patient_id": [f"0{row}" for row in range(len(true))]}
    labels = Labels(CLASSES, given, columns=patients)
    found = find_suspects(_audit(_features(true), folder=tmp_path), labels)
    write_suspects(found, tmp_path / "review.html")
    return tmp_path / "review.html"


def test_the_page_stands_alone_and_nothing_in_it_ends_its_script(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="labels">(.*?)</script>', text, re.DOTALL)
    assert data is not None and json.loads(data[1])["classes"] == list(CLASSES) and "<" not in data[1]
    assert not re.search(r'(src|href)="(?!data:)', text) and "1. melanoma, or nevus?" in text


CHOOSE = """(card, text) => {
  const select = card.querySelector("select");
  select.value = [...select.options].find((one) => one.text.startsWith(text)).value;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}"""


@pytest.mark.slow
@pytest.mark.skipif(FOUND is None, reason="needs chromium")
def test_corrections_outlive_a_reload_and_are_in_a_print_with_every_picture(page: Path, tmp_path: Path) -> None:
    with Browser(tmp_path) as browser:
        browser.open(page)
        browser.run(f"const [one, two] = document.querySelectorAll('.card'), choose = {CHOOSE}")
        browser.run("choose(one, 'nevus (suggested)'); choose(two, 'none of these')")
        address = browser.run("location.hash")
        browser.open(page, address)
        assert browser.run("document.getElementById('count').textContent") == "2 corrections"
        assert browser.run("document.querySelector('.card option:checked').textContent") == "nevus (suggested)"
        browser.pdf(tmp_path / "review.pdf")
        said = "[...document.querySelectorAll('.said:not([hidden])')].map(one => one.textContent)"
        assert {"✎ Corrected here: nevus", "✎ Left out here: none of these"} == set(browser.run(said))
        assert (tmp_path / "review.pdf").read_bytes().count(b"/Subtype /Image") == browser.run(
            "new Set([...document.images].map(one => one.src)).size"
        )
        other = page.with_name("other.html")
        other.write_text(page.read_text(encoding="utf-8").replace('"report": "', '"report": "0'), encoding="utf-8")
        browser.open(other, address)
        assert browser.run("document.getElementById('count').textContent") == "No corrections"
        assert browser.complaints == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_corrections_come_back_as_a_table_of_labels(page: Path, tmp_path: Path) -> None:
    script = """
    Blob = class { constructor(parts) { document.title = btoa(parts.join("")); } };
    URL.createObjectURL = () => "#";
    const choose = (card, value) => {
      const select = card.querySelector("select");
      select.value = [...select.options].find((one) => one.text.startsWith(value)).value;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    };
    const [first, second] = document.querySelectorAll(".card");
    choose(first, "nevus (suggested)"); choose(second, "none of these");
    document.getElementById("BUTTON").click();
    """
    tables = {}
    for button in ("changed", "all"):
        played = tmp_path / f"{button}.html"
        text = page.read_text(encoding="utf-8")
        played.write_text(text + f"<script>{script.replace('BUTTON', button)}</script>", encoding="utf-8")
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", played.as_uri()]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
        title = re.search("<title>(.*?)</title>", shown)
        assert title is not None
        tables[button] = tmp_path / f"{button}.csv"
        tables[button].write_bytes(b64decode(title[1]))
    with tables["changed"].open(encoding="utf-8", newline="") as file:
        corrected, left_out = csv.DictReader(file)
    assert (
        corrected == {"image": str(tmp_path / "2.png"), "true_label": "nevus", "patient_id": "02"}
        and left_out["true_label"] == ""
    )
    every = ImageTable.read(tables["all"])  # the apostrophe before a formula is taken off again
    assert len(every.names) == len(set(every.ids("patient_id"))) == 3 * EACH and set(every.column("true_label")) == {
        *CLASSES,
        "",
    }
