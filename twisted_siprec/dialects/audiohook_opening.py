"""
The first word of an AudioHook session: who is heard, in which formats, and all
that is known of the call besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import NAMESPACE_URL, UUID, uuid5

from ..plan import Encoding
from . import bodies
from .audiohook_position import RATE
from .base import StreamStart
from .bodies import Body
from .texts import written

EXTERNAL, INTERNAL = "external", "internal"
BOTH = (EXTERNAL, INTERNAL)
NIL = str(UUID(int=0))
MAX_TEXT = 65_535
"Characters of a text."
_FORMATS = {Encoding.PCMU: "PCMU", Encoding.L16: "L16"}

Options = Mapping[str, str]


def identity(*seed: str) -> str:
    """A UUID (version 5), the same for the same seed."""
    return str(uuid5(NAMESPACE_URL, "/".join(("siprec", *seed))))


def as_uuid(text: str) -> str:
    """An identifier that is a UUID of a kind that AudioHook takes, or one made from it."""
    try:
        known = UUID(text)
    except ValueError:
        return identity(text)
    return str(known) if known.version in range(1, 6) else identity(text)


def opening(start: StreamStart, organization: str, options: Options) -> Body:
    """The parameters of ``open``. A probe is one whose identifiers are all zeros."""
    known = start.description
    customer, name = _customer(start, options.get("external", "caller"))
    probe = options.get("probe") == "true"
    body: Body = {
        "organizationId": organization,
        "conversationId": NIL if probe else as_uuid(known.recording_session_id),
        "participant": {
            "id": NIL if probe else as_uuid(customer),
            "ani": known.caller or "",
            "aniName": name,
            "dnis": known.called or "",
        },
        "media": [offer(start.encoding, channels) for channels in offers(options)],
    }
    if "language" in options:
        body["language"] = options["language"]
    if options.get("custom_config", "true") == "true":
        siprec = {"siprec": bodies.description(known)}
        # The text as a whole may not be longer; the rest of it is short.
        if len(written(siprec)) < MAX_TEXT - 8_192:
            body["customConfig"] = siprec
    return body


def _customer(start: StreamStart, first: str) -> tuple[str, str]:
    """The participant on the external side: identifier and name."""
    parties = {party.id: party for party in start.description.participants}
    for channel in start.channels:
        plan = channel.plan
        party = parties.get(plan.participant_id or "")
        if party is not None and first in (plan.role, plan.label, plan.participant_id):
            return party.id, party.name or ""
    return f"{start.description.recording_session_id}/external", ""


def offers(options: Options) -> tuple[tuple[str, ...], ...]:
    """The channels that we offer, as one likes best first."""
    only = options.get("channels", "both")
    # Some servers look at the first of them only, and expect both sides in it.
    return ((only,),) if only != "both" else (BOTH, (EXTERNAL,), (INTERNAL,))


def offer(encoding: Encoding, channels: tuple[str, ...]) -> Body:
    """An entry of ``media``."""
    return {
        "type": "audio",
        "format": _FORMATS[encoding],
        "channels": list(channels),
        "rate": RATE,
    }
