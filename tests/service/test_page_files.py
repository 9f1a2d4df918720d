"""The files of the page: all of them are packaged and served, and what they hold runs under a strict policy."""

from __future__ import annotations

import configparser
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.service.conftest import CLASSES, Start, ended, form, photo_bytes
from zsderm.service.pages.files import FILES, OWN
from zsderm.service.pages.rendering import TEMPLATES

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(OWN.glob("*.js"))


def test_all_files_are_packaged() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = setup["options.package_data"]["zsderm"].split()
    files = [file.relative_to(ROOT / "zsderm") for folder in (OWN, TEMPLATES) for file in folder.iterdir()]
    assert len(files) > 20
    assert [file for file in files if not any(fnmatch(file.as_posix(), pattern) for pattern in patterns)] == []
    assert "zsderm.service.pages" in setup["options"]["packages"].split()


def test_all_files_are_served_and_nothing_else(client: TestClient) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for name in FILES:
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kinds[Path(name).suffix])
    for name in ("report.html.j2", "..%2fapp.py", "%2e%2e/app.py", "nothing.js"):
        assert client.get(f"/static/{name}").status_code == 404
    assert client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_small_and_build_no_markup_from_text(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert text.startswith("//") and len(text.splitlines()) < 350
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "http://"):
        assert word not in text
    for other in re.findall(r'from "\./([\w.]+)"', text):
        assert other in FILES


def test_templates_have_no_script_and_no_style_in_them() -> None:
    for template in TEMPLATES.iterdir():
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|\|\s*safe|https?://", text), template.name
        for script in re.findall(r"<script[^>]*>", text):
            assert re.fullmatch(r'<script type="module" src="/static/(\w+\.js)">', script)


def test_every_element_that_a_script_asks_for_is_on_the_page(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200 and "script-src 'self'" in page.headers["content-security-policy"]
    there = set(re.findall(r'id="([\w-]+)"', page.text))
    made = {"lock", "labels"}  # with a key; once a job is done
    for script in SCRIPTS:
        wanted = set(re.findall(r'\$\("([\w-]+)"\)', script.read_text(encoding="utf-8")))
        assert wanted - there - made == set(), script.name
    assert re.findall(r'src="([^"]+)"', page.text) == ["/static/main.js"]


def test_the_page_of_a_service_with_a_key_holds_nothing_but_what_anybody_may_know(start: Start) -> None:
    client = start(api_key="a key that nobody would guess")
    page = client.get("/")
    assert page.status_code == 200 and "a key that nobody" not in page.text and 'id="lock"' in page.text
    for path in ("/page/names", "/page/jobs/x/summary", "/jobs/x/report"):
        assert client.get(path).status_code == 401


def test_the_summary_has_what_is_sorted_by(client: TestClient) -> None:
    files = form(photo_bytes(1), b"%PDF-1.7", names=["a.jpg", "b.jpg"])
    job = ended(client, client.post("/v1/jobs", files=files, data={"classes": CLASSES}).json()["id"])["id"]
    client.put(f"/v1/jobs/{job}/photographs/0/review", json={"verdict": "cannot_tell", "comment": "<b>dark</b>"})
    first, second = client.get(f"/page/jobs/{job}/summary").json()
    answer = client.get(f"/v1/jobs/{job}/photographs/0").json()["answer"]
    top = [one["probability"] for one in answer["top"]]
    assert first["label"] == answer["label"] and first["margin"] == pytest.approx(top[0] - top[1])
    assert (first["verdict"], first["comment"], first["error"]) == ("cannot_tell", "<b>dark</b>", "")
    assert (second["label"], second["margin"], second["verdict"]) == ("", None, None) and "PDF" in second["error"]
    printed = client.get(f"/jobs/{job}/report")
    assert "&lt;b&gt;dark&lt;/b&gt;" in printed.text and "? cannot tell" in printed.text and "PDF" in printed.text
    assert client.get(f"/jobs/{job}/report?only=reviewed").text.count('class="card"') == 1
    assert client.get("/jobs/nothing/report").status_code == 404


def test_names_are_those_that_can_be_typed(client: TestClient) -> None:
    names = client.get("/page/names").json()
    assert ["melanoma" in known for known in names].count(True) >= 1 and not [one for one in names if "," in one[0]]
