"""
Many calls at once, and calls over a bad network: three processes, the server,
the client and the consumer, as an operator would run them.
"""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.interop.peers import BIN, Server, free_port, run

pytestmark = [pytest.mark.interop, pytest.mark.alone]

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {sip}}}
    - {{transport: tcp, address: 127.0.0.1, port: {sip}}}
media: {{address: 127.0.0.1, jitter_ms: 400}}
limits: {{calls: 400, calls_per_second: 0}}
destinations:
  consumer: {{url: "ws://127.0.0.1:{consumer}/calls"}}
default_destinations: [consumer]
"""


class Consumer:
    """``siprec-consumer`` as a process of its own, checking the protocol and the promise."""

    def __init__(self, directory: Path, port: int, *options: str) -> None:
        self.directory = directory / "consumed"
        self.log = directory / "consumer.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    BIN / "siprec-consumer",
                    *("--listen", f"ws://127.0.0.1:{port}"),
                    *("--directory", self.directory, "--check", "--quiet", *options),
                ],
                stdout=log,
                stderr=log,
            )

    def stop(self) -> int:
        """SIGTERM; the exit code, 1 where the server broke the protocol or its promise."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def stops(self) -> list[dict]:
        """The data of all ``stop`` messages."""
        messages = [
            json.loads(line)
            for path in self.directory.glob("*.jsonl")
            for line in path.read_text().splitlines()
        ]
        return [each["data"] for each in messages if each.get("type") == "stop"]


def test_two_hundred_calls_at_once_lose_no_sample(tmp_path: Path) -> None:
    """
    200 calls of two parties at once in one process: nothing is lost, late or in
    a gap without audio, and every account adds up.
    """
    sip, port = free_port(), free_port()
    consumer = Consumer(tmp_path, port)
    with Server(tmp_path, CONFIGURATION.format(sip=sip, consumer=port)) as server:
        told = run(
            BIN / "siprec-call",
            *("--transport", "tcp", "--calls", "200", "--rate", "50", "--duration", "8", "--tone"),
            f"sip:srs@127.0.0.1:{sip}",
            timeout=90,
        )
        assert "200" in told
        server.await_log("consumer got", count=200)
        log = server.log.read_text()
    assert consumer.stop() == 0, consumer.log.read_text()[-4000:]
    stops = consumer.stops()
    assert len(stops) == 200
    for stop in stops:
        assert stop["gaps"].get("rtp_loss", 0) == 0
        assert stop["gaps"].get("late", 0) == 0
        assert [each["lost"] for each in stop["channels"]] == [0, 0]
        # 8 s of packets of 20 ms on each stream, all of them.
        assert [each["packets"] for each in stop["channels"]] == [400, 400]
    assert "Traceback" not in log


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_bad_network_costs_what_it_lost_and_no_more(tmp_path: Path, transport: str) -> None:
    """
    5 % loss, and reordered and repeated packets: what was lost is in gaps, what
    came twice or late in order is not.
    """
    sip, port = free_port(), free_port()
    consumer = Consumer(tmp_path, port)
    with Server(tmp_path, CONFIGURATION.format(sip=sip, consumer=port)) as server:
        run(
            BIN / "siprec-call",
            *("--transport", transport, "--duration", "6", "--tone", "--seed", "7"),
            *("--loss", "5", "--reorder", "5", "--duplicate", "5"),
            f"sip:srs@127.0.0.1:{sip}",
        )
        server.await_log("consumer got")
    assert consumer.stop() == 0, consumer.log.read_text()[-4000:]
    [stop] = consumer.stops()
    for channel in stop["channels"]:
        assert channel["lost"] > 0
        assert channel["duplicate"] > 0
        assert channel["reordered"] > 0
        assert channel["packets"] + channel["lost"] >= 295
    lost_ms = sum(each["lost"] for each in stop["channels"]) * 20
    # Two losses in one span of both channels are one gap of each, so never more than were lost.
    assert 0 < stop["gaps"]["rtp_loss"] <= lost_ms
