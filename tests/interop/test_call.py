"""The command siprec-call against the server that twistd runs."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {port}}}
    - {{transport: tcp, address: 127.0.0.1, port: {port}}}
media: {{address: 127.0.0.1, advertise: 127.0.0.1, codecs: [PCMU, PCMA]}}
destinations:
  recordings: {{url: "file:{directory}/recordings"}}
"""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server of our own; its address."""
    port = free_port()
    configuration = tmp_path / "siprec.yaml"
    configuration.write_text(CONFIGURATION.format(port=port, directory=tmp_path))
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from twisted.scripts.twistd import run; run()"),
                *("--nodaemon", "--pidfile", str(tmp_path / "pid"), "siprec"),
                *("--config", str(configuration)),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(200):
            if "serving" in log.read_text():
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def start(*arguments: str) -> subprocess.Popen[str]:
    """Begin siprec-call."""
    return subprocess.Popen(
        [sys.executable, "-m", "twisted_siprec.simulator.call", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def call(*arguments: str) -> tuple[int, str]:
    """Run siprec-call to its end."""
    process = start(*arguments)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def test_calls(server: str, tmp_path: Path) -> None:
    """Calls of every kind are answered and end well, and each leaves a recording."""
    code, output = call(
        *("-d", "2.5", "--hold-at", "0.5", "--hold-for", "0.5", "--dtmf", "5", "--rtcp"),
        f"sip:srs@{server};transport=tcp",
    )
    assert code == 0, output
    assert "on hold\nresumed\n" in output
    code, output = call(
        *("-n", "8", "-r", "20", "-d", "1", "--codec", "PCMA", "--streams", "3"),
        *("--loss", "5", "--reorder", "5", "--duplicate", "5", "--tone", server),
    )
    assert code == 0, output
    assert "8 calls: 8 well, 0 not" in output
    for _ in range(50):
        if len(list((tmp_path / "recordings").rglob("*.wav"))) == 9:
            break
        time.sleep(0.1)
    assert len(list((tmp_path / "recordings").rglob("*.wav"))) == 9


def test_refused(server: str) -> None:
    """A codec that the server does not take is told, with what to look at."""
    code, output = call("--codec", "G722", server)
    assert code == 1
    assert "488" in output
    assert "--codec" in output


def test_nobody_there() -> None:
    """Where nothing listens, the call fails at once, by UDP as by TCP."""
    began = time.monotonic()
    for transport in ("udp", "tcp"):
        code, output = call("--transport", transport, f"127.0.0.1:{free_port()}")
        assert code == 1
        assert "refused" in output
    assert time.monotonic() - began < 10


def test_interrupted(server: str) -> None:
    """Ctrl-C ends the call by BYE."""
    process = start("-d", "30", "--trace", server)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("answered"):
            break
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert "SRC ──▶ SRS  BYE" in output, "".join(lines) + output
    assert "Traceback" not in output
