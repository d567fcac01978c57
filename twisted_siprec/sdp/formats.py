"""
The formats of an m-line: what a payload type means (:rfc:`3551#section-6`,
:rfc:`8866#section-6.6`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..plan import Codec
from .description import Attribute, Media
from .parameters import answered, decodable

EVENTS = "TELEPHONE-EVENT"
COMFORT_NOISE = "CN"
AUXILIARY = frozenset({EVENTS, COMFORT_NOISE})
"Formats that accompany a codec and are none themselves."

Remark = tuple[str, str]
"What was odd: a code of :mod:`twisted_siprec.siprec.leniency`, and where."

_STATIC: dict[int, tuple[str, int, int]] = {
    0: ("PCMU", 8000, 1),
    # G.721, as :rfc:`1890` had it: the same bits as G726-32, reserved since, sent still.
    2: ("G726-32", 8000, 1),
    3: ("GSM", 8000, 1),
    4: ("G723", 8000, 1),
    5: ("DVI4", 8000, 1),
    6: ("DVI4", 16000, 1),
    7: ("LPC", 8000, 1),
    8: ("PCMA", 8000, 1),
    # The clock is 8000 by mistake of :rfc:`1890`, kept for good (:rfc:`3551#section-4.5.2`).
    9: ("G722", 8000, 1),
    10: ("L16", 44100, 2),
    11: ("L16", 44100, 1),
    12: ("QCELP", 8000, 1),
    13: ("CN", 8000, 1),
    14: ("MPA", 90000, 1),
    15: ("G728", 8000, 1),
    16: ("DVI4", 11025, 1),
    17: ("DVI4", 22050, 1),
    18: ("G729", 8000, 1),
    # Comfort noise before it was 13; old Cisco gateways send it.
    19: ("CN", 8000, 1),
}

_RTPMAP = re.compile(r"^(\d{1,3})\s+([^\s/]+)\s*/\s*(\d{1,6})(?:\s*/\s*(\d{1,2}))?\s*(?:[;\s].*)?$")
_FMTP = re.compile(r"^(\d{1,3})\s+(\S.*)$")

_SPELLING = {EVENTS: "telephone-event", "OPUS": "opus"}

_MAX_CHANNELS = 2


@dataclass(frozen=True, slots=True)
class Format:
    """A format of an m-line, and the words in which it was offered."""

    codec: Codec
    rtpmap: str | None = None
    "``PCMU/8000`` as offered; None where the static table says it."

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The lines of an answer for it."""
        payload_type = self.codec.payload_type
        rtpmap = self.rtpmap or _spelt(self.codec)
        lines = [Attribute("rtpmap", f"{payload_type} {rtpmap}")]
        parameters = answered(self.codec)
        if parameters:
            lines.append(Attribute("fmtp", f"{payload_type} {parameters}"))
        return tuple(lines)


def read(media: Media) -> tuple[tuple[Format, ...], tuple[Remark, ...]]:
    """
    Every format of an m-line that means something, in its order, and what was
    odd about them. A payload type that is neither static nor mapped is left out.
    """
    mapped = _by_payload_type(_RTPMAP, media.values("rtpmap"))
    parameters = _by_payload_type(_FMTP, media.values("fmtp"))
    formats: dict[int, Format] = {}
    remarks: list[Remark] = []
    for word in media.formats:
        if not re.fullmatch(r"[0-9]{1,3}", word) or int(word) > 127 or int(word) in formats:
            continue
        payload_type = int(word)
        fmtp = parameters.get(payload_type)
        match = mapped.get(payload_type)
        found = _format(payload_type, match, fmtp[2].strip() if fmtp else "")
        if found is None:
            remarks.append(("sdp-format-unmapped", word))
            continue
        formats[payload_type] = found
        if match is not None and int(match[3]) != found.codec.clock_rate:
            remarks.append(("sdp-clock-rate", f"{found.rtpmap}"))
    return tuple(formats.values()), tuple(remarks)


def takes(supported: frozenset[str], codec: Codec) -> bool:
    """Whether the policy, encoding names in upper case, has this codec, as it is offered."""
    return codec.name in supported and codec.channels <= _MAX_CHANNELS and decodable(codec)


def _by_payload_type(pattern: re.Pattern[str], values: tuple[str, ...]) -> dict[int, re.Match[str]]:
    found: dict[int, re.Match[str]] = {}
    for value in values:
        match = pattern.match(value)
        if match is not None:
            found.setdefault(int(match[1]), match)
    return found


def _format(payload_type: int, match: re.Match[str] | None, parameters: str) -> Format | None:
    static = _STATIC.get(payload_type)
    if match is None:
        return None if static is None else Format(Codec(payload_type, *static, parameters))
    name, clock_rate, channels = match[2].upper(), int(match[3]), int(match[4] or 1)
    if static is not None and static[0] == name:
        # The number stands for the clock, whatever the line says: FreeSWITCH
        # writes the rate of its own leg there.
        clock_rate = static[1]
    elif name == "G722":
        clock_rate = 8000
    if clock_rate == 0 or channels == 0:
        return None
    channels_written = f"/{match[4]}" if match[4] else ""
    rtpmap = f"{match[2]}/{match[3]}{channels_written}"
    return Format(Codec(payload_type, name, clock_rate, channels, parameters), rtpmap)


def _spelt(codec: Codec) -> str:
    name = _SPELLING.get(codec.name, codec.name)
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    return f"{name}/{codec.clock_rate}{channels}"


_OFFERABLE = (
    Codec(0, "PCMU", 8000),
    Codec(8, "PCMA", 8000),
    Codec(9, "G722", 8000),
    Codec(18, "G729", 8000),
    Codec(107, "OPUS", 48000, 2),
    Codec(101, EVENTS, 8000),
    Codec(13, COMFORT_NOISE, 8000),
)


def offerable(supported: frozenset[str]) -> tuple[Codec, ...]:
    """What we offer where an INVITE has no offer, of what we can decode."""
    return tuple(codec for codec in _OFFERABLE if takes(supported, codec))
