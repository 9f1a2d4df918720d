"""The script of the page in a real browser: what people choose, enlarge, correct, download and print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from tests.report import browser
from tests.report.browser import Browser
from zsderm.cli import main
from zsderm.cli.report_labels import report_labels
from zsderm.image_table import ImageTable
from zsderm.predictions import Evidence, Predictions
from zsderm.report import write_report
from zsderm.table_files import write_csv

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.FOUND is None, reason="needs chromium, which runs the script of the page"),
]

CLASSES = ("melanoma", "</script><b>wart", "=nevus, common")
COUNT = 130  # more than stand ready, and three pages


class _Reason:
    winner, runner_up, scale = CLASSES[0], CLASSES[1], 0.125
    runner_up_evidence = ()

    def overlay(self, side: int) -> Image.Image:
        return Image.new("RGB", (side, side // 2), "purple")


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictions, np.ndarray]:
    """Photographs on disk, every fifth wrongly answered, the last one torn, and a name that spreadsheets compute."""
    folder, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    names = [str(folder / f"photo {number}.jpg") for number in range(COUNT - 2)] + ["=1+1 'x\".jpg", "torn.jpg"]
    for name in names[:-2]:
        Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(name)
    table = torch.tensor(rng.dirichlet(np.ones(3), COUNT), dtype=torch.float32)
    table[-1] = torch.nan
    answers = table.nan_to_num(-1).argmax(dim=1).numpy()
    true = np.where(np.arange(COUNT) % 5 == 0, (answers + 1) % 3, answers)
    true[3] = -1
    text = Evidence("a sign", 0.5, "colour", "dermatology")
    predictions = Predictions(
        names,
        CLASSES,
        table,
        "knowledge",
        "uniform",
        "kpl",
        (*[(text,)] * (COUNT - 1), ()),
        errors={"torn.jpg": "torn"},
        runner_up_evidence=(*[(text,)] * (COUNT - 1), ()),
        familiarity=torch.tensor(rng.normal(size=COUNT), dtype=torch.float32),
        abstained=torch.arange(COUNT) < 4,
        minimum=float(table[:-1].max(dim=1).values.sort().values[2:4].mean()),
    )
    return predictions, true


@pytest.fixture(scope="module")
def report(answered: tuple[Predictions, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    predictions, true = answered
    page = tmp_path_factory.mktemp("report") / "report.html"
    heat = [_Reason(), *[None] * (COUNT - 1)]
    write_report(predictions, page, true=true, explanations=heat)
    return page


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def page(window: Browser, report: Path) -> Iterator[Browser]:
    window.open(report)
    yield window
    assert window.complaints == [], "errors, or something asked of the network"


def _places(page: Browser) -> list[int]:
    found: list[int] = page.run(
        "[...document.getElementById('shown').children].map(card => Number(card.dataset.place))"
    )
    return found


def _status(page: Browser) -> str:
    return str(page.run("document.getElementById('status').textContent"))


def _go(page: Browser, fragment: str) -> None:
    page.run(f"location.hash = {fragment!r}; new Promise(done => setTimeout(done, 50))")


def _input(page: Browser, field: str, value: str) -> None:
    page.run(
        f"(field => {{ field.value = {value!r}; field.dispatchEvent(new Event('input', {{bubbles: true}})) }})"
        f"(document.getElementById('tools').elements[{field!r}])"
    )


def test_wrong_answers_come_first_the_surest_before_the_others(
    page: Browser, answered: tuple[Predictions, np.ndarray]
) -> None:
    predictions, _ = answered
    wrong = [place for place in range(COUNT) if place % 5 == 0]
    sure = predictions.confidence
    assert _places(page)[: len(wrong)] == sorted(wrong, key=lambda place: -sure[place])
    assert _status(page).startswith(f"{COUNT} of {COUNT} photographs, 1 to 48 on this page: wrong first")


@pytest.mark.parametrize(
    ("fragment", "count"),
    [
        ("#show=wrong", 26),
        ("#show=right", 102),
        ("#show=unlabelled", 1),
        ("#show=abstained", 4),
        ("#show=failed", 1),
        ("#show=below", 3),
        ("#find=12.JPG+photo", 2),
        ("#find=photo+no-such", 0),
        ("#show=wrong&find=0.jpg", 13),
        ("#show=nonsense&answer=99&sort=toString&page=-1", COUNT),
    ],
)
def test_an_address_says_what_is_chosen(page: Browser, report: Path, fragment: str, count: int) -> None:
    page.open(report, fragment)
    assert _status(page).startswith(f"{count} of {COUNT} photographs"), "when it is opened"
    page.open(report)
    _go(page, fragment)
    assert _status(page).startswith(f"{count} of {COUNT} photographs"), "when it is followed"


def test_a_number_leads_to_the_answers_that_the_refinement_changed(
    window: Browser, answered: tuple[Predictions, np.ndarray], tmp_path: Path
) -> None:
    predictions, true = answered
    now = predictions.labels
    before = [
        CLASSES[(CLASSES.index(name) + 1) % 3] if place in (2, 70, 90) else name
        for place, name in enumerate(now)
        if name
    ] + [None]
    sentence = f"Refined: a class mix was stated. 3 of {COUNT - 1} answers changed."
    refined = replace(predictions, unrefined_labels=before, manifest={"refinement": {"summary": sentence}})
    write_report(refined, tmp_path / "report.html", true=true)
    window.open(tmp_path / "report.html")
    assert sentence in window.run("document.querySelector('[aria-label=Changes]').closest('details').innerText")
    window.run("document.querySelector('a[href=\"#show=changed\"]').click(); new Promise(done => setTimeout(done, 50))")
    assert sorted(_places(window)) == [2, 70, 90] and _status(window).startswith(f"3 of {COUNT} photographs")
    cards = window.run("[...document.querySelectorAll('#shown .changed')].map(said => said.textContent)")
    assert sorted(cards) == sorted(f"Changed: {before[place]} → {now[place]}" for place in (2, 70, 90))
    assert window.complaints == []


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("given", lambda predictions: range(COUNT)),
        ("unsure", lambda predictions: predictions.confidence.tolist()),
        ("sure", lambda predictions: (-predictions.confidence).tolist()),
        (
            "margin",
            lambda predictions: [float(row[0] - row[1]) for row in predictions.probabilities.sort(descending=True)[0]],
        ),
        ("strange", lambda predictions: predictions.familiarity.tolist()),
    ],
)
def test_photographs_are_put_in_order(page: Browser, answered: tuple[Predictions, np.ndarray], order: str, key) -> None:
    keys = list(key(answered[0]))
    _input(page, "sort", order)
    places = _places(page)
    assert places == sorted(range(COUNT), key=lambda place: keys[place] if keys[place] == keys[place] else np.inf)[:48]


def test_filters_and_pages_go_together_and_are_kept_in_the_address(
    page: Browser, answered: tuple[Predictions, np.ndarray], report: Path
) -> None:
    predictions, true = answered
    _input(page, "sort", "given")
    page.run("document.querySelector('.pager button:last-of-type').click()")
    assert _places(page) == list(range(48, 96)) and "49 to 96 on this page" in _status(page)
    address = page.run("location.hash")
    page.open(report, address)
    assert _places(page) == list(range(48, 96)), "after a reload"
    _input(page, "answer", "1")
    wanted = [place for place, label in enumerate(predictions.labels) if label == CLASSES[1]]
    assert _places(page) == wanted[:48]
    _input(page, "label", "2")
    assert _places(page) == [place for place in wanted if true[place] == 2]
    page.run("document.querySelector('.matrix td a').click(); new Promise(done => setTimeout(done, 50))")
    assert f"answered {CLASSES[0]}, labelled {CLASSES[0]}" in _status(page)
    page.run("document.querySelector('#tools [type=reset]').click()")
    assert _status(page).startswith(f"{COUNT} of {COUNT} photographs")


def test_what_others_named_is_text_and_never_part_of_the_page(page: Browser) -> None:
    _go(page, "#sort=given&page=3")  # those that waited as text
    assert page.run("document.querySelectorAll('#shown b, #tools b, script:not(:last-of-type)').length") == 0
    assert CLASSES[1] in page.run("document.getElementById('shown').textContent")


def test_a_photograph_is_enlarged_with_its_heat_map_and_the_keyboard_goes_on(page: Browser) -> None:
    _go(page, "#sort=given")
    page.run("document.querySelector('#shown .zoom').focus()")
    page.press("Enter")
    large = "document.getElementById('large')"
    assert page.run(f"{large}.open") and page.run(f"{large}.querySelectorAll('.picture img').length") == 2
    assert "It is not the outline of a lesion" in " ".join(page.run(f"{large}.textContent").split())
    page.press("ArrowRight")
    assert page.run("document.getElementById('large-title').textContent") == "photo 1.jpg"
    page.press("ArrowLeft")
    page.press("Escape")
    assert not page.run(f"{large}.open")
    assert page.run("document.activeElement.getAttribute('aria-label')") == "Enlarge photo 0.jpg", "back where it was"


def test_beside_a_wrong_answer_stand_the_pictures_of_right_ones(page: Browser) -> None:
    shown = page.run(
        "[...document.querySelectorAll('#shown .wrong .near a img')].every(one => one.src.startsWith('data:'))"
    )
    assert shown and page.run("document.querySelectorAll('#shown .wrong .near a img').length") > 20
    page.run("document.querySelector('#shown .near a').click(); new Promise(done => setTimeout(done, 50))")
    assert page.run("document.getElementById('large').open")


def _correct(page: Browser, place: int, value: str) -> None:
    page.run(
        f"(field => {{ field.value = {value!r}; field.dispatchEvent(new Event('change', {{bubbles: true}})) }})"
        f"(document.querySelector('#shown [data-place=\"{place}\"] .mark select'))"
    )


@pytest.mark.parametrize("given", [True, False])
def test_corrections_are_downloaded_as_labels_that_evaluate_takes(
    window: Browser, report: Path, answered: tuple[Predictions, np.ndarray], tmp_path: Path, given: bool
) -> None:
    predictions, true = answered
    window.open(report, "#sort=given")
    answers = predictions.probabilities.nan_to_num(-1).argmax(dim=1).numpy()
    for place, value in {0: "1", 1: "-1", 2: str(answers[2]), 4: "0"}.items():
        _correct(window, place, value)
    _correct(window, 4, "")  # and back
    said = window.run("[...document.querySelectorAll('#shown .said')].map(one => one.textContent)")
    assert said == [f"✎ Corrected here: {CLASSES[1]}", "✎ Marked here: nobody can tell", "✎ Confirmed here"]
    _go(window, "#sort=given&page=3")
    _correct(window, COUNT - 2, "2")  # the name that a spreadsheet would compute
    window.open(report, window.run("location.hash"))  # a reload keeps them
    assert window.warned, "what is not saved may be lost"
    window.run(f"document.getElementById('given').checked = {str(given).lower()}")
    window.run("document.getElementById('save').click()")
    labels = window.download()
    predictions.save(tmp_path / "predictions.csv")
    (tmp_path / "classes.json").write_text('["melanoma", "</script><b>wart", "=nevus, common"]')
    files = {"--predictions": tmp_path / "predictions.csv", "--labels": labels, "--classes": tmp_path / "classes.json"}
    arguments = [text for pair in files.items() for text in map(str, pair)]
    done = CliRunner().invoke(main, ["evaluate", *arguments])
    content = labels.read_text(encoding="utf-8")
    labels.unlink()
    assert done.exit_code == 0, done.output
    now = true.copy() if given else np.full(COUNT, -1)
    now[[0, 1, 2, COUNT - 2]] = [1, -1, answers[2], 2]
    right = (now == answers)[(now >= 0) & predictions.ok.numpy()]
    assert f"{right.mean():.3f} (" in done.output and content.startswith("image,true_label\n")
    assert '"\'=1+1 \'x"".jpg","\'=nevus, common"\n' in content
    assert content.count("\n") == 1 + (COUNT if given else 4) - (1 if given else 0)
    assert window.complaints == []


@pytest.mark.parametrize("given", [True, False])
def test_downloaded_labels_keep_the_other_columns_of_the_table(
    page: Browser, answered: tuple[Predictions, np.ndarray], tmp_path: Path, given: bool
) -> None:
    predictions, true = answered
    table = pd.DataFrame({"filename": predictions.images, "patient_id": [f"0{n // 2}" for n in range(COUNT)]})
    table["=skin, type"] = [["I", "=II", "", 'a "b"'][n % 4] for n in range(COUNT)]
    table["label"] = [CLASSES[label] if label >= 0 else "" for label in true]
    write_csv(table, tmp_path / "given.csv")
    known = report_labels(predictions.images, tmp_path / "given.csv", CLASSES, None)
    write_report(predictions, tmp_path / "report.html", **known)
    page.open(tmp_path / "report.html", "#sort=given")
    _correct(page, 2, "1")
    page.run(f"document.getElementById('given').checked = {str(given).lower()}")
    page.run("document.getElementById('save').click()")
    labels = page.download()
    found = ImageTable.read(labels).beside(predictions.images)
    labels.unlink()
    assert list(found.frame) == ["image", "true_label", "patient_id", "=skin, type"]
    rows = [n for n in range(COUNT) if n == 2 or (given and true[n] >= 0)]
    for column in ("patient_id", "=skin, type"):
        assert [found.column(column)[n] for n in rows] == table[column][rows].tolist()
    assert found.column("true_label")[2] == CLASSES[1] and page.complaints == []


def test_corrections_of_another_report_are_not_taken_over(
    page: Browser, report: Path, answered: tuple[Predictions, np.ndarray], tmp_path: Path
) -> None:
    _go(page, "#sort=given")
    _correct(page, 0, "1")
    address = page.run("location.hash")
    assert page.run("document.getElementById('marked').textContent").startswith("1 corrected")
    predictions, true = answered
    write_report(replace(predictions, classes=("a", "b", "c")), tmp_path / "report.html", true=true)
    page.open(tmp_path / "report.html", address)
    assert page.run("document.getElementById('marked').textContent") == "No answer has been corrected or confirmed."


def test_a_print_has_all_that_is_chosen_and_no_controls(page: Browser, report: Path, tmp_path: Path) -> None:
    page.open(report, "#show=right")
    page.run("addEventListener('afterprint', () => { window.printed = true })")
    page.run(
        "addEventListener('beforeprint', () => { window.cards = document.getElementById('shown').children.length })"
    )
    page.pdf(tmp_path / "report.pdf")
    printed = (tmp_path / "report.pdf").read_bytes()
    assert page.run("window.cards") == 102 and printed.count(b"/Type /Page\n") > 5
    assert printed.count(b"/Subtype /Image") == 102, "every picture"
    assert len(_places(page)) == 48, "afterwards as before"
    page.paper(True)
    controls = "[...document.querySelectorAll('button:not(.zoom), select, input')]"
    assert page.run(f"{controls}.length") > 48
    assert page.run(f"{controls}.filter(one => one.getClientRects().length).length") == 0
    folded = "[...document.querySelectorAll('.card details:not([open])')]"
    assert page.run(f"{folded}.length") >= 48 - 1
    assert page.run(f"{folded}.filter(one => one.getClientRects().length).length") == 0, (
        "a heading with nothing below it"
    )
    page.paper(False)


def test_nothing_is_wider_than_a_telephone_and_every_control_has_a_name(page: Browser) -> None:
    page.size(390, 844)
    assert page.run("document.documentElement.scrollWidth") == 390
    page.run("document.querySelector('#shown .zoom').click()")
    assert page.run("document.getElementById('large').getBoundingClientRect().right") <= 390
    page.size(1200, 1600)
    controls = "[...document.querySelectorAll('button, select, input, a')]"
    named = "one.getAttribute('aria-label') || one.labels?.length || one.textContent.trim()"
    assert page.run(f"{controls}.filter(one => !({named})).map(one => one.outerHTML.slice(0, 200))") == []
    assert page.run("[...document.images].filter(one => !one.hasAttribute('alt')).length") == 0


def test_without_scripts_every_photograph_is_there_and_no_control(report: Path, tmp_path: Path) -> None:
    with Browser(tmp_path, scripting=False) as page:
        page.open(report)
        page.screenshot(tmp_path / "page.png")
        shown = "[...document.querySelectorAll('article')].filter(card => card.getClientRects().length).length"
        assert page.run(shown) == COUNT
        controls = "[...document.querySelectorAll('button, select, input')].filter(one => one.getClientRects().length)"
        assert page.run(f"{controls}.length") == 0 and page.complaints == []
