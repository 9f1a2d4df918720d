"""The page in a real browser: from photographs that are dropped to labels that the command line takes."""

from __future__ import annotations

import csv
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.service.browser import (
    PATIENCE,
    ROOT,
    classify,
    counts,
    drop,
    heading_is,
    reads,
    serving,
    type_classes,
    violations,
)
from tests.service.conftest import photo_bytes
from zsderm.cli import main

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install 'zsderm[test]'")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
]

CLASSES = ["nevus", "BCC", "seborrheic keratosis"]
KEY = "a key that nobody would guess"
HOSTILE = "<img src=x onerror=document.title='hacked'>.jpg"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of the examples, and what else lies in folders."""
    found = tmp_path_factory.mktemp("photographs") / "visit"
    found.mkdir()
    for file in sorted((ROOT / "examples/images").iterdir())[:8]:
        shutil.copy(file, found)
    (found / "scan.jpg").write_bytes(b"%PDF-1.7 of a letter")
    (found / "notes.txt").write_text("not a photograph")
    return found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One service for all tests here."""
    with serving(tmp_path_factory.mktemp("served") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


Open = Callable[..., Any]


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """Opens windows of new visitors. Afterwards: no script complained, and nothing was asked of another host."""
    contexts, complaints, asked = [], [], []

    def opened(**how: Any) -> Any:
        contexts.append(chromium.new_context(**how))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type in ("error", "warning") and complaints.append(said.text))
        page.on("request", lambda request: asked.append(request.url))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not [text for text in complaints if "401" not in text], complaints  # a key is asked for after a 401
    strangers = [url for url in asked if not re.match(r"(http://127\.0\.0\.1:\d+/|data:|blob:)", url)]
    assert asked and not strangers


@pytest.fixture(scope="module")
def job(chromium: Any, address: str, folder: Path) -> str:
    """A job with answers; its address on the page."""
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    found = classify(page, address, CLASSES, folder)
    page.close()
    return found


def test_what_is_missing_is_said_until_it_is_given(open_page: Open, address: str, folder: Path) -> None:
    page = open_page()
    page.goto(address)
    go = page.get_by_role("button", name="Classify", exact=True)
    go.click()
    reads(page, "#ask-error", "Choose photographs first.")
    drop(page, folder)
    reads(page, "#ask-error", "")
    go.click()
    reads(page, "#ask-error", re.compile("^Add at least two classes"))
    type_classes(page, ["nevus", "PG"])
    reads(page, "#ask-error", "")
    reads(page, "#classes li:nth-child(2) .bad", "✗ may mean several diseases: choose one.")
    page.get_by_role("button", name="pyogenic granuloma instead of PG", exact=True).click()
    reads(page, "#classes-error", "")


def test_from_dropped_photographs_to_a_calibration(open_page: Open, address: str, folder: Path, tmp_path: Path) -> None:
    page = open_page(accept_downloads=True)
    page.goto(address)
    drop(page, folder)
    reads(page, "#chosen", re.compile("^9 photographs"))
    assert "1 .txt" in page.inner_text("#chosen-not")
    page.locator("#class").press_sequentially("rodent")
    page.wait_for_selector("#suggestions [role=option] >> text=basal cell carcinoma")
    for key in ("ArrowDown", "ArrowUp", "ArrowDown", "Enter"):
        page.locator("#class").press(key)
    type_classes(page, ["melanma", "mole"])
    page.get_by_role("button", name="melanoma instead of melanma", exact=True).click()
    page.wait_for_selector("#classes li >> text=is melanocytic nevus")
    classes = ["basal cell carcinoma", "melanoma", "mole"]
    assert page.locator("#classes b").all_inner_texts() == classes
    page.get_by_role("button", name="Classify", exact=True).click()
    page.wait_for_selector("#grid .tile")

    # By keys alone: the first one is opened, and each verdict goes on to the next photograph.
    names = [row["image"].removeprefix("visit/") for row in _summary(page)]
    assert sorted(names) == sorted(path.name for path in folder.glob("*.jpg")) and names[8] == "scan.jpg"
    page.locator("#job-title").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    heading_is(page, f"visit/{names[0]}")
    answers = [row["label"] for row in _summary(page)]
    reads(page, "#refinement", "Not refined by other photographs.")
    assert "Not refined: only " in page.inner_text("#notes")
    page.keyboard.press("a")
    heading_is(page, f"visit/{names[1]}")
    second = page.locator("#answer .class").nth(1).inner_text().split(maxsplit=1)[1]
    page.keyboard.press("m")
    page.keyboard.type("not <b>sure</b>, 'a' and x")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    heading_is(page, f"visit/{names[2]}")
    page.keyboard.press("x")
    heading_is(page, f"visit/{names[3]}")
    page.keyboard.press("c")
    other = next(name for name in classes if name != answers[3])
    page.locator("#correct-to").select_option(other)
    page.keyboard.press("Enter")
    heading_is(page, f"visit/{names[4]}")
    page.keyboard.press("x")  # a slip
    heading_is(page, f"visit/{names[5]}")
    page.keyboard.press("z")
    heading_is(page, f"visit/{names[4]}")
    reads(page, "#verdict", "No verdict yet.")
    for number in (4, 5, 6, 7):
        page.keyboard.press("a")
        heading_is(page, f"visit/{names[number + 1]}")
    assert "a PDF document" in page.inner_text("#answer")
    page.keyboard.press("Escape")
    page.wait_for_selector("#reviewed >> text=Verdicts on 8 of 9 photographs")
    page.wait_for_selector(".tile[data-number='8']:focus")

    labels, predictions = tmp_path / "labels.csv", tmp_path / "predictions.csv"
    for link, place in ((page.locator("#labels"), labels), (page.get_by_role("link", name="Table (CSV)"), predictions)):
        with page.expect_download() as download:
            link.click()
        download.value.save_as(place)
    rows = list(csv.DictReader(labels.read_text().splitlines()))
    assert [row["image"] for row in rows] == [f"visit/{name}" for name in names[:8]]
    said = [answers[0], second, "", other, *answers[4:8]]
    assert [row["true_label"] for row in rows] == said
    assert rows[1]["verdict"] == "correct" and rows[1]["comment"] == "not <b>sure</b>, 'a' and x"

    named = ["--classes", ", ".join(classes)]
    done = _run("evaluate", "--predictions", predictions, "--labels", labels, *named, "--json")
    figures = json.loads(done)
    agreed = sum(one == answer for one, answer in zip(said, answers, strict=False))
    assert json.dumps(figures).count("accuracy") and f"{agreed / 7:.4f}"[:5] in done, done
    record = tmp_path / "calibration.json"
    _run(
        *("calibrate", "--images", folder, "--labels", labels, *named, "--method", "knowledge"),
        *("--coverage", "0.5", "--cache-dir", tmp_path / "cache", "--output", record),
    )
    assert json.loads(record.read_text())["temperature"] > 0


def _summary(page: Any) -> list[dict[str, Any]]:
    job = re.search(r"#/jobs/([^/?]+)", page.url)
    assert job is not None
    return page.evaluate("id => fetch(`/page/jobs/${id}/summary`).then((answer) => answer.json())", job[1])


def _run(*arguments: object) -> str:
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page: Open, address: str, job: str, scheme: str, width: int) -> None:
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 844}, reduced_motion="reduce")
    found = {}

    def look(what: str) -> None:
        found[what] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{what} is wider than the window"

    page.goto(address)
    page.wait_for_selector("#jobs li")
    type_classes(page, ["BCC", "melanma"])
    page.wait_for_selector("#classes .bad")
    page.locator("#class").press_sequentially("acti")
    page.wait_for_selector("#suggestions [role=option]")
    page.locator("#class").press("ArrowDown")
    look("typing")
    page.get_by_role("button", name="Shortcuts").click()
    look("keys")
    page.goto(job)
    page.wait_for_selector("#grid .tile")
    look("grid")
    page.goto(f"{job}/8")
    page.wait_for_selector("#answer .bad")
    look("not classified")
    page.goto(f"{job}/0")
    page.wait_for_selector("#answer .ranked")
    page.keyboard.press("h")
    reads(page, "#picture-words", re.compile("^The photograph in grey"))
    look("one photograph")
    page.goto(job.replace("#/jobs", "jobs") + "/report")
    look("session")
    assert not any(found.values()), found


def test_names_and_comments_of_others_are_text(open_page: Open, address: str, tmp_path: Path) -> None:
    (tmp_path / HOSTILE).write_bytes(photo_bytes(1))
    (tmp_path / "\u202egpj.exe").write_bytes(photo_bytes(2))
    page = open_page()
    found = classify(page, address, ["<b>bold</b>", "nevus"], tmp_path / HOSTILE, tmp_path / "\u202egpj.exe")
    assert page.locator("#classes b b").count() == 0
    assert page.inner_text("#grid").count("<img src=x") == 1 and "\\u202egpj.exe" in page.inner_text("#grid")
    page.goto(f"{found}/0")
    page.wait_for_selector("#answer .ranked")
    assert page.inner_text("#photograph-title") == HOSTILE
    page.locator("#comment").fill("<script>document.title='hacked'</script>\u202e")
    page.get_by_role("button", name="Agree").click()
    heading_is(page, "\\u202egpj.exe")
    page.goto(found.replace("#/jobs", "jobs") + "/report?only=reviewed")
    assert "<script>document.title='hacked'</script>" in page.inner_text(".comment")
    assert page.locator(".card").count() == 1 and page.locator("img").count() == 1
    assert "hacked" not in page.title()


def test_a_job_is_watched_cancelled_resumed_and_deleted(open_page: Open, address: str, tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number}.png").write_bytes(photo_bytes(number, "PNG", 256))
    page = open_page()
    page.goto(address)
    drop(page, *sorted(tmp_path.iterdir()))
    reads(page, "#chosen", re.compile("^60 photographs"))
    type_classes(page, CLASSES)
    page.locator("summary", has_text="Settings").click()
    page.locator("[name=views]").select_option("8")
    page.get_by_role("button", name="Classify", exact=True).click()
    page.wait_for_selector("#running:not([hidden]) >> text=of 60 photographs")
    page.locator("#running-actions .cancel").click()
    page.wait_for_selector("#running-title >> text=Cancelled")
    page.reload()
    page.get_by_role("button", name="Resume").click()
    page.wait_for_selector("#running-title >> text=Cancelled", state="hidden")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_selector("#start:not([hidden])")
    counts(page, "#jobs li >> text=60 photographs", 0)


def test_sending_can_be_cancelled_and_lists_are_kept(open_page: Open, address: str, folder: Path) -> None:
    page = open_page()
    page.goto(address)
    page.get_by_role("button", name="Classify", exact=True).click()
    assert page.inner_text("#ask-error") == "Choose photographs first."
    drop(page, folder)
    counts(page, "#chosen-names li", 9)
    page.get_by_role("button", name="Classify", exact=True).click()
    assert "at least two classes" in page.inner_text("#ask-error")
    page.locator("#lists").select_option("set:pad")
    assert page.locator("#classes li").count() == 6
    page.get_by_role("button", name="Remove nevus").click()
    page.get_by_role("button", name="Save these classes as a list").click()
    page.get_by_label("Name of the list").fill("five")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove all classes").click()
    page.reload()
    page.locator("#lists").select_option("own:five")
    assert page.locator("#classes li").count() == 5
    drop(page, folder)
    counts(page, "#chosen-names li", 9)
    page.wait_for_load_state("networkidle")
    jobs = page.locator("#jobs li").count()
    page.route("**/photographs", lambda route: None)  # a slow line: the photographs do not arrive
    page.get_by_role("button", name="Classify", exact=True).click()
    page.locator("#stop-sending").click()
    page.wait_for_selector("#sending", state="hidden")
    page.unroute_all(behavior="ignoreErrors")
    page.reload()
    counts(page, "#jobs li", jobs)


def test_the_grid_is_chosen_from_and_ordered(open_page: Open, job: str) -> None:
    page = open_page()
    page.goto(job)
    page.wait_for_selector("#grid .tile")
    rows = _summary(page)
    page.locator("[name=show]").select_option("failed")
    assert page.locator("#grid .tile").count() == 1 and "✗ a PDF document" in page.inner_text("#grid")
    page.locator("[name=show]").select_option("all")
    page.locator("[name=sort]").select_option("unsure")
    shown = page.eval_on_selector_all("#grid .tile", "tiles => tiles.map((tile) => Number(tile.dataset.number))")
    assert shown[:8] == sorted(range(8), key=lambda number: rows[number]["probability"]) and shown[8] == 8
    page.locator("[name=answer]").select_option(str(CLASSES.index(rows[0]["label"])))
    assert page.locator("#grid .tile").count() == sum(row["label"] == rows[0]["label"] for row in rows)
    page.reload()
    page.wait_for_selector("#grid .tile")
    assert page.locator("[name=sort]").input_value() == "unsure"  # it stands in the address
    page.keyboard.press("/")
    page.keyboard.type("no such name")
    assert page.locator("#grid .tile").count() == 0 and page.inner_text("#status").startswith("0 of 9")


def test_jobs_outlive_the_service_and_the_key_is_asked_for_once(
    open_page: Open, job: str, address: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = next(tmp_path_factory.getbasetemp().glob("served*/data"))
    data = tmp_path_factory.mktemp("again") / "data"
    shutil.copytree(before, data)  # as it lies there when the process is killed
    with serving(data, "--api-key-env", "ZSDERM_TEST_KEY", ZSDERM_TEST_KEY=KEY) as again:
        page = open_page()
        page.goto(job.replace(address, again))
        page.locator("#key").fill("a wrong key of some length")
        page.get_by_role("button", name="Open").click()
        page.wait_for_selector("#unlock-error >> text=not the key")
        assert page.locator("#grid .tile").count() == 0
        page.locator("#key").fill(KEY)
        page.keyboard.press("Enter")
        page.wait_for_selector("#grid .tile")
        assert page.locator("#grid .tile").count() == 9
        assert page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})").find(KEY) < 0
        assert page.evaluate("document.cookie") == ""
        [cookie] = page.context.cookies()
        assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
        page.reload()
        page.wait_for_selector("#grid .tile")
        page.get_by_role("button", name="Forget the key").click()
        page.wait_for_selector("#unlock[open]")


def test_the_session_prints(open_page: Open, job: str) -> None:
    page = open_page(viewport={"width": 794, "height": 1123})
    page.goto(job.replace("#/jobs", "jobs") + "/report")
    page.emulate_media(media="print")
    assert not page.get_by_role("button", name="Print").is_visible()
    assert page.locator(".card").count() == 9 and "Research software" in page.inner_text("header")
    assert page.pdf(format="A4").startswith(b"%PDF-")
    widths = page.eval_on_selector_all(".card img", "all => all.map((one) => one.complete && one.naturalWidth)")
    assert len(widths) == 8 and all(widths)


def test_an_archive_and_the_words_of_a_patient(folder: Path, address: str, open_page: Open, tmp_path: Path) -> None:
    photos = sorted(folder.glob("PAT*"))[:2]
    with zipfile.ZipFile(tmp_path / "visit.zip", "w") as archive:
        for file in photos:
            archive.write(file, f"visit/{file.name}")
    page = open_page()
    page.goto(address)
    drop(page, tmp_path / "visit.zip")
    reads(page, "#chosen", re.compile(r"^1 archive of photographs, "))
    type_classes(page, CLASSES)
    page.get_by_text("Patient's own words").click()
    page.get_by_label("What the patient reports").fill("It itches, and another doctor called it a nevus.")
    assert violations(page) == []
    page.get_by_role("button", name="Classify", exact=True).click()
    counts(page, "#grid .tile", 2)
    page.locator("#grid .tile").first.click()
    heading_is(page, f"visit/{photos[0].name}")
    reads(
        page,
        ".told",
        re.compile("By the photograph alone: .*By the patient's words alone: .*removed from the words: nevus"),
    )
    assert violations(page) == []
    page.screenshot(path=tmp_path / "words.png", full_page=True)
    page.goto(address)
    page.reload()
    assert page.locator("#narrative").input_value() == ""
