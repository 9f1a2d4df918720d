"""A real service in a process of its own, and what a person does with its page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120  # a busy machine takes that long to load the model
PATIENCE = 60_000  # ms that the page is given for what it is asked


@contextmanager
def serving(data_dir: Path, *options: str, **environment: str) -> Iterator[str]:
    """``zsderm serve`` with its usual model; its address. It is ended as Ctrl-C ends it."""
    log = data_dir.parent / f"{data_dir.name}.log"
    command = [sys.executable, "-m", "zsderm", "serve", "--port", "0", "--data-dir", str(data_dir), *options]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=file, stderr=file, env={**os.environ, "OMP_NUM_THREADS": "1", **environment}
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not (found := re.search(r"http://[0-9.]+:\d+", log.read_text())):
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield found[0]
    finally:
        process.terminate()
        process.wait(60)


def drop(page: Any, *paths: Path) -> None:
    """Files or folders, let go over the place for them, as from a file manager."""
    page.locator("#drop").scroll_into_view_if_needed()
    box = page.locator("#drop").bounding_box()
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 20, "y": box["y"] + 20, "data": data})
    session.detach()


def type_classes(page: Any, names: Sequence[str]) -> None:
    """One name after the other, as somebody types them."""
    for name in names:
        page.locator("#class").press_sequentially(name)
        page.locator("#class").press("Enter")


def classify(page: Any, address: str, names: Sequence[str], *paths: Path) -> str:
    """The whole beginning: photographs, classes, and the answers awaited; the address of the job."""
    page.goto(address)
    drop(page, *paths)
    page.wait_for_selector("#chosen-names li", state="attached")
    type_classes(page, names)
    page.get_by_role("button", name="Classify", exact=True).click()
    page.wait_for_selector("#grid .tile", timeout=PATIENCE)
    return page.url


def heading_is(page: Any, text: str) -> None:
    """Wait until the view of one photograph shows this one."""
    reads(page, "#photograph-title", text)


def reads(page: Any, where: str, text: str | re.Pattern[str]) -> None:
    """Wait until an element reads so."""
    from playwright.sync_api import expect

    expect(page.locator(where)).to_have_text(text, timeout=PATIENCE)


def counts(page: Any, where: str, number: int) -> None:
    """Wait until there are so many of something."""
    from playwright.sync_api import expect

    expect(page.locator(where)).to_have_count(number, timeout=PATIENCE)


def violations(page: Any) -> list[tuple[str, str, list[str]]]:
    """What axe-core finds: the rule, how grave it is, and where."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [(one["id"], one["impact"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found]
