"""
A SIPREC call that comes through a proxy: SIPp by UDP to Kamailio, Kamailio by TLS
to us, and everything within the dialog on the recorded route.
"""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.interop.peers import HERE, Server, free_port, needs, run

pytestmark = [pytest.mark.interop, needs("sipp", "kamailio")]

SCENARIOS = HERE / "sipp"

CONFIGURATION = """
sip:
  listeners:
    - {{transport: tls, address: 127.0.0.1, port: {port}, certificate: server.pem,
       key: server.key}}
media: {{address: 127.0.0.1}}
stopping: {{drain_s: 0}}
"""

OUR_BYE = """
  <recv request="BYE"/>
  <send>
    <![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]>
  </send>
</scenario>
"""


def make_certificate(directory: Path) -> None:
    """A certificate of our own for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "recorder.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@contextmanager
def proxy(directory: Path, srs_port: int) -> Iterator[int]:
    """Kamailio; the UDP port that it listens on."""
    udp_port = free_port()
    configuration = (SCENARIOS / "kamailio.cfg").read_text()
    for word, value in (
        ("UDP_PORT", udp_port),
        ("TLS_PORT", free_port()),
        ("SRS_PORT", srs_port),
        ("DIRECTORY", directory),
    ):
        configuration = configuration.replace(word, str(value))
    (directory / "kamailio.cfg").write_text(configuration)
    with (directory / "kamailio.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(shutil.which("kamailio") or "kamailio", "-DD", "-E", "-m", "64", "-M", "8"),
                *("-f", directory / "kamailio.cfg", "-Y", directory),
                *("-P", directory / "kamailio.pid"),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield udp_port
    except BaseException:
        print((directory / "kamailio.log").read_text()[-6000:])
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def sipp(directory: Path, scenario: Path, port: int) -> list[str | Path]:
    """The command of one call without media."""
    return [
        *("sipp", f"127.0.0.1:{port}", "-sf", scenario),
        *("-i", "127.0.0.1", "-p", str(free_port()), "-t", "u1", "-m", "1", "-d", "500"),
        *("-key", "media_command", "true", "-nostdin", "-timeout", "30", "-timeout_error"),
        *("-trace_err", "-error_file", directory / "sipp.log"),
    ]


def test_a_call_through_a_proxy_by_tls(tmp_path: Path) -> None:
    """The whole call goes through the proxy, which changes the transport on the way."""
    make_certificate(tmp_path)
    port = free_port()
    with (
        Server(tmp_path, CONFIGURATION.format(port=port)) as server,
        proxy(tmp_path, port) as udp_port,
    ):
        run(*sipp(tmp_path, SCENARIOS / "record.xml", udp_port), cwd=tmp_path)
        server.await_log("ended: BYE received")


def test_our_bye_goes_by_the_recorded_route(tmp_path: Path) -> None:
    """When the server stops, its BYE reaches the SRC through both hops of the proxy."""
    make_certificate(tmp_path)
    text = (SCENARIOS / "record.xml").read_text()
    scenario = tmp_path / "our_bye.xml"
    scenario.write_text(text.partition("  <!-- from here on")[0] + OUR_BYE)
    port = free_port()
    with (
        Server(tmp_path, CONFIGURATION.format(port=port)) as server,
        proxy(tmp_path, port) as udp_port,
    ):
        call = subprocess.Popen(
            [str(part) for part in sipp(tmp_path, scenario, udp_port)],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        server.await_log("recording ")
        call_is_up = 0.5
        try:
            call.wait(call_is_up)
        except subprocess.TimeoutExpired:
            server.stop()
        assert call.wait(20) == 0
