"""
An SRC that offers streams by DTLS and leaves the handshake to somebody else: just
enough of SIP, and a relay that loses what it is told to.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from types import TracebackType

_ANSWER_S = 5.0


class OfferedCall:
    """A call of one PCMU stream to a server on loopback."""

    def __init__(self, server: int, attributes: list[str], port: int = 9) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(_ANSWER_S)
        self._server = ("127.0.0.1", server)
        self._port = self._socket.getsockname()[1]
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
        lines += [f"m=audio {port} UDP/TLS/RTP/SAVP 0", "a=label:1", "a=rtcp-mux", "a=sendonly"]
        lines += [f"a={attribute}" for attribute in attributes]
        self._sdp = "".join(f"{line}\r\n" for line in lines)
        self._to = "<sip:srs@127.0.0.1>"
        self.answer = ""

    def __enter__(self) -> OfferedCall:
        self._send("INVITE", 1, self._sdp)
        while True:
            message = self._socket.recv(65_536).decode()
            status = int(message.split(" ", 2)[1])
            if status >= 200:
                break
        assert status == 200, message
        self._to = re.findall(r"^To: (.*)$", message, re.MULTILINE)[0].strip()
        self.answer = message.partition("\r\n\r\n")[2]
        self._send("ACK", 1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._send("BYE", 2)
        self._socket.recv(65_536)
        self._socket.close()

    @property
    def media_port(self) -> int:
        """Where the server wants RTP, and the handshake."""
        return int(re.findall(r"^m=audio (\d+) ", self.answer, re.MULTILINE)[0])

    @property
    def fingerprint(self) -> str:
        """Of the server's certificate, as its SDP has it."""
        return re.findall(r"^a=fingerprint:sha-256 (\S+)", self.answer, re.MULTILINE)[0]

    def _send(self, method: str, number: int, body: str = "") -> None:
        text = (
            f"{method} sip:srs@127.0.0.1 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._port};branch=z9hG4bK{method}{self._port}\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:src@127.0.0.1>;tag=a{self._port}\r\nTo: {self._to}\r\n"
            f"Call-ID: dtls-{self._port}\r\nCSeq: {number} {method}\r\n"
            f"Contact: <sip:src@127.0.0.1:{self._port}>;+sip.src\r\nRequire: siprec\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        self._socket.sendto(text.encode(), self._server)


class Relay:
    """
    Carries datagrams between a program and the server.

    :param loses: given the number of a datagram, and whether it goes to the server.
    """

    def __init__(
        self, server: int, back_to: int, loses: Callable[[int, bool], bool] = lambda *_: False
    ) -> None:
        self._inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._outer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for each in (self._inner, self._outer):
            each.bind(("127.0.0.1", 0))
            each.settimeout(0.1)
        self.port = int(self._inner.getsockname()[1])
        self._server, self._back_to = ("127.0.0.1", server), back_to
        self._from: tuple[str, int] | None = None
        self._loses = loses
        self._over = False
        self._threads = [
            threading.Thread(target=self._carry, args=(True,)),
            threading.Thread(target=self._carry, args=(False,)),
        ]

    def __enter__(self) -> Relay:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        for thread in self._threads:
            thread.join()
        self._inner.close()
        self._outer.close()

    def _carry(self, outward: bool) -> None:
        source, sink = (self._inner, self._outer) if outward else (self._outer, self._inner)
        number = 0
        while not self._over:
            try:
                octets, came_from = source.recvfrom(65_536)
            except (TimeoutError, ConnectionRefusedError):
                continue
            if outward:
                self._from = came_from
            number += 1
            if self._loses(number, outward):
                continue
            back = ("127.0.0.1", self._back_to) if self._back_to else self._from
            sink.sendto(octets, self._server if outward else back or self._server)
