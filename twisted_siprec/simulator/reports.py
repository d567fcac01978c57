"""
RTCP sender reports of the simulated streams (:rfc:`3550#section-6.4.1`).
"""

from __future__ import annotations

from struct import pack

_NTP_EPOCH = 2_208_988_800
"Seconds from 1900, where NTP time begins, to 1970."


def sender_report(
    ssrc: int, wallclock: float, timestamp: int, packets: int, octets: int, cname: str
) -> bytes:
    """
    A compound of a sender report and the canonical name that joins the streams
    of a call (:rfc:`3550#section-6.5.1`).

    :param timestamp: the RTP timestamp of the moment that ``wallclock`` names.
    """
    seconds = int(wallclock)
    fraction = int((wallclock - seconds) * 2**32)
    report = pack(
        ">BBHIIIIII",
        0x80,
        200,
        6,
        ssrc,
        (seconds + _NTP_EPOCH) & 0xFFFFFFFF,
        fraction,
        timestamp,
        packets & 0xFFFFFFFF,
        octets & 0xFFFFFFFF,
    )
    name = cname.encode()[:255]
    chunk = pack(">IBB", ssrc, 1, len(name)) + name
    chunk += bytes(4 - len(chunk) % 4)
    return report + pack(">BBH", 0x81, 202, len(chunk) // 4) + chunk


def goodbye(ssrc: int) -> bytes:
    """The source leaves (:rfc:`3550#section-6.6`)."""
    return pack(">BBHI", 0x81, 203, 1, ssrc)
