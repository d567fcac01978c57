"""
The circuit of whoever all calls ask for something, a destination or a look-up: one
that is gone costs one attempt now and then, and not one a call::

    CLOSED ─too many failures─► OPEN ─some time─► HALF_OPEN ─it is back─► CLOSED
                                  ▲                  │
                                  └──────failed──────┘

What a failure is, the user says. For a destination it is an attempt that came to no
WebSocket, and not a connection that is lost: behind an address there may be many
consumers, of which one was restarted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

LOOK_S = 0.5
"While one tries for all, how often the others look whether it is through."


class State(Enum):
    """Whether it is tried."""

    CLOSED = "closed"
    "As ever: each call does."
    OPEN = "open"
    "Nobody tries."
    HALF_OPEN = "half-open"
    "One tries, for all."


class Input(Enum):
    """What moves it."""

    FAILED = "an attempt failed"
    TRIPPED = "one failed too many"
    SUCCEEDED = "an attempt came to something"
    BEGUN = "an attempt begins"


@dataclass(frozen=True, slots=True)
class CircuitSettings:
    """When a circuit opens, and for how long."""

    failures: int = 5
    "So many in a row open it; 0 for a circuit that never opens."
    open_s: float = 5.0
    "How long nobody tries; doubled each time that the one who tries then fails."
    open_max_s: float = 60.0
    probe_s: float = 5.0
    "How long the one who tries has for it; then another may."


_S, _I = State, Input

TABLE: Mapping[tuple[State, Input], tuple[State, str]] = {
    (_S.CLOSED, _I.FAILED): (_S.CLOSED, "count"),
    (_S.CLOSED, _I.TRIPPED): (_S.OPEN, "open"),
    (_S.CLOSED, _I.SUCCEEDED): (_S.CLOSED, "reset"),
    (_S.OPEN, _I.BEGUN): (_S.HALF_OPEN, "probe"),
    # An attempt that was under way when it opened:
    (_S.OPEN, _I.SUCCEEDED): (_S.CLOSED, "reset"),
    (_S.HALF_OPEN, _I.FAILED): (_S.OPEN, "open longer"),
    (_S.HALF_OPEN, _I.SUCCEEDED): (_S.CLOSED, "reset"),
    # Whoever was to try has gone without a result:
    (_S.HALF_OPEN, _I.BEGUN): (_S.HALF_OPEN, "probe"),
}
"State and input to state and action. What is not in it changes nothing."


class Circuit:
    """One destination's, or one look-up's."""

    def __init__(self, settings: CircuitSettings) -> None:
        self._settings = settings
        self.state = State.CLOSED
        self._failures = 0
        self._open_s = settings.open_s
        self._until = 0.0
        "When the next may try, where it is not closed."

    def wait_s(self, now: float) -> float:
        """How long to wait before asking again; 0 where one may try."""
        remaining_s = max(0.0, self._until - now)
        match self.state:
            case State.CLOSED:
                return 0.0
            case State.OPEN:
                return remaining_s
            case State.HALF_OPEN:
                return min(LOOK_S, remaining_s)

    def begin(self, now: float) -> None:
        """An attempt begins, after :meth:`wait_s` was 0."""
        self._fire(Input.BEGUN, now)

    def failed(self, now: float) -> bool:
        """It came to nothing. True where nobody tries from now on, and all did before."""
        tripped = self.state is State.CLOSED and 0 < self._settings.failures <= self._failures + 1
        self._fire(Input.TRIPPED if tripped else Input.FAILED, now)
        return tripped

    def succeeded(self, now: float) -> bool:
        """It came to something. True where all may try again, and could not before."""
        was_closed = self.state is State.CLOSED
        self._fire(Input.SUCCEEDED, now)
        return not was_closed

    def _fire(self, moved: Input, now: float) -> None:
        transition = TABLE.get((self.state, moved))
        if transition is not None:
            self.state, action = transition
            _ACTIONS[action](self, now)

    def _count(self, now: float) -> None:
        self._failures += 1

    def _reset(self, now: float) -> None:
        self._failures = 0
        self._open_s = self._settings.open_s

    def _open(self, now: float) -> None:
        self._until = now + self._open_s

    def _open_longer(self, now: float) -> None:
        self._open_s = min(self._settings.open_max_s, self._open_s * 2)
        self._open(now)

    def _probe(self, now: float) -> None:
        self._until = now + self._settings.probe_s


_ACTIONS: Mapping[str, Callable[[Circuit, float], None]] = {
    "count": Circuit._count,
    "reset": Circuit._reset,
    "open": Circuit._open,
    "open longer": Circuit._open_longer,
    "probe": Circuit._probe,
}
"The words of the table."
