"""
What we send, as the dissectors of Wireshark read it: an independent judge of
every SIP, SDP and RTCP octet.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.interop.peers import BIN, Server, free_port, needs, run

pytestmark = [pytest.mark.interop, needs("tshark")]

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {port}}}
media: {{address: 127.0.0.1, ports: [{first}, {last}]}}
"""


def capture(path: Path, condition: str) -> subprocess.Popen[str]:
    """tshark, writing what passes on loopback; skips where it may not."""
    process = subprocess.Popen(
        ["tshark", "-q", "-i", "lo", "-f", condition, "-w", str(path)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "Capturing" in line:
            time.sleep(1)  # until it really does, of which nothing tells
            return process
    pytest.skip("tshark may not capture on loopback here")


def test_wireshark_finds_nothing_malformed(tmp_path: Path) -> None:
    """SIP, SDP and RTCP of a call with hold are well-formed, and say what they should."""
    port = free_port()
    first = 28_000
    pcap = tmp_path / "call.pcap"
    condition = f"udp port {port} or udp portrange {first}-{first + 15}"
    configuration = CONFIGURATION.format(port=port, first=first, last=first + 15)
    with Server(tmp_path, configuration):
        tshark = capture(pcap, condition)
        run(
            BIN / "siprec-call",
            *("--tone", "--duration", "12", "--hold-at", "2", "--hold-for", "1", "--rtcp"),
            f"sip:srs@127.0.0.1:{port}",
        )
        time.sleep(1)
        tshark.terminate()
        tshark.wait(20)

    def fields(condition: str, *names: str) -> list[list[str]]:
        wanted = [part for name in names for part in ("-e", name)]
        decode = [part for n in range(8) for part in ("-d", _decode_as(first + 2 * n))]
        told = run(
            "tshark",
            *("-r", pcap, "-d", f"udp.port=={port},sip", *decode, "-Y", condition, "-T", "fields"),
            *wanted,
            stderr_apart=True,
        )
        return [line.split("\t") for line in told.splitlines() if line]

    assert fields("_ws.malformed", "frame.number", "_ws.col.Info") == []
    answers = fields("sip.Status-Code == 200 && sdp", "sdp.media", "sdp.media_attr")
    assert len(answers) == 3  # the INVITE, the hold and the resumption
    for media, attributes in answers:
        assert media.count("audio ") == 2
        assert "label:1" in attributes
        assert "label:2" in attributes
    assert "recvonly" in answers[0][1]
    assert "inactive" in answers[1][1]
    assert "recvonly" in answers[2][1]
    reports = fields(f"rtcp.pt == 201 && udp.srcport >= {first}", "rtcp.sdes.text", "udp.srcport")
    assert reports, "no receiver reports"
    assert all(text for text, _ in reports), "a report without a CNAME"


def _decode_as(port: int) -> str:
    return f"udp.port=={port + 1},rtcp"
