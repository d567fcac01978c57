"""
Two dialogs that are the halves of one call, as one bridge of two channels.

A phone's built-in bridge, and other equipment that records each direction by itself,
sends the near end and the far end in two dialogs with one stream each. Here each
dialog has a seat, which is a channel: the near end, or the caller, the first one.
A seat that is free is a silent channel, so that consumers see two from the start.
When a half ends its seat is free again, for a dialog that takes its place.

The streams of the halves are told apart by their indexes: each dialog that was ever
seated has a range of its own, from its base on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..participants import Description, Participant
from ..plan import BridgePlan, BridgeUpdate, ChannelPlan, Half, ParticipantEvent
from ..report import BridgeOpened, StreamStatistics
from .correlate import CALLEE, CALLER
from .joined import Names, joined, new_names, renamed

SPAN = 100_000
"Indexes of the streams of one dialog; no message that is taken has as many m-lines."
SEATS = 2

_ENDS = ("near", "far")
_ROLES = (CALLER, CALLEE)


@dataclass(frozen=True, slots=True)
class Seat:
    """A dialog, and where it is in the whole."""

    number: int
    "Which is also that of its channel."
    base: int
    "What its streams' indexes begin at."
    call_id: str
    half: Half
    update: BridgeUpdate
    "What it is by itself."
    names: Names = field(default_factory=dict)
    ended: bool = False

    @property
    def bridge(self) -> str:
        """The recording session's id."""
        return self.update.bridge

    @property
    def description(self) -> Description:
        """What is known of it, with names that are unique in the whole."""
        return renamed(self.update.description, self.names)

    @property
    def role(self) -> str | None:
        """The part that its party has."""
        return next((each.role for each in self.update.channels if each.role), None)

    def ports(self, opened: BridgeOpened) -> BridgeOpened:
        """Its ports among those of the whole, by its own indexes."""
        own = (replace(each, index=each.index - self.base) for each in opened.ports)
        return BridgeOpened(self.bridge, tuple(each for each in own if 0 <= each.index < SPAN))

    def statistics(self, streams: Iterable[StreamStatistics]) -> tuple[StreamStatistics, ...]:
        """What came on its streams, by its own indexes."""
        own = (replace(each, index=each.index - self.base) for each in streams)
        return tuple(each for each in own if 0 <= each.index < SPAN)


def is_half(plan: BridgePlan) -> bool:
    """
    Whether a dialog may be half of a call: it has one stream, or as many as we like to
    offer an SRC that tells by the ACK which of them there are.
    """
    unknown = all(stream.source is None for stream in plan.streams)
    return plan.half is not None and bool(plan.streams) and (len(plan.streams) == 1 or unknown)


class Joint:
    """
    The bridge of two halves. It has the name of the first.

    :param plan: of the first half.
    """

    def __init__(self, plan: BridgePlan) -> None:
        self._plan = plan
        self._seats: list[Seat | None] = [None] * SEATS
        self._bases = 0
        self._order: list[int] = []
        "The seats in the order in which they were taken first."
        self._description: Description | None = None
        self.keys: set[tuple[str, str]] = set()
        "Scope and key of all that was ever part of it."
        self.broken = False
        "Its bridge failed, so that nobody joins it any more."
        self.seat(plan, "")

    @property
    def bridge(self) -> str:
        """What the media plane calls it."""
        return self._plan.bridge

    @property
    def present(self) -> tuple[Seat, ...]:
        """Those whose dialogs go on, the oldest first."""
        return tuple(seat for seat in self._known if not seat.ended)

    def admits(self, plan: BridgePlan) -> bool:
        """Whether a dialog is the other half."""
        if self.broken or plan.half is None or self._number(plan) is None:
            return False
        alike = [
            (each.half is not None and each.half.scope, each.mask_dtmf)
            for each in (plan, self._plan)
        ]
        keys = {key for seat in self.present for key in seat.half.keys}
        return alike[0] == alike[1] and not keys.isdisjoint(plan.half.keys)

    def of(self, bridge: str) -> Seat | None:
        """The seat of a dialog that goes on."""
        return next((seat for seat in self.present if seat.bridge == bridge), None)

    def at(self, index: int) -> Seat | None:
        """The seat that a stream belongs to."""
        base = index - index % SPAN
        return next((seat for seat in self.present if seat.base == base), None)

    # --- changes ---

    def seat(self, plan: BridgePlan, at: str) -> tuple[Seat, tuple[ParticipantEvent, ...]]:
        """
        A dialog takes its place; which it is, and who joins by it. It must be one that
        is admitted, or the first.

        :param at: when that is, by :rfc:`3339`.
        """
        number, half = self._number(plan), plan.half
        assert number is not None and half is not None  # noqa: S101 - admits() says so
        update = BridgeUpdate(
            plan.bridge,
            plan.streams,
            plan.channels,
            plan.description,
            paused=plan.paused,
        )
        names = self._names(number, update, {})
        seat = Seat(number, self._bases * SPAN, plan.call_id, half, update, names)
        before = {party.id for other in self.present for party in other.description.participants}
        self._bases += 1
        self._seats[number] = seat
        self.keys.update((half.scope, key) for key in half.keys)
        if number not in self._order:
            self._order.append(number)
        joining = [each.id for each in seat.description.participants if each.id not in before]
        return seat, tuple(ParticipantEvent("joined", each, at) for each in joining)

    def renew(self, update: BridgeUpdate) -> BridgeUpdate:
        """A half is this from now on; what the whole is by it."""
        seat = self.of(update.bridge)
        assert seat is not None  # noqa: S101 - only those that are seated are told of
        names = self._names(seat.number, update, seat.names)
        bare = replace(update, events=(), key_presses=())
        self._seats[seat.number] = replace(seat, update=bare, names=names)
        events = tuple(
            replace(each, participant_id=names.get(each.participant_id, each.participant_id))
            for each in update.events
        )
        return replace(self.update(), events=events, key_presses=update.key_presses)

    def leave(self, bridge: str, at: str) -> tuple[ParticipantEvent, ...]:
        """A dialog is over: its seat is free, and who it was is still known."""
        seat = self.of(bridge)
        if seat is None:
            return ()
        others = [other for other in self.present if other is not seat]
        stay = {party.id for other in others for party in other.description.participants}
        left = [each for each in seat.description.participants if each.id not in stay]
        description = seat.update.description
        gone = tuple(replace(each, left_at=each.left_at or at) for each in description.participants)
        update = replace(seat.update, description=replace(description, participants=gone))
        self._seats[seat.number] = replace(seat, update=update, ended=True)
        return tuple(ParticipantEvent("left", each.id, at) for each in left if not each.left_at)

    def undo(self, bridge: str) -> None:
        """A dialog that was to join could not: nothing is known of it."""
        for number, seat in enumerate(self._seats):
            if seat is not None and seat.bridge == bridge:
                self._seats[number] = None
                self._order.remove(number)

    # --- the whole ---

    def plan(self) -> BridgePlan:
        """What the media plane is asked for at first."""
        update = self.update()
        return replace(
            self._plan,
            streams=update.streams,
            channels=update.channels,
            description=update.description,
            paused=update.paused,
            half=None,
        )

    def update(self) -> BridgeUpdate:
        """The whole of it, as it is now."""
        present = self.present
        policy = any(seat.update.paused and seat.update.paused_by == "policy" for seat in present)
        description, described = self._described()
        return BridgeUpdate(
            bridge=self.bridge,
            streams=tuple(
                replace(stream, index=seat.base + stream.index)
                for seat in present
                for stream in seat.update.streams
            ),
            channels=tuple(self._channel(number) for number in range(SEATS)),
            description=description,
            described=described,
            # What the operator pauses is the call, whichever half of it he sees.
            paused=policy or (bool(present) and all(seat.update.paused for seat in present)),
            paused_by="policy" if policy else "src",
        )

    # --- the inside ---

    @property
    def _known(self) -> tuple[Seat, ...]:
        """All dialogs of which something is known, in their order."""
        found = (self._seats[number] for number in self._order)
        return tuple(seat for seat in found if seat is not None)

    def _free(self, number: int) -> bool:
        seat = self._seats[number]
        return seat is None or seat.ended

    def _number(self, plan: BridgePlan) -> int | None:
        """The seat for a dialog: that of its end, else the one that suits its role."""
        end = plan.half.end if plan.half is not None else None
        if end in _ENDS:
            number = _ENDS.index(end)
            return number if self._free(number) else None
        role = next((each.role for each in plan.channels if each.role), None)
        wanted = (1, 0) if role == CALLEE else (0, 1)
        return next((number for number in wanted if self._free(number)), None)

    def _names(self, number: int, update: BridgeUpdate, known: Names) -> dict[str, str]:
        others: list[Participant] = []
        for seat in self._known:
            if seat.number != number:
                others += seat.description.participants
        return new_names(update.description, known, others)

    def _channel(self, number: int) -> ChannelPlan:
        """
        The channel of a seat, with all streams of its dialog. One that nobody has yet
        has the stream that will come first.
        """
        seat = self._seats[number]
        role, label = self._role(number), self._label(number)
        if seat is None:
            return ChannelPlan(number, (self._bases * SPAN,), role=role, label=label)
        first = next(iter(seat.update.channels), ChannelPlan(number, ()))
        streams = tuple(
            seat.base + index for channel in seat.update.channels for index in channel.streams
        )
        participant = first.participant_id
        return replace(
            first,
            index=number,
            streams=streams or (seat.base,),
            participant_id=seat.names.get(participant, participant) if participant else None,
            role=role,
            label=label or first.label,
        )

    def _role(self, number: int) -> str | None:
        """Its own; but of two halves with the same or none, the later is the other part."""
        seat, other = self._seats[number], self._seats[1 - number]
        own = seat.role if seat is not None else None
        theirs = other.role if other is not None else None
        older = bool(self._order) and self._order[0] == number
        if theirs is None or (own is not None and (own != theirs or older)):
            return own
        return CALLEE if theirs == CALLER else CALLER

    def _label(self, number: int) -> str | None:
        """Where the ends are known, they are labels that no two streams have alike."""
        known = any(seat.half.end in _ENDS for seat in self._known)
        return f"{_ENDS[number]}-end" if known else None

    def _described(self) -> tuple[Description, bool]:
        """What is known of the call, and whether that is news."""
        before = self._description
        first, *rest = self._known
        whole = joined([seat.description for seat in (first, *rest)])
        told = (*whole.extensions, ("join", self._standing))
        for seat in self._known:
            if seat.bridge != self.bridge:
                told += (("join_recording", seat.bridge), ("join_call_id", seat.call_id))
        revision = before.revision if before is not None else whole.revision
        whole = replace(
            whole,
            recording_session_id=self.bridge,
            call_id=self._plan.call_id,
            extensions=told,
            revision=revision,
        )
        if before is None:
            self._description = whole
            return whole, False
        if replace(whole, mode=before.mode) == before:
            return before, False
        self._description = replace(whole, revision=revision + 1)
        return self._description, True

    @property
    def _standing(self) -> str:
        if len(self.present) == SEATS:
            return "joined"
        return "waiting" if len(self._known) < SEATS else "alone"
