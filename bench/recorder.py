"""
``twistd siprec`` as a process, and an SRC that gives it calls.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from processes import BIN, allow_files, free_port, resident_mb

CONFIGURATION = """
sip:
  listeners: [{{transport: tcp, address: 127.0.0.1, port: {sip}}}]
media: {{address: 127.0.0.1, ports: [{ports[0]}, {ports[1]}]}}
limits: {{calls: 5000, calls_per_second: 0, lateness_ms: 0}}
stopping: {{drain_s: 0}}
workers: {workers}
destinations:
  sink:
    url: "{scheme}://127.0.0.1:{sink}/"
    framing: plain
    chunk_ms: {chunk_ms}
    layout: {layout}
    sample_rate: {rate}
    linger_s: {linger_s}
    breaker_open_max_s: 5
{tls}default_destinations: [sink]
"""

PORTS = (32_000, 51_999)


@dataclass(frozen=True)
class Delivery:
    """What the server is asked to deliver, how, and by how many processes."""

    codec: str = "PCMU"
    chunk_ms: int = 100
    layout: str = "interleaved"
    rate: int = 8000
    wss: bool = False
    workers: str = "0"
    linger_s: int = 10

    @property
    def payload_type(self) -> int:
        """By the static table of RFC 3551."""
        return {"PCMU": 0, "PCMA": 8, "G722": 9}[self.codec]

    def configuration(self, sip: int, sink: int, authority: Path, ports: tuple[int, int]) -> str:
        """As the server reads it."""
        return CONFIGURATION.format(
            sip=sip,
            sink=sink,
            ports=ports,
            scheme="wss" if self.wss else "ws",
            tls=f"    tls: {{authorities: {authority}}}\n" if self.wss else "",
            workers=self.workers,
            chunk_ms=self.chunk_ms,
            layout=self.layout,
            rate=self.rate,
            linger_s=self.linger_s,
        )


class Recorder:
    """The server, from where it serves to where it has stopped."""

    def __init__(
        self,
        directory: Path,
        delivery: Delivery,
        sink: int,
        authority: Path,
        ports: tuple[int, int] = PORTS,
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self.configuration = delivery.configuration(self.port, sink, authority, ports)
        self.log = directory / "server.log"

    def __enter__(self) -> Recorder:
        allow_files()
        (self.directory / "siprec.yaml").write_text(self.configuration)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [BIN / "twistd", "-n", "--pidfile=", "siprec", "--config", "siprec.yaml"],
                cwd=self.directory,
                stdout=log,
                stderr=log,
            )
        while "serving" not in self.log.read_text():
            if self.process.poll() is not None:
                sys.exit(self.log.read_text())
            time.sleep(0.1)
        self.pid = self.process.pid
        self.empty_mb = resident_mb(self.pid)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        if "Traceback" in self.log.read_text():
            sys.exit(self.log.read_text())


class Source:
    """The SIP of an SRC, as little as there is to it: one connection, one call after another."""

    def __init__(self, port: int, payload_type: int = 0, name: str = "bench") -> None:
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = port
        self.payload_type = payload_type
        self.name = name
        self.buffer = b""
        self.took: list[float] = []
        self.dialogs: list[tuple[int, str]] = []
        self.ended_by_server = 0

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def request(self, method: str, index: int, to: str, cseq: int, body: str = "") -> None:
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.connection.sendall(
            (
                f"{method} sip:srs@127.0.0.1:{self.port};transport=tcp SIP/2.0\r\n"
                f"Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{method}{self.name}{index}\r\n"
                f"From: <sip:sbc@127.0.0.1>;tag=f{index}\r\nTo: {to}\r\n"
                f"Call-ID: {self.name}-{index}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n"
                "Contact: <sip:sbc@127.0.0.1;transport=tcp>;+sip.src\r\nRequire: siprec\r\n"
                f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode()
        )

    def answer(self) -> str:
        """The next final response, with its body; a BYE of the server's is agreed to."""
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if found:
                length = int(re.search(rb"Content-Length: *(\d+)", head, re.I)[1])
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    if not head.startswith(b"SIP/2.0"):
                        self.agree(head.decode())
                    elif not head.startswith(b"SIP/2.0 1"):
                        return (head + b"\r\n\r\n" + rest[:length]).decode()
                    continue
            self.buffer += self.connection.recv(65_536)

    def agree(self, head: str) -> None:
        """200 to a request, which ends a call of ours."""
        self.ended_by_server += 1
        kept = [
            line for line in head.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)
        ]
        lines = ["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]
        self.connection.sendall("\r\n".join(lines).encode())

    def invite(self, index: int) -> tuple[int, int]:
        """Begin a call of two streams; the ports that it is to send to."""
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
        for label in (1, 2):
            lines += [f"m=audio 9 RTP/AVP {self.payload_type}", f"a=label:{label}", "a=sendonly"]
        began = time.monotonic()
        self.request("INVITE", index, "<sip:srs@127.0.0.1>", 1, "\r\n".join(lines) + "\r\n")
        told = self.answer()
        self.took.append(time.monotonic() - began)
        assert told.startswith("SIP/2.0 200"), told
        to = re.search(r"(?im)^To: *(.*?)\r$", told)[1]
        self.request("ACK", index, to, 1)
        self.dialogs.append((index, to))
        first, second = re.findall(r"m=audio (\d+)", told)
        return int(first), int(second)

    def hang_up_all(self) -> None:
        for index, to in self.dialogs:
            self.request("BYE", index, to, 2)
            self.answer()
        self.dialogs.clear()

    def invite_to_200_ms(self) -> dict[str, float]:
        return percentiles(self.took)


def percentiles(times_s: list[float]) -> dict[str, float]:
    """In milliseconds; of nothing, nothing."""
    ordered = sorted(times_s)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3, 2)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        if ordered
    }
