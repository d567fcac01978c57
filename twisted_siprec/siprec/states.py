"""
The states of a recording session::

                  Routing
              ASK ↗     ↘ OPEN
    Offered ──OPEN──► Opening ──READY──► Recording ◄─PAUSE/RESUME─► Paused
       │                 │                   │                        │
       └────REFUSED──► Ended ◄──FAILED/OVER──┴──────── OVER ──────────┤
                         ▲                                         HANG_UP
                         └───────────── OVER ── Ending ◄──────────────┘

Recording and Paused take the same inputs; Routing ends as Opening does.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """Where a recording session stands."""

    OFFERED = "offered"
    ROUTING = "routing"
    OPENING = "opening"
    RECORDING = "recording"
    PAUSED = "paused"
    ENDING = "ending"
    ENDED = "ended"

    @property
    def pending(self) -> bool:
        """The INVITE has no answer yet."""
        return self in (State.ROUTING, State.OPENING)

    @property
    def live(self) -> bool:
        """There is a dialog, and a bridge of known ports."""
        return self in (State.RECORDING, State.PAUSED)


class Input(Enum):
    """What happens to it."""

    ASK = auto()
    "The INVITE can be recorded; where the call goes is asked for."
    OPEN = auto()
    "The INVITE can be recorded; ports are asked for."
    REFUSED = auto()
    "The INVITE cannot be recorded, or must not."
    READY = auto()
    "Ports are bound; the INVITE is accepted."
    FAILED = auto()
    "There are no ports."
    PAUSE = auto()
    RESUME = auto()
    HANG_UP = auto()
    "We end it."
    OVER = auto()
    "The dialog is gone."


class Action(Enum):
    """What is to be done on the way from one state to another."""

    REFUSE_FIRST = auto()
    "Answer the INVITE that is still open: a BYE of ours may not come before its 200."
    DROP_WAITING = auto()
    "Forget requests that wait for a route or ports; the dialog that they came in is gone."
    SEND_BYE = auto()
    CLOSE_BRIDGE = auto()


_CLOSE = (Action.DROP_WAITING, Action.CLOSE_BRIDGE)
_HANG_UP = (Action.DROP_WAITING, Action.SEND_BYE, Action.CLOSE_BRIDGE)

TABLE: dict[tuple[State, Input], tuple[State, tuple[Action, ...]]] = {
    (State.OFFERED, Input.OPEN): (State.OPENING, ()),
    (State.OFFERED, Input.REFUSED): (State.ENDED, ()),
    (State.OFFERED, Input.HANG_UP): (State.ENDED, ()),
    (State.OFFERED, Input.OVER): (State.ENDED, ()),
    (State.OFFERED, Input.ASK): (State.ROUTING, ()),
    (State.ROUTING, Input.OPEN): (State.OPENING, ()),
    (State.ROUTING, Input.REFUSED): (State.ENDED, (Action.DROP_WAITING,)),
    (State.ROUTING, Input.HANG_UP): (State.ENDED, (Action.REFUSE_FIRST, Action.DROP_WAITING)),
    (State.ROUTING, Input.OVER): (State.ENDED, (Action.DROP_WAITING,)),
    (State.OPENING, Input.READY): (State.RECORDING, ()),
    (State.OPENING, Input.FAILED): (State.ENDED, (Action.DROP_WAITING,)),
    (State.OPENING, Input.HANG_UP): (State.ENDED, (Action.REFUSE_FIRST, *_CLOSE)),
    (State.OPENING, Input.OVER): (State.ENDED, _CLOSE),
    (State.RECORDING, Input.PAUSE): (State.PAUSED, ()),
    (State.RECORDING, Input.HANG_UP): (State.ENDING, _HANG_UP),
    (State.RECORDING, Input.OVER): (State.ENDED, _CLOSE),
    (State.PAUSED, Input.RESUME): (State.RECORDING, ()),
    (State.PAUSED, Input.HANG_UP): (State.ENDING, _HANG_UP),
    (State.PAUSED, Input.OVER): (State.ENDED, _CLOSE),
    (State.ENDING, Input.OVER): (State.ENDED, ()),
}
"What is not here changes nothing: closing twice is allowed."
