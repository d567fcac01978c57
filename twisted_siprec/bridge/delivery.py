"""
The delivery of one consumer stream, across as many connections as it takes.

What the call yields goes into the replay ring, and from its other end to the
consumer: at once while the connection is open and free, after a while where it
is slow, again where a connection died with it. :mod:`~.backlog`
keeps the ring and the account, :mod:`~.outflow` the pace; here is who the
consumer is to us at any time.

::

    WAITING ─connected─► GREETING ─ready, resumed─► STREAMING ─all sent─► CLOSING ─► FINISHED
       ▲                   │   │                       │
       └────── lost ───────┴───┼───────────────────────┘
       GONE ◄───── never ──────┘      GONE: no consumer any more; the call goes on

With a spool, a consumer that is away at the end of the call gets the rest later:
the delivery is PUTTING_BY until that is on disk, and another one goes on from there.

Plain consumers are streamed to at once; framed ones say ``ready`` first. A
framed consumer that comes back says which frame it wants next and gets exactly
that; a plain one gets the ring from its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..dialects.base import (
    Acknowledged,
    Audio,
    Broken,
    Continue,
    Dialect,
    DrainAsked,
    Event,
    Farewell,
    Marked,
    Message,
    Odd,
    PauseAsked,
    Ready,
    Rejected,
    Reply,
    Respond,
    ResumeAsked,
    Said,
    StreamStart,
    Window,
)
from ..dialects.foreign import Foreign
from ..plan import EndReason
from ..report import ConsumerSaid, LinkDown, StreamStatistics
from .backlog import Backlog
from .delivery_states import (
    CLOSE_NORMAL,
    DeliverySettings,
    Disconnect,
    Input,
    Output,
    State,
    Tell,
    ToSpool,
)
from .entries import Entry
from .journal import Ending, Journal, Kept, Standing
from .outflow import Outflow
from .relation import ENDED, Relation
from .stride import Stride

_CONNECTED = frozenset({State.GREETING, State.STREAMING, State.CLOSING})


@dataclass(frozen=True, slots=True)
class Earlier:
    """A stream whose call is over, as the spool has it."""

    kept: Kept
    standing: Standing
    ending: Ending
    until: float
    "When it is given up."


class Delivery:
    """
    One consumer stream from its start to its account.

    The promise: when it has finished, the final position is what was delivered
    and what the account names as missing, to the sample.

    :param token: what proves to the consumer that a resumption is ours.
    :param earlier: what the spool has of it, where this delivery goes on with a
        stream whose call is over.
    """

    def __init__(
        self,
        start: StreamStart,
        dialect: Dialect,
        token: str,
        settings: DeliverySettings | None = None,
        earlier: Earlier | None = None,
    ) -> None:
        settings = settings or DeliverySettings()
        self._dialect = dialect
        self._foreign = dialect if isinstance(dialect, Foreign) else None
        self._sample_rate = start.sample_rate
        self._catch_up_s = start.destination.replay_ms / 1000 / settings.replay_speed
        self._journal = _journal(start, earlier)
        standing = None if earlier is None else earlier.standing
        self._backlog = Backlog(start, settings.limits, self._journal, standing)
        self._outflow = Outflow(
            self._backlog,
            dialect,
            start.destination,
            settings.replay_speed,
            settings.burst_octets,
        )
        may_wait = self._journal is not None and earlier is None
        self._relation = Relation(
            start.destination, dialect, token, settings, self._backlog, self._outflow, may_wait
        )
        self._stride: Stride | None = None
        if earlier is not None:
            self._go_on_with(earlier)

    def _go_on_with(self, earlier: Earlier) -> None:
        ending = earlier.ending
        self._relation.ending = (ending.reason, ending.duration_ms, ending.channels)
        self._relation.linger_until = self._relation.give_up_at = earlier.until
        self._backlog.end_at(ending.final_position)

    # --- what the call yields ---------------------------------------------------

    def carry(self, audio: Audio, now: float) -> None:
        """The next audio. After :meth:`stop`, and once the consumer took its leave, ignored."""
        self._end_stride()
        if not self._relation.closed:
            self._backlog.carry(audio)
            self._pump(now)

    def tell(self, event: Event, now: float) -> None:
        """What happened, in order with the audio."""
        self._end_stride()
        if not self._relation.closed:
            self._backlog.tell(event)
            self._pump(now)

    def stop(
        self,
        reason: EndReason,
        duration_ms: int,
        channels: tuple[StreamStatistics, ...],
        now: float,
    ) -> None:
        """The call has ended. What waits is delivered, for as long as the destination lets it."""
        self._end_stride()
        if self._relation.closed:
            return
        self._backlog.unpause()
        self._relation.ending = (reason, duration_ms, channels)
        self._relation.linger_until = now + self._relation.destination.linger_s
        self._relation.give_up_at = self._relation.linger_until + self._catch_up_s
        if self._relation.state is State.GONE:
            self._relation.fire(Input.TIMEOUT, now)
        elif (
            reason is EndReason.SHUTDOWN and self._relation.state is State.WAITING and self._journal
        ):
            # Nobody will be here to try for long.
            self._relation.linger_until = now
        self._pump(now)

    # --- past us -----------------------------------------------------------------

    def straight(self, position: int, samples: int, payload: bytes) -> bytes | None:
        """
        The next audio, of which there is nothing to be told, as the message that is to
        be sent at once; nothing else comes of it, now or later. None where it is to be
        carried like any other.
        """
        stride = self._stride
        if stride is None or not stride.goes_on(position, samples):
            stride = self._new_stride(position, samples)
            if stride is None:
                return None
        return stride.message(payload)

    def _new_stride(self, position: int, samples: int) -> Stride | None:
        """Where the consumer takes all that comes, at once and as it is."""
        self._end_stride()
        head = self._relation.capabilities.head
        if (
            head is not None
            and self._relation.state is State.STREAMING
            and self._relation.ending is None
            and self._outflow.free
            and self._backlog.is_level(position)
        ):
            self._stride = Stride(head, self._backlog.tally.next_frame, position, samples)
        return self._stride

    def _end_stride(self) -> None:
        """What was sent past us is ours to account for."""
        stride, self._stride = self._stride, None
        if stride is not None:
            self._backlog.passed(stride)
            self._outflow.cursor = stride.position

    # --- what the connection does --------------------------------------------------

    def move_to(self, place: str, now: float) -> None:
        """Connections are to this destination from now on; reports name it."""
        self._relation.place = place

    def connected(self, subprotocol: str | None, now: float) -> None:
        """The WebSocket is open."""
        self._end_stride()
        self._tell_time(now)
        self._relation.subprotocol = subprotocol
        self._relation.fire(Input.CONNECTED, now)
        self._pump(now)

    def received(self, message: Message, now: float) -> None:
        """The consumer said something; nothing it can say raises."""
        self._end_stride()
        self._tell_time(now)
        self._take(self._dialect.received(message), now)

    def _take(self, replies: list[Reply], now: float) -> None:
        for reply in replies:
            if self._relation.state not in _CONNECTED:
                return
            self._answer(reply, now)
        self._pump(now)

    def disconnected(self, reason: str, retry_in_s: float | None, clean: bool, now: float) -> None:
        """
        The connection is gone, or could not be made.

        :param retry_in_s: when the next is tried; None where none will be.
        :param clean: the consumer closed it, rather than vanished.
        """
        self._end_stride()
        if self._relation.state not in ENDED:
            start = self._backlog.start
            down = LinkDown(start.bridge, self._relation.place, reason, retry_in_s)
            self._relation.outputs.append(Tell(down))
        if retry_in_s is None:
            self._relation.fire(Input.NEVER, now)
        elif self._relation.state is State.CLOSING and self._backlog.unacknowledged and not clean:
            self._relation.fire(Input.LOST_EARLY, now)
        else:
            self._relation.fire(Input.LOST, now)

    def blocked(self, now: float) -> None:
        """The connection takes no more for now."""
        self._end_stride()
        self._outflow.blocked = True
        self._outflow.resume_at = None

    def unblocked(self, now: float) -> None:
        """The connection takes more."""
        self._end_stride()
        self._outflow.blocked = False
        self._pump(now)

    # --- what the disk does --------------------------------------------------------

    def recalled(self, entries: tuple[Entry, ...], through: int, now: float) -> None:
        """This came back from the spool, which has no more of it up to and with that number."""
        self._end_stride()
        if self._relation.state is State.WAITING or self._relation.state in _CONNECTED:
            self._backlog.recalled(entries, through)
            self._pump(now)

    def written(self, kept: bool, now: float) -> None:
        """What was put by is on disk, or could not be written."""
        self._end_stride()
        self._relation.fire(Input.WRITTEN if kept else Input.NOT_WRITTEN, now)

    # --- driving -------------------------------------------------------------------

    def outputs(self) -> list[Output]:
        """What is to be done, in order; each is given once."""
        if self._journal is not None:
            self._relation.outputs.extend(ToSpool(order) for order in self._journal.orders())
        drained, self._relation.outputs = self._relation.outputs, []
        return drained

    def next_deadline(self) -> float | None:
        """When :meth:`expire` has something to do."""
        deadlines = (
            self._relation.deadline,
            self._relation.linger_until,
            self._outflow.resume_at,
            self._dialect_deadline(),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def expire(self, now: float) -> None:
        """Time has passed."""
        self._end_stride()
        if self._relation.deadline is not None and now >= self._relation.deadline:
            self._relation.deadline = None
            self._relation.late(now)
        if self._relation.linger_until is not None and now >= self._relation.linger_until:
            self._relation.linger_over(now)
        due_at = self._dialect_deadline()
        if self._foreign is not None and due_at is not None and now >= due_at:
            self._take(self._foreign.expire(now), now)
        self._pump(now)

    def _tell_time(self, now: float) -> None:
        if self._foreign is not None:
            self._foreign.tell_time(now)

    def _dialect_deadline(self) -> float | None:
        if self._foreign is None or self._relation.state not in _CONNECTED:
            return None
        return self._foreign.next_deadline()

    def _pump(self, now: float) -> None:
        """Send what may be sent, and the end once nothing waits before it."""
        if self._relation.state is not State.STREAMING:
            self._outflow.resume_at = None
            return
        self._tell_time(now)
        self._relation.send(self._outflow.pump(now))
        self._backlog.recall()
        if self._relation.ending is None:
            self._backlog.release()
        if self._relation.ending is not None and not self._backlog:
            self._relation.fire(Input.ALL_SENT, now)

    @property
    def start(self) -> StreamStart:
        """What a start said now would say."""
        return self._backlog.start

    @property
    def waiting_s(self) -> float:
        """How much audio waits to be sent."""
        return self._backlog.waiting_samples / self._sample_rate

    # --- what the consumer says -----------------------------------------------------------

    def _answer(self, reply: Reply, now: float) -> None:
        match reply:
            case Ready():
                self._relation.ready = reply
                self._relation.fire(Input.READY, now)
            case Continue(frame):
                self._relation.from_frame = frame
                self._relation.fire(Input.RESUMED, now)
            case Rejected():
                self._relation.rejected(reply, now)
            case Acknowledged(frame):
                if not self._backlog.acknowledge(frame):
                    self._relation.puzzled("ack of a frame that was not sent", now)
            case Window(window_ms):
                self._outflow.set_window(window_ms)
            case PauseAsked():
                if not self._relation.closed:
                    self._backlog.pause()
            case ResumeAsked():
                self._backlog.unpause()
            case Marked(name):
                self._relation.send(self._dialect.mark(name, self._outflow.cursor))
            case Said(name, payload):
                bridge = self._backlog.start.bridge
                said = ConsumerSaid(bridge, self._relation.place, name, payload)
                self._relation.outputs.append(Tell(said))
            case DrainAsked(url, after_ms):
                leaving = Disconnect(CLOSE_NORMAL, "drain", True, after_ms / 1000, url)
                self._relation.leave_for(leaving, now)
            case Farewell(waits=True):
                self._relation.fire(Input.DISMISSED, now)
            case Farewell():
                self._relation.fire(Input.FAREWELL, now)
            case Respond(message):
                self._relation.send([message])
            case Broken(reason):
                self._relation.leave_for(Disconnect(CLOSE_NORMAL, reason, True), now)
            case Odd(reason):
                self._relation.puzzled(reason, now)


def _journal(start: StreamStart, earlier: Earlier | None) -> Journal | None:
    if earlier is not None:
        return Journal(0, earlier.kept)
    if not start.destination.spool:
        return None
    return Journal(start.destination.backlog_ms * start.sample_rate // 1000)
