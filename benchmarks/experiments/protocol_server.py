"""A real HTTP server on this machine that speaks the chat protocol of OpenAI, with answers from a script.

No language model is behind it. It is there to show what a client does with right, wrong, slow and broken answers.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What goes over the wire instead of an orderly answer."""

    status: int = 200
    body: str | bytes = ""
    wait: float = 0.0  # seconds before it is sent
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes] = ()  # sent one after the other in place of a body, until they or the client end


# (what was asked, number of the request from 1) -> the words of the model, or what is sent in their place
Script = Callable[[str, int], "str | Reply"]


class ProtocolServer(ThreadingHTTPServer):
    """Answers each request by asking a script.

    Args:
        script: says what to answer; may be replaced at any time.
    """

    daemon_threads = True
    request_queue_size = 64  # connections that wait; several clients at once must not be refused

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []  # of the requests
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The base address for a client."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def record(self, body: dict[str, Any], headers: dict[str, str]) -> int:
        """Keep a request; its number, from 1."""
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)
            return len(self.requests)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet when a client hangs up: some tests want it to."""


class _Handler(BaseHTTPRequestHandler):
    server: ProtocolServer

    def do_POST(self) -> None:
        """Answer one request for a chat completion."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = self.server.record(body, dict(self.headers))
        reply = self.server.script(body["messages"][-1]["content"], number)
        if isinstance(reply, str):
            reply = Reply(body=completion(reply))
        time.sleep(reply.wait)
        content = reply.body.encode() if isinstance(reply.body, str) else reply.body
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        if not reply.pieces:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for piece in reply.pieces or (content,):
            self.wfile.write(piece)

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


def completion(content: Any, reason: str | None = "stop", **more: Any) -> str:
    """The words of a model as the protocol wraps them, or something in their place.

    Args:
        content: the words.
        reason: why the model stopped.
        more: further fields of the message.
    """
    message = {"role": "assistant", "content": content, **more}
    answer = {"id": "1", "created": 0, "model": "m", "object": "chat.completion", "system_fingerprint": ""}
    answer |= {"choices": [{"index": 0, "finish_reason": reason, "message": message}]}
    return json.dumps(answer | {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})


@contextmanager
def serving(script: Script) -> Iterator[ProtocolServer]:
    """A server that runs until the block ends."""
    with ProtocolServer(script) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
