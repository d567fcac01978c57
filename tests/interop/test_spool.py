"""The spool of the real server: consumers that come when the call, or the process, is over."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.peers import Server, free_port, run

pytestmark = pytest.mark.interop

CONFIGURATION = """
sip: {{listeners: [{{transport: udp, address: 127.0.0.1, port: {sip}}}]}}
media: {{address: 127.0.0.1, advertise: 127.0.0.1, ports: [{first}, {last}]}}
spool: {{directory: spool, key: {{file: {key}}}}}
destinations:
  away:
    url: "ws://127.0.0.1:{consumer}/"
    spool: true
    replay_ms: 1000
    backlog_ms: 300
    linger_s: 0.5
    breaker_open_s: 0.3
"""


class Trial:
    """A server whose consumer is away, and a consumer that can be started."""

    def __init__(self, directory: Path) -> None:
        self.sip, self.consumer = free_port(), free_port()
        first = 50_000 + free_port() % 5_000 * 2
        key = directory / "key"
        key.write_text("a key for a test")
        text = CONFIGURATION.format(
            sip=self.sip, first=first, last=first + 99, key=key, consumer=self.consumer
        )
        self.server = Server(directory, text)
        self.directory = directory
        self.started: list[subprocess.Popen[bytes]] = []

    def call(self, seconds: float) -> subprocess.Popen[bytes]:
        """A call that goes on for so long."""
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "twisted_siprec.simulator.call", "--tone"),
                *("-q", "-d", str(seconds), f"127.0.0.1:{self.sip}"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process

    def consume(self) -> dict[str, object]:
        """Take one stream to its end, checked; its stop."""
        run(
            *(sys.executable, "-m", "twisted_siprec.simulator.consumer", "--once", "--check"),
            *("--listen", f"ws://127.0.0.1:{self.consumer}", "--ack-ms", "200"),
            *("--directory", self.directory / "consumed"),
            timeout=40,
        )
        [path] = (self.directory / "consumed").glob("*.jsonl")
        texts = [json.loads(line) for line in path.read_text().splitlines()]
        assert texts[0]["data"]["late"] is True
        assert texts[-1]["type"] == "stop"
        return dict(texts[-1]["data"])


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    """One, of which nothing is left running."""
    made = Trial(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.wait()


def test_after_the_call(trial: Trial) -> None:
    """A consumer that comes after the call gets all of it; then the spool is empty."""
    with trial.server as server:
        assert trial.call(3).wait(30) == 0
        server.await_log("are in the spool")
        stop = trial.consume()
        assert stop["reason"] == "call_ended"
        assert stop["gaps"] == {}
        assert int(str(stop["finalPos"])) >= 3 * 8000
        server.await_log("the last of them late")


def test_after_a_kill(trial: Trial) -> None:
    """kill -9 amid a call: what was written by then comes after the restart."""
    with trial.server as server:
        trial.call(30)
        server.await_log("hears stream 1")
        time.sleep(4)
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        assert b"127.0.0.1" not in (trial.directory / "spool" / "spool.sqlite-wal").read_bytes()
        with server:
            stop = trial.consume()
            assert stop["reason"] == "error"
            assert stop["gaps"] == {}
            # All but the time of a batch, and of the playout.
            assert int(str(stop["finalPos"])) > 3 * 8000
