"""
One webhook: takes its letters from the queue and posts them.

An answer of 2xx is a delivery. A timeout, a lost connection, 408, 425, 429 and 5xx
are tried again; any other answer gives the letter up, as it would be the same the
next time. Two things are put off by a failure, each doubling its wait: the letter,
so that one that the server cannot digest lets the others pass, and the webhook as
a whole, so that a server that is down gets one request at a time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...config.model import Webhook
from ..credentials import SecretError, read_secret
from ..http_client import Headers, HTTPAnswer, HTTPFailure
from .queue import Due, Letter, WebhookQueue

_BATCH = 100
_DATABASE_RETRY_S = 5.0
_LONGEST_SLEEP_S = 60.0
_AGAIN = frozenset({408, 425, 429})


class Poster(Protocol):
    """Posts a body to the one server that it is for."""

    def post(self, body: bytes, headers: Headers = ()) -> Deferred[HTTPAnswer]:
        """The answer; fails with :exc:`~.http_client.HTTPFailure`."""

    def close(self) -> Deferred[None]:
        """No more will be posted."""


def signature(key: bytes, posix_s: int, body: bytes) -> str:
    """The hexadecimal HMAC-SHA256 of time and body, which the receiver computes the same way."""
    return hmac.new(key, f"{posix_s}.".encode() + body, hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Tally:
    """What became of the letters of a webhook since the start."""

    delivered: int = 0
    failures: int = 0
    "In a row; 0 while it works."
    retries: int = 0
    "Attempts that failed and are made again."
    given_up: int = 0
    last_error: str | None = None
    in_flight: set[int] = field(default_factory=set)


class WebhookSender:
    """
    Posts what is due.

    :param wall: the wall clock in POSIX seconds, of which the queue keeps times.
    :param chance: a number from 0 to 1, to spread attempts.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        settings: Webhook,
        queue: WebhookQueue,
        poster: Poster,
        chance: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.tally = Tally()
        self._clock = clock
        self._wall = wall
        self._queue = queue
        self._poster = poster
        self._chance = chance
        self._batch: deque[Letter] = deque()
        self._timer: IDelayedCall | None = None
        self._backing_off = False
        self._fetching = False
        self._again = False
        self._running = False
        self._idle: list[Deferred[None]] = []

    def start(self) -> None:
        """Send what waits from an earlier time, and whatever comes."""
        self._running = True
        self.wake()

    def wake(self) -> None:
        """There may be something new."""
        if self._backing_off or not self._running:
            return
        self._cancel_timer()
        width = 1 if self.tally.failures else self.settings.connections
        while self._batch and len(self.tally.in_flight) < width:
            self._send(self._batch.popleft())
        if not self._batch and len(self.tally.in_flight) < width:
            self._fetch()

    def idle(self) -> Deferred[None]:
        """Fires once nothing is due: all is sent, or waits for another attempt."""
        waiting: Deferred[None] = Deferred()
        self._idle.append(waiting)
        self._tell_idle()
        return waiting

    def stop(self) -> Deferred[None]:
        """Send no more; what is under way may be sent a second time after the next start."""
        self._running = False
        self._cancel_timer()
        self._tell_idle()
        return self._poster.close()

    # --- the queue ----------------------------------------------------------------------

    def _fetch(self) -> None:
        if self._fetching:
            self._again = True
            return
        self._fetching, self._again = True, False
        settings = self.settings
        horizon_s = 2 * settings.backoff_max_s + settings.timeout_s
        held = frozenset(self.tally.in_flight)
        fetching = self._queue.due(settings.name, self._wall(), horizon_s, held, _BATCH)
        fetching.addCallbacks(self._fetched, self._not_fetched)
        fetching.addErrback(self._fault)

    def _fetched(self, due: Due) -> None:
        self._fetching = False
        self._batch.extend(due.letters)
        if due.letters or self._again:
            self.wake()
        elif not self.tally.in_flight:
            if due.next_at is not None:
                self._sleep(min(_LONGEST_SLEEP_S, max(0.0, due.next_at - self._wall())))
            self._tell_idle()

    def _not_fetched(self, failure: Failure) -> None:
        self._fetching = False
        self._database_failed(failure)
        self._tell_idle()

    def _database_failed(self, failure: Failure) -> None:
        """Rest for a while: what was sent may still be in the queue, and would be sent again."""
        self._backing_off = True
        self._batch.clear()
        self._sleep(_DATABASE_RETRY_S)
        self._log.error(
            "webhook {webhook}: its queue fails: {error}",
            webhook=self.settings.name,
            error=failure.getErrorMessage(),
        )

    # --- sending ------------------------------------------------------------------------

    def _send(self, letter: Letter) -> None:
        self.tally.in_flight.add(letter.id)
        if self._wall() - letter.queued_at > self.settings.keep_s:
            sending = self._give_up(letter, f"older than {self.settings.keep_s:g} s")
        else:
            sending = Deferred.fromCoroutine(self._attempt(letter))
        sending.addErrback(self._database_failed)
        sending.addBoth(self._sent, letter)
        sending.addErrback(self._fault)

    def _sent(self, result: object, letter: Letter) -> None:
        self.tally.in_flight.discard(letter.id)
        self.wake()
        self._tell_idle()

    async def _attempt(self, letter: Letter) -> None:
        try:
            answer = await self._poster.post(letter.body, self._headers(letter))
        except (HTTPFailure, SecretError) as error:
            await self._failed(letter, str(error), None)
            return
        if 200 <= answer.status < 300:
            self._succeeded()
            self.tally.delivered += 1
            await self._queue.delivered(letter)
        elif answer.status in _AGAIN or answer.status >= 500:
            await self._failed(letter, f"it answered {answer.status}", answer.retry_after_s)
        else:
            self._succeeded()
            await self._give_up(letter, f"it answered {answer.status}")

    def _headers(self, letter: Letter) -> Headers:
        posix_s = int(self._wall())
        headers: list[tuple[str, str]] = [
            ("X-Siprec-Event", letter.name),
            ("X-Siprec-Delivery", letter.event),
            ("X-Siprec-Attempt", str(letter.attempts + 1)),
            ("X-Siprec-Timestamp", str(posix_s)),
        ]
        if self.settings.secret is not None:
            key = read_secret(self.settings.secret).encode()
            signed = signature(key, posix_s, letter.body)
            headers.append(("X-Siprec-Signature", f"v1={signed}"))
        return tuple(headers)

    def _succeeded(self) -> None:
        """The server is there, whatever it thinks of the letter."""
        if self.tally.failures:
            self._log.info("webhook {webhook} answers again", webhook=self.settings.name)
        self.tally.failures, self.tally.last_error = 0, None

    async def _failed(self, letter: Letter, why: str, retry_after_s: float | None) -> None:
        self.tally.last_error = why
        self.tally.retries += 1
        if not self._backing_off:
            self._back_off(why, retry_after_s)
        delay_s = max(self._delay(letter.attempts + 1), retry_after_s or 0.0)
        due_at = self._wall() + min(delay_s, self.settings.backoff_max_s)
        await self._queue.put_off(letter, due_at)

    def _back_off(self, why: str, retry_after_s: float | None) -> None:
        """Leave the server alone for a while. The batch is fetched again afterwards."""
        self.tally.failures += 1
        delay_s = max(self._delay(self.tally.failures), retry_after_s or 0.0)
        delay_s = min(delay_s, self.settings.backoff_max_s)
        self._log.warn(
            "webhook {webhook}: {why}; again in {delay_s:.1f} s",
            webhook=self.settings.name,
            why=why,
            delay_s=delay_s,
        )
        self._batch.clear()
        self._backing_off = True
        self._sleep(delay_s)

    def _delay(self, attempts: int) -> float:
        """At random between half of it and all; doubled each time."""
        settings = self.settings
        longest = settings.backoff_initial_s * 2.0 ** min(attempts - 1, 30)
        return min(longest, settings.backoff_max_s) * (0.5 + self._chance() / 2)

    def _give_up(self, letter: Letter, why: str) -> Deferred[None]:
        self.tally.given_up += 1
        self._log.error(
            "webhook {webhook}: {name} of call {call} is given up: {why}",
            webhook=self.settings.name,
            name=letter.name,
            call=letter.call,
            why=why,
        )
        return self._queue.bury(letter, why)

    # --- time -----------------------------------------------------------------------------

    def _sleep(self, delay_s: float) -> None:
        self._cancel_timer()
        if self._running:
            self._timer = self._clock.callLater(delay_s, self._slept)

    def _slept(self) -> None:
        self._timer = None
        self._backing_off = False
        self.wake()

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _tell_idle(self) -> None:
        resting = self._backing_off or not (self._fetching or self._batch)
        if self._running and (self.tally.in_flight or not resting):
            return
        waiting, self._idle = self._idle, []
        for each in waiting:
            each.callback(None)

    def _fault(self, failure: Failure) -> None:
        self._log.failure("webhook {webhook}", failure=failure, webhook=self.settings.name)
