"""
The calls that the media plane has: what recording sessions ask of it, what it answers,
and what it tells by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from ...plan import BridgePlan, BridgeUpdate, EndReason
from ...report import (
    BridgeClosed,
    BridgeFailed,
    BridgeOpened,
    HandshakeFailed,
    Report,
    StreamHeard,
    StreamSilent,
)
from ...routing.policy import Intake
from ...siprec import session as siprec
from ..media.media import Media, NoPorts
from ..sip.trace import SIPTrace
from ..sip.transport import SIPTransport
from .chronicle import Chronicle
from .desk import CallDesk, Directory
from .recording import Recording


@dataclass(frozen=True, slots=True)
class Limits:
    """How the server treats calls besides what the cores decide."""

    retry_after_s: int = 30
    "What an SRC is told that is refused while we drain."
    end_after_silence_s: float = 0.0
    "A call from none of whose active streams anything comes for so long is ended; 0 for never."


class BridgedCalls(CallDesk):
    """
    Has calls recorded by the media plane, until they end or it gives them up.

    :param captured: whether the packets of a call are written down, by its id.
    """

    def __init__(
        self,
        clock: IReactorTime,
        transport: SIPTransport,
        media: Media,
        intake: Intake,
        log: Chronicle,
        trace: SIPTrace,
        directory: Directory,
        limits: Limits,
        captured: Callable[[str], bool],
    ) -> None:
        super().__init__(clock, transport, media, intake, log, trace, directory)
        self._limits = limits
        self._captured = captured
        media.listen(self.reported)

    def change(self, limits: Limits) -> None:
        """From now on these hold."""
        self._limits = limits

    @property
    def _retry_after_s(self) -> int:
        return self._limits.retry_after_s

    # --- to the media plane -----------------------------------------------------------

    def _open(self, recording: Recording, plan: BridgePlan) -> None:
        if plan.half is not None:
            scope = f"{recording.reception.source}/{recording.tenant}"
            plan = replace(plan, half=replace(plan.half, scope=scope))
        self._log.began(recording, plan)
        recording.bridged = True
        recording.expect(plan.streams, plan.paused)
        self._bridges[plan.bridge] = recording
        opening = self._media.open(replace(plan, captured=self._captured(recording.id)))
        self._await(recording, opening)

    def _update(self, recording: Recording, update: BridgeUpdate) -> None:
        recording.expect(update.streams, update.paused)
        self._await(recording, self._media.update(update))

    def _await(self, recording: Recording, opening: Deferred[BridgeOpened]) -> None:
        opening.addCallbacks(partial(self._opened, recording), partial(self._failed, recording))
        opening.addErrback(self._log.fault, recording)

    def _opened(self, recording: Recording, opened: BridgeOpened) -> None:
        recording.session.bridge_opened(opened, self._clock.seconds())
        self._carry_out(recording)

    def _failed(self, recording: Recording, failure: Failure) -> None:
        if failure.check(NoPorts):
            status, reason = 503, failure.getErrorMessage()
        else:
            status, reason = 500, "the media plane failed"
            self._log.fault(failure, recording)
        if recording.session.state is siprec.State.OPENING:
            recording.bridged = False
        recording.session.bridge_failed(status, reason, self._clock.seconds())
        self._carry_out(recording)
        if not recording.bridged:
            self._forget(recording)

    def _close(self, recording: Recording, reason: EndReason) -> None:
        if not recording.bridged or recording.closing:
            return
        recording.closing = True
        recording.stop_silence_timer()
        closing = self._media.close(recording.id, reason)
        closing.addCallback(partial(self._closed, recording))
        closing.addErrback(self._log.fault, recording)
        closing.addBoth(lambda _: self._forget(recording))

    def _closed(self, recording: Recording, closed: BridgeClosed) -> None:
        self._log.closed(recording, closed)

    def _forget(self, recording: Recording) -> None:
        """Nothing of it is under way any more."""
        if self._recordings.pop(recording.dialog, None) is None:
            return
        recording.stop_silence_timer()
        recording.sleep()
        self._bridges.pop(recording.id, None)
        if recording.admitted:
            self._intake.leave(recording.reception.source, recording.tenant)
        self._log.forgotten(recording)
        if not self._recordings:
            waiting, self._idle = self._idle, []
            for each in waiting:
                each.callback(None)

    # --- from the media plane -------------------------------------------------------------

    def reported(self, report: Report) -> None:
        """What the media plane tells by itself."""
        recording = self._bridges.get(report.bridge)
        if recording is None:
            return
        self._log.reported(recording, report)
        match report:
            case StreamHeard(_, index):
                recording.silent.discard(index)
                recording.stop_silence_timer()
            case StreamSilent(_, index, silent_ms):
                recording.silent.add(index)
                self._watch_silence(recording, silent_ms / 1000)
            case HandshakeFailed(_, index, reason):
                recording.session.handshake_failed(index, reason)
                self._carry_out(recording)
            case BridgeFailed():
                self._hang_up(recording, EndReason.ERROR)

    def _watch_silence(self, recording: Recording, silent_s: float) -> None:
        """Where all of a call is silent, the SRC may be gone without a BYE."""
        limit_s = self._limits.end_after_silence_s
        if limit_s and recording.all_silent and recording.silence_timer is None:
            remaining_s = max(0.0, limit_s - silent_s)
            recording.silence_timer = self._clock.callLater(remaining_s, self._lost, recording)

    def _lost(self, recording: Recording) -> None:
        recording.silence_timer = None
        if recording.all_silent:
            self._log.ended(recording, "silent for too long (media.end_after_silence_s)")
            self._hang_up(recording, EndReason.SRC_LOST)
