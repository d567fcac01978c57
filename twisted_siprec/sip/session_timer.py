"""
Session timers: how long a dialog lives without a sign of life, and who gives
it (:rfc:`4028`).

Recorders are callees, and many SRCs do not answer requests of a recorder. So
the SRC refreshes wherever the standard leaves us the choice (table 2 there), a
peer without ``timer`` in Supported gets no session timer at all, and the
interval is copied, never raised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import RemoteError
from .message import Headers, Request, Response
from .values import parameters

LEAST_INTERVAL_S = 90
"The absolute minimum of a session interval (:rfc:`4028#section-4`)."
LONGEST_INTERVAL_S = 2**31 - 1


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """What was agreed in the last 2xx, and since when it runs."""

    interval_s: int
    ours: bool
    "We refresh; otherwise the peer does."
    refresh_at: float
    "When we refresh, if it is ours to do."
    expires_at: float
    "When the dialog is given up."

    @classmethod
    def starting(cls, interval_s: int, ours: bool, now: float) -> SessionTimer:
        """
        The timer of a 2xx of now: a refresh at half of the interval, the end a
        little before it is over (:rfc:`4028#section-10`).
        """
        expires_at = now + interval_s - min(32.0, interval_s / 3)
        return cls(interval_s, ours, now + interval_s / 2, expires_at)

    def postponed(self, until: float) -> SessionTimer:
        """The same, with the next refresh at another time."""
        return replace(self, refresh_at=until)


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """The value of a Session-Expires header field."""

    interval_s: int
    refresher: str | None = None

    @classmethod
    def of(cls, message: Request | Response) -> SessionExpires | None:
        """A message's own; None where it has none, or one that is no number."""
        value = message.headers.get("Session-Expires")
        if value is None:
            return None
        interval, _, rest = value.partition(";")
        seconds = seconds_of(interval)
        if seconds is None:
            return None
        refresher = (parameters(rest).get("refresher") or "").lower()
        return cls(seconds, refresher if refresher in ("uac", "uas") else None)


def seconds_of(value: str | None) -> int | None:
    """A number of seconds, as in Min-SE; None where it is none. Parameters are ignored."""
    digits = (value or "").partition(";")[0].strip()
    if not (digits.isascii() and digits.isdigit()):
        return None
    return min(int(digits[:12]), LONGEST_INTERVAL_S)


def agree(
    request: Request, *, proposal_s: int, least_s: int
) -> tuple[SessionExpires, tuple[tuple[str, str], ...]] | None:
    """
    What we answer to a session refresh request: the interval with its
    refresher, and the header fields that say so. None for no session timer.

    :param proposal_s: the interval that we propose where the peer supports
        timers and proposes none; 0 for none.
    :param least_s: the shortest interval that we take.
    """
    least_s = max(least_s, LEAST_INTERVAL_S)
    if "timer" not in request.headers.tokens("Supported"):
        return None
    asked = SessionExpires.of(request)
    if asked is not None:
        if asked.interval_s < least_s:
            raise RemoteError(422, "Session Interval Too Small", (("Min-SE", str(least_s)),))
        agreed = SessionExpires(asked.interval_s, asked.refresher or "uac")
    elif proposal_s > 0:
        theirs = seconds_of(request.headers.get("Min-SE")) or 0
        agreed = SessionExpires(max(proposal_s, theirs, least_s), "uac")
    else:
        return None
    fields = [("Session-Expires", f"{agreed.interval_s};refresher={agreed.refresher}")]
    # A MUST where the UAC refreshes, a SHOULD where we do and it supports timers.
    fields.append(("Require", "timer"))
    return agreed, tuple(fields)


def least_interval(headers: Headers) -> int:
    """The Min-SE of a 422, for the next attempt."""
    return max(LEAST_INTERVAL_S, seconds_of(headers.get("Min-SE")) or 0)
