"""An HTTP server that writes down what it is posted, and answers what the test says."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Answer = tuple[int, bytes]


class HTTPPeer:
    """
    A server on loopback.

    :param answer: makes the answer of a body.
    """

    def __init__(self, answer: Callable[[dict[str, Any]], Answer] | None = None) -> None:
        self.answer = answer or (lambda body: (200, b"{}"))
        self.kept: list[socket.socket] = []
        self.got: list[tuple[dict[str, Any], bytes, dict[str, str]]] = []
        peer = self

        class Posted(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                peer.kept.append(self.connection)

            def do_POST(self) -> None:
                octets = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(octets)
                peer.got.append((body, octets, dict(self.headers)))
                status, answered = peer.answer(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answered)))
                self.end_headers()
                self.wfile.write(answered)

            def log_message(self, format: str, *arguments: Any) -> None:
                """The test tells what went wrong."""

        self._make = lambda port: ThreadingHTTPServer(("127.0.0.1", port), Posted)
        self._server = self._make(0)
        self.port = int(self._server.server_address[1])
        self._run()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def _run(self) -> None:
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Nobody listens any more, and connections are cut."""
        self._server.shutdown()
        self._server.server_close()
        for connection in self.kept:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.kept.clear()

    def up(self) -> None:
        """Again, on the same port."""
        self._server = self._make(self.port)
        self._run()

    def await_events(self, *names: str, timeout: float = 20) -> None:
        """Until these were posted, in this order, among others."""
        end = time.monotonic() + timeout
        while [each["event"] for each, _, _ in self.got if each["event"] in names] != [*names]:
            if time.monotonic() > end:
                raise AssertionError(f"posted: {[each['event'] for each, _, _ in self.got]}")
            time.sleep(0.05)

    def __enter__(self) -> HTTPPeer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()
