"""
One simulated call from its INVITE to the end of its BYE: joins the user agent,
the streams and the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from ..net.driver import Driver
from ..sip.events import Address, Transport
from .advice import advice
from .agent import CallAgent
from .agent_events import (
    Answered,
    Caller,
    Ended,
    Output,
    Progressed,
    Purpose,
    Reoffered,
    Transmit,
)
from .client_plan import CallPlan, CallResult, ClientSettings, Watcher
from .client_streams import CallStreams
from .media_port import MediaPort
from .offer import (
    AnswerError,
    SessionOffer,
    answered_direction,
    multipart,
)
from .offer_metadata import metadata
from .pacing import Pacer
from .wire import Message, Wire, sent_by

_REPORT_EVERY_S = 5.0
_HINT_AFTER_S = 3.0
_GLARE_WAIT_S = (2.1, 4.0)
"How long the owner of the Call-ID waits after a 491 (:rfc:`3261#section-14.1`)."
_GLARE_ATTEMPTS = 4
_LATE_S = 0.02
"How often it is looked whether packets that are late have gone out."
_ENDING_S = 60.0
"Longer than any transaction: the user agent ends the wait."


class CallError(Exception):
    """The call did not go as it should; the words say why and what to do."""


class SimulatedCall:
    """
    A call that sends its audio to the SRS.

    :param ports: one for each stream; they are closed at the end.
    :param token: gives that many random hex digits.
    """

    def __init__(
        self,
        clock: IReactorTime,
        settings: ClientSettings,
        plan: CallPlan,
        wire: Wire,
        ports: tuple[MediaPort, ...],
        pacer: Pacer,
        watcher: Watcher,
        token: Callable[[int], str],
        wallclock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._plan = plan
        self._wire = wire
        self._pacer = pacer
        self._watcher = watcher
        self._token = token
        self._wallclock = wallclock
        self._random = Random(plan.seed)  # noqa: S311 - a test signal, no secret
        self._streams = CallStreams(plan, ports, pacer, self._random, clock)
        self._offer = SessionOffer(
            wire.local[0], self._random.getrandbits(31), self._streams.offered
        )
        self._agent = CallAgent(self._caller(), token, self._describe, settings.timers)
        self._driver = Driver(self._agent, clock, self._happened)
        self._awaited: dict[Purpose, Deferred[Answered]] = {}
        self._sleeping: Deferred[None] | None = None
        self._ending = False
        "Somebody wants the call to end now."
        self._tasks: list[Deferred[None]] = []
        self._status = 0
        self._answer_s: float | None = None
        self._started_at: float | None = None
        self._sent_s = 0.0
        self._ended: Ended | None = None
        self._held = False
        self._trouble: str | None = None
        "What went wrong without ending the call."

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self._agent.call_id

    @property
    def idle(self) -> bool:
        """Nothing can come of it any more, not even a retransmission."""
        return self._agent.ended and self._agent.next_deadline() is None

    def received(self, message: Message, source: Address) -> None:
        """A message with our Call-ID."""
        self._driver.attempt(self._agent.receive, message, source)

    def lost(self, reason: str) -> None:
        """The way to the SRS is gone."""
        self._driver.run(self._agent.unreachable, reason)

    def hang_up(self) -> None:
        """End it now."""
        self._ending = True
        if self._started_at is None:
            self._driver.run(self._agent.hang_up)
        self._wake()

    def close(self) -> None:
        """Answer nothing any more, not even retransmissions."""
        self._driver.stop()

    async def run(self) -> CallResult:
        """The whole of it. Never fails."""
        error: str | None = None
        try:
            await self._begin()
            await self._talk()
            await self._finish()
        except CallError as failure:
            error = str(failure)
        finally:
            self._streams.close()
        result = self._result(error)
        self._watcher.ended(result)
        return result

    # --- the course of a call --------------------------------------------------------

    async def _begin(self) -> None:
        plan = self._plan
        described = plan.metadata
        if described is None and plan.described:
            labels = tuple(stream.label for stream in self._offer.streams)
            described = metadata(plan.parties, labels, self._token, self._wallclock())
        body, content_type = multipart(
            bytes(self._offer), described if plan.described else None, f"part-{self._token(16)}"
        )
        self._task(self._hint())
        began = self._pacer.now()
        answer = self._await(Purpose.CALL)
        self._driver.run(self._agent.invite, body, content_type)
        answered = await answer
        self._answer_s = self._pacer.now() - began
        self._status = answered.status
        target = self._settings.target
        if not 200 <= answered.status < 300:
            raise CallError(advice(answered, target, self._wire.local[0]))
        try:
            await self._streams.start(answered.body)
        except AnswerError as failure:
            await self._finish()
            raise CallError(f"200, but {failure}") from failure
        self._watcher.answered(self.call_id, self._answer_s, self._streams.results())

    async def _talk(self) -> None:
        """Send, until all is sent or somebody ends it."""
        started_at = self._started_at = self._pacer.now()
        if self._plan.hold_at_s is not None:
            self._task(self._hold(self._plan.hold_at_s, self._plan.hold_for_s))
        if self._plan.reports:
            self._task(self._report())
        await self._sleep(self._plan.seconds)
        while not (self._ended or self._ending or self._streams.all_sent):
            await self._sleep(_LATE_S)
        self._sent_s = self._pacer.now() - started_at
        self._streams.stop()

    async def _finish(self) -> None:
        """BYE, and its answer."""
        self._cancel_tasks()
        if self._ended is not None:
            return
        answer = self._await(Purpose.BYE)
        self._driver.run(self._agent.hang_up)
        while self._ended is None:
            await self._sleep(_ENDING_S)
        if answer.called:
            answered = await answer
            if not 200 <= answered.status < 300:
                raise CallError("BYE: " + f"{answered.status or ''} {answered.reason}".strip())

    async def _hold(self, at_s: float, for_s: float) -> None:
        """Put the call on hold, and resume it (:rfc:`7866#section-7.1.1.1`)."""
        await deferLater(self._clock, at_s, lambda: None)
        self._streams.hold()
        self._set_held(True)
        await self._change("inactive")
        await deferLater(self._clock, for_s, lambda: None)
        answered = await self._change("sendonly")
        if answered is not None:
            self._streams.resume(answered)
            self._set_held(False)

    async def _change(self, direction: str) -> bytes | None:
        """Re-INVITE with this direction; the SRS's answer, None where it refused."""
        for _ in range(_GLARE_ATTEMPTS):
            if self._agent.changeable:
                offer = self._offer.changed(direction)
                answer = self._await(Purpose.CHANGE)
                self._driver.run(self._agent.reinvite, bytes(offer))
                answered = await answer
                if 200 <= answered.status < 300:
                    self._offer = offer
                    return answered.body
                if answered.status != 491:
                    self._trouble = f"re-INVITE: {answered.status} {answered.reason}"
                    return None
            wait_s = self._random.uniform(*_GLARE_WAIT_S)
            await deferLater(self._clock, wait_s, lambda: None)
        self._trouble = "re-INVITE: refused again and again (491)"
        return None

    async def _report(self) -> None:
        """Sender reports, at fixed times: a simulated source has no bandwidth to share."""
        while True:
            self._streams.report(self._wallclock(), self.call_id)
            await deferLater(self._clock, _REPORT_EVERY_S, lambda: None)

    # --- what the agent says ------------------------------------------------------------

    def _happened(self, output: Output) -> None:
        match output:
            case Transmit():
                self._wire.send(output.octets, output.destination)
            case Answered():
                awaited = self._awaited.pop(output.purpose, None)
                if awaited is not None:
                    awaited.callback(output)
            case Reoffered():
                self._reoffered(output.body)
            case Ended():
                self._ended = output
                self._wake()
            case Progressed():
                pass

    def _describe(self, offer: bytes) -> bytes:
        """Our SDP for an offer of the SRS, which may want us to pause or to go on."""
        if offer:
            direction = "inactive" if self._held else answered_direction(offer)
            self._offer = self._offer.changed(direction)
        return bytes(self._offer)

    def _reoffered(self, offer: bytes) -> None:
        if self._offer.direction == "inactive":
            self._streams.hold()
        else:
            self._streams.resume(offer)

    def _set_held(self, held: bool) -> None:
        self._held = held
        self._watcher.held(self.call_id, held)

    # --- waiting ---------------------------------------------------------------------------

    def _await(self, purpose: Purpose) -> Deferred[Answered]:
        answer: Deferred[Answered] = Deferred()
        self._awaited[purpose] = answer
        return answer

    async def _sleep(self, seconds: float) -> None:
        """Until then, or until the call is to end, or has ended."""
        self._sleeping = Deferred()
        call = self._clock.callLater(seconds, self._wake)
        try:
            await self._sleeping
        finally:
            if call.active():
                call.cancel()

    def _wake(self) -> None:
        sleeping, self._sleeping = self._sleeping, None
        if sleeping is not None:
            sleeping.callback(None)

    def _task(self, work: Coroutine[Deferred[None], Any, None]) -> None:
        task = Deferred.fromCoroutine(work)
        task.addErrback(_unless_cancelled)
        self._tasks.append(task)

    def _cancel_tasks(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()

    async def _hint(self) -> None:
        """Tell of silence early, since the end of waiting is long after."""
        await deferLater(self._clock, _HINT_AFTER_S, lambda: None)
        if not self._status and self._ended is None:
            self._watcher.waiting(self.call_id, _HINT_AFTER_S)

    # --- the account ------------------------------------------------------------------------

    def _caller(self) -> Caller:
        plan, target, wire = self._plan, self._settings.target, self._wire
        transport = target.transport
        parameter = "" if transport is Transport.UDP else f";transport={transport.value.lower()}"
        return Caller(
            target=target.uri,
            from_=f"<{plan.caller}>",
            to=f"<{plan.called or target.uri}>",
            contact=f"sip:src@{sent_by(wire.local)}{parameter}",
            transport=transport,
            sent_by=sent_by(wire.local),
            user_agent=self._settings.user_agent,
            headers=plan.headers,
            credentials=self._settings.credentials,
        )

    def _result(self, error: str | None) -> CallResult:
        ended = self._ended
        by_srs = ended.reason if ended is not None and ended.by_peer else None
        early = by_srs is not None and self._sent_s < self._plan.seconds
        error = error or self._trouble or self._streams.trouble
        if error is None and early:
            error = f"the SRS ended the call after {self._sent_s:.1f} s: {by_srs}"
        return CallResult(
            self.call_id,
            error,
            self._status,
            self._answer_s,
            self._sent_s,
            self._streams.results(),
            by_srs,
        )


def _unless_cancelled(failure: Failure) -> None:
    failure.trap(CancelledError)
