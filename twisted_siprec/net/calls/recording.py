"""
One recording session in the shell: its core, and what else is under way for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ...errors import RemoteError
from ...participants import Description
from ...plan import Destination, StreamPlan
from ...siprec import session as siprec
from .calls import CallSummary, Value

Fields = tuple[tuple[str, str], ...]
"Header fields: names and values."
Question = Callable[[], Deferred[siprec.Routed | RemoteError]]
"Asks somebody where a call goes."


def _nobody(description: Description, fields: Fields) -> str:
    """There are no tenants."""
    return ""


@dataclass(frozen=True, slots=True)
class Reception:
    """What applies to the calls of one SRC."""

    source: str
    "The name of the source in the configuration."
    policy: siprec.SessionPolicy
    route: Callable[[Description, Fields], siprec.RouteAnswer | Question]
    "Given what is known of the call, and the header fields of its INVITE."
    whose: Callable[[Description, Fields], str] = _nobody
    "The name of the tenant whose call it is; empty for nobody's."


class Recording:
    """A recording session while it lasts."""

    def __init__(
        self,
        session: siprec.RecordingSession,
        dialog: str,
        call_id: str,
        reception: Reception,
        began: float,
        started_at: float,
    ) -> None:
        self.session = session
        self.dialog = dialog
        self.call_id = call_id
        self.reception = reception
        self.began = began
        self.started_at = started_at
        self.fields: Fields = ()
        "The header fields of its INVITE, until it is routed."
        self.question: Question | None = None
        "What is to be asked before there is a route."
        self.tenant = ""
        "Whose call it is; empty for nobody's."
        self.consumers: tuple[Destination, ...] = ()
        self.copies = 0
        "How often the operator has sent it somewhere else besides."
        self.answered = False
        "Its INVITE got a 200."
        self.admitted = False
        "It counts against the limit of calls."
        self.bridged = False
        "The media plane was asked to open a bridge for it."
        self.closing = False
        self.expected: frozenset[int] = frozenset()
        "The streams on which something should come."
        self.silent: set[int] = set()
        self.silence_timer: IDelayedCall | None = None
        self.asking = False
        "A re-INVITE that its recording session wants is on its way."
        self._wake_up: IDelayedCall | None = None
        self._shown_state = session.state

    @property
    def state(self) -> str:
        """Where the recording session stands, in a word."""
        return self.session.state.name.lower()

    @property
    def moved(self) -> bool:
        """It stands elsewhere than when this was asked last."""
        before, self._shown_state = self._shown_state, self.session.state
        return before is not self._shown_state

    @property
    def id(self) -> str:
        """The recording session's id, which is the bridge's."""
        return self.session.identity

    @property
    def all_silent(self) -> bool:
        """Something should come, and nothing does."""
        return bool(self.expected) and self.expected <= self.silent

    @property
    def destinations(self) -> tuple[str, ...]:
        """The names of those that it goes to."""
        return tuple(destination.name for destination in self.consumers)

    def goes_to(self, destinations: tuple[Destination, ...]) -> None:
        """It has a route, or another one."""
        self.consumers = destinations

    def expect(self, streams: tuple[StreamPlan, ...], paused: bool) -> None:
        """These are the streams from now on."""
        self.expected = frozenset(
            stream.index for stream in streams if stream.active and not paused
        )
        self.silent &= self.expected

    def stop_silence_timer(self) -> None:
        """Something was heard, or the call is over."""
        timer, self.silence_timer = self.silence_timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def wake(self, clock: IReactorTime, expire: Callable[[Recording], None]) -> None:
        """Have ``expire`` called when its recording session has something to do by itself."""
        self.sleep()
        deadline = self.session.next_deadline()
        if deadline is not None:
            delay_s = max(0.0, deadline - clock.seconds())
            self._wake_up = clock.callLater(delay_s, expire, self)

    def sleep(self) -> None:
        """It is woken up no more."""
        timer, self._wake_up = self._wake_up, None
        if timer is not None and timer.active():
            timer.cancel()

    def summary(self, now: float) -> CallSummary:
        """The call on one line."""
        description = self.session.description
        return CallSummary(
            id=self.id,
            call_id=self.call_id,
            state=self.state,
            seconds=int(now - self.began),
            calling=description.caller,
            called=description.called,
            source=self.reception.source,
            destinations=self.destinations,
            warnings=len(description.warnings),
            tenant=self.tenant,
        )

    def details(self, now: float) -> dict[str, Value]:
        """All that is known of the call."""
        description = self.session.description
        details: dict[str, Value] = {
            "id": self.id,
            "Call-ID": self.call_id,
            "state": self.state,
            "seconds": int(now - self.began),
            "source": self.reception.source,
            **({"tenant": self.tenant} if self.tenant else {}),
            "calling": description.caller,
            "called": description.called,
            "destinations": ", ".join(self.destinations),
            "metadata revision": description.revision,
        }
        for participant in description.participants:
            details[f"participant {participant.id}"] = " ".join(
                part for part in (participant.name, participant.aor) if part
            )
        for stream in description.streams:
            details[f"stream {stream.label or stream.id}"] = f"sent by {', '.join(stream.sent_by)}"
        details.update(description.extensions)
        for code, text in description.warnings:
            details[f"warning {code}"] = text
        return details
