"""
A link: the way to one consumer, kept up through as many connections as it takes.

::

    idle ─open─► connecting ─TCP─► opening ─handshake─► open ─leave─► leaving
                   ▲    │             │                  │ │             │
                   │    └───failed────┼───────lost───────┘ └─close─► parting
                   │                  ▼                                │ │
                   └───time─── backing off ◄──────────over───(leaving)─┘ │
                                      closed ◄────────over───(parting)───┘

What the consumer will never agree to ends in *closed* from any of them. What an
attempt is, and where it goes, is in :mod:`.approach`.
"""

from __future__ import annotations

from collections.abc import Callable

from automat import TypeMachineBuilder, pep614
from twisted.internet.interfaces import IReactorTime

from ...dialects.base import Message
from ...plan import Destination
from .approach import Approach, Attempt, Inputs, Leaving, LinkListener, LinkSettings
from .doors import Doors
from .websocket import Connection, Ending


def _machine() -> Callable[[Approach], Inputs]:
    builder = TypeMachineBuilder(Inputs, Approach)
    idle = builder.state("idle")
    connecting = builder.state("connecting")
    opening = builder.state("opening")
    open_ = builder.state("open")
    leaving = builder.state("leaving")
    parting = builder.state("parting")
    backing_off = builder.state("backing off")
    closed = builder.state("closed")

    # Nothing to do, where a wish comes too late or twice:
    for state in (connecting, opening, open_, leaving, parting, backing_off, closed):
        state.upon(Inputs.open).loop().returns(None)
    for state in (idle, connecting, opening, leaving, parting, backing_off, closed):
        state.upon(Inputs.leave).loop().returns(None)
    for state in (parting, closed):
        state.upon(Inputs.close).loop().returns(None)
    idle.upon(Inputs.close).to(closed).returns(None)

    @pep614(backing_off.upon(Inputs.retry).to(connecting))
    @pep614(idle.upon(Inputs.open).to(connecting))
    def attempt(inputs: Inputs, core: Approach) -> None:
        core.attempt(inputs)

    @pep614(connecting.upon(Inputs.connected).to(opening))
    def remember(inputs: Inputs, core: Approach, connection: Connection) -> None:
        core.connection = connection

    @pep614(opening.upon(Inputs.opened).to(open_))
    def up(inputs: Inputs, core: Approach, subprotocol: str | None) -> None:
        if core.timer is not None:
            core.timer.cancel()
        core.timer = None
        core.opened_at = core.clock.seconds()
        core.failed_at.clear()
        if core.door is not None:
            core.door.opened(core.opened_at)
        core.listener.link_up(subprotocol)

    @pep614(connecting.upon(Inputs.failed).to(backing_off))
    @pep614(opening.upon(Inputs.failed).to(backing_off))
    @pep614(open_.upon(Inputs.failed).to(backing_off))
    def wait(inputs: Inputs, core: Approach, ending: Ending) -> None:
        if core.opened_at is None:
            # Where we were sent to is not there: back to where we know.
            core.url = None
        core.wait(inputs, ending, core.back_off())

    @pep614(connecting.upon(Inputs.refused).to(closed))
    @pep614(opening.upon(Inputs.refused).to(closed))
    @pep614(open_.upon(Inputs.refused).to(closed))
    @pep614(parting.upon(Inputs.failed).to(closed))
    @pep614(parting.upon(Inputs.refused).to(closed))
    def end(inputs: Inputs, core: Approach, ending: Ending) -> None:
        core.end(ending)

    @pep614(open_.upon(Inputs.leave).to(leaving))
    def leave(inputs: Inputs, core: Approach, leaving: Leaving) -> None:
        core.leaving = leaving
        if core.connection is not None:
            core.connection.leave(leaving.code, leaving.reason)

    @pep614(leaving.upon(Inputs.failed).to(backing_off))
    @pep614(leaving.upon(Inputs.refused).to(backing_off))
    def left(inputs: Inputs, core: Approach, ending: Ending) -> None:
        wish = core.leaving or Leaving(1000, "")
        if wish.url is not None:
            core.redirect(wish.url)
        after_s = core.back_off() if wish.after_s is None else wish.after_s
        core.opened_at = None
        delay_s = min(after_s, core.settings.max_after_s)
        core.wait(inputs, Ending(wish.reason, ending.clean, ending.code), delay_s)

    @pep614(open_.upon(Inputs.close).to(parting))
    def part(inputs: Inputs, core: Approach, code: int, reason: str) -> None:
        if core.connection is not None:
            core.connection.leave(code, reason)

    @pep614(leaving.upon(Inputs.close).to(closed))
    @pep614(connecting.upon(Inputs.close).to(closed))
    @pep614(opening.upon(Inputs.close).to(closed))
    @pep614(backing_off.upon(Inputs.close).to(closed))
    def abort(inputs: Inputs, core: Approach, code: int, reason: str) -> None:
        core.end(Ending(reason))

    return builder.build()


_make = _machine()


class Link:
    """
    The way to one consumer.

    :param prepare: makes an attempt at a destination, at a URL that may be
        another than its own: looks up secrets and certificates, each time anew.
        May raise :exc:`AttemptError`.
    :param random: a number from 0 to 1, for the jitter.
    :param doors: what the links of this process share.
    """

    def __init__(
        self,
        clock: IReactorTime,
        destination: Destination,
        prepare: Callable[[Destination, str], Attempt],
        random: Callable[[], float],
        listener: LinkListener,
        settings: LinkSettings | None = None,
        doors: Doors | None = None,
    ) -> None:
        self._core = Approach(
            clock,
            destination,
            prepare,
            random,
            listener,
            settings or LinkSettings(),
            doors or Doors(),
            destination,
        )
        self._inputs = _make(self._core)

    @property
    def place(self) -> Destination:
        """Where we are connected, or try to be."""
        return self._core.place

    def open(self) -> None:
        """Begin; once is enough."""
        self._inputs.open()

    def send(self, message: Message) -> None:
        """To the consumer; into the void where there is no connection."""
        if self._core.connection is not None:
            self._core.connection.send(message)

    def leave(self, leaving: Leaving) -> None:
        """Close this connection and make another."""
        self._inputs.leave(leaving)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close for good. Twice is once."""
        self._inputs.close(code, reason)
