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


def is_complete(text: str | None) -> bool:
    """Whether it is a time of RFC 3339, zone and all."""
    return bool(text and _COMPLETE.match(text))


def utc_text(wall: float) -> str:
    """POSIX seconds in the form of RFC 3339, with milliseconds."""
    moment = datetime.fromtimestamp(wall, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
