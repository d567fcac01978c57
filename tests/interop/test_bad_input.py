"""
What strangers and broken equipment send, over real sockets, with a call in
progress beside it that must not notice.
"""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.peers import BIN, Server, free_port, needs, run

pytestmark = pytest.mark.interop

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {port}}}
    - {{transport: tcp, address: 127.0.0.1, port: {port}}}
media: {{address: 127.0.0.1, jitter_ms: 300}}
stopping: {{drain_s: 0}}
"""

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 41100 RTP/AVP {formats}\r\na=label:1\r\na=sendonly\r\n"
)


def message(
    method: str = "INVITE",
    body: str | bytes = "",
    content_type: str = "application/sdp",
    length: int | None = None,
    extra: str = "",
) -> bytes:
    """A request that is right but for what a test makes wrong."""
    octets = body.encode() if isinstance(body, str) else body
    number = random.randrange(1 << 32)
    head = (
        f"{method} sip:srs@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK{number}\r\n"
        f"From: <sip:sbc@127.0.0.1>;tag={number}\r\nTo: <sip:srs@127.0.0.1>\r\n"
        f"Call-ID: {number}@127.0.0.1\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n"
        f"Contact: <sip:sbc@127.0.0.1:5999>;+sip.src\r\nRequire: siprec\r\n{extra}"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(octets) if length is None else length}\r\n\r\n"
    )
    return head.encode() + octets


def multipart(metadata: str) -> bytes:
    """SDP and a metadata document."""
    body = (
        "--b\r\nContent-Type: application/sdp\r\n\r\n" + SDP.format(formats="0") + "\r\n"
        "--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n" + metadata + "\r\n--b--\r\n"
    )
    return message(body=body, content_type="multipart/mixed;boundary=b")


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {c} "{f"&{chr(ord(c) - 1)};" * 10}">' for c in "bcdefghi")
    + ']><recording xmlns="urn:ietf:params:xml:ns:recording:1">&i;</recording>'
)
EXTERNAL = (
    '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    '<recording xmlns="urn:ietf:params:xml:ns:recording:1"><participant participant_id="p">'
    '<nameID aor="&x;"/></participant></recording>'
)

ANSWERED = {
    "no common codec": (message(body=SDP.format(formats="77")), "488"),
    "SDP that is none": (message(body="this is no session description"), "4(00|88)"),
    "an unknown method": (message("FOOBAR"), "501"),
    "a method that we do not serve": (message("REFER"), "405"),
    "an unknown extension": (message(extra="Require: no-such-thing\r\n"), "420"),
    "a BYE of no dialog": (message("BYE"), "481"),
    "a body of another kind": (message(body="hello", content_type="text/plain"), "4(00|15|88)"),
    "a body that is cut off": (message(body="v=0", length=5_000), "400"),
    "a length that is none": (message(extra="Content-Length: many\r\n"), "400"),
    "OPTIONS": (message("OPTIONS"), "200"),
    "MIME without its parts": (
        message(body="--b--\r\n", content_type="multipart/mixed;boundary=b"),
        "(200|4(00|15|88))",
    ),
    "MIME that is cut off": (
        message(body="--b\r\nContent-Type: appl", content_type="multipart/mixed;boundary=b"),
        "(200|4(00|15|88))",
    ),
    "an XML bomb": (multipart(BOMB), "200"),
    "an external entity": (multipart(EXTERNAL), "200"),
    "broken XML": (multipart("<recording><participant"), "200"),
}

SILENT = {
    "nothing": b"",
    "line ends": b"\r\n\r\n",
    "zeros": bytes(4),
    "a keep-alive of others": b"jaK",
    "noise": bytes(range(256)) * 4,
    "half a message": message()[:60],
    "a response to nothing": b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=x\r\n\r\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """A server that serves all tests of this module."""
    port = free_port()
    directory = tmp_path_factory.mktemp("bad")
    with Server(directory, CONFIGURATION.format(port=port)) as running:
        yield running, port
        assert "Traceback" not in running.log.read_text()


def ask(port: int, octets: bytes, wait_s: float = 2.0) -> bytes:
    """Send a datagram; what comes back, nothing where nothing does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(wait_s)
        peer.sendto(octets, ("127.0.0.1", port))
        try:
            while True:
                answer = peer.recv(65_535)
                if not answer.startswith(b"SIP/2.0 100"):
                    return answer
        except TimeoutError:
            return b""


@pytest.mark.parametrize("name", ANSWERED)
def test_a_wrong_request_gets_its_answer(server: tuple[Server, int], name: str) -> None:
    """Each mistake has the status that the RFC gives it; metadata is never one."""
    octets, status = ANSWERED[name]
    answer = ask(server[1], octets)
    assert re.match(rf"SIP/2\.0 {status} ".encode(), answer), answer[:200]


@pytest.mark.parametrize("name", SILENT)
def test_noise_gets_no_answer(server: tuple[Server, int], name: str) -> None:
    """What is no request at all is met with silence, and the next request is served."""
    assert ask(server[1], SILENT[name], wait_s=0.2) == b""
    assert ask(server[1], message("OPTIONS")).startswith(b"SIP/2.0 200 ")


def test_a_datagram_as_large_as_they_come(server: tuple[Server, int]) -> None:
    """64 KiB of header fields are refused, not swallowed."""
    filler = "".join(f"X-Filler-{n}: {'x' * 200}\r\n" for n in range(280))
    answer = ask(server[1], message("OPTIONS", extra=filler))
    assert re.match(rb"SIP/2\.0 (4\d\d|513) ", answer), answer[:200]


def test_a_stream_as_large_as_they_like(server: tuple[Server, int]) -> None:
    """2 MiB announced on a stream are refused at the head, and the connection ends."""
    with socket.create_connection(("127.0.0.1", server[1]), timeout=5) as peer:
        peer.sendall(message(length=2 * 1024 * 1024))
        heard = b""
        while octets := peer.recv(65_535):
            heard += octets
    assert re.match(rb"SIP/2\.0 (413|513) ", heard), heard[:200]


def test_a_stream_without_an_end(server: tuple[Server, int]) -> None:
    """A head that never ends is cut off."""
    with socket.create_connection(("127.0.0.1", server[1]), timeout=5) as peer:
        peer.sendall(b"INVITE sip:srs@127.0.0.1 SIP/2.0\r\n")
        with pytest.raises((ConnectionError, BrokenPipeError)):
            for _ in range(4_000):
                peer.sendall(b"X-Filler: " + b"x" * 1000 + b"\r\n")


def test_a_call_goes_on_beside_all_that(server: tuple[Server, int], tmp_path: Path) -> None:
    """
    While noise of every kind comes to the SIP port and to the RTP ports of the
    call, the call loses nothing.
    """
    running, port = server
    call = subprocess.Popen(
        [BIN / "siprec-call", "--tone", "--duration", "5", f"sip:srs@127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running.await_log("hears stream 1")
    generator = random.Random(1)
    rtp_ports = range(16_384, 16_484, 2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(40):
            for octets in (*SILENT.values(), *(each for each, _ in ANSWERED.values())):
                peer.sendto(octets, ("127.0.0.1", port))
            for number in rtp_ports:
                size = generator.randrange(1, 400)
                peer.sendto(generator.randbytes(size), ("127.0.0.1", number))
                peer.sendto(b"\x80\x00" + os.urandom(170), ("127.0.0.1", number))
    told, _ = call.communicate(timeout=30)
    assert call.returncode == 0, told
    documents = [
        document
        for _, document in running.recordings(1)
        if document["statistics"]["channels"][0]["packets"] == 250
    ]
    assert documents, running.log.read_text()[-4000:]
    statistics = documents[-1]["statistics"]
    assert [each["packets"] for each in statistics["channels"]] == [250, 250]
    assert [each["lost"] for each in statistics["channels"]] == [0, 0]


def test_mutations(tmp_path: Path) -> None:
    """
    Thousands of messages that are nearly right, by UDP, TCP and TLS: no fault in the log,
    and the calls beside them come whole. The long form is run by hand.
    """
    fuzz = Path(__file__).parents[2] / "bench" / "fuzz.py"
    run(
        *(sys.executable, fuzz, "--messages", "3000", "--call-seconds", "5", "--seed", "2"),
        *("--keep", tmp_path),
        timeout=180,
    )


@needs("sipsak")
def test_sipsak_pings(server: tuple[Server, int]) -> None:
    """The OPTIONS of sipsak are answered 200."""
    told = run("sipsak", "-v", "-s", f"sip:srs@127.0.0.1:{server[1]}")
    assert "SIP/2.0 200" in told
