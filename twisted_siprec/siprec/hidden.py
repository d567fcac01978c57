"""
What is not passed on, and so not kept: metadata that nobody here needs
(:rfc:`7865#section-10`).

Whoever looks at a call gets a description without it: consumers, webhooks, call
records, the log. Only routes see all, for the moment in which they decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..participants import Description
from .extensions import Extension
from .stitching import stitch_keys

FIELDS: dict[str, str] = {
    "src": "the address of the SRC",
    "caller": "who calls",
    "called": "who is called",
    "request_uri": "the Request-URI of the INVITE",
    "participant.name": "the names of the participants",
    "participant.aor": "the addresses of the participants",
    "participant.extensions": "what a vendor says besides of the participants",
    "session.sip_session_ids": "the SIP Session-IDs of the recorded calls",
    "session.reasons": "why the recorded calls ended",
    "group": "what holds communication sessions together",
    "header": "every header field that is passed on",
    "extension": "every identifier of a vendor",
    "xml": "the metadata as it came",
}
"""
Those that can be hidden; besides them ``header.NAME`` and ``extension.NAME`` for one of
a kind. Where anything is hidden the metadata as it came is too, for it says all.
"""

NAMED = ("header.", "extension.")


def without(description: Description, names: frozenset[str]) -> Description:
    """A description without the fields of these names."""
    if not names:
        return description
    shown = replace(
        description,
        src=None if "src" in names else description.src,
        caller=None if "caller" in names else description.caller,
        called=None if "called" in names else description.called,
        request_uri=None if "request_uri" in names else description.request_uri,
        participants=tuple(
            replace(
                each,
                name=None if "participant.name" in names else each.name,
                aor=None if "participant.aor" in names else each.aor,
                extensions=() if "participant.extensions" in names else each.extensions,
            )
            for each in description.participants
        ),
        sessions=tuple(
            replace(
                each,
                sip_session_ids=() if "session.sip_session_ids" in names else each.sip_session_ids,
                reasons=() if "session.reasons" in names else each.reasons,
                group_id=None if "group" in names else each.group_id,
            )
            for each in description.sessions
        ),
        groups=() if "group" in names else description.groups,
        headers=_kept("header", description.headers, names),
        extensions=_kept("extension", description.extensions, names),
        xml=None,
    )
    # The keys are made of identifiers, so they must be made of those that are left.
    keys = stitch_keys(shown.extensions, shown.groups, shown.sessions)
    return replace(shown, stitch=keys[0] if keys else None, stitch_keys=keys)


def _kept(kind: str, pairs: Iterable[Extension], names: frozenset[str]) -> tuple[Extension, ...]:
    if kind in names:
        return ()
    return tuple(pair for pair in pairs if f"{kind}.{pair[0].lower()}" not in names)
