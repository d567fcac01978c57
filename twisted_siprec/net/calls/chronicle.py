"""
The chronicle: whatever happens to a call is written in the log, and told to
whoever listens.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.python.failure import Failure

from ...plan import BridgePlan
from ...report import BridgeClosed, Report
from ...sip import events as sip
from .events import (
    CallAnswered,
    CallBegan,
    CallClosed,
    CallDescribed,
    CallEnded,
    CallEvent,
    CallForgotten,
    CallListener,
    CallMoved,
    CallOffered,
    CallRedirected,
    CallRefused,
    CallReported,
    CallWarned,
    Discarded,
    Faulted,
)
from .log import CallLog, source_text
from .recording import Recording


class Chronicle:
    """
    Tells what happens. A listener that fails costs nobody but itself.

    :param wall: the wall clock in POSIX seconds.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._log = CallLog()
        self._listeners: list[CallListener] = []
        self.counters = self._log.counters

    def listen(self, listener: CallListener) -> None:
        """Every event from now on goes to ``listener`` too."""
        self._listeners.append(listener)

    def _tell(self, event: CallEvent) -> None:
        wall = self._wall()
        for listener in self._listeners:
            try:
                listener(event, wall)
            except Exception:  # noqa: BLE001 - a listener's fault is not the call's
                self._log.fault(Failure(), type(event).__name__)

    # --- signalling -----------------------------------------------------------------

    def offered(self, recording: Recording) -> None:
        """An INVITE came from a source that may send calls."""
        self._tell(CallOffered(recording.id, recording.call_id, recording.reception.source))

    def refused(self, refused: CallRefused) -> None:
        """A request got an error."""
        self._log.refused(
            refused.call_id, refused.method, refused.peer, refused.status, refused.reason
        )
        self._tell(refused)

    def refused_by_core(self, refused: sip.Refused) -> None:
        """The SIP core answered a request with an error by itself."""
        peer = source_text(refused.flow)
        self.refused(
            CallRefused(refused.call_id, refused.method, None, peer, refused.status, refused.reason)
        )

    def discarded(self, discarded: sip.Discarded) -> None:
        """Octets got no answer."""
        self._log.discarded(discarded)
        self._tell(Discarded(discarded.reason))

    def request_answered(self, recording: Recording | None, answered: sip.Answered) -> None:
        """A request of ours got its answer."""
        self._log.answered(recording.call_id if recording else "-", answered)

    def began(self, recording: Recording, plan: BridgePlan) -> None:
        """A call is going to be recorded."""
        source, destinations = recording.reception.source, recording.destinations
        tenant = recording.tenant
        self._log.began(recording.call_id, source, plan, destinations, tenant)
        self._tell(CallBegan(recording.id, recording.call_id, source, destinations, plan, tenant))

    def redirected(self, recording: Recording) -> None:
        """An operator has it sent to other destinations than before."""
        self._log.redirected(recording.call_id, recording.destinations)
        self._tell(CallRedirected(recording.id, recording.destinations))

    def accepted(self, recording: Recording, now: float) -> None:
        """A request of a call got its 200; the first of them is that of the INVITE."""
        if not recording.answered:
            recording.answered = True
            self._tell(CallAnswered(recording.id, now - recording.began))

    def described(self, recording: Recording) -> None:
        """What is known of a call changed."""
        description = recording.session.description
        if recording.bridged and recording.session.state.live:
            self._log.described(recording.call_id, description)
        self._tell(CallDescribed(recording.id, description, recording.session.metadata_text))

    def warned(self, recording: Recording, code: str, text: str) -> None:
        """Something was odd in what the SRC sent."""
        self._log.warned(recording.call_id, code, text)
        self._tell(CallWarned(recording.id, code, text))

    def stands(self, recording: Recording) -> None:
        """A recording session may be in another state than before."""
        if recording.moved:
            self._tell(CallMoved(recording.id, recording.state))

    def ended(self, recording: Recording, why: str) -> None:
        """The dialog of a call is over."""
        self._log.ended(recording.call_id, why)
        self._tell(CallEnded(recording.id, why))

    def forgotten(self, recording: Recording) -> None:
        """Nothing of a call is under way any more."""
        self.stands(recording)
        self._tell(CallForgotten(recording.id))

    # --- media ----------------------------------------------------------------------

    def reported(self, recording: Recording, report: Report) -> None:
        """What the media plane tells by itself."""
        self._log.reported(recording.call_id, report)
        self._tell(CallReported(recording.id, report))

    def closed(self, recording: Recording, closed: BridgeClosed) -> None:
        """The account of a call."""
        self._log.closed(recording.call_id, closed)
        self._tell(CallClosed(recording.id, recording.reception.source, closed))

    # --- faults ---------------------------------------------------------------------

    def fault(self, failure: Failure, recording: Recording) -> None:
        """A mistake of ours, which costs this call only."""
        self._log.fault(failure, recording.call_id)
        self._tell(Faulted(recording.call_id))
