"""
The fault suite in its short form: ten calls, six seconds, everything that can go
wrong; and what a consumer that reads nothing costs in memory.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.faults_network import CutNetwork, NoNetwork
from tests.interop.peers import free_port, run

pytestmark = [pytest.mark.interop, pytest.mark.alone]

BENCH = Path(__file__).parents[2] / "bench"


def test_faults(tmp_path: Path) -> None:
    """
    Consumers are killed, frozen, reset, made slow, distrusted and cut off: what the
    server's accounts say is what the consumers have, sample for sample.
    """
    output = run(
        *(sys.executable, BENCH / "faults.py", "--calls", "10", "--seconds", "6", "--long", "3"),
        *("--directory", tmp_path, "--seed", "541", "--workers", "2"),
        timeout=240,
    )
    assert "WRONG" not in output
    assert int(re.search(r"(\d+) faults", output)[1]) > 2, output
    assert re.search(r"killed +\d+ +[5-9]", output), output


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None,
    reason="the kernel's buffers are made small in a network namespace: root, unshare and ip",
)
def test_backpressure(tmp_path: Path) -> None:
    """
    Of consumers that read nothing, or little, for ever: memory grows by no more than their
    rings may hold, the rest is in gaps, and every account adds up.
    """
    output = run(
        *(sys.executable, BENCH / "faults_backpressure.py", "--small-buffers"),
        *("--calls", "2", "--seconds", "12", "--usual", "2", "--replay-bytes", "65536"),
        *("--directory", tmp_path),
        timeout=240,
    )
    assert "WRONG" not in output
    for name in ("stalled", "slow", "frozen"):
        assert re.search(rf"{name}: 1 streams, .*in gaps [1-9]", output), output


def test_cut_off() -> None:
    """What the suite means by it: no packet comes through, and nobody is told."""
    try:
        network = CutNetwork(free_port() % 256)
    except NoNetwork as reason:
        pytest.skip(str(reason))
    try:
        listening = subprocess.Popen(
            [*network.prefix, sys.executable, "-u", "-c", LISTEN], stdout=subprocess.PIPE
        )
        assert listening.stdout is not None
        assert listening.stdout.readline() == b"listening\n"
        with socket.create_connection((network.address, 9000), 5) as connection:
            network.cut()
            connection.sendall(b"nobody hears this")
            with pytest.raises(TimeoutError):
                socket.create_connection((network.address, 9000), 0.5)
            network.mend()
            connection.settimeout(10)
            assert connection.recv(100) == b"heard"
        listening.kill()
        listening.communicate()
    finally:
        network.remove()


LISTEN = """
import socket
server = socket.create_server(("0.0.0.0", 9000))
print("listening")
peer = server.accept()[0]
peer.recv(100)
peer.sendall(b"heard")
server.accept()
"""
