"""
What a dialect costs beside the native protocol: CPU time from a chunk of audio to the
octets of its WebSocket messages.

    python bench/dialects.py [--seconds 120] [--repeat 5]

For each protocol, as its destination is where nothing was chosen: the delivery, the
dialect and the connection of the server, on a transport that counts. No socket and no
TLS. A call has two parties; where a dialect has one connection for each of them, both
are counted. The least of a few rounds, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import random
import re
import time
from dataclasses import dataclass

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from twisted_siprec.bridge.delivery import Delivery
from twisted_siprec.bridge.delivery_states import Output, Send
from twisted_siprec.dialects import TERMS, dialect
from twisted_siprec.dialects.base import Audio, ChannelStart, StreamStart
from twisted_siprec.dialects.foreign import Foreign
from twisted_siprec.net.delivery.websocket import (
    Connection,
    ConnectionFactory,
    ConnectionSettings,
    Handshake,
)
from twisted_siprec.net.driver import Driver
from twisted_siprec.participants import Description, Participant
from twisted_siprec.plan import ChannelPlan, Destination, Layout

CHANNELS = (
    ChannelStart(ChannelPlan(0, (0,), "p1", "caller", "1"), "PCMU"),
    ChannelStart(ChannelPlan(1, (1,), "p2", "callee", "2"), "PCMU"),
)
DESCRIPTION = Description(
    "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    "call@sbc",
    caller="+15550100",
    called="+15550199",
    participants=(Participant("p1", "sip:ann@pbx", "Ann"), Participant("p2", "sip:bob@pbx", "Bob")),
)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OPENED = (
    '{"version":"2","type":"opened","id":"ID","seq":1,"clientseq":1,"parameters":{"media":'
    '[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}]}}'
)
ANSWERS = {
    "recstream": ['{"type":"ready","seq":1,"ack":1,"data":{}}'],
    "audiohook": [OPENED],
    "openai": ['{"type":"session.created","session":{}}', '{"type":"session.updated"}'],
    "assemblyai": ['{"type":"Begin","id":"b"}'],
    "audiocodes": [
        '{"type":"session.accepted","mediaFormat":"raw/lpcm16"}',
        '{"type":"userStream.started","participant":"caller"}',
        '{"type":"userStream.started","participant":"callee"}',
    ],
    "sinch": ['{"command":"answer"}'],
}
"What a consumer has to say before it gets audio."


class CountingTransport(StringTransport):
    """Where all ends up."""

    octets = writes = 0

    def write(self, data: bytes) -> None:
        """What goes out is counted and forgotten; the handshake is kept."""
        self.octets += len(data)
        self.writes += 1
        if data.startswith(b"GET"):
            super().write(data)


class Line:
    """One connection of a call, from the delivery to the transport."""

    def __init__(self, start: StreamStart, clock: Clock) -> None:
        self.start = start
        spoken = dialect(start.destination)
        url = start.destination.url
        if isinstance(spoken, Foreign):
            url = spoken.url(url, start)
        self.delivery = Delivery(start, spoken, "token")
        self.driver: Driver[Output] = Driver(self.delivery, clock, self._do)
        handshake = Handshake(url, spoken.subprotocols, spoken.headers(start))
        factory = ConnectionFactory(clock, handshake, self, ConnectionSettings(), "bench")
        self.connection: Connection = factory.buildProtocol(None)
        self.transport = CountingTransport()
        self.first = ""
        self.connection.makeConnection(self.transport)
        request = self.transport.value()
        found = re.search(rb"Sec-WebSocket-Key: (\S+)", request)
        assert found is not None
        accept = base64.b64encode(hashlib.sha1(found[1] + GUID).digest())  # noqa: S324 - RFC 6455
        lines = [b"HTTP/1.1 101 X", b"Upgrade: websocket", b"Connection: Upgrade"]
        lines.append(b"Sec-WebSocket-Accept: " + accept)
        if spoken.subprotocols:
            lines.append(b"Sec-WebSocket-Protocol: " + spoken.subprotocols[0].encode())
        self.connection.dataReceived(b"\r\n".join(lines) + b"\r\n\r\n")
        for answer in ANSWERS.get(start.destination.protocol, ()):
            id = re.search(r'"id":"([^"]+)"', self.first)
            answer = answer.replace('"ID"', f'"{id[1]}"' if id else '""')
            self.driver.attempt(self.delivery.received, answer)

    def opened(self, subprotocol: str | None) -> None:
        self.driver.attempt(self.delivery.connected, subprotocol)

    def closed(self, ending: object) -> None:
        raise SystemExit(f"{self.start.destination.protocol}: {ending}")

    def carry(self, position: int, samples: int, payload: bytes) -> None:
        """As the media plane does it."""
        message = self.delivery.straight(position, samples, payload)
        if message is None:
            self.driver.attempt(self.delivery.carry, Audio(position, samples, payload))
        else:
            self.connection.send(message)

    def _do(self, output: Output) -> None:
        if isinstance(output, Send):
            if isinstance(output.message, str):
                self.first = self.first or output.message
            self.connection.send(output.message)
        elif type(output).__name__ in ("Disconnect", "Puzzled"):
            raise SystemExit(f"{self.start.destination.protocol}: {output}")


@dataclass
class Cost:
    """Of one protocol, for each second of a call."""

    layout: str
    encoding: str
    rate: int
    chunk_ms: int
    messages: float
    octets: float
    cpu_us: float
    "Of one chunk: on each of its connections."


def lines(protocol: str, clock: Clock) -> list[Line]:
    """The connections of one call."""
    terms = TERMS[protocol]
    layout, encoding = terms.layouts[0], terms.encodings[0]
    destination = Destination(
        "bench",
        "ws://127.0.0.1:9/",
        protocol=protocol,
        layout=layout,
        encoding=encoding,
        sample_rate=terms.rates_of(encoding)[0] or 8000,
        chunk_ms=terms.chunk_ms,
    )
    tracks = (0, 1) if layout is Layout.SEPARATE else (None,)
    return [
        Line(
            StreamStart(
                f"stream-{track}",
                "bridge",
                1_767_366_000.0,
                encoding,
                destination.sample_rate or 8000,
                CHANNELS if track is None else (CHANNELS[track],),
                destination,
                DESCRIPTION,
                track,
            ),
            clock,
        )
        for track in tracks
    ]


def measure(protocol: str, seconds: int) -> Cost:
    """So many seconds of one call."""
    # A clock that stands still: no pings, of which some want answers.
    call = lines(protocol, Clock())
    start = call[0].start
    chunk_ms = start.destination.chunk_ms
    samples = start.sample_rate * chunk_ms // 1000
    noise = random.Random(1)
    payloads = [noise.randbytes(samples * start.sample_octets) for _ in range(16)]
    chunks = seconds * 1000 // chunk_ms
    before = [(line.transport.writes, line.transport.octets) for line in call]
    spent = 0.0
    for number in range(chunks):
        payload = payloads[number % len(payloads)]
        begun = time.process_time_ns()
        for line in call:
            line.carry(number * samples, samples, payload)
        spent += time.process_time_ns() - begun
    writes = sum(line.transport.writes - was for line, (was, _) in zip(call, before, strict=True))
    octets = sum(line.transport.octets - was for line, (_, was) in zip(call, before, strict=True))
    if octets < chunks * samples:
        raise SystemExit(f"{protocol}: only {octets} octets came of {chunks} chunks")
    return Cost(
        start.destination.layout.value,
        start.encoding.value,
        start.sample_rate,
        chunk_ms,
        writes / seconds,
        octets / seconds,
        spent / chunks / 1000,
    )


def main() -> None:
    """A line for each protocol."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--seconds", type=int, default=120, help="of audio")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    native = 0.0
    print("             chunk                          messages  kB/s  µs/chunk  µs/s  ratio")
    for protocol in TERMS:
        costs = [measure(protocol, options.seconds) for _ in range(options.repeat)]
        cost = min(costs, key=lambda cost: cost.cpu_us)
        per_second = cost.cpu_us * 1000 / cost.chunk_ms
        native = native or per_second
        print(
            f"{protocol:12} {cost.chunk_ms:3} ms {cost.encoding:4} {cost.rate:5} "
            f"{cost.layout:11} {cost.messages:9.1f} {cost.octets / 1000:5.1f} "
            f"{cost.cpu_us:9.0f} {per_second:5.0f} {per_second / native:6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
