"""
Our re-INVITE to the SRC: to pause its streams, to have them again, to drop one
(:rfc:`7866#section-7.2`).

::

    Free ──ASK──► Asked ──DONE──► Free
                    │ ──GLARE──► Delayed ──DUE──► Free
                    │ ──REFUSED──► Given up ──WANT──► Free
                    └──UNABLE──► Unable

Whatever comes of it, recording goes on: an SRC that refuses is asked for this no more,
and one that takes no re-INVITE at all for nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

from .agreement import Agreement, Intent

UNABLE_STATUSES = frozenset({405, 501})
"The SRC takes no re-INVITE."


class Stage(Enum):
    """How far what we want is."""

    FREE = auto()
    ASKED = auto()
    "Our INVITE is on its way."
    DELAYED = auto()
    "It met one of the SRC's, and is to be sent again."
    GIVEN_UP = auto()
    UNABLE = auto()


class Input(Enum):
    """What happens to it."""

    ASK = auto()
    DONE = auto()
    GLARE = auto()
    REFUSED = auto()
    UNABLE = auto()
    DUE = auto()
    WANT = auto()


TABLE: dict[tuple[Stage, Input], Stage] = {
    (Stage.FREE, Input.ASK): Stage.ASKED,
    (Stage.ASKED, Input.DONE): Stage.FREE,
    (Stage.ASKED, Input.GLARE): Stage.DELAYED,
    (Stage.ASKED, Input.REFUSED): Stage.GIVEN_UP,
    (Stage.ASKED, Input.UNABLE): Stage.UNABLE,
    (Stage.DELAYED, Input.DUE): Stage.FREE,
    (Stage.GIVEN_UP, Input.WANT): Stage.FREE,
}
"What is not here changes nothing."


class OwnOffer:
    """
    What we want of the SRC, and how far it is.

    :param delay_s: how long to wait after glare, drawn anew each time. It is 0 to 2 s,
        since the Call-ID is the SRC's (:rfc:`3261#section-14.1`).
    :param max_attempts: so often the same is sent again after glare.
    """

    def __init__(self, delay_s: Callable[[], float], max_attempts: int) -> None:
        self.wanted = Intent()
        self.offered: Agreement | None = None
        "What our INVITE offers, while it is on its way."
        self._delay_s = delay_s
        self._max_attempts = max_attempts
        self._attempts = 0
        self._stage = Stage.FREE
        self._due_at: float | None = None

    @property
    def open(self) -> bool:
        """Our INVITE has no answer yet."""
        return self._stage is Stage.ASKED

    @property
    def able(self) -> bool:
        """As far as is known, the SRC takes a re-INVITE."""
        return self._stage is not Stage.UNABLE

    def next_deadline(self) -> float | None:
        """When to send it again."""
        return self._due_at

    def expire(self, now: float) -> None:
        """The wait after glare is over."""
        if self._due_at is not None and self._due_at <= now:
            self._due_at = None
            self._step(Input.DUE)

    def want(self, intent: Intent) -> None:
        """From now on this is wanted; something else than before has a new chance."""
        if intent != self.wanted:
            self.wanted = intent
            self._attempts = 0
            self._step(Input.WANT)

    def replaced(self, before: Intent, after: Intent) -> None:
        """The SRC has put other streams in the place of dropped ones: those are not meant."""
        gone = before.dropped - after.dropped
        self.want(replace(self.wanted, dropped=self.wanted.dropped - gone))

    def ask(self, agreement: Agreement) -> Agreement | None:
        """What is to be offered now; None where nothing is, or it cannot be."""
        if self._stage is not Stage.FREE or agreement.intent == self.wanted:
            return None
        self._attempts += 1
        self._step(Input.ASK)
        self.offered = agreement.intending(self.wanted).offered()
        return self.offered

    def done(self) -> None:
        """It was accepted."""
        self._attempts = 0
        self._end(Input.DONE)

    def met(self, now: float) -> bool:
        """It met a request of the SRC's; whether it will be tried again."""
        if self._attempts >= self._max_attempts:
            return False
        self._due_at = now + self._delay_s()
        self._end(Input.GLARE)
        return True

    def refused(self, status: int) -> None:
        """It was refused, or not answered."""
        self._end(Input.UNABLE if status in UNABLE_STATUSES else Input.REFUSED)

    def _end(self, happened: Input) -> None:
        self.offered = None
        self._step(happened)

    def _step(self, happened: Input) -> None:
        self._stage = TABLE.get((self._stage, happened), self._stage)
