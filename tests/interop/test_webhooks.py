"""Webhooks and look-ups of the server that twistd runs, at HTTP servers of others."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from .http_peer import HTTPPeer
from .peers import BIN, Server, free_port, run

pytestmark = pytest.mark.interop

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {port}}}
media: {{address: 127.0.0.1, advertise: 127.0.0.1}}
destinations:
  recordings: {{url: "file:recordings"}}
  others: {{url: "file:others"}}
"""
WEBHOOKS = """
webhooks:
  - {{name: crm, url: "{url}", secret: {{file: secret}}, timeout_s: 2,
     backoff_initial_s: 0.2, backoff_max_s: 0.5}}
"""
LOOKUP = """
routes:
  - name: asked
    lookup: {{url: "{url}", timeout_s: 1, cache_s: {cache}, when_failing: {failing}}}
default_destinations: recordings
"""


def call(port: int, *options: str) -> str:
    """A call of a second."""
    return run(BIN / "siprec-call", "-d", "1", *options, f"127.0.0.1:{port}")


def refused(port: int) -> str:
    """What is said of a call that is not taken."""
    done = subprocess.run(
        [BIN / "siprec-call", "-d", "1", f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    return done.stdout


def test_webhooks(tmp_path: Path) -> None:
    """
    A call is told, in order and signed. While the other server is down, nothing is
    held up but what it is told, which comes once it is back, be our server another
    one by then.
    """
    (tmp_path / "secret").write_text("geheim\n")
    port = free_port()
    with HTTPPeer() as peer:
        text = CONFIGURATION.format(port=port) + WEBHOOKS.format(url=peer.url)
        with Server(tmp_path, text) as server:
            call(port)
            peer.await_events("call.started", "call.ended")
            started, ended = (
                next(each for each in peer.got if each[0]["event"] == name)
                for name in ("call.started", "call.ended")
            )
            assert started[0]["call"]["id"] == ended[0]["call"]["id"]
            assert ended[0]["deliveries"][0]["complete"]
            assert 800 < ended[0]["durationMs"] < 5_000
            for _, octets, headers in peer.got:
                signed = f"{headers['X-Siprec-Timestamp']}.".encode() + octets
                expected = hmac.new(b"geheim", signed, hashlib.sha256).hexdigest()
                assert headers["X-Siprec-Signature"] == f"v1={expected}"

            peer.down()
            began = time.monotonic()
            call(port)
            assert time.monotonic() - began < 5
            server.await_log("webhook crm: Connection was refused")
        peer.got.clear()
        peer.up()
        with Server(tmp_path, text):
            peer.await_events("call.started", "call.ended")
            sequence = [each["sequence"] for each, _, _ in peer.got]
            assert sequence == sorted(sequence)


def test_lookup(tmp_path: Path) -> None:
    """
    The other server says where a call goes, or refuses it; the answer is kept for
    its time. Where it fails, calls go where they go otherwise.
    """
    port = free_port()
    answer: dict[str, Any] = {
        "action": "accept",
        "destinations": ["others"],
        "parameters": {"tenant": "blue"},
    }
    with HTTPPeer(lambda body: (200, json.dumps(answer).encode())) as peer:
        text = CONFIGURATION.format(port=port) + LOOKUP.format(
            url=peer.url, cache=0, failing="default"
        )
        with Server(tmp_path, text) as server:
            call(port)
            [document] = tmp_path.glob("others/*.json")
            assert json.loads(document.read_text())["siprec"]["extensions"]["tenant"] == "blue"
            assert peer.got[0][0]["siprec"]["sipCallId"]

            answer.clear()
            answer.update(action="refuse", status=603, reason="No consent")
            assert "603" in refused(port)

            peer.answer = lambda body: (time.sleep(1.5), (200, b"{}"))[1]
            call(port)
            server.await_log("no answer within 1 s")
            peer.down()
            call(port)
            assert len(server.recordings(2)) == 2
            peer.up()


def test_lookup_refuses(tmp_path: Path) -> None:
    """A cached answer needs no server; without one calls are refused, if so configured."""
    port = free_port()
    answer = b'{"action": "accept", "destinations": ["others"]}'
    with HTTPPeer(lambda body: (200, answer)) as peer:
        text = CONFIGURATION.format(port=port) + LOOKUP.format(
            url=peer.url, cache=5, failing="refuse"
        )
        with Server(tmp_path, text):
            call(port)
            peer.down()
            call(port)
            assert len(peer.got) == 1
            time.sleep(5)
            assert "503" in refused(port)
            peer.up()
