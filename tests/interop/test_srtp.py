"""SRTP with ffmpeg's sender, and with siprec-call and the server, in every suite."""

from __future__ import annotations

import re
import subprocess
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest

from tests.interop.peers import BIN, Server, free_port, needs, run
from tests.interop.rtp_sender import datagrams
from twisted_siprec.plan import SRTPKey, SRTPKeys
from twisted_siprec.rtp.header import parse
from twisted_siprec.rtp.srtp import SRTP
from twisted_siprec.sdp.crypto import KEY_OCTETS
from twisted_siprec.simulator.speech import bundled

pytestmark = pytest.mark.interop
SPEECH = str(bundled()[0])
CODING = ("-t", "1.5", "-i", SPEECH, "-ar", "8000", "-c:a", "pcm_mulaw")


@needs("ffmpeg")
@pytest.mark.parametrize("suite", ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"])
def test_ffmpeg(suite: str) -> None:
    """Every packet of ffmpeg's is genuine, across the wrap of its sequence numbers."""
    key = SRTPKey(suite, bytes(range(30)))
    stream = SRTP(SRTPKeys((key,), key))
    options = ("-seq", "65530", "-srtp_out_suite", suite)
    options += ("-srtp_out_params", b64encode(key.octets).decode())
    received = datagrams(*CODING, scheme="srtp", options=options)
    packets = [parse(stream.unprotect(datagram) or b"") for datagram in received]
    payload = b"".join(packet.payload for packet in packets if packet is not None)
    assert all(packets)
    assert {packet.sequence for packet in packets if packet} >= {65530, 65535, 0, 1}
    command = ["ffmpeg", "-v", "error", *CODING, "-f", "mulaw", "-"]
    judge = subprocess.run(command, check=True, capture_output=True).stdout
    assert payload == judge


def test_calls(tmp_path: Path) -> None:
    """A call in each suite is recorded whole; a plain one is refused; no key is in the log."""
    port, media = free_port(), 2 * (free_port() // 2 % 10_000) + 30_000
    configuration = (
        f"sip: {{listeners: [{{transport: udp, address: 127.0.0.1, port: {port}}}], trace: true}}\n"
        f"media: {{ports: [{media}, {media + 199}], srtp: require}}\n"
    )
    call = (BIN / "siprec-call", "--duration", "1", f"sip:srs@127.0.0.1:{port}")
    with Server(tmp_path, configuration) as server:
        for suite in KEY_OCTETS:
            run(*call, "--srtp", suite, "--rtcp")
        refused = subprocess.run(call, check=False, capture_output=True, text=True, timeout=30)
        recordings = server.recordings(len(KEY_OCTETS))
        log = server.log.read_text()
    assert refused.returncode != 0
    assert "488" in refused.stdout + refused.stderr
    for wav, _ in recordings:
        samples = np.fromfile(wav, dtype="<i2")
        assert len(samples) > 2 * 7800
        assert np.abs(samples[100:].astype(int)).max() > 1000
    assert log.count("0 discarded") == 2 * len(KEY_OCTETS)
    assert log.count("a=crypto:1 ") >= 4 * len(KEY_OCTETS)
    assert re.search(r"inline:(?!\(not shown\))", log) is None
