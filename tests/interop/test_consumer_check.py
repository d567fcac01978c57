"""``siprec-consumer --check`` as the judge of somebody else's sender."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.interop.peers import BIN, free_port
from tests.simulator.test_recstream import START, STOP

pytestmark = pytest.mark.interop


@contextmanager
def checking(directory: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, listening, and its URL."""
    url = f"ws://127.0.0.1:{free_port()}"
    command = (BIN / "siprec-consumer", "--check", "--listen", url, "--directory", directory)
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "listening" in process.stdout.readline()
    try:
        yield process, url
    finally:
        process.kill()
        process.wait()


def say(socket: ClientConnection, kind: str, seq: int, body: dict[str, Any]) -> None:
    """A text of the sender."""
    text = {"type": kind, "streamId": "s", "seq": seq, "ack": 0, "pos": 0, "data": body}
    socket.send(json.dumps(text))


def call(url: str, code: int = 1000, **stop: Any) -> None:
    """A call of twenty samples, as some sender would have it."""
    framed: Any = ["recstream.v1.framed"]
    with connect(url, subprotocols=framed) as socket:
        say(socket, "start", 1, START)
        assert json.loads(socket.recv())["type"] == "ready"
        for frame in (0, 1):
            socket.send(struct.pack(">BBBBIQ", 0x10, 0, 255, 0, frame, 10 * frame) + bytes(20))
        say(socket, "stop", 2, {**STOP, **stop})
        assert json.loads(socket.recv())["type"] == "bye"
        socket.close(code)


def test_good(tmp_path: Path) -> None:
    """A sender that keeps protocol and promise: exit code 0, in words too."""
    with checking(tmp_path, "--once") as (process, url):
        call(url)
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert output.endswith("checked: the protocol was kept, and all was delivered or named\n")


@pytest.mark.parametrize(
    ("broken", "violation"),
    [
        ({"finalPos": 21}, "finalPos is 21, but what came ends at 20"),
        ({"bytes": 41}, "stop says 41 bytes, 40 came"),
        ({"code": 3000}, "closed with 3000"),
    ],
)
def test_bad(tmp_path: Path, broken: dict[str, Any], violation: str) -> None:
    """One that does not: exit code 1, and what is wrong."""
    with checking(tmp_path, "--once") as (process, url):
        call(url, **broken)
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 1
    assert f"violation: stream s: {violation}\n" in output


def test_interrupted(tmp_path: Path) -> None:
    """What was wrong by the time of a signal counts, even of streams that never began."""
    with checking(tmp_path) as (process, url):
        with connect(url) as socket:
            socket.send(b"\0\0")
            time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "violation: stream ?: audio before start" in output
