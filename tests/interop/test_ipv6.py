"""A call over IPv6, signalling and media, with the addresses that nobody configured."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.interop.peers import Server

pytestmark = pytest.mark.interop

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: "::1", port: {port}}}
    - {{transport: tcp, address: "::1", port: {port}}}
destinations:
  recordings: {{url: "file:{directory}/recordings"}}
"""


def _free_port() -> int:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
            return int(one.getsockname()[1])
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")


@pytest.mark.parametrize(
    "options", [("--transport", "udp"), ("--transport", "tcp"), ("--srtp", "DTLS", "--rtcp")]
)
def test_call(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Both streams are heard: their ports are of the family that our answer names."""
    port = _free_port()
    with Server(tmp_path, CONFIGURATION.format(port=port, directory=tmp_path)):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "twisted_siprec.simulator.call"),
                *("-d", "1.5", *options, f"sip:srs@[::1]:{port}"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "nobody took" not in done.stdout
        for _ in range(100):
            told = list((tmp_path / "recordings").glob("*.json"))
            if told:
                break
            time.sleep(0.1)
        (account,) = (json.loads(each.read_text()) for each in told)
    channels = account["statistics"]["channels"]
    assert [each["packets"] > 60 for each in channels] == [True, True], channels
