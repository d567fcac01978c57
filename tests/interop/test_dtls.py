"""DTLS-SRTP with OpenSSL's and GStreamer's clients, and with siprec-call."""

from __future__ import annotations

import re
import socket
import subprocess
import time
import wave
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.interop.dtls_src import OfferedCall, Relay
from tests.interop.peers import BIN, Server, free_port, needs, run
from twisted_siprec.net.media.dtls_identity import make_identity
from twisted_siprec.rtp.dtls_keys import PROFILES, srtp_keys
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.rtp.srtp import SRTP
from twisted_siprec.sdp.dtls import fingerprint_text
from twisted_siprec.simulator.compare import compare

pytestmark = pytest.mark.interop
CM_80 = "SRTP_AES128_CM_SHA1_80"


class Trial:
    """A server, and an SRC's certificate."""

    def __init__(self, directory: Path, media: str = "dtls: require", more: str = "") -> None:
        self.port = free_port()
        first = 2 * (free_port() // 2 % 10_000) + 20_000
        listener = f"{{transport: udp, address: 127.0.0.1, port: {self.port}}}"
        configuration = (
            f"sip: {{listeners: [{listener}], trace: true}}\n"
            f"media: {{ports: [{first}, {first + 199}], {media}}}\n{more}"
        )
        self.server = Server(directory, configuration)
        made = make_identity()
        self.certificate, self.key = directory / "src.pem", directory / "src.key"
        self.certificate.write_bytes(made.certificate)
        self.key.write_bytes(made.key)
        self.fingerprint = f"fingerprint:{fingerprint_text(made.fingerprint)}"

    def client(self, port: int, profile: str = CM_80) -> list[str]:
        """OpenSSL's client, which exports what the keys are made of."""
        return [
            "openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}",
            "-cert", str(self.certificate), "-key", str(self.key), "-use_srtp", profile,
            "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen",
            str(PROFILES[profile].octets),
        ]  # fmt: skip


@contextmanager
def speaking(command: list[str]) -> Iterator[str]:
    """OpenSSL's client while it is connected, and what it said until then."""
    client = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert client.stdin is not None and client.stdout is not None
    said = ""
    try:
        while "Keying material: " not in said:
            line = client.stdout.readline()
            assert line, said
            said += line
        yield said
    finally:
        client.stdin.close()
        client.stdout.close()
        client.wait(20)


def send(port: int, srtp: SRTP, seconds: float = 1.0) -> None:
    """A tone that is loud, from anywhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(round(seconds / 0.02)):
            packet = bytes(RTPPacket(0, False, number, 160 * number, 7, b"\x10\x90" * 80))
            sender.sendto(srtp.protect(packet) or b"", ("127.0.0.1", port))
            time.sleep(0.02)


def samples(recording: Path) -> NDArray[np.int32]:
    """A row for each moment, a column for each channel."""
    with wave.open(str(recording), "rb") as file:
        octets = file.readframes(file.getnframes())
        return np.frombuffer(octets, "<i2").reshape(-1, file.getnchannels()).astype(np.int32)


@needs("openssl")
@pytest.mark.parametrize("profile", PROFILES)
def test_openssl(tmp_path: Path, profile: str) -> None:
    """By what OpenSSL exports the stream is heard; our certificate is the one of our SDP."""
    trial = Trial(tmp_path)
    with trial.server as server:
        with OfferedCall(trial.port, [trial.fingerprint, "setup:actpass"]) as call:
            assert "a=setup:passive" in call.answer
            with speaking(trial.client(call.media_port, profile)) as said:
                exported = bytes.fromhex(re.findall(r"Keying material: (\w+)", said)[0])
                keys = srtp_keys(PROFILES[profile], exported, client=True)
                send(call.media_port, SRTP(keys))
                (shown,) = re.findall(r"BEGIN CERTIFICATE-----(.*?)-----END", said, re.DOTALL)
                assert sha256(b64decode(shown)).hexdigest().upper() == call.fingerprint.replace(
                    ":", ""
                )
        ((wav, _),) = server.recordings(1)
        log = server.log.read_text()
    assert len(samples(wav)) >= 7800
    assert np.abs(samples(wav)).max() > 1000
    assert f"protected by {PROFILES[profile].suite}, with keys by DTLS" in log
    # A sender that sleeps may be late on a busy machine.
    assert re.search(r"50 packets, 0 lost, \d+ late, 0 discarded", log)
    assert exported.hex() not in log.lower()


@needs("openssl")
def test_wrong_certificate(tmp_path: Path) -> None:
    """A client that is not who the SDP says gets an alert; the call is told, in one line."""
    trial = Trial(tmp_path)
    with trial.server as server:
        fingerprint = f"fingerprint:{fingerprint_text(make_identity().fingerprint)}"
        with OfferedCall(trial.port, [fingerprint, "setup:actpass"]) as call:
            for _ in range(2):
                done = subprocess.run(
                    trial.client(call.media_port),
                    stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                    check=False,
                )  # fmt: skip
                assert "alert" in done.stdout + done.stderr
            server.await_log("[media-no-keys]")
        log = server.log.read_text()
    assert log.count("[media-no-keys]") == 1
    assert "the certificate is not the one whose fingerprint the SDP has" in log


@needs("openssl")
def test_losses(tmp_path: Path) -> None:
    """A handshake of which datagrams are lost, each way, comes to its end all the same."""
    trial = Trial(tmp_path)

    def loses(number: int, outward: bool) -> bool:
        return number in ((1, 3) if outward else (2,))

    with (
        trial.server as server,
        OfferedCall(trial.port, [trial.fingerprint, "setup:actpass"]) as call,
        Relay(call.media_port, 0, loses) as relay,
        speaking(trial.client(relay.port)),
    ):
        server.await_log("with keys by DTLS")


@needs("openssl")
def test_we_begin(tmp_path: Path) -> None:
    """An SRC that is passive: OpenSSL's server takes our handshake."""
    trial = Trial(tmp_path)
    port = free_port()
    listener = [
        "openssl", "s_server", "-dtls1_2", "-accept", f"127.0.0.1:{port}", "-Verify", "1",
        "-cert", str(trial.certificate), "-key", str(trial.key), "-use_srtp", CM_80,
    ]  # fmt: skip
    with trial.server as server:
        listening = subprocess.Popen(
            listener, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            assert listening.stdout is not None
            while b"ACCEPT" not in listening.stdout.readline():
                assert listening.poll() is None
            with OfferedCall(trial.port, [trial.fingerprint, "setup:passive"], port=port) as call:
                assert "a=setup:active" in call.answer
                server.await_log(f"protected by {PROFILES[CM_80].suite}, with keys by DTLS")
        finally:
            listening.kill()
            listening.communicate()


@needs("gst-launch-1.0")
def test_gstreamer(tmp_path: Path) -> None:
    """
    GStreamer shakes hands in small fragments, and is recorded without a packet lost
    from there on: what it sends before is by a key that nobody has.
    """
    trial = Trial(tmp_path)
    pem = trial.certificate.read_text() + trial.key.read_text()
    back = free_port()
    with trial.server as server:
        with (
            OfferedCall(trial.port, [trial.fingerprint, "setup:active"]) as call,
            Relay(call.media_port, back) as relay,
        ):
            pipeline = f"""
                dtlssrtpdec name=dec connection-id=one pem="PEM"
                udpsrc address=127.0.0.1 port={back} ! dec.sink
                dec.rtp_src ! fakesink sync=false async=false
                dtlssrtpenc name=enc connection-id=one is-client=true
                enc.src ! udpsink host=127.0.0.1 port={relay.port} sync=false async=false
                audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1
                ! mulawenc ! rtppcmupay min-ptime=20000000 max-ptime=20000000 ! enc.rtp_sink_0
            """
            words = [word.replace("PEM", pem) for word in pipeline.split()]
            sender = subprocess.Popen(["gst-launch-1.0", "-q", *words])
            try:
                server.await_log("hears stream 0")
                time.sleep(2)
            finally:
                sender.kill()
                sender.wait()
        ((wav, _),) = server.recordings(1)
        log = server.log.read_text()
    assert "with keys by DTLS" in log
    (counts,) = re.findall(r"(\d+) packets, 0 lost, \d+ late, (\d+) discarded", log)
    assert int(counts[0]) > 80 and int(counts[1]) < 25, counts
    assert np.abs(samples(wav)).max() > 10_000


def test_calls(tmp_path: Path) -> None:
    """siprec-call by DTLS is recorded sample for sample as without; a plain call is refused."""
    heard = {}
    for name, media, workers in (
        ("plain", "dtls: allow", 0),
        ("DTLS", "dtls: require", 0),
        ("workers", "dtls: require", 1),
    ):
        directory = tmp_path / name
        directory.mkdir()
        trial = Trial(directory, media, f"workers: {workers}\n")
        call = (BIN / "siprec-call", "--duration", "5", f"sip:srs@127.0.0.1:{trial.port}")
        with trial.server as server:
            run(*call, *(() if name == "plain" else ("--srtp", "DTLS", "--rtcp")))
            ((wav, _),) = server.recordings(1)
            heard[name] = samples(wav)
            if name == "DTLS":
                for others in ((), ("--srtp", "AEAD_AES_128_GCM")):
                    refused = subprocess.run(
                        [*call, *others], check=False, capture_output=True, text=True, timeout=30
                    )
                    assert "488" in refused.stdout + refused.stderr
            log = server.log.read_text()
        assert log.count(" 0 lost, 0 late, 0 discarded") == 2
        assert log.count("with keys by DTLS") == (0 if name == "plain" else 2)
        assert "media-no-keys" not in log
    for side in (0, 1):
        loud = np.flatnonzero(heard["plain"][:, side])
        sent = heard["plain"][loud[0] : loud[-1] + 1, side]
        for name in ("DTLS", "workers"):
            found = compare(name, sent, heard[name][:, side])
            assert found.equal, str(found)
