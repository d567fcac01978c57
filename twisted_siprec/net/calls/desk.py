"""
The calls in progress, and what an operator can do about them: look, steer, end,
drain.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ...plan import Destination, EndReason, Redirection
from ...report import StreamStatistics
from ...routing.policy import Intake
from ...sip import events as sip
from ...siprec import session as siprec
from ..media.media import Media
from ..media.outlet import Tap
from ..sip.trace import SIPTrace
from ..sip.transport import SIPTransport
from .calls import CallSummary, Copying, Value
from .chronicle import Chronicle
from .events import CallListener
from .recording import Recording

MOST_COPIES = 64
"So often a call can be sent somewhere else besides: each time costs it an account."

Directory = Callable[[str, str], Destination | None]
"A configured destination by its name, for the calls of a tenant."


class CallDesk(ABC):
    """
    Keeps the calls in progress, by dialog and by id, for those who look on.
    :class:`~.recording_server.RecordingServer` is the one that takes them.
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
    ) -> None:
        self._clock = clock
        self._transport = transport
        self._media = media
        self._intake = intake
        self._log = log
        self._trace = trace
        self._directory = directory
        self._recordings: dict[str, Recording] = {}
        "By dialog."
        self._bridges: dict[str, Recording] = {}
        "By id, those that are received."
        self._idle: list[Deferred[None]] = []
        self._counted: list[Callable[[], Mapping[str, int]]] = []

    @property
    @abstractmethod
    def _retry_after_s(self) -> int:
        """What an SRC is told that is refused while we drain."""

    @abstractmethod
    def _carry_out(self, recording: Recording) -> None:
        """Do what a recording session wants."""

    @abstractmethod
    def _hang_up(self, recording: Recording, reason: EndReason) -> None:
        """End a call."""

    def calls(self) -> list[CallSummary]:
        """The calls in progress, the oldest first."""
        now = self._clock.seconds()
        return [recording.summary(now) for recording in self._recordings.values()]

    def call(self, id: str) -> Mapping[str, Value]:
        """Everything about one call."""
        recording = self._bridges.get(id)
        return recording.details(self._clock.seconds()) if recording is not None else {}

    def hang_up(self, id: str) -> bool:
        """End a call."""
        recording = self._bridges.get(id)
        if recording is not None:
            self._hang_up(recording, EndReason.OPERATOR)
        return recording is not None

    def hang_up_all(self, reason: EndReason) -> None:
        """End all calls."""
        for recording in list(self._recordings.values()):
            self._hang_up(recording, reason)

    def pause(self, id: str) -> bool:
        """Record nothing of a call until it is resumed; False where there is no such call."""
        return self._steer(id, siprec.RecordingSession.pause)

    def resume(self, id: str) -> bool:
        """Record a call again, unless its SRC has paused it too."""
        return self._steer(id, siprec.RecordingSession.resume)

    def drop(self, id: str, index: int) -> bool:
        """
        Have the SRC close one stream of a call, by the place of its m-line. False where
        there is no such stream, or the SRC is known to take no re-INVITE.
        """
        recording = self._bridges.get(id)
        if recording is None or recording.closing:
            return False
        dropping = recording.session.drop(index, self._clock.seconds())
        self._carry_out(recording)
        return dropping

    def copy(self, id: str, destination: str) -> Copying:
        """From now on send a call to a destination too, by its name."""
        recording = self._going_on(id)
        if recording is None:
            return Copying.NO_CALL
        if destination in recording.destinations:
            return Copying.ALREADY
        if recording.copies >= MOST_COPIES:
            return Copying.TOO_OFTEN
        further = self._directory(destination, recording.tenant)
        if further is None:
            return Copying.NO_DESTINATION
        recording.copies += 1
        self._redirect(recording, (*recording.consumers, further))
        return Copying.DONE

    def uncopy(self, id: str, destination: str) -> Copying:
        """Send a call to one of its destinations no more."""
        recording = self._going_on(id)
        if recording is None:
            return Copying.NO_CALL
        if destination not in recording.destinations:
            return Copying.NOT_THERE
        if len(recording.consumers) == 1:
            return Copying.LAST
        rest = tuple(each for each in recording.consumers if each.name != destination)
        self._redirect(recording, rest)
        return Copying.DONE

    def _going_on(self, id: str) -> Recording | None:
        recording = self._bridges.get(id)
        return None if recording is None or recording.closing else recording

    def _redirect(self, recording: Recording, destinations: tuple[Destination, ...]) -> None:
        recording.goes_to(destinations)
        self._log.redirected(recording)
        redirecting = self._media.redirect(Redirection(recording.id, destinations))
        redirecting.addErrback(self._log.fault, recording)

    def _steer(self, id: str, tell: Callable[[siprec.RecordingSession, float], None]) -> bool:
        recording = self._going_on(id)
        if recording is None:
            return False
        tell(recording.session, self._clock.seconds())
        self._carry_out(recording)
        return True

    def streams(self, id: str) -> tuple[StreamStatistics, ...]:
        """What came so far on the streams of a call; nothing where it is not received."""
        return self._media.statistics(id)

    def waiting(self) -> Mapping[str, float]:
        """By destination, the seconds of audio that are not handed over yet."""
        return self._media.waiting()

    def tap(self, id: str, tap: Tap) -> Callable[[], None]:
        """Show what the consumers of a call get; call the result to show no more."""
        return self._media.tap(id, tap)

    def drain(self) -> None:
        """Take no new call; those in progress go on."""
        self._intake.drain()
        self._transport.drain(self._retry_after_s)

    def idle(self) -> Deferred[None]:
        """Fires when no call is in progress."""
        waiting: Deferred[None] = Deferred()
        if self._recordings:
            self._idle.append(waiting)
        else:
            waiting.callback(None)
        return waiting

    def statistics(self) -> Mapping[str, Value]:
        """The counters of the server."""
        return {
            "calls in progress": len(self._recordings),
            "draining": self._intake.draining,
            "connections": self._transport.connections,
            **dict(sorted(self._log.counters.items())),
            **{name: count for counters in self._counted for name, count in counters().items()},
        }

    def count(self, counters: Callable[[], Mapping[str, int]]) -> None:
        """Show these among the counters of the server."""
        self._counted.append(counters)

    def trace(self, pattern: str, write: Callable[[str], None]) -> Callable[[], None]:
        """Show SIP messages; call the result to stop."""
        return self._trace.watch(pattern, write)

    def trace_to_log(self, word: str, on: bool) -> bool:
        """
        Log SIP messages, or no more; False where they were not logged.

        :raises TooManyTraces: see :meth:`~..sip.trace.SIPTrace.log`.
        """
        if not on:
            return self._trace.log_no_more(word)
        self._trace.log(word)
        return True

    def traces(self) -> Sequence[str]:
        """The words whose SIP messages are logged."""
        return self._trace.logged

    def watch(self, listener: CallListener) -> None:
        """Every event of every call from now on goes to ``listener`` too."""
        self._log.listen(listener)

    def trace_all(self, listener: Callable[[sip.Traced], None]) -> None:
        """Every SIP message from now on goes to ``listener``."""
        self._trace.listen(listener)

    def confide(self, listener: Callable[[sip.Traced], None]) -> None:
        """The same with the keys of SRTP, which the listener must show nobody."""
        self._trace.confide(listener)
