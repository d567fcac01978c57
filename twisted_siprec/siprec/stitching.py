"""
Which recording sessions belong to one call.

One call may come in several dialogs: the near end and the far end of a phone's
built-in bridge, the recordings before and after a transfer, those of two SBCs on
its way. What they have in common is an identifier, and which one depends on the
vendor. Each that is known becomes a key of the form ``kind:value``; calls with a
key in common are one. The strongest comes first: the one that stands for the
whole call, whatever happens to it, and that nobody else has by chance.

=============== ====================================================================
kind            from
=============== ====================================================================
refci           ``x-refci`` in From: both ends of CUCM's built-in bridge
ucid            Avaya's Universal Call ID: User-to-User, metadata of most SBCs
genesys         ``X-Genesys-CallUUID``, GenesysUUID of AudioCodes
guid            ``Cisco-Guid``
gcid            Ribbon's global call identifier
tracking        BroadWorks's extTrackingID: all legs, transfers and conferences
sid             the CallSid of jambonz, Twilio and others of their kind
group           the group of the metadata (:rfc:`7865#section-6.2`)
session-id      both halves of Session-ID, in either order (:rfc:`7989`)
call            the Call-ID of the recorded call
cs              the session of the metadata: two SRCs on the way of one call have it
                in common (:rfc:`7866#section-9.2`)
=============== ====================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..participants import CommunicationSession, SessionGroup
from .extensions import Extension
from .identity import decoded_ucid

MAX_KEYS = 16
MAX_VALUE_LENGTH = 256

_NIL = frozenset("0-. :")
_NUMBER = re.compile(r"_\d+\Z")
_UUID = re.compile(r"^[0-9a-f]{32}$")
_SESSION_ID = re.compile(
    r"^\s*([0-9A-Fa-f]{32})\s*;(?:[^;]*;)*?\s*remote\s*=\s*([0-9A-Fa-f]{32})\b", re.IGNORECASE
)


def stitch_keys(
    extensions: Iterable[Extension],
    groups: Iterable[SessionGroup] = (),
    sessions: Iterable[CommunicationSession] = (),
) -> tuple[str, ...]:
    """
    The keys of a call, the strongest first, each once; bounded.

    :param extensions: identifiers under plain names, of header and metadata.
    """
    named = _by_name(extensions)
    sessions = tuple(sessions)
    group_ids = (
        *(each.id for each in groups),
        *(each.group_id for each in sessions if each.group_id),
    )
    session_ids = (
        *named.get("session_id", ()),
        *(each for session in sessions for each in session.sip_session_ids),
    )
    found: list[str] = []
    for kind, name, normal in _IDENTIFIERS:
        found += _keys(kind, map(normal, named.get(name, ())))
    found += _keys("group", group_ids)
    found += _keys("session-id", map(_both_halves, session_ids))
    found += _keys("call", (*named.get("original_call_id", ()), *map(_call_id, session_ids)))
    found += _keys("cs", (each.id for each in sessions))
    return tuple(dict.fromkeys(found))[:MAX_KEYS]


def _by_name(pairs: Iterable[Extension]) -> dict[str, list[str]]:
    """All values of each name, the numbered ones too (see :func:`.extensions.merged`)."""
    named: dict[str, list[str]] = {}
    for name, value in pairs:
        named.setdefault(_NUMBER.sub("", name), []).append(value)
    return named


def _keys(kind: str, values: Iterable[str]) -> list[str]:
    """One for each value; none for what says only that there is nothing."""
    return [
        f"{kind}:{value[:MAX_VALUE_LENGTH]}"
        for value in (" ".join(each.split()) for each in values)
        if value and not set(value) <= _NIL
    ]


def _as_it_is(value: str) -> str:
    return value


def _ucid(value: str) -> str:
    """In decimal, as Avaya shows it, whether it came in a header or in metadata."""
    return decoded_ucid(value) or value.upper()


def _guid(value: str) -> str:
    """In hexadecimal; Cisco's header has four decimal numbers of 32 bits."""
    parts = value.strip().split("-")
    if len(parts) == 4 and all(part.isascii() and part.isdigit() for part in parts):
        numbers = [int(part) for part in parts if len(part) <= 10]
        if len(numbers) == 4 and max(numbers) < 1 << 32:
            return "".join(f"{number:08x}" for number in numbers)
    return value.replace("-", "").lower()


def _both_halves(value: str) -> str:
    """The two UUIDs sorted: each side has its own one first. One alone is no key yet."""
    match = _SESSION_ID.match(value)
    if match is None:
        return ""
    halves = sorted(half.lower() for half in match.groups())
    return "" if set(halves[0]) == {"0"} else "+".join(halves)


def _call_id(value: str) -> str:
    """Where the SRC gives a Call-ID for a Session-ID."""
    bare = value.partition(";")[0].strip()
    return "" if _UUID.match(bare.lower()) else bare


_IDENTIFIERS: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    ("refci", "refci", _as_it_is),
    ("ucid", "ucid", _ucid),
    ("genesys", "genesys_uuid", str.upper),
    ("guid", "call_guid", _guid),
    ("gcid", "gcid", _as_it_is),
    ("tracking", "tracking_id", _as_it_is),
    ("sid", "call_sid", _as_it_is),
)
"Kind, plain name, and how a value is made the same wherever it came from."
