"""SIGHUP and renewed certificates, at the server that twistd runs."""

from __future__ import annotations

import signal
import socket
import ssl
from pathlib import Path

import pytest

from twisted_siprec.simulator.certificates import make_certificate

from .peers import BIN, Server, free_port, run

pytestmark = pytest.mark.interop

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {port}}}
    - {{transport: tls, address: 127.0.0.1, port: {secure}, certificate: srs-certificate.pem,
       key: srs-key.pem}}
media: {{address: 127.0.0.1, advertise: 127.0.0.1}}
destinations:
  recordings: {{url: "file:recordings"}}
  others: {{url: "file:others"}}
routes:
  - {{name: all, destinations: recordings}}
"""


def certificate(port: int) -> bytes:
    """What the TLS listener shows a new connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain) as secure,
    ):
        return secure.getpeercert(True) or b""


def call(port: int) -> None:
    """A call of a second."""
    run(BIN / "siprec-call", "-d", "1", f"127.0.0.1:{port}")


def test_reload(tmp_path: Path) -> None:
    """
    New routes hold for the next call. A configuration with a mistake changes
    nothing. A renewed certificate is shown at the next handshake, and another one
    once it is configured.
    """
    make_certificate(tmp_path)
    port, secure = free_port(), free_port()
    text = CONFIGURATION.format(port=port, secure=secure)
    with Server(tmp_path, text) as server:
        assert server.process is not None
        shown = [certificate(secure)]
        make_certificate(tmp_path)
        shown.append(certificate(secure))
        server.await_log("was renewed")

        call(port)
        server.recordings(1)
        rerouted = text.replace("all, destinations: recordings", "all, destinations: others")
        server.configuration.write_text(rerouted)
        server.process.send_signal(signal.SIGHUP)
        server.await_log("reloaded: routes.all.destinations.recordings: removed")
        server.await_log("changes\n")
        call(port)
        assert len(list(tmp_path.glob("others/*.wav"))) == 1
        assert len(server.recordings(1)) == 1

        make_certificate(tmp_path, "other")
        broken = text.replace("srs-", "other-") + "limits: {calls: many}\n"
        server.configuration.write_text(broken)
        server.process.send_signal(signal.SIGHUP)
        server.await_log('limits.calls: found "many"')
        shown.append(certificate(secure))
        call(port)
        assert len(list(tmp_path.glob("others/*.wav"))) == 2

        mended = broken.replace("many", "2").replace(
            f"udp, address: 127.0.0.1, port: {port}",
            f"udp, address: 127.0.0.1, port: {free_port()}",
        )
        server.configuration.write_text(mended)
        server.process.send_signal(signal.SIGHUP)
        server.await_log("limits.calls: 1000 → 2")
        server.await_log("not before the next start: sip.listeners: changed")
        shown.append(certificate(secure))
        call(port)
    assert shown[0] != shown[1] == shown[2] != shown[3]
