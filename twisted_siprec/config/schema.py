"""
The schema: which keys there are, and what each takes.

The tables below name every key of ``etc/siprec.yaml``; what a key means and why
one would change it is said there. Defaults are those of :mod:`~.model` and of
the types that it is made of.
"""

from __future__ import annotations

import re
from typing import Any

from ..audio.codec import NAMES
from ..sdp.crypto import Secrecy
from ..siprec.hidden import FIELDS
from .document import Place
from .model import CallLimits, MediaConfiguration, SpoolConfiguration, Stopping
from .names import FIELD_NAME, HEADER_NAME
from .operating import Level, LogConfiguration, ManholeConfiguration
from .readers import Choice, Flag, ListOf, Number, Reader, Section, Text, Whole, choice_of
from .signalling_schema import SIP_SECTION, SOURCES, UNKNOWN
from .values import HostAndPort, IPAddress, ReadableFile, SecretOf, check_certificate
from .web_schema import AUDIT, WEB


class _PortRange:
    """``[FIRST, LAST]``: an even RTP port to begin with, an odd RTCP port to end with."""

    def read(self, place: Place) -> tuple[int, int]:
        expected = "[FIRST, LAST], the first port even and the last one odd"
        items = place.items(expected)
        if len(items) != 2:
            raise place.fail(expected, f"{len(items)} ports")
        first, last = (Whole(1_024, 65_535).read(item) for item in items)
        if first % 2 or not last % 2 or last < first:
            raise place.fail(expected, f"[{first}, {last}]")
        return first, last


def _check_media(media: MediaConfiguration, place: Place) -> None:
    certificate, key = media.dtls_certificate, media.dtls_key
    if certificate is not None:
        check_certificate(place, "dtls_certificate", certificate, key or certificate)
    elif key is not None:
        place.fail("the key dtls_certificate, as there is a dtls_key", "none")


MEDIA = Section(
    MediaConfiguration,
    {
        "address": IPAddress(),
        "advertise": IPAddress(wildcard=False),
        "ports": _PortRange(),
        "codecs": ListOf(Choice({name: name for name in sorted(NAMES)}), distinct=True, some=True),
        "srtp": choice_of(Secrecy),
        "dtls": choice_of(Secrecy),
        "dtls_certificate": ReadableFile("a PEM certificate"),
        "dtls_key": ReadableFile("a PEM private key"),
        "dtmf": Flag(),
        "mask_dtmf": Flag(),
        "mask_margin_ms": Whole(0, 1_000, "milliseconds"),
        "conceal": Flag(),
        "jitter_ms": Whole(0, 2_000, "milliseconds"),
        "jitter_max_ms": Whole(0, 5_000, "milliseconds"),
        "start_timeout_s": Number(0.1, 60, "seconds"),
        "silent_after_s": Number(0.5, 3_600, "seconds"),
        "end_after_silence_s": Number(0, 86_400, "seconds"),
        "cooldown_s": Number(0, 600, "seconds"),
        "receive_buffer_octets": Whole(8_192, 67_108_864, "octets"),
        "relatch_after_s": Number(0.1, 600, "seconds"),
        "expect_signalled_source": Flag(),
        "max_streams": Whole(1, 64),
        "pause_src": Flag(),
    },
    check=_check_media,
)

LIMITS = Section(
    CallLimits,
    {
        "calls": Whole(1, 1_000_000),
        "calls_per_second": Number(0, 100_000, "calls"),
        "retry_after_s": Whole(0, 3_600, "seconds"),
        "lateness_ms": Whole(0, 60_000, "milliseconds"),
    },
)

STOPPING = Section(
    Stopping,
    {
        "drain_s": Number(0, 86_400, "seconds"),
        "retry_after_s": Whole(0, 86_400, "seconds"),
    },
)

PASS_HEADERS = ListOf(HEADER_NAME, longest=64, lone=True)


HIDDEN_NAME = Text(
    f"one of {', '.join(FIELDS)}, header.NAME or extension.NAME",
    "|".join((*map(re.escape, FIELDS), rf"(header|extension)\.{FIELD_NAME}")),
    140,
)


class _Hidden:
    """The names of what is not passed on; those of header fields in any case."""

    def read(self, place: Place) -> frozenset[str]:
        names = ListOf(HIDDEN_NAME, longest=64, lone=True).read(place)
        return frozenset(name.lower() for name in names)


SPOOL = Section(
    SpoolConfiguration,
    {
        "directory": Text("the name of a directory", longest=4_096),
        "max_mb": Whole(1, 10_000_000, "megabytes"),
        "max_age_s": Number(1, 31_536_000, "seconds"),
        "batch_ms": Whole(10, 10_000, "milliseconds"),
        "key": SecretOf(),
    },
)


def _check_manhole(manhole: ManholeConfiguration, place: Place) -> None:
    if manhole.enabled and manhole.authorized_keys is None:
        place.fail("the key authorized_keys, as enabled is true", "none")


MANHOLE = Section(
    ManholeConfiguration,
    {
        "enabled": Flag(),
        "listen": HostAndPort(address_only=True),
        "authorized_keys": ReadableFile("a file of public keys"),
        "host_key": Text("the name of a file", longest=4_096),
    },
    check=_check_manhole,
)


LOG = Section(LogConfiguration, {"json": Flag(), "level": choice_of(Level)})


class _Workers:
    """How many processes the media plane has: a number, or one for each core."""

    def read(self, place: Place) -> int | str:
        expected = "a whole number from 0 to 64, or auto"
        text = place.scalar(expected)
        if text == "auto":
            return text
        if not text.isascii() or not text.isdigit() or len(text) > 2 or int(text) > 64:
            raise place.fail(expected)
        return int(text)


SECTIONS: dict[str, Reader[Any]] = {
    "sip": SIP_SECTION,
    "sources": SOURCES,
    "unknown_sources": UNKNOWN,
    "media": MEDIA,
    "limits": LIMITS,
    "stopping": STOPPING,
    "pass_headers": PASS_HEADERS,
    "hide": _Hidden(),
    "spool": SPOOL,
    "manhole": MANHOLE,
    "web": WEB,
    "audit": AUDIT,
    "log": LOG,
    "workers": _Workers(),
}
"The top-level keys that stand for themselves; see :mod:`~.delivery` for the others."
