"""
The attempts of a link: where the next one goes, when, and how it ends.

A connection that is no longer wanted can still call back; each attempt has its
own ears, which are closed with it.

An attempt goes to the destination, or, where that cannot be reached, to the
first of its ``failover`` that can. Before each, the link waits in *connecting*
until the door of one of them is open, and after a failure until it is its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...dialects.base import Message
from ...plan import Destination
from .doors import Door, Doors
from .websocket import (
    Connection,
    ConnectionFactory,
    ConnectionSettings,
    Ending,
    Handshake,
)


class AttemptError(Exception):
    """A connection cannot even be tried now: a secret or a certificate file is missing."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: where, and what is said in the handshake."""

    endpoint: IStreamClientEndpoint
    handshake: Handshake


class LinkListener(Protocol):
    """What a link tells: the same as its connections, across all of them."""

    def link_up(self, subprotocol: str | None) -> None:
        """A connection is open."""

    def link_down(self, reason: str, retry_in_s: float | None, clean: bool) -> None:
        """There is none; the next is tried in so many seconds, or never."""

    def link_received(self, message: Message) -> None:
        """The consumer said something."""

    def link_blocked(self) -> None:
        """The connection takes no more for now."""

    def link_unblocked(self) -> None:
        """It does again."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What makes an end of trying, and what a connection may cost."""

    never_statuses: frozenset[int] = frozenset({401, 403, 404, 410})
    "HTTP statuses of a consumer that will not change its mind."
    never_codes: frozenset[int] = frozenset({4003})
    "Close codes that mean the same."
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    user_agent: str = "twisted_siprec"
    max_after_s: float = 300.0
    "A consumer that asks us to come back later is not obeyed beyond this."
    drain_hosts: frozenset[str] = frozenset()
    "Hosts, besides its own, that a consumer may send us to when it drains."


@dataclass(frozen=True, slots=True)
class Leaving:
    """Why a connection is closed by us, and when and where we come again."""

    code: int
    reason: str
    after_s: float | None = None
    url: str | None = None


class Inputs(Protocol):
    """What moves the machine of a link."""

    def open(self) -> None:
        """Begin."""

    def leave(self, leaving: Leaving) -> None:
        """Close this connection, then make another."""

    def close(self, code: int, reason: str) -> None:
        """Close for good."""

    def connected(self, connection: Connection) -> None:
        """TCP is there, and TLS where it is wanted has begun."""

    def opened(self, subprotocol: str | None) -> None:
        """The handshake is done."""

    def failed(self, ending: Ending) -> None:
        """The attempt came to nothing, or the connection ended."""

    def refused(self, ending: Ending) -> None:
        """The same, and the consumer will not change its mind."""

    def retry(self) -> None:
        """The wait is over."""


class Ears:
    """What one attempt's connection speaks to, for as long as anyone listens."""

    def __init__(self, core: Approach, inputs: Inputs) -> None:
        self._core = core
        self._inputs = inputs
        self.listening = True

    def connected(self, connection: object) -> None:
        """TCP is there."""
        if self.listening and isinstance(connection, Connection):
            self._inputs.connected(connection)

    def unreachable(self, failure: Failure) -> None:
        """There is no TCP to be had."""
        self.closed(Ending(failure.getErrorMessage() or type(failure.value).__name__))

    def opened(self, subprotocol: str | None) -> None:
        """The handshake is done."""
        if self.listening:
            self._inputs.opened(subprotocol)

    def received(self, message: Message) -> None:
        """A message came."""
        if self.listening:
            self._core.listener.link_received(message)

    def closed(self, ending: Ending) -> None:
        """The connection is over, or was not to be had."""
        if self.listening:
            self.listening = False
            self._core.note_failure(ending)
            never = self._core.is_final(ending)
            (self._inputs.refused if never else self._inputs.failed)(ending)

    def blocked(self) -> None:
        """The transport takes no more for now."""
        if self.listening:
            self._core.listener.link_blocked()

    def unblocked(self) -> None:
        """It does again."""
        if self.listening:
            self._core.listener.link_unblocked()


@dataclass(slots=True)
class Approach:
    """
    One attempt after another, and what there is of the present one.
    """

    clock: IReactorTime
    destination: Destination
    prepare: Callable[[Destination, str], Attempt]
    random: Callable[[], float]
    listener: LinkListener
    settings: LinkSettings
    doors: Doors
    place: Destination
    "Where we are connected, or try to be: the destination, or one of its failover."
    url: str | None = None
    "Where a draining consumer sent us; None for the place's own."
    failed_at: set[str] = field(default_factory=set)
    "The places that failed since the last connection or wait."
    door: Door | None = None
    "The one that we went through."
    turn: float | None = None
    failures: int = 0
    opened_at: float | None = None
    leaving: Leaving | None = None
    connection: Connection | None = None
    ears: Ears | None = None
    connecting: Deferred[Any] | None = None
    timer: IDelayedCall | None = None
    log: Logger = field(default_factory=Logger)

    def attempt(self, inputs: Inputs) -> None:
        """Try once, as soon as one may."""
        now = self.clock.seconds()
        open_ = self._open_places(now)
        if not open_:
            self._wait_for_a_door(inputs, now)
            return
        place = next((each for each in open_ if each.name not in self.failed_at), open_[0])
        door = self.doors.to(place)
        if self.failures and self.turn is None:
            self.turn = door.book(now)
        if self.turn is not None and self.turn > now:
            self.timer = self.clock.callLater(self.turn - now, self.attempt, inputs)
            return
        self.turn = None
        if place.name != self.place.name:
            self.place, self.url = place, None
        self.door = door
        door.enter(now)
        self._connect(inputs)

    def _open_places(self, now: float) -> list[Destination]:
        places = (self.destination, *self.destination.failover)
        return [place for place in places if not self.doors.to(place).wait_s(now)]

    def _wait_for_a_door(self, inputs: Inputs, now: float) -> None:
        doors = [self.doors.to(each) for each in (self.destination, *self.destination.failover)]
        wait_s = min(door.wait_s(now) for door in doors)
        # Not all of them at once, when it opens.
        wait_s *= 1 + self.random() / 4
        self.failed_at.clear()
        if not self.failures:
            self.failures = 1
            self.listener.link_down(doors[0].why(), wait_s, False)
        self.timer = self.clock.callLater(wait_s, self.attempt, inputs)

    def _connect(self, inputs: Inputs) -> None:
        self.ears = ears = Ears(self, inputs)
        timeout_s = self.place.connect_timeout_s
        late = Ending(f"no connection within {timeout_s:g} s")
        try:
            attempt = self.prepare(self.place, self.url or self.place.url)
        except AttemptError as error:
            self.timer = self.clock.callLater(0, ears.closed, Ending(str(error)))
            return
        self.timer = self.clock.callLater(timeout_s, ears.closed, late)
        factory = ConnectionFactory(
            self.clock, attempt.handshake, ears, self.settings.connection, self.settings.user_agent
        )
        self.connecting = connecting = attempt.endpoint.connect(factory)
        connecting.addCallbacks(ears.connected, ears.unreachable)
        connecting.addErrback(self._log_fault)

    def forget(self, reason: str) -> None:
        """The attempt is over: hear no more of it, and leave nothing of it open."""
        timer, self.timer = self.timer, None
        if timer is not None and timer.active():
            timer.cancel()
        ears, self.ears = self.ears, None
        if ears is not None:
            ears.listening = False
        door, self.door = self.door, None
        if door is not None:
            door.leave()
        connecting, self.connecting = self.connecting, None
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.drop(reason)
        elif connecting is not None:
            connecting.cancel()

    def wait(self, inputs: Inputs, ending: Ending, delay_s: float) -> None:
        """Another attempt, later."""
        self.forget(ending.reason)
        self.timer = self.clock.callLater(delay_s, inputs.retry)
        self.listener.link_down(ending.reason, delay_s, ending.clean)

    def end(self, ending: Ending) -> None:
        """No other attempt."""
        self.forget(ending.reason)
        self.listener.link_down(ending.reason, None, ending.clean)

    def note_failure(self, ending: Ending) -> None:
        """An attempt, or a connection, is over; a failure where it came to no WebSocket."""
        if self.door is not None and self.opened_at is None:
            self.door.failed(self.clock.seconds(), ending.reason)
            self.failed_at.add(self.place.name)

    def back_off(self) -> float:
        """
        How long to wait after so many failures: full jitter, so that a crowd
        disperses. Not at all where there is another place that did not fail.
        """
        others = self._open_places(self.clock.seconds())
        if self.failed_at and any(each.name not in self.failed_at for each in others):
            return 0.0
        self.failed_at.clear()
        initial_s, max_s = self.destination.backoff_initial_s, self.destination.backoff_max_s
        # A consumer that accepts and drops us at once must not reset the wait.
        if self.opened_at is not None and self.clock.seconds() - self.opened_at >= max_s:
            self.failures = 0
        self.opened_at = None
        ceiling_s = min(max_s, initial_s * 2 ** min(self.failures, 30))
        self.failures += 1
        return float(ceiling_s * self.random())

    def is_final(self, ending: Ending) -> bool:
        """
        The consumer will not have us, now or later. A status can be a proxy's, or
        a mistake that is mended: where a stream can go elsewhere, or wait, it does.
        """
        patient = self.destination.spool or bool(self.destination.failover)
        return ending.code in self.settings.never_codes or (
            ending.status in self.settings.never_statuses and not patient
        )

    def redirect(self, url: str) -> None:
        """Where a draining consumer sends us, if it may: no other host, no less protection."""
        if may_redirect(self.place.url, url, self.settings.drain_hosts):
            self.url = url
        else:
            self.log.warn(
                "{destination} sends us where we may not go; it is tried where it was",
                destination=self.place.name,
            )

    def _log_fault(self, failure: Failure) -> None:
        self.log.failure(
            "A fault in the link to {destination}", failure, destination=self.place.name
        )


def may_redirect(configured: str, wanted: str, hosts: frozenset[str]) -> bool:
    """A WebSocket URL at the configured host, or at one of ``hosts``, and secure if that was."""
    try:
        here, there = urlsplit(configured), urlsplit(wanted)
        if there.port == 0 or there.fragment or there.username is not None:
            return False
    except ValueError:
        return False
    secure_enough = there.scheme == "wss" or (there.scheme == "ws" == here.scheme)
    return (
        secure_enough and there.hostname is not None and there.hostname in hosts | {here.hostname}
    )
