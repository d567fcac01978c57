"""
Digest authentication with a client of others: SIPp by MD5, and siprec-call by
SHA-256.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.interop.peers import HERE, Server, free_port, needs, run

pytestmark = pytest.mark.interop

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {port}}}
    - {{transport: tcp, address: 127.0.0.1, port: {port}}}
sources:
  - name: guarded
    networks: 127.0.0.1
    digest: {{realm: recorder.example.com, users: users, algorithms: [{algorithms}]}}
media: {{address: 127.0.0.1}}
"""


def configuration(directory: Path, port: int, algorithms: str = "SHA-256, MD5") -> str:
    """A server that lets one user in."""
    (directory / "users").write_text("sbc:a secret, of course\n")
    return CONFIGURATION.format(port=port, algorithms=algorithms)


def sipp(directory: Path, port: int, mode: str, secret: str) -> str:
    """One call, with every request authenticated."""
    return run(
        "sipp",
        f"127.0.0.1:{port}",
        *("-sf", HERE / "sipp" / "digest.xml"),
        *("-i", "127.0.0.1", "-p", str(free_port())),
        *("-t", mode, "-m", "1", "-au", "sbc", "-ap", secret),
        *("-trace_err", "-error_file", directory / "sipp.log", "-nostdin"),
        *("-timeout", "20", "-timeout_error", "-max_socket", "100"),
        cwd=directory,
    )


@needs("sipp")
@pytest.mark.parametrize("mode", ["u1", "t1"])
def test_sipp(tmp_path: Path, mode: str) -> None:
    """
    SIPp authenticates OPTIONS, INVITE, re-INVITE and BYE; ACK is not asked. It knows
    MD5 alone and gives up on another algorithm, as old SRCs do.
    """
    port = free_port()
    with Server(tmp_path, configuration(tmp_path, port, "MD5")) as server:
        sipp(tmp_path, port, mode, "a secret, of course")
        server.recordings(1)


@needs("sipp")
def test_sipp_with_a_wrong_secret(tmp_path: Path) -> None:
    """With a wrong secret SIPp is challenged again, and there is no call."""
    port = free_port()
    with Server(tmp_path, configuration(tmp_path, port, "MD5")) as server:
        with pytest.raises(AssertionError, match="sipp ended with"):
            sipp(tmp_path, port, "u1", "wrong")
        server.await_log("401 Credentials Not Accepted")
        assert "recording sip:" not in server.log.read_text()


def siprec_call(directory: Path, port: int, secret: str, *options: str) -> str:
    """Make a call; it fails where the call does."""
    (directory / "secret").write_text(f"{secret}\n")
    return run(
        *(sys.executable, "-m", "twisted_siprec.simulator.call"),
        *("-d", "1.5", "--hold-at", "0.3", "--hold-for", "0.3"),
        *("--user", "sbc", "--password-file", directory / "secret", *options),
        f"sip:srs@127.0.0.1:{port};transport=tcp",
    )


def test_siprec_call(tmp_path: Path) -> None:
    """siprec-call takes the best algorithm, in every request of a call that is put on hold."""
    port = free_port()
    with Server(tmp_path, configuration(tmp_path, port)) as server:
        trace = siprec_call(tmp_path, port, "a secret, of course", "--trace")
        server.recordings(1)
        # The INVITE, the re-INVITEs that hold and resume, and the BYE, and the ACKs of all INVITEs.
        assert trace.count("algorithm=SHA-256, qop=auth, nc=00000001") == 7
        with pytest.raises(AssertionError, match=r"401 .*--password-file"):
            siprec_call(tmp_path, port, "wrong")
