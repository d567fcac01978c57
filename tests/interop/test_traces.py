"""
The flight recorder and siprec-replay with real sockets: Wireshark opens the files, and
a call that is played again is the same recording.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import urllib.request
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.interop.peers import BIN, Server, free_port, needs, run
from tests.interop.test_tshark import capture

pytestmark = [pytest.mark.interop, needs("tshark")]

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {port}}}
    - {{transport: tcp, address: 127.0.0.1, port: {port}}}
media: {{ports: [{first}, {last}]}}
workers: {workers}
flight_recorder: {{directory: flights, calls: 9, max_mb: 200}}
homer: {{collector: "127.0.0.1:{homer}", capture_id: 77}}
web: {{enabled: true, port: {web}, token: {{file: token}}}}
"""
REPLAY = (sys.executable, "-m", "twisted_siprec.simulator.replay")


class Recorder(Server):
    """A server with everything that is tried here."""

    def __init__(self, directory: Path, workers: int = 0, first: int = 29_000) -> None:
        (directory / "token").write_text("secret")
        self.port, self.web, self.homer = free_port(), free_port(), free_port()
        configuration = CONFIGURATION.format(
            port=self.port,
            web=self.web,
            homer=self.homer,
            first=first,
            last=first + 99,
            workers=workers,
        )
        super().__init__(directory, configuration)

    def flights(self, count: int) -> list[Path]:
        """The files of calls, once there are so many."""
        end = time.monotonic() + 20
        while True:
            found = sorted((self.directory / "flights").glob("*.pcapng"))
            if len(found) == count:
                return found
            assert time.monotonic() < end, self.log.read_text()[-4000:]
            time.sleep(0.1)

    def asked(self, path: str, method: str = "GET", body: bytes | None = None) -> dict:
        """What the API says."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.web}{path}",
            method=method,
            data=body,
            headers={"Authorization": "Bearer secret"},
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310 - it is ours
            return json.loads(response.read())


def speech(path: Path) -> list[np.ndarray]:
    """
    The samples of each channel from the first to the last that is not silent: how the
    channels lie to each other depends on when the first packet of each came, to a sample.
    """
    with wave.open(str(path)) as file:
        channels = file.getnchannels()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, channels)
    voices = []
    for channel in samples.T:
        loud = np.flatnonzero(np.abs(channel) > 8)
        voices.append(channel[loud[0] : loud[-1] + 1])
    return voices


def alike(one: Path, other: Path, most: int | None = None) -> bool:
    """Whether two recordings have the same to hear, so many samples of it."""
    return all(
        len(mine) > 8_000 and np.array_equal(mine[:most], yours[:most])
        for mine, yours in zip(speech(one), speech(other), strict=True)
    )


def told(path: Path, port: int, condition: str, *names: str) -> list[list[str]]:
    """Fields of a file as tshark reads it."""
    decode = ("-d", f"udp.port=={port},sip", "-d", f"tcp.port=={port},sip")
    checks = [
        part for name in ("ip", "udp", "tcp") for part in ("-o", f"{name}.check_checksum:TRUE")
    ]
    wanted = [part for name in names for part in ("-e", name)]
    lines = run(
        *("tshark", "-r", path, *decode, *checks, "-Y", condition, "-T", "fields", *wanted),
        stderr_apart=True,
    )
    return [line.split("\t") for line in lines.splitlines() if line]


@pytest.mark.parametrize(("workers", "transport"), [(0, "udp"), (2, "tcp")])
def test_recorded_and_played_again(tmp_path: Path, workers: int, transport: str) -> None:
    """
    A call's file has every packet, Wireshark finds nothing wrong in it, and played to a
    server it gives the same audio and a file with the same packets.
    """
    with Recorder(tmp_path, workers) as server:
        uri = f"sip:srs@127.0.0.1:{server.port};transport={transport}"
        run(BIN / "siprec-call", "--tone", "--rtcp", "--duration", "4", uri)
        [first] = server.flights(1)
        assert os.stat(first).st_mode & 0o777 == 0o600
        assert told(first, server.port, _WRONG, "frame.number") == []
        methods = told(first, server.port, "sip", "sip.Method", "sip.Status-Code")
        assert methods == [["INVITE", ""], ["", "200"], ["ACK", ""], ["BYE", ""], ["", "200"]]
        rtp = told(first, server.port, "rtp", "udp.srcport", "rtp.seq", "frame.time_epoch")
        assert len(rtp) == 400
        times = [float(at) for _, _, at in rtp]
        assert times == sorted(times)
        assert len({port for port, _, _ in rtp}) == 2
        # The SDP of the file says where RTP is: Wireshark knows it without being told.
        assert len(told(first, server.port, "rtcp", "frame.number")) >= 4

        for attempt in range(1, 4):
            assert "sent 400 RTP" in run(*REPLAY, "--to", uri, first)
            recordings = [path for path, _ in server.recordings(1 + attempt)]
            # On a machine that is busy packets may be late, and then they are missing.
            if any(alike(recordings[0], other) for other in recordings[1:]):
                break
        else:
            raise AssertionError("played three times, it is never the same")
        again = server.flights(1 + attempt)[1]
        assert len(told(again, server.port, "rtp", "frame.number")) == 400
        status = server.asked("/api/v1/status")["counters"]
        assert (status["calls in files"], status["packets not in files"]) == (1 + attempt, 0)
        files = server.asked("/api/v1/packets")["files"]
        assert Path(files[-1]["path"]).name == first.name
        call = server.asked(f"/api/v1/calls/{files[0]['id']}")
        assert call["packets"] == files[0]["path"]


_HOLDING = ("paused", "resumed")
_WRONG = " || ".join(
    ("_ws.malformed", *(f"{name}.checksum.status == 0" for name in ("ip", "udp", "tcp")))
)


def test_capture_of_others(tmp_path: Path) -> None:
    """A call that tshark captured on the wire, with a hold in it, is played again."""
    pcap = tmp_path / "call.pcap"
    with Recorder(tmp_path, first=29_200) as server:
        condition = f"port {server.port} or udp portrange 29200-29299"
        tshark = capture(pcap, condition)
        uri = f"sip:srs@127.0.0.1:{server.port}"
        run(
            BIN / "siprec-call",
            "--tone",
            "--duration",
            "5",
            "--hold-at",
            "2",
            "--hold-for",
            "1",
            uri,
        )
        time.sleep(1)
        tshark.terminate()
        tshark.wait(20)
        listed = run(*REPLAY, "--list", pcap)
        assert "2 streams" in listed
        assert "then INVITE, INVITE, BYE" in listed
        for attempt in range(1, 4):
            assert "2 requests after the INVITE" in run(*REPLAY, "--to", uri, pcap)
            recordings = server.recordings(1 + attempt)
            events = [
                [event["type"] for event in document["events"] if event["type"] in _HOLDING]
                for _, document in recordings
            ]
            assert events == [list(_HOLDING)] * (1 + attempt)
            # A hold is as long as the signalling took: only what is before it is the same,
            # and on a machine that is busy packets may be late.
            if any(alike(recordings[0][0], other, 5_000) for other, _ in recordings[1:]):
                break
        else:
            raise AssertionError("played three times, it is never the same")
        fast = run(*REPLAY, "--to", uri, "--speed", "10", "--no-media", pcap)
        assert "sent 0 RTP" in fast
        server.recordings(2 + attempt)


def test_homer(tmp_path: Path) -> None:
    """A collector gets every message of a call once, and the log those that are traced."""
    with Recorder(tmp_path, first=29_400) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
            collector.bind(("127.0.0.1", server.homer))
            collector.settimeout(5)
            assert server.asked("/api/v1/traces", "POST", b'{"name": "loopback"}') == {
                "traces": ["loopback"]
            }
            run(BIN / "siprec-call", "--duration", "1", f"sip:srs@127.0.0.1:{server.port}")
            received = [collector.recv(65_535) for _ in range(5)]
        lines = [octets[octets.index(b"\x00\x00\x00\x0f") + 6 :] for octets in received]
        starts = [octets.split(b" ", 2)[:2] for octets in lines]
        assert [start[0] for start in starts] == [b"INVITE", b"SIP/2.0", b"ACK", b"BYE", b"SIP/2.0"]
        assert all(octets[:4] == b"HEP3" for octets in received)
        assert "trace of loopback: <- 127.0.0.1" in server.log.read_text()
        assert server.asked("/api/v1/traces/loopback", "DELETE") == {"traces": []}
        assert server.asked("/api/v1/status")["counters"]["sent to Homer"] == 5
