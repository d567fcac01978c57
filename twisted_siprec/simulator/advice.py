"""
What a user can do about a call that the SRS did not take.
"""

from __future__ import annotations

from .agent_events import Answered
from .wire import Target

_ADVICE = {
    401: "the server asks for credentials; see --user and --password-file, and `digest:` of the "
    "source in its configuration",
    403: "is {local} in `sources:` of the server's configuration?",
    404: "no route of the configuration matches this call; see `routes:`, `default_destinations:`",
    407: "a proxy asks for credentials; see --user and --password-file",
    413: "the INVITE is too large for the server; try --transport tcp",
    415: "the server does not take this body; does it record by SIPREC?",
    420: "the server does not know SIPREC (Require: siprec); is it a session recording server?",
    480: "the server takes no calls now; is it stopping?",
    488: "the server takes none of the streams offered; see `media: codecs:` and `srtp:` in its "
    "configuration, and try --codec or --srtp",
    503: "the server is at a limit or is stopping; see `limits:` in its configuration",
}

_SILENCE = (
    "is a server running there, and is {local} in `sources:` of its configuration? "
    "(it is silent to all others)"
)


def silent(target: Target, local: str) -> str:
    """What silence may mean."""
    where = f"{target.transport.value} {target.host}:{target.port}"
    return f"no answer from {where}: " + _SILENCE.format(local=local)


def advice(answered: Answered, target: Target, local: str) -> str:
    """An answer that is no success, in words, and what to look at."""
    if answered.status == 0:
        if answered.reason != "no answer":
            return answered.reason
        return silent(target, local)
    words = f"{answered.status} {answered.reason}".strip()
    if answered.warning:
        words += f" ({answered.warning})"
    known = _ADVICE.get(answered.status)
    return f"{words}: {known.format(local=local)}" if known else words
