"""A server on loopback that speaks the part of the Hugging Face Hub's protocol with which a data set is read."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: Mapping[str, bytes] = {}
    repository = ""
    token = ""  # without it the repository is not shown
    asked: ClassVar[list[str]] = []

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(content)

    def _answer(self, content: bytes = b"") -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        self.asked.append(path)
        api, files = f"/api/datasets/{self.repository}", f"/datasets/{self.repository}/resolve/"
        if self.token and self.headers.get("Authorization") != f"Bearer {self.token}":
            self._send(401, b"{}", **{"X-Error-Code": "RepoNotFound"})
        elif path.startswith(files):
            self._file(path.removeprefix(files).partition("/")[2])
        elif path == api or path.startswith(f"{api}/revision/"):
            self._json(
                {"id": self.repository, "sha": COMMIT, "siblings": [], "private": False, "tags": [], "downloads": 0}
            )
        elif path.startswith(f"{api}/tree/"):
            folder = path.removeprefix(f"{api}/tree/").partition("/")[2]
            self._tree(folder, parse_qs(parts.query).get("recursive", [""])[0].lower() in ("1", "true"))
        elif path.startswith(f"{api}/paths-info/"):
            sent = content.decode()
            wanted = json.loads(sent)["paths"] if sent.startswith("{") else parse_qs(sent)["paths"]
            self._json([entry for name in wanted for entry in self._entry(name)])
        else:
            self._send(404, b"{}", **{"X-Error-Code": "RepoNotFound"})

    def _entry(self, name: str) -> list[dict[str, Any]]:
        if name in self.files:
            return [{"type": "file", "path": name, "size": len(self.files[name]), "oid": "0" * 40}]
        folder = any(key.startswith(f"{name}/") for key in self.files)
        return [{"type": "directory", "path": name, "oid": "0" * 40, "size": 0}] if folder else []

    def _tree(self, folder: str, deep: bool) -> None:
        start = f"{folder}/" if folder else ""
        names: dict[str, None] = {}
        for key in self.files:
            if key.startswith(start):
                parts = key.removeprefix(start).split("/")
                names.update(
                    {start + "/".join(parts[:end]): None for end in range(1, len(parts) + 1) if deep or end == 1}
                )
        if not names:
            self._send(404, b"{}", **{"X-Error-Code": "EntryNotFound"})
        else:
            self._json([entry for name in names for entry in self._entry(name)])

    def _file(self, name: str) -> None:
        if name not in self.files:
            self._send(404, b"", **{"X-Error-Code": "EntryNotFound"})
            return
        content, status, said = self.files[name], 200, {}
        if asked := self.headers.get("Range"):
            start, _, end = asked.removeprefix("bytes=").partition("-")
            stop = min(int(end) + 1 if end else len(content), len(content))
            said["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
            content, status = content[int(start) : stop], 206
        self._send(status, content, ETag='"1"', **{"X-Repo-Commit": COMMIT}, **said)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), **{"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, **said: str) -> None:
        self.send_response(status)
        for name, value in said.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def hub(repository: str, files: Mapping[str, bytes], token: str = "") -> Iterator[tuple[str, list[str]]]:
    """A server with one data set; its address, and the paths it was asked for."""
    asked: list[str] = []
    told = {"repository": repository, "files": files, "token": token, "asked": asked}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), told))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
