"""
Webhooks: what happens to calls, told to servers of others.

A call never waits for any of this. Its events are put in a list in memory, which
is written to a queue on disk in one transaction at a time, and sent from there.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...config.model import Configuration, Webhook, WebhookStore
from ..calls.events import CallEvent
from ..database import SQLiteDatabase
from ..http_client import HTTPPoster, HTTPTarget
from .news import CallNews, News
from .queue import Letter, WebhookQueue
from .sender import Poster, WebhookSender

_WRITE_AGAIN_S = 5.0
_BATCH = 1_000
_COUNT_EVERY_S = 10.0

OpenPoster = Callable[[Webhook], Poster]


class Webhooks(Service):
    """
    Tells all webhooks what they want to know, while it runs.

    :param wall: the wall clock in POSIX seconds.
    :param identity: makes the id of an event.
    :param chance: a number from 0 to 1, to spread attempts.
    :param open_poster: makes what posts to a webhook; the tests have their own.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        wall: Callable[[], float],
        identity: Callable[[], str],
        chance: Callable[[], float],
        webhooks: tuple[Webhook, ...],
        store: WebhookStore,
        queue: WebhookQueue,
        open_poster: OpenPoster | None = None,
    ) -> None:
        self._clock = reactor
        self._wall = wall
        self._news = CallNews(identity)
        self._store = store
        self._queue = queue
        make = open_poster or (lambda webhook: HTTPPoster(reactor, target(webhook)))
        self.senders = tuple(
            WebhookSender(reactor, wall, webhook, queue, make(webhook), chance)
            for webhook in webhooks
        )
        self._unwritten: deque[Letter] = deque()
        self._unwritten_octets = 0
        self._writing = False
        self._open = False
        self._timer: IDelayedCall | None = None
        self._written: list[Deferred[None]] = []
        self.counters: Counter[str] = Counter()
        self.depths: dict[str, tuple[int, int]] = {}
        "For each webhook, how many letters wait and how many dead ones are kept; counted at times."
        self._counting: IDelayedCall | None = None

    # --- from the recording server ---------------------------------------------------------

    def happened(self, event: CallEvent, wall: float) -> None:
        """See :data:`~.net.calls.events.CallListener`."""
        for news in self._news.happened(event, wall):
            self._tell(news, wall)

    def _tell(self, news: News, wall: float) -> None:
        interested = [
            each.settings
            for each in self.senders
            if news.name in each.settings.events and each.settings.tenant in ("", news.tenant)
        ]
        if not interested:
            return
        body = json.dumps(news.body, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
        event = str(news.body["id"])
        for webhook in interested:
            self._unwritten.append(Letter(webhook.name, news.call, event, news.name, body, wall))
            self._unwritten_octets += len(body)
        self._keep_within_bounds()
        self._write_soon(0.0)

    def _keep_within_bounds(self) -> None:
        while self._unwritten_octets > self._store.max_unwritten_octets:
            self._lose(self._take())

    def _take(self) -> Letter:
        letter = self._unwritten.popleft()
        self._unwritten_octets -= len(letter.body)
        return letter

    def _lose(self, letter: Letter) -> None:
        """The disk does not keep up. This is told once in a while, and counted always."""
        if self.counters["lost"] % 1_000 == 0:
            self._log.error(
                "webhook {webhook}: {name} of call {call} is lost, as the queue cannot be written",
                webhook=letter.webhook,
                name=letter.name,
                call=letter.call,
            )
        self.counters["lost"] += 1

    # --- life ---------------------------------------------------------------------------

    def startService(self) -> None:
        """Open the queue, and send what is in it."""
        super().startService()  # type: ignore[no-untyped-call]
        self._open_queue()

    def _open_queue(self) -> None:
        opening = self._queue.open()
        opening.addCallbacks(self._opened, self._not_opened)
        opening.addErrback(self._fault)

    def _opened(self, result: object) -> None:
        self._open = True
        for sender in self.senders:
            sender.start()
        self._write_soon(0.0)
        self._count()

    def _count(self) -> None:
        self._counting = None
        if not self._open:
            return

        def counted(depths: dict[str, tuple[int, int]]) -> None:
            self.depths = depths

        # Where it cannot be counted, it cannot be written either, which is told then.
        counting = self._queue.depths()
        counting.addCallbacks(counted, lambda _: None)
        counting.addBoth(self._count_again)

    def _count_again(self, result: object) -> None:
        if self._open:
            self._counting = self._clock.callLater(_COUNT_EVERY_S, self._count)

    def _not_opened(self, failure: Failure) -> None:
        self._log.error(
            "the queue of the webhooks cannot be opened, again in {delay_s:g} s: {error}",
            delay_s=_WRITE_AGAIN_S,
            error=failure.getErrorMessage(),
        )
        self._timer = self._clock.callLater(_WRITE_AGAIN_S, self._open_again)

    def _open_again(self) -> None:
        self._timer = None
        self._open_queue()

    def stopService(self) -> Deferred[None]:
        """Write all, and give what is due a moment to be sent; the rest is for the next start."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._open:
            sent = Deferred.fromCoroutine(self._send_out())
            sent.addTimeout(self._store.stop_s, self._clock)
            sent.addErrback(lambda _: None)
            await sent
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._counting is not None and self._counting.active():
            self._counting.cancel()
        self._open = False
        await DeferredList([sender.stop() for sender in self.senders], consumeErrors=True)
        self._queue.close()

    async def _send_out(self) -> None:
        await self._all_written()
        for sender in self.senders:
            sender.wake()
            await sender.idle()

    def _all_written(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._written.append(waiting)
        self._tell_written()
        return waiting

    def _tell_written(self) -> None:
        if self._unwritten or self._writing:
            return
        waiting, self._written = self._written, []
        for each in waiting:
            if not each.called:
                each.callback(None)

    # --- writing ---------------------------------------------------------------------------

    def _write_soon(self, delay_s: float) -> None:
        if self._open and not self._writing and self._timer is None:
            self._timer = self._clock.callLater(delay_s, self._write)

    def _write(self) -> None:
        self._timer = None
        if self._writing or not self._unwritten:
            self._tell_written()
            return
        self._writing = True
        batch = [self._take() for _ in range(min(_BATCH, len(self._unwritten)))]
        adding = self._queue.add(batch)
        adding.addCallbacks(
            self._added, self._not_added, callbackArgs=(batch,), errbackArgs=(batch,)
        )
        adding.addErrback(self._fault)

    def _added(self, pushed_out: int, batch: list[Letter]) -> None:
        self._writing = False
        self.counters["queued"] += len(batch)
        if pushed_out:
            self.counters["pushed out"] += pushed_out
            self._log.error(
                "{count} webhook events were given up, the queue is full (webhook_queue)",
                count=pushed_out,
            )
        names = {letter.webhook for letter in batch}
        for sender in self.senders:
            if sender.settings.name in names:
                sender.wake()
        self._tell_written()
        if self._unwritten:
            self._write_soon(0.0)

    def _not_added(self, failure: Failure, batch: list[Letter]) -> None:
        self._writing = False
        self._log.error(
            "the queue of the webhooks cannot be written, again in {delay_s:g} s: {error}",
            delay_s=_WRITE_AGAIN_S,
            error=failure.getErrorMessage(),
        )
        self._unwritten.extendleft(reversed(batch))
        self._unwritten_octets += sum(len(letter.body) for letter in batch)
        self._keep_within_bounds()
        self._write_soon(_WRITE_AGAIN_S)

    def _fault(self, failure: Failure) -> None:
        self._log.failure("webhooks", failure=failure)

    # --- for the operator ------------------------------------------------------------------

    def dead(self, count: int = 100) -> Deferred[tuple[Letter, ...]]:
        """The latest letters that were given up."""
        return self._queue.dead(count)

    def waiting(self) -> Deferred[dict[str, int]]:
        """How many letters wait for each webhook."""
        return self._queue.waiting()

    def revive(self, webhook: str) -> Deferred[int]:
        """Try the dead letters of a webhook again; how many there are."""

        def wake(count: int) -> int:
            for sender in self.senders:
                sender.wake()
            return count

        return self._queue.revive(webhook, self._wall()).addCallback(wake)


def target(webhook: Webhook) -> HTTPTarget:
    """Where the letters of a webhook go."""
    return HTTPTarget(
        url=webhook.url,
        headers=webhook.headers,
        bearer=webhook.bearer,
        tls=webhook.tls,
        timeout_s=webhook.timeout_s,
        connections=webhook.connections,
    )


def make_webhooks(configuration: Configuration, reactor: Any) -> Webhooks:
    """The webhooks of a configuration, with their queue on disk."""
    store = configuration.webhook_queue
    queue = WebhookQueue(SQLiteDatabase(store.file, reactor), store.max_events, store.max_dead)
    return Webhooks(
        reactor,
        time.time,
        lambda: str(uuid.uuid4()),
        random.SystemRandom().random,
        configuration.webhooks,
        store,
        queue,
    )
