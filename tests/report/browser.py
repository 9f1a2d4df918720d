"""A real browser without a window, driven through the two pipes of its debugging protocol. For tests of pages."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
from collections import defaultdict, deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60  # seconds for an answer, on a machine that does much else
WAITED_FOR = ("Page.loadEventFired", "Browser.downloadProgress")
KEYS = {"ArrowRight": 39, "ArrowLeft": 37, "Escape": 27, "Tab": 9, "Enter": 13, " ": 32}


class Browser:
    """One page of one browser; as a context it ends with the block.

    Args:
        folder: for its profile and what it downloads.
        scripting: whether scripts run.
    """

    def __init__(self, folder: Path, *, scripting: bool = True) -> None:
        assert FOUND
        self.downloads = folder / "downloads"
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()

        def pipes() -> None:  # the browser reads from 3 and writes to 4
            copies = os.dup(to_browser), os.dup(from_browser)
            os.dup2(copies[0], 3)
            os.dup2(copies[1], 4)

        self._process = subprocess.Popen(
            [
                FOUND, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "about:blank",
            ],
            preexec_fn=pipes,  # noqa: PLW1509 (it only copies two numbers)
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._rest, self._session = 0, b"", ""
        self.warned = False  # whether a page asked not to be left
        self.complaints: list[str] = []  # errors, and what was asked of the network
        self._events: defaultdict[str, deque[dict[str, Any]]] = defaultdict(deque)
        targets = self._ask("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self._session = self._ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        self._ask("Emulation.setScriptExecutionDisabled", value=not scripting)
        self._ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads), eventsEnabled=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def open(self, page: Path, fragment: str = "") -> None:
        """Go to a page and wait until it is there."""
        self.warned = False
        self._ask("Page.navigate", url="about:blank")
        self._wait("Page.loadEventFired")
        self.complaints.clear()
        self._ask("Page.navigate", url=page.resolve().as_uri() + fragment)
        self._wait("Page.loadEventFired")

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the window's size in pixels, and the colours that its user prefers."""
        phone = width < 600
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def paper(self, wanted: bool) -> None:
        """Show the page as it would be printed, or as on a screen again."""
        self._ask("Emulation.setEmulatedMedia", media="print" if wanted else "")

    def run(self, script: str) -> Any:
        """The value of an expression, or of the last statement."""
        found = self._ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        what = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        self._ask("Input.dispatchKeyEvent", type="keyDown", text=text, **what)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **what)

    def download(self) -> Path:
        """The file that has been, or is being, downloaded."""
        while self._wait("Browser.downloadProgress")["state"] != "completed":
            pass
        (file,) = self.downloads.iterdir()
        return file

    def pdf(self, path: Path) -> None:
        """Print the page."""
        path.write_bytes(base64.b64decode(self._ask("Page.printToPDF", printBackground=False)["data"]))

    def screenshot(self, path: Path) -> None:
        """The window as a PNG file."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot")["data"]))

    def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        number = self._send(method, **parameters)
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def _send(self, method: str, **parameters: object) -> int:
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return self._number

    def _wait(self, event: str) -> dict[str, Any]:
        while not self._events[event]:
            self._next()
        return self._events[event].popleft()

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._read], [], [], PATIENCE)[0], "the browser does not answer"
            part = os.read(self._read, 2**20)
            assert part, "the browser has ended"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if message.get("method") in WAITED_FOR:
            self._events[message["method"]].append(message["params"])
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"]["exceptionDetails"])[:500])
            case "Page.javascriptDialogOpening":
                self.warned = True
                self._send("Page.handleJavaScriptDialog", accept=True)
            case "Log.entryAdded":
                self.complaints.append(message["params"]["entry"]["text"])
            case "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                if not url.startswith(("file:", "data:", "blob:", "about:")):
                    self.complaints.append(f"asked for {url}")
        return message
