"""Every codec against decoders, encoders and packetisers of others: ffmpeg and sox."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.audio_vectors import decoded, likeness_db, octets, parts
from tests.interop.peers import needs
from tests.interop.rtp_sender import datagrams
from twisted_siprec.audio.codec import decoder
from twisted_siprec.audio.pyav import INSTALLED
from twisted_siprec.audio.resample import Resampler
from twisted_siprec.audio.samples import Samples
from twisted_siprec.plan import Codec
from twisted_siprec.rtp.header import parse
from twisted_siprec.simulator.compare import liken
from twisted_siprec.simulator.sending import Sending, encode
from twisted_siprec.simulator.speech import Speech, SpeechError, bundled, read

pytestmark = [
    pytest.mark.interop,
    needs("ffmpeg", "sox"),
    pytest.mark.skipif(not INSTALLED, reason="PyAV is not installed"),
]
VECTORS = Path(__file__).parent.parent / "audio" / "vectors"
PACKETS = ("-max_delay", "60000")
"Of three frames at most."
SPEECH = str(bundled()[0])


def by_ffmpeg(path: Path, rate: int, *how: str) -> Samples:
    """What ffmpeg makes of a file."""
    command = ["ffmpeg", "-v", "error", *how, "-i", path, "-ar", str(rate), "-ac", "1"]
    done = subprocess.run([*command, "-f", "s16le", "-"], check=True, capture_output=True)
    return np.frombuffer(done.stdout, dtype="<i2").astype(np.int16)


def by_sox(path: Path, *how: str) -> Samples:
    """What sox makes of a file."""
    command = ["sox", *how, path, "-t", "raw", "-e", "signed", "-b", "16", "-"]
    done = subprocess.run(command, check=True, capture_output=True)
    return np.frombuffer(done.stdout, dtype="<i2").astype(np.int16)


def sent(codec: Codec, *arguments: str) -> Samples:
    """What we make of the RTP that ffmpeg sends."""
    packets = [parse(datagram) for datagram in datagrams(*arguments)]
    made = decoder(codec)
    payloads = [packet.payload for packet in packets if packet is not None]
    spacing = {
        (later.timestamp - packet.timestamp) & 0xFFFFFFFF
        for packet, later in pairwise(packets)
        if packet is not None and later is not None
    }
    assert spacing <= {made.ticks(payload) for payload in payloads}
    return decoded(made, payloads)


@pytest.mark.parametrize(
    ("bit_rate", "judge", "delay", "least_db"),
    [("32k", "libopus", 312, 90), ("32k", "opus", 310, 20), ("96k", "opus", 312, 90)],
)
def test_opus(bit_rate: str, judge: str, delay: int, least_db: int, tmp_path: Path) -> None:
    """
    What ffmpeg sends is what two decoders make of the same bits: another
    libopus, and ffmpeg's own. The latter resamples speech (SILK) by its own filter,
    so that it is as good only for music (CELT).
    """
    coding = ("-t", "2", "-i", SPEECH, "-ar", "48000", "-c:a", "libopus", "-b:a", bit_rate)
    path = tmp_path / "speech.ogg"
    subprocess.run(["ffmpeg", "-v", "error", *coding, path], check=True)
    ours = sent(Codec(97, "OPUS", 48000, 2), *coding)
    # The file says how much of its beginning is the coder's delay; RTP does not.
    expected = by_ffmpeg(path, 48000, "-c:a", judge)[4800:80000]
    assert likeness_db(expected, ours[4800 + delay :]) > least_db


def test_gsm(tmp_path: Path) -> None:
    """Every sample is that of sox, which is that of libgsm; and so of what sox encodes."""
    path = tmp_path / "speech.gsm"
    subprocess.run(["sox", SPEECH, "-r", "8000", path, "trim", "0", "3"], check=True)
    for file in (VECTORS / "speech.gsm", path):
        ours = decoded(decoder(Codec(3, "GSM", 8000)), parts(file.read_bytes(), 66))
        assert np.array_equal(ours, by_sox(file, "-t", "gsm"))


@pytest.mark.parametrize(("name", "file"), [("AMR", "modes.amr"), ("AMR-WB", "modes.awb")])
def test_amr(name: str, file: str, tmp_path: Path) -> None:
    """ffmpeg sends a file as RTP; every sample of it is sox's, and ffmpeg's to the ear."""
    rate = 16000 if name == "AMR-WB" else 8000
    ours = sent(
        Codec(97, name, rate, 1, "octet-align=1"),
        *("-i", str(VECTORS / file), "-c:a", "copy", *PACKETS),
    )
    assert len(ours) >= 38 * rate // 50
    assert np.array_equal(ours, by_sox(VECTORS / file)[: len(ours)])
    assert likeness_db(by_ffmpeg(VECTORS / file, rate), ours) > 25


def test_g729() -> None:
    """It is what ffmpeg hears; that this is right, bcg729 says in tests/audio."""
    ours = decoded(decoder(Codec(18, "G729", 8000)), parts(octets("speech.g729"), 30))
    judge = by_ffmpeg(VECTORS / "speech.g729", 8000, "-f", "g729")
    assert likeness_db(judge, ours) > 60


@pytest.mark.parametrize(("mode", "length"), [(20, 38), (30, 50)])
def test_ilbc(mode: int, length: int, tmp_path: Path) -> None:
    """ffmpeg sends a file as RTP; every sample is what ffmpeg hears of the file."""
    noise = (np.random.default_rng(4).integers(0, 128, 40 * length) * 2).astype(np.uint8)
    path = tmp_path / "noise.lbc"
    path.write_bytes(f"#!iLBC{mode}\n".encode() + noise.tobytes())
    ours = sent(
        Codec(97, "ILBC", 8000, 1, f"mode={mode}"), *("-i", str(path), "-c:a", "copy", *PACKETS)
    )
    assert ours.any()
    # It leaves frames that don't fill a packet at the end unsent.
    assert len(ours) >= 37 * 8 * mode
    assert np.array_equal(ours, by_ffmpeg(path, 8000)[: len(ours)])


@pytest.mark.parametrize(
    ("name", "coder"), [("G726-32", "g726le"), ("AAL2-G726-32", "g726"), ("G726-16", "g726le")]
)
def test_g726(name: str, coder: str) -> None:
    """What ffmpeg sends is the speech, as well as this rate can carry it, in both packings."""
    rate = int(name[-2:])
    path = Path(SPEECH)
    ours = sent(
        Codec(97, name, 8000),
        *("-t", "2", "-i", SPEECH, "-ar", "8000", "-c:a", coder, "-b:a", f"{rate}k"),
    )
    speech = by_ffmpeg(path, 8000)[: len(ours)]
    assert likeness_db(speech, ours) > {16: 8, 32: 18}[rate]


@pytest.mark.parametrize(
    ("codec", "coder"),
    [
        (Codec(0, "PCMU", 8000), "pcm_mulaw"),
        (Codec(8, "PCMA", 8000), "pcm_alaw"),
        (Codec(10, "L16", 44100, 2), "pcm_s16be"),
        (Codec(11, "L16", 44100), "pcm_s16be"),
    ],
)
def test_waveform(codec: Codec, coder: str, tmp_path: Path) -> None:
    """What ffmpeg sends of the waveform codecs is what it hears of the same file, to the bit."""
    shape = ("-ar", str(codec.clock_rate), "-ac", str(codec.channels))
    coding = ("-t", "1", "-i", SPEECH, *shape, "-c:a", coder)
    path = tmp_path / "speech.nut"
    subprocess.run(["ffmpeg", "-v", "error", *coding, path], check=True)
    ours = sent(codec, *coding)
    expected = by_ffmpeg(path, codec.clock_rate)
    # Of two channels the mean is taken, which may be rounded otherwise.
    assert np.abs(ours.astype(int) - expected[: len(ours)]).max() <= codec.channels - 1
    assert len(ours) >= codec.clock_rate * 9 // 10


def test_g722(tmp_path: Path) -> None:
    """What ffmpeg sends as G.722 is what it hears of the same octets."""
    coding = ("-t", "2", "-i", SPEECH, "-ar", "16000", "-c:a", "g722")
    path = tmp_path / "speech.g722"
    subprocess.run(["ffmpeg", "-v", "error", *coding, path], check=True)
    ours = sent(Codec(9, "G722", 8000), *coding)
    assert likeness_db(by_ffmpeg(path, 16000, "-f", "g722"), ours) > 60


CONTAINERS = {
    "GSM": ("-f", "gsm"),
    "G729:annexb=no": ("-f", "g729"),
    "G726-32": ("-f", "g726le", "-code_size", "4", "-sample_rate", "8000"),
    "AAL2-G726-32": ("-f", "g726", "-code_size", "4", "-sample_rate", "8000"),
    "G722": ("-f", "g722"),
    "AMR:octet-align=1": ("-f", "amr"),
    "AMR-WB:octet-align=1": ("-f", "amr"),
}
MAGIC = {"AMR": b"#!AMR\n", "AMR-WB": b"#!AMR-WB\n"}
"Before frames, which are those of octet-aligned packets without their first octet."


@pytest.mark.parametrize("text", CONTAINERS)
def test_sent_by_us(text: str, tmp_path: Path) -> None:
    """What siprec-call sends, ffmpeg decodes to what we do."""
    speech = Speech(read(bundled()[0]).samples[:48_000], 16000)
    try:
        encoded = encode(speech, Sending.of(text))
    except SpeechError as missing:
        pytest.skip(str(missing))
    payloads = [payload.tobytes() for payload in encoded.payloads]
    name = text.partition(":")[0]
    path = tmp_path / "speech"
    if name in MAGIC:
        path.write_bytes(MAGIC[name] + b"".join(payload[1:] for payload in payloads))
    else:
        path.write_bytes(b"".join(payloads))
    # Its own AMR and G.726 are not those of the standards to the last bit.
    least_db = 20 if name in MAGIC or "G726" in name else 55
    judge = by_ffmpeg(path, encoded.source.rate, *CONTAINERS[text])
    assert likeness_db(judge, encoded.heard()) > least_db


@pytest.mark.parametrize(
    ("source", "target"),
    [
        *((8000, 16000), (8000, 24000), (8000, 48000), (16000, 8000), (16000, 24000)),
        *((32000, 24000), (44100, 16000), (48000, 8000), (48000, 16000), (48000, 24000)),
    ],
)
def test_rates(source: int, target: int, tmp_path: Path) -> None:
    """Speech at another rate is sox's, but for the delay, in the band that both let through."""
    speech = read(bundled()[0]).at(source)
    path = tmp_path / "speech.raw"
    path.write_bytes(speech.samples.astype("<i2").tobytes())
    raw = ("-D", "-t", "raw", "-e", "signed", "-b", "16", "-r", str(source))
    command = ["sox", *raw, path, "-t", "raw", "-b", "16", "-", "rate", "-v", str(target)]
    done = subprocess.run(command, check=True, capture_output=True)
    judge = np.frombuffer(done.stdout, dtype="<i2").astype(np.int16)
    ours = Resampler(source, target).resample(speech.samples)
    found = liken("speech", judge, ours, 0.85 * min(source, target) / target)
    assert found.decibels > 60
    assert abs(found.offset - 28 * target / min(source, target)) < 1
