"""
What scanners of others learn of us: SIPVicious, as everybody who listens on port 5060
meets it, and sipsak. A stranger learns nothing, or that it is not welcome, and the same
of every user; a known source learns the one word that the configuration lets it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.interop.peers import Server, free_port, needs

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(find_spec("sipvicious") is None, reason="sipvicious is not installed"),
]

CONFIGURATION = """
sip:
  server: recorder
  users: [srs]
  listeners: [{{transport: udp, address: 127.0.0.1, port: {port}}}]
sources: [{{name: known, networks: [{network}]}}]
unknown_sources: {unknown}
media: {{address: 127.0.0.1}}
stopping: {{drain_s: 0}}
"""
KNOWN, STRANGER = "127.0.0.0/8", "127.0.0.9"
"The network of the source; the scanners come from 127.0.0.1."
TELLING = re.compile(r"twisted|python|siprec|autobahn", re.IGNORECASE)


def scan(program: str, port: int, *options: str) -> str:
    """What a part of SIPVicious says of our port."""
    command = (sys.executable, "-m", f"sipvicious.{program}", "-p", str(port))
    done = subprocess.run(
        [*command, "-P", str(free_port()), "-b", "127.0.0.1", *options, "127.0.0.1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
        text=True,
    )
    return done.stdout


def serving(directory: Path, network: str, unknown: str) -> tuple[Server, int]:
    """A server, and its port."""
    port = free_port()
    return Server(
        directory, CONFIGURATION.format(port=port, network=network, unknown=unknown)
    ), port


def test_a_stranger_meets_silence(tmp_path: Path) -> None:
    """Nothing is found on the port, and nobody behind it."""
    server, port = serving(tmp_path, STRANGER, "silence")
    with server:
        assert "found nothing" in scan("svmap", port)
        for method in ("REGISTER", "OPTIONS", "INVITE"):
            assert "| Extension" not in scan("svwar", port, "-m", method, "-e", "100-105")
        log = server.log.read_text()
    assert "Traceback" not in log
    # One line for all of it, however much came.
    assert log.count("127.0.0.1 sent SIP over UDP") == 1


def test_a_stranger_is_refused_whoever_it_asks_for(tmp_path: Path) -> None:
    """With 403 the port is found, by the configured name, and no user is told from another."""
    server, port = serving(tmp_path, STRANGER, "'403'")
    with server:
        found = scan("svmap", port)
        assert "recorder" in found
        assert not TELLING.search(found), found
        for method in ("REGISTER", "OPTIONS", "INVITE"):
            told = scan("svwar", port, "-m", method, "-e", "srs,100-103")
            assert not re.search(r"\| (srs|10\d) ", told), told
        assert "Traceback" not in server.log.read_text()


def test_a_known_source_learns_no_more_than_it_has_to(tmp_path: Path) -> None:
    """We have a name and no version, and nobody registers here, so there is no password to try."""
    server, port = serving(tmp_path, KNOWN, "silence")
    with server:
        found = scan("svmap", port)
        assert "recorder" in found
        assert not TELLING.search(found), found
        told = scan("svwar", port, "-m", "REGISTER", "-e", "srs,100-103")
        assert not re.search(r"reqauth|noauth", told), told
        assert "Traceback" not in server.log.read_text()


@needs("sipsak")
def test_sipsak_of_a_stranger(tmp_path: Path) -> None:
    """A ping of a stranger gets no answer, whoever it is for."""
    server, port = serving(tmp_path, STRANGER, "silence")
    with server, pytest.raises(subprocess.TimeoutExpired) as gone:
        subprocess.run(
            ["sipsak", "-v", "-s", f"sip:srs@127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=4,
            check=False,
        )
    assert b"SIP/2.0" not in (gone.value.output or b"")
