"""
The times that SRCs write (:rfc:`7865#section-6.9`, :rfc:`3339`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_TIME = re.compile(
    r"^(\d{4}-\d\d-\d\d)[Tt ]\s*(\d\d:\d\d)(:\d\d)?(?:[.,](\d{1,9})\d*)?\s*"
    r"(?:([Zz])|([+-]\d\d):?(\d\d)?)?$"
)
_COMPLETE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$")
_SIP_DATE = re.compile(
    r"^\s*[A-Za-z]{3},\s*(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d:\d\d:\d\d) GMT\s*$"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_FIRST_PLAUSIBLE_YEAR = 2000
_MAX_LENGTH = 64


def rfc3339(text: str | None) -> tuple[str | None, str | None]:
    """
    A time in the form of RFC 3339 as far as it goes, and the code of what was odd.

    A time without zone stays one: to add a zone would be to invent it. What is
    no time at all is kept as it came.
    """
    written = (text or "").strip()[:_MAX_LENGTH]
    if not written:
        return None, None
    match = _TIME.match(written)
    if match is None:
        return written, "metadata-time"
    date, minutes, seconds, fraction, utc, hours, zone_minutes = match.groups()
    zone = "Z" if utc else f"{hours}:{zone_minutes or '00'}" if hours else ""
    normal = f"{date}T{minutes}{seconds or ':00'}{'.' + fraction if fraction else ''}{zone}"
    try:
        # A leap second is a time, though datetime has no word for it.
        year = datetime.fromisoformat(normal[:17] + normal[17:19].replace("60", "59")).year
    except ValueError:
        return written, "metadata-time"
    if year < _FIRST_PLAUSIBLE_YEAR:
        return normal, "metadata-clock"
    return normal, None if zone and normal == written else "metadata-time"


def sip_date(text: str | None) -> str | None:
    """
    A Date header field (:rfc:`3261#section-20.17`) in the form of RFC 3339; None
    for any other text.
    """
    match = _SIP_DATE.match(text or "")
    if match is None or match[2].lower() not in _MONTHS:
        return None
    month = _MONTHS.index(match[2].lower()) + 1
    normal = f"{match[3]}-{month:02d}-{int(match[1]):02d}T{match[4]}Z"
    try:
        datetime.fromisoformat(normal)
    except ValueError:
        return None
    return normal


def apart_s(one: str, other: str) -> float:
    """How far two complete times are from each other, in seconds."""
    return abs((datetime.fromisoformat(one) - datetime.fromisoformat(other)).total_seconds())


def is_complete(text: str | None) -> bool:
    """Whether it is a time of RFC 3339, zone and all."""
    return bool(text and _COMPLETE.match(text))


def utc_text(wall: float) -> str:
    """POSIX seconds in the form of RFC 3339, with milliseconds."""
    moment = datetime.fromtimestamp(wall, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
