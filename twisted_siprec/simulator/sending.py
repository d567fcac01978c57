"""
Speech as the packets of one stream: in which formats, how long each packet, and
what becomes of silence. Encoded once for all calls that play it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..audio.codec import Encoder, decoder, encoder
from ..plan import Codec
from .speech import Samples, Speech, SpeechError

_STATIC = {"PCMU": 0, "GSM": 3, "PCMA": 8, "G722": 9, "G729": 18}
"Payload types of :rfc:`3551#section-6`."
_DYNAMIC = (
    *("L16", "AMR", "AMR-WB", "OPUS"),
    *("G726-16", "G726-24", "G726-32", "G726-40"),
    *("AAL2-G726-16", "AAL2-G726-24", "AAL2-G726-32", "AAL2-G726-40"),
)
_FIRST_DYNAMIC = 102
"One after that of telephone-event; each has one of its own, in the order above."
_CLOCKS = {"L16": 16000, "AMR-WB": 16000, "OPUS": 48000}

NAMES = (*_STATIC, *_DYNAMIC)
"What can be sent, if the encoder is installed."

_NOISE = Codec(13, "CN", 8000)
_NOISE_PAYLOAD = bytes((65,))
"A level of -65 dBov (:rfc:`3389#section-3`)."
_SILENT = 60
"Samples no louder than this are silence."
_NOISE_AGAIN_MS = 400


def format_named(text: str) -> Codec:
    """
    A format by what the operator types: ``NAME[/RATE[/CHANNELS]][:PARAMETERS]``,
    as in ``AMR:octet-align=1;mode-set=0,2`` or ``L16/44100/2``. ValueError for
    what is none.
    """
    words, _, parameters = text.partition(":")
    name, *numbers = words.upper().split("/")
    if name not in NAMES or len(numbers) > 2:
        raise ValueError(f"{text} is none of {', '.join(NAMES)}")
    if any(not number.isdigit() for number in numbers):
        raise ValueError(f"{text}: NAME/RATE/CHANNELS is needed, in numbers")
    payload_type = _STATIC.get(name)
    clock_rate = int(numbers[0]) if numbers else _CLOCKS.get(name, 8000)
    if payload_type is None or clock_rate != 8000:
        order = (*_DYNAMIC, *_STATIC)
        payload_type = _FIRST_DYNAMIC + order.index(name)
    channels = int(numbers[1]) if len(numbers) > 1 else 2 if name == "OPUS" else 1
    return Codec(payload_type, name, clock_rate, channels, parameters.strip())


@dataclass(frozen=True, slots=True)
class Sending:
    """How speech is sent."""

    formats: tuple[Codec, ...]
    "Several take turns, without a word."
    packets_ms: tuple[int, ...] = (20,)
    "Of the packets, one after the other, over and over."
    turn_s: float = 2.0
    "How long a format has its turn."
    suppressed: bool = False
    "Silence is said once in a while, as comfort noise (:rfc:`3389`), and else not sent."

    @classmethod
    def of(cls, *formats: str, packet_ms: int = 20) -> Sending:
        """Packets of one length, in formats by their names."""
        return cls(tuple(format_named(text) for text in formats), (packet_ms,))


@dataclass(frozen=True, slots=True)
class EncodedSpeech:
    """
    Speech as the payloads of RTP packets, one row for each interval of time in
    which one may begin.
    """

    formats: tuple[Codec, ...]
    "What is offered; the first one is what it begins in."
    payloads: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int64]
    "So many octets of each row are its payload; 0 where no packet begins."
    types: npt.NDArray[np.uint8]
    "The payload type of each."
    marked: npt.NDArray[np.bool_]
    "After silence (:rfc:`3551#section-4.1`)."
    ticks: int
    "RTP clock ticks of an interval."
    packet_s: float
    "Seconds of an interval."
    source: Speech
    "What was encoded, at the first format's own rate and padded to whole packets."
    packet_ms: int = 20
    "The length of a packet that is announced."

    @property
    def codec(self) -> str:
        """The name of what it is in."""
        return " and ".join(known.name for known in self.formats if known is not _NOISE)

    @property
    def clock_rate(self) -> int:
        """Hz of its RTP clock."""
        return self.formats[0].clock_rate

    @property
    def payload_type(self) -> int:
        """What it begins in, by its number in our offer."""
        return self.formats[0].payload_type

    def heard(self) -> Samples:
        """What a receiver hears of it: each packet after its codec, in its place, else silence."""
        rate = self.source.rate
        decoders = {known.payload_type: decoder(known) for known in self.formats if known != _NOISE}
        heard = np.zeros(len(self.source.samples), dtype=np.int16)
        interval = round(rate * self.packet_s)
        for row in np.flatnonzero(self.sizes).tolist():
            made = decoders.get(int(self.types[row]))
            if made is not None:
                audio = made.decode(self.payloads[row, : self.sizes[row]].tobytes())
                at = row * interval
                heard[at : at + len(audio)] = audio[: len(heard) - at]
        return heard


def encode(speech: Speech, sending: Sending) -> EncodedSpeech:
    """
    Speech in packets, the last one filled with silence.

    Raises :exc:`SpeechError` for what cannot be sent so.
    """
    formats = sending.formats
    clock_rate = formats[0].clock_rate
    if any(known.clock_rate != clock_rate for known in formats):
        raise SpeechError("formats that take turns must have one RTP clock (RFC 3551 section 4.1)")
    interval_ms = gcd(*sending.packets_ms)
    if clock_rate * interval_ms % 1000:
        raise SpeechError(f"{interval_ms} ms are no whole number of ticks at {clock_rate} Hz")
    if sending.suppressed and clock_rate != _NOISE.clock_rate:
        raise SpeechError("comfort noise goes with formats whose RTP clock is at 8000 Hz")
    try:
        voices = [_Voice(known, encoder(known), speech) for known in formats]
        rows = list(_rows(voices, sending))
    except (LookupError, ValueError) as error:
        raise SpeechError(str(error)) from error
    sizes = np.array([len(row.payload) for row in rows])
    padded = b"".join(row.payload.ljust(int(sizes.max()), b"\0") for row in rows)
    rate = voices[0].coder.rate
    return EncodedSpeech(
        (*formats, _NOISE) if sending.suppressed else formats,
        np.frombuffer(padded, dtype=np.uint8).reshape(len(rows), -1),
        sizes,
        np.array([row.payload_type for row in rows], dtype=np.uint8),
        np.array([row.marked for row in rows], dtype=np.bool_),
        clock_rate * interval_ms // 1000,
        interval_ms / 1000,
        speech.at(rate).lasting(len(rows) * interval_ms / 1000),
        sending.packets_ms[0],
    )


class _Row(NamedTuple):
    """An interval of time."""

    payload: bytes
    payload_type: int
    marked: bool = False


class _Voice:
    """The speech at the rate of one format, and its encoder."""

    def __init__(self, known: Codec, coder: Encoder, speech: Speech) -> None:
        self.known = known
        self.coder = coder
        self._samples = speech.at(coder.rate).samples
        self.seconds = speech.seconds

    def part(self, begin_ms: int, end_ms: int) -> Samples:
        """A packet's samples, with silence after the last ones."""
        rate = self.coder.rate
        begin, end = begin_ms * rate // 1000, end_ms * rate // 1000
        part = self._samples[begin:end]
        return np.pad(part, (0, end - begin - len(part)))


def _rows(voices: list[_Voice], sending: Sending) -> Iterator[_Row]:
    """The intervals from the beginning to the end."""
    total_ms = 1 + int(voices[0].seconds * 1000 - 1e-6)
    interval_ms = gcd(*sending.packets_ms)
    now_ms = number = silent_ms = 0
    rested = False
    while now_ms < total_ms or not number:
        lasts_ms = sending.packets_ms[number % len(sending.packets_ms)]
        voice = voices[int(now_ms / 1000 / sending.turn_s) % len(voices)]
        part = voice.part(now_ms, now_ms + lasts_ms)
        silent = sending.suppressed and np.abs(part.astype(np.int32)).max() <= _SILENT
        if silent:
            said = silent_ms % _NOISE_AGAIN_MS < lasts_ms
            row = _Row(_NOISE_PAYLOAD if said else b"", _NOISE.payload_type)
            silent_ms += lasts_ms
        else:
            payload = voice.coder.encode(part)
            row = _Row(payload, voice.known.payload_type, bool(payload) and rested)
            silent_ms = 0
        rested = silent or not row.payload
        yield row
        for _ in range(lasts_ms // interval_ms - 1):
            yield _Row(b"", row.payload_type)
        now_ms += lasts_ms
        number += 1
