"""
The server under SIPp, with ffmpeg as the sender of RTP and as the judge of what
arrives: nothing of ours but the server takes part.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.interop import sipp_scenarios
from tests.interop.peers import HERE, Server, free_port, needs, run

pytestmark = [pytest.mark.interop, needs("sipp")]

SCENARIOS = HERE / "sipp"

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {port}}}
    - {{transport: tcp, address: 127.0.0.1, port: {port}}}
media:
  address: 127.0.0.1
  jitter_ms: 200
"""


def speak(directory: Path) -> None:
    """Two short WAV files, one for each party."""
    for name, voice, text in (
        ("caller", "en-us+m3", "Good morning, I would like to change my address."),
        ("callee", "en-us+f2", "Of course. What is your customer number?"),
    ):
        run("espeak-ng", "-v", voice, "-w", directory / f"{name}.wav", text)


def through_g711(directory: Path, name: str) -> np.ndarray:
    """What ffmpeg makes of a file that it encodes to mu-law and decodes again."""
    coded, decoded = directory / f"{name}.ul.wav", directory / f"{name}.pcm.wav"
    quiet = ("ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-i")
    run(*quiet, directory / f"{name}.wav", "-ar", "8000", "-ac", "1", "-c:a", "pcm_mulaw", coded)
    run(*quiet, coded, "-c:a", "pcm_s16le", decoded)
    return samples(decoded)[:, 0]


def samples(path: Path) -> np.ndarray:
    """The samples of a WAV file, (samples, channels)."""
    with wave.open(str(path)) as file:
        octets = file.readframes(file.getnframes())
        return np.frombuffer(octets, "<i2").reshape(-1, file.getnchannels())


def place(expected: np.ndarray, heard: np.ndarray) -> int | None:
    """Where ``expected`` stands in ``heard``, every sample equal; None where it does not."""
    for offset in range(len(heard) - len(expected) + 1):
        if heard[offset] == expected[0] and np.array_equal(
            heard[offset : offset + len(expected)], expected
        ):
            return offset
    return None


@needs("ffmpeg", "espeak-ng")
@pytest.mark.parametrize(("transport", "mode"), [("udp", "u1"), ("tcp", "t1")])
def test_a_call_of_sipp_is_recorded_sample_by_sample(
    tmp_path: Path, transport: str, mode: str
) -> None:
    """
    SIPp signals, ffmpeg sends both streams, and both channels of the recording
    hold what ffmpeg itself decodes, to the last sample.
    """
    speak(tmp_path)
    port = free_port()
    with Server(tmp_path, CONFIGURATION.format(port=port)) as server:
        sipp(tmp_path, SCENARIOS / "record.xml", port, mode, milliseconds=5_000)
        [(path, document)] = server.recordings(1)
    heard = samples(path)
    for channel, name in enumerate(("caller", "callee")):
        expected = through_g711(tmp_path, name)
        # ffmpeg's last packet may be shorter than 20 ms; what it holds counts all the same.
        assert place(expected, heard[:, channel]) is not None, name
    assert document["statistics"]["gaps"].get("rtp_loss", 0) == 0
    assert [each["label"] for each in document["channels"]] == ["1", "2"]
    assert {each["aor"] for each in document["siprec"]["participants"]} == {
        "sip:+15550100@example.com",
        "sip:+15550101@example.com",
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """A server that all bad scenarios go to, one after another, and that outlives them."""
    port = free_port()
    directory = tmp_path_factory.mktemp("bad")
    with Server(directory, CONFIGURATION.format(port=port)) as running:
        yield running, port
        assert "Traceback" not in running.log.read_text()


@pytest.mark.parametrize("mode", ["u1", "t1"])
@pytest.mark.parametrize("name", sipp_scenarios.SCENARIOS)
def test_what_sipp_does_wrong(
    server: tuple[Server, int], tmp_path: Path, name: str, mode: str
) -> None:
    """Each mistake has its answer, SIPp sees nothing else, and no call is left over."""
    scenario = tmp_path / "scenario.xml"
    scenario.write_text(sipp_scenarios.xml(name))
    sipp(tmp_path, scenario, server[1], mode, milliseconds=0)


def sipp(directory: Path, scenario: Path, port: int, mode: str, milliseconds: int) -> str:
    """Run one call of a scenario to its end; fails where SIPp saw anything unexpected."""
    return run(
        "sipp",
        f"127.0.0.1:{port}",
        *("-sf", scenario),
        *("-i", "127.0.0.1", "-p", str(free_port())),
        *("-t", mode, "-m", "1", "-d", str(milliseconds)),
        *("-key", "media_command", f"{SCENARIOS / 'play.sh'} {directory}"),
        *("-trace_err", "-error_file", directory / "sipp.log", "-nostdin"),
        *("-timeout", "40", "-timeout_error", "-max_socket", "100"),
        cwd=directory,
    )
