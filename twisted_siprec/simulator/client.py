"""
A SIPREC client (SRC) for trials, tests and load: any number of simulated calls
over one way to the SRS, their audio sent by one tick.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from ..sip.events import Address
from ..sip.message import Request
from .client_call import SimulatedCall
from .client_plan import CallPlan, CallResult, ClientSettings, Unwatched, Watcher
from .dialog import ALLOW, respond
from .media_port import MediaPort, NoPortError, SocketPair
from .pacing import Pacer
from .wire import Message, Wire, WireError, open_wire


def hex_token(digits: int) -> str:
    """That many random hex digits."""
    return secrets.token_hex((digits + 1) // 2)[:digits]


class RecordingClient:
    """
    The SRC. Calls are made one by one or all at once; each has a result of its
    own, and none of them fails.

    :param open_port: makes the ports of a stream on a local address.
    :param token: gives that many random hex digits.
    """

    def __init__(
        self,
        reactor: Any,
        settings: ClientSettings,
        *,
        watcher: Watcher | None = None,
        open_port: Callable[[str], MediaPort] = SocketPair,
        token: Callable[[int], str] = hex_token,
        monotonic: Callable[[], float] = time.monotonic,
        wallclock: Callable[[], float] = time.time,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._watcher: Watcher = watcher or Unwatched()
        self._open_port = open_port
        self._token = token
        self._wallclock = wallclock
        self.pacer = Pacer(reactor, monotonic)
        self._wire: Wire | None = None
        self._opening: Deferred[None] | None = None
        self._calls: dict[str, SimulatedCall] = {}
        "By Call-ID; those that are over stay while late messages may come."
        self._running: set[Deferred[CallResult]] = set()

    def call(self, plan: CallPlan) -> Deferred[CallResult]:
        """Make a call; fires when it is over, and never fails."""
        result = Deferred.fromCoroutine(self._call(plan))
        if not result.called:
            self._running.add(result)
            result.addBoth(self._ended, result)
        return result

    async def close(self) -> None:
        """End all calls, and wait for their ends as long as the settings say."""
        for call in list(self._calls.values()):
            call.hang_up()
        if self._running:
            timer = self._reactor.callLater(self._settings.end_timeout_s, self._give_up)
            await DeferredList(list(self._running))
            if timer.active():
                timer.cancel()
        for call in self._calls.values():
            call.close()
        self._calls.clear()
        self.pacer.stop()
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    # --- the wire's listener ----------------------------------------------------------

    def received(self, message: Message, source: Address) -> None:
        """A message of the SRS."""
        call = self._calls.get(message.call_id or "")
        if call is not None:
            call.received(message, source)
        elif isinstance(message, Request) and message.method != "ACK" and self._wire is not None:
            status = 200 if message.method == "OPTIONS" else 481
            fields = (("Allow", ALLOW), ("Accept", "application/sdp"))
            self._wire.send(bytes(respond(message, status, fields)), source)

    def lost(self, reason: str) -> None:
        """The way to the SRS is gone; another call opens another one."""
        self._wire = None
        for call in list(self._calls.values()):
            call.lost(reason)

    def traced(self, outgoing: bool, octets: bytes, peer: Address) -> None:
        """A message, for whoever watches."""
        self._watcher.traced(outgoing, octets, peer)

    # --- calls ------------------------------------------------------------------------

    async def _call(self, plan: CallPlan) -> CallResult:
        ports: list[MediaPort] = []
        try:
            wire = await self._opened()
            for _ in plan.streams:
                ports.append(self._open_port(wire.local[0]))
        except (WireError, NoPortError) as error:
            for port in ports:
                port.close()
            result = CallResult("", str(error))
            self._watcher.ended(result)
            return result
        call = SimulatedCall(
            self._reactor,
            self._settings,
            plan,
            wire,
            tuple(ports),
            self.pacer,
            self._watcher,
            self._token,
            self._wallclock,
        )
        self._forget()
        self._calls[call.call_id] = call
        return await call.run()

    async def _opened(self) -> Wire:
        """The wire, which is opened once for all calls that want it."""
        while self._wire is None:
            if self._opening is None:
                self._opening = Deferred()
                opening = self._opening
                try:
                    self._wire = await open_wire(
                        self._reactor,
                        self._settings.target,
                        self,
                        local=self._settings.local,
                        tls=self._settings.tls,
                    )
                finally:
                    self._opening = None
                    opening.callback(None)
            else:
                turn: Deferred[None] = Deferred()
                self._opening.chainDeferred(turn)
                await turn
        return self._wire

    def _give_up(self) -> None:
        for call in list(self._calls.values()):
            call.lost("no answer in time")

    def _forget(self) -> None:
        """Drop the calls of which nothing can come any more."""
        for call_id in [key for key, call in self._calls.items() if call.idle]:
            del self._calls[call_id]

    def _ended(self, result: Any, deferred: Deferred[CallResult]) -> Any:
        self._running.discard(deferred)
        return result
