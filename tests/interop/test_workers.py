"""
The media plane in worker processes: a real one is killed in the middle of calls.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.interop.peers import BIN, Server, free_port

pytestmark = pytest.mark.interop

CONFIGURATION = """
workers: 2
sip:
  listeners: [{{transport: udp, address: 127.0.0.1, port: {port}}}]
media: {{address: 127.0.0.1, jitter_ms: 300}}
"""


def call(port: int, calls: int) -> subprocess.Popen[str]:
    """Calls of 6 s."""
    return subprocess.Popen(
        [
            BIN / "siprec-call",
            *("--tone", "--duration", "6", "--calls", str(calls), "--rate", "20"),
            f"sip:srs@127.0.0.1:{port}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    """
    Its calls end with BYE, those of the other worker lose nothing, and another
    worker takes calls soon after.
    """
    port = free_port()
    with Server(tmp_path, CONFIGURATION.format(port=port)) as server:
        calls = call(port, 6)
        server.await_log("hears stream 1", count=6)
        log = server.log.read_text()
        victim = int(re.search(r"worker 0 runs as process (\d+)", log)[1])
        os.kill(victim, signal.SIGKILL)
        killed_at = time.monotonic()
        server.await_log("worker 0 runs as process", count=2)
        replaced_s = time.monotonic() - killed_at
        told, _ = calls.communicate(timeout=30)
        assert "3 well, 3 not" in told, told
        assert server.log.read_text().count("its worker process died") == 3
        for _, document in server.recordings(3):
            assert [each["packets"] for each in document["statistics"]["channels"]] == [300, 300]
            assert [each["lost"] for each in document["statistics"]["channels"]] == [0, 0]
        again = call(port, 2)
        told, _ = again.communicate(timeout=30)
        assert again.returncode == 0, told
        server.recordings(5)
    # Under 2 s on a quiet machine; a loaded one may take longer to start an interpreter.
    assert replaced_s < 10
