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

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..dialects.base import (
    Acknowledged,
    Audio,
    Broken,
    Capabilities,
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
    ResumePoint,
    Said,
    StreamStart,
    Window,
)
from ..dialects.foreign import Foreign
from ..plan import EndReason
from ..report import ConsumerSaid, LinkDown, LinkUp, StreamStatistics
from .backlog import BACKPRESSURE, RECONNECT, Backlog
from .delivery_states import (
    CLOSE_BACKLOG,
    CLOSE_GOING_AWAY,
    CLOSE_NORMAL,
    CLOSE_OUR_FAULT,
    CLOSE_PROTOCOL_ERROR,
    CLOSE_REJECTED,
    CLOSE_TIMEOUT,
    TABLE,
    DeliverySettings,
    Disconnect,
    Finished,
    Input,
    Output,
    Puzzled,
    Send,
    State,
    Tell,
    ToSpool,
)
from .journal import Ending, Journal, Kept, Standing
from .outflow import Outflow
from .replay import Entry

_CONNECTED = frozenset({State.GREETING, State.STREAMING, State.CLOSING})
_ENDED = frozenset({State.CLOSING, State.PARTING, State.PUTTING_BY, State.FINISHED})
_CLOSE_CODES = {EndReason.SHUTDOWN: CLOSE_GOING_AWAY, EndReason.ERROR: CLOSE_OUR_FAULT}


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
        self._settings = settings or DeliverySettings()
        self._dialect = dialect
        self._foreign = dialect if isinstance(dialect, Foreign) else None
        self._token = token
        self._destination = start.destination
        self._place = start.destination.name
        self._late_already = earlier is not None
        self._sample_rate = start.sample_rate
        self._journal = _journal(start, earlier)
        standing = None if earlier is None else earlier.standing
        self._backlog = Backlog(start, self._settings.limits, self._journal, standing)
        self._outflow = Outflow(
            self._backlog,
            dialect,
            start.destination,
            self._settings.replay_speed,
            self._settings.burst_octets,
        )
        self._state = State.WAITING
        self._outputs: list[Output] = []
        self._ending: tuple[EndReason, int, tuple[StreamStatistics, ...]] | None = None
        self._linger_until: float | None = None
        self._give_up_at = 0.0
        self._standing: Standing | None = None
        self._complete = False
        # Of the connection:
        self._capabilities = Capabilities()
        self._subprotocol: str | None = None
        self._established = False
        self._deadline: float | None = None
        self._odd = 0
        # Why the machine moves, for the action that follows:
        self._ready = Ready()
        self._from_frame = 0
        self._leaving = Disconnect(CLOSE_NORMAL, "")
        if earlier is not None:
            self._go_on_with(earlier)

    def _go_on_with(self, earlier: Earlier) -> None:
        ending = earlier.ending
        self._ending = (ending.reason, ending.duration_ms, ending.channels)
        self._linger_until = self._give_up_at = earlier.until
        self._backlog.end_at(ending.final_position)

    # --- what the call yields ---------------------------------------------------

    def carry(self, audio: Audio, now: float) -> None:
        """The next audio. After :meth:`stop`, and once the consumer took its leave, ignored."""
        if not self._closed:
            self._backlog.carry(audio)
            self._pump(now)

    def tell(self, event: Event, now: float) -> None:
        """What happened, in order with the audio."""
        if not self._closed:
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
        if self._closed:
            return
        self._backlog.unpause()
        self._ending = (reason, duration_ms, channels)
        self._linger_until = now + self._destination.linger_s
        catch_up_s = self._destination.replay_ms / 1000 / self._settings.replay_speed
        self._give_up_at = self._linger_until + catch_up_s
        if self._state is State.GONE:
            self._fire(Input.TIMEOUT, now)
        elif reason is EndReason.SHUTDOWN and self._state is State.WAITING and self._journal:
            # Nobody will be here to try for long.
            self._linger_until = now
        self._pump(now)

    # --- what the connection does --------------------------------------------------

    def move_to(self, place: str, now: float) -> None:
        """Connections are to this destination from now on; reports name it."""
        self._place = place

    def connected(self, subprotocol: str | None, now: float) -> None:
        """The WebSocket is open."""
        self._tell_time(now)
        self._subprotocol = subprotocol
        self._fire(Input.CONNECTED, now)
        self._pump(now)

    def received(self, message: Message, now: float) -> None:
        """The consumer said something; nothing it can say raises."""
        self._tell_time(now)
        self._take(self._dialect.received(message), now)

    def _take(self, replies: list[Reply], now: float) -> None:
        for reply in replies:
            if self._state not in _CONNECTED:
                return
            self._answer(reply, now)
        self._pump(now)

    def disconnected(self, reason: str, retry_in_s: float | None, clean: bool, now: float) -> None:
        """
        The connection is gone, or could not be made.

        :param retry_in_s: when the next is tried; None where none will be.
        :param clean: the consumer closed it, rather than vanished.
        """
        if self._state not in _ENDED:
            start = self._backlog.start
            down = LinkDown(start.bridge, self._place, reason, retry_in_s)
            self._outputs.append(Tell(down))
        if retry_in_s is None:
            self._fire(Input.NEVER, now)
        elif self._state is State.CLOSING and self._backlog.unacknowledged and not clean:
            self._fire(Input.LOST_EARLY, now)
        else:
            self._fire(Input.LOST, now)

    def blocked(self, now: float) -> None:
        """The connection takes no more for now."""
        self._outflow.blocked = True
        self._outflow.resume_at = None

    def unblocked(self, now: float) -> None:
        """The connection takes more."""
        self._outflow.blocked = False
        self._pump(now)

    # --- what the disk does --------------------------------------------------------

    def recalled(self, entries: tuple[Entry, ...], through: int, now: float) -> None:
        """This came back from the spool, which has no more of it up to and with that number."""
        if self._state is State.WAITING or self._state in _CONNECTED:
            self._backlog.recalled(entries, through)
            self._pump(now)

    def written(self, kept: bool, now: float) -> None:
        """What was put by is on disk, or could not be written."""
        self._fire(Input.WRITTEN if kept else Input.NOT_WRITTEN, now)

    # --- driving -------------------------------------------------------------------

    def outputs(self) -> list[Output]:
        """What is to be done, in order; each is given once."""
        if self._journal is not None:
            self._outputs.extend(ToSpool(order) for order in self._journal.orders())
        drained, self._outputs = self._outputs, []
        return drained

    def next_deadline(self) -> float | None:
        """When :meth:`expire` has something to do."""
        deadlines = (
            self._deadline,
            self._linger_until,
            self._outflow.resume_at,
            self._dialect_deadline(),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def expire(self, now: float) -> None:
        """Time has passed."""
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._late(now)
        if self._linger_until is not None and now >= self._linger_until:
            self._linger_over(now)
        due_at = self._dialect_deadline()
        if self._foreign is not None and due_at is not None and now >= due_at:
            self._take(self._foreign.expire(now), now)
        self._pump(now)

    def _tell_time(self, now: float) -> None:
        if self._foreign is not None:
            self._foreign.tell_time(now)

    def _dialect_deadline(self) -> float | None:
        if self._foreign is None or self._state not in _CONNECTED:
            return None
        return self._foreign.next_deadline()

    def _late(self, now: float) -> None:
        """No ready, or no close, in time."""
        if self._state is not State.GREETING:
            self._fire(Input.TIMEOUT, now)
        elif (
            self._destination.on_ready_timeout == "plain"
            and self._capabilities.falls_back_to is not None
        ):
            self._fire(Input.LATE, now)
        else:
            self._leave_for(Disconnect(CLOSE_TIMEOUT, "no ready in time", True), now)

    def _linger_over(self, now: float) -> None:
        """An unreachable consumer had its time; one that is catching up gets some more."""
        if self._state is State.STREAMING and now < self._give_up_at:
            self._linger_until = self._give_up_at
            return
        self._linger_until = None
        if self._state not in _ENDED:
            self._fire(Input.PUT_BY if self._may_wait else Input.TIMEOUT, now)

    def _pump(self, now: float) -> None:
        """Send what may be sent, and the end once nothing waits before it."""
        if self._state is not State.STREAMING:
            self._outflow.resume_at = None
            return
        self._tell_time(now)
        self._send(self._outflow.pump(now))
        self._backlog.recall()
        if self._ending is None:
            self._backlog.release()
        if self._ending is not None and not self._backlog:
            self._fire(Input.ALL_SENT, now)

    def _send(self, messages: list[Message]) -> None:
        self._outputs.extend(Send(message) for message in messages)
        self._backlog.texts += sum(isinstance(message, str) for message in messages)

    @property
    def start(self) -> StreamStart:
        """What a start said now would say."""
        return self._backlog.start

    @property
    def waiting_s(self) -> float:
        """How much audio waits to be sent."""
        return self._backlog.waiting_samples / self._sample_rate

    @property
    def _reconnects(self) -> int:
        return max(0, self._backlog.connections - 1)

    @property
    def _may_wait(self) -> bool:
        """What is not delivered now can be delivered later."""
        return self._journal is not None and not self._late_already

    @property
    def _closed(self) -> bool:
        """Nothing can be added to the stream any more."""
        return self._ending is not None or self._state in _ENDED

    # --- what the consumer says -----------------------------------------------------------

    def _answer(self, reply: Reply, now: float) -> None:
        match reply:
            case Ready():
                self._ready = reply
                self._fire(Input.READY, now)
            case Continue(frame):
                self._from_frame = frame
                self._fire(Input.RESUMED, now)
            case Rejected():
                self._rejected(reply, now)
            case Acknowledged(frame):
                if not self._backlog.acknowledge(frame):
                    self._puzzled("ack of a frame that was not sent", now)
            case Window(window_ms):
                self._outflow.set_window(window_ms)
            case PauseAsked():
                if not self._closed:
                    self._backlog.pause()
            case ResumeAsked():
                self._backlog.unpause()
            case Marked(name):
                self._send(self._dialect.mark(name, self._outflow.cursor))
            case Said(name, payload):
                bridge = self._backlog.start.bridge
                said = ConsumerSaid(bridge, self._place, name, payload)
                self._outputs.append(Tell(said))
            case DrainAsked(url, after_ms):
                leaving = Disconnect(CLOSE_NORMAL, "drain", True, after_ms / 1000, url)
                self._leave_for(leaving, now)
            case Farewell(waits=True):
                self._fire(Input.DISMISSED, now)
            case Farewell():
                self._fire(Input.FAREWELL, now)
            case Respond(message):
                self._send([message])
            case Broken(reason):
                self._leave_for(Disconnect(CLOSE_NORMAL, reason, True), now)
            case Odd(reason):
                self._puzzled(reason, now)

    def _rejected(self, reply: Rejected, now: float) -> None:
        reason = f"rejected: {reply.code} {reply.message}".rstrip()
        if reply.retry_after_ms is None:
            self._leaving = Disconnect(CLOSE_REJECTED, reason)
            self._fire(Input.REJECTED, now)
        else:
            after_s = reply.retry_after_ms / 1000
            self._leave_for(Disconnect(CLOSE_REJECTED, reason, True, after_s), now)

    def _puzzled(self, reason: str, now: float) -> None:
        self._outputs.append(Puzzled(reason))
        self._odd += 1
        if self._odd > self._settings.max_odd:
            senseless = "too much that makes no sense"
            self._leave_for(Disconnect(CLOSE_PROTOCOL_ERROR, senseless, True), now)

    def _leave_for(self, leaving: Disconnect, now: float) -> None:
        self._leaving = leaving
        self._fire(Input.LEFT, now)

    # --- the machine ------------------------------------------------------------------------

    def _fire(self, moved: Input, now: float) -> None:
        transition = TABLE.get((self._state, moved))
        if transition is None:
            return
        self._state, action = transition
        self._backlog.drop_reason = BACKPRESSURE if self._state is State.STREAMING else RECONNECT
        _ACTIONS[action](self, now)

    def _greet(self, now: float) -> None:
        """Say start, or resume; stream at once where the dialect waits for nothing."""
        start = self._backlog.start
        self._backlog.connections += 1
        self._outflow.blocked = False
        self._outflow.set_window(None)
        self._odd = 0
        self._capabilities = self._dialect.opened(self._subprotocol)
        if not self._capabilities.sends_again:
            self._backlog.forget_sent()
        self._outputs.append(Tell(LinkUp(start.bridge, self._place, self._backlog.connections)))
        self._say_start()
        if self._capabilities.waits_for_ready:
            self._deadline = now + self._destination.ready_timeout_s
        else:
            self._ready = Ready()
            self._fire(Input.READY, now)

    def _say_start(self) -> None:
        point = ResumePoint(
            self._token,
            self._backlog.connections,
            self._backlog.first_frame,
            self._backlog.acknowledged,
            self._backlog.head,
            self._established,
        )
        self._send(self._dialect.start(self._backlog.start, point))

    def _begin(self, now: float) -> None:
        """From the beginning of the ring, or from what is live."""
        if self._ready.start_at == "live":
            self._backlog.skip_waiting()
        else:
            self._backlog.rewind()
        self._outflow.set_window(self._ready.window_ms)
        self._flow(now)

    def _begin_plain(self, now: float) -> None:
        """Ready did not come: tell, and go on as if it were not needed."""
        self._send(self._dialect.error("ready_timeout", "no ready in time, plain now", False))
        self._capabilities = self._dialect.opened(self._capabilities.falls_back_to)
        if self._established:
            self._say_start()
        self._backlog.rewind()
        self._flow(now)

    def _resume(self, now: float) -> None:
        """From the frame that the consumer wants; from the ring's beginning where it errs."""
        if not self._backlog.rewind_to(self._from_frame):
            self._outputs.append(Puzzled("resumed from a frame that was not sent"))
            self._backlog.rewind()
        self._flow(now)

    def _flow(self, now: float) -> None:
        self._deadline = None
        self._established = True
        self._outflow.begin(now, self._backlog.connections > 1)

    def _lost(self, now: float) -> None:
        """Wait for another connection. A pause was this consumer's wish, not the next one's."""
        self._deadline = None
        if self._ending is None:
            self._backlog.unpause()
        if self._journal is not None and self._capabilities.sends_again:
            # What died with the connection is needed again, before there is no room for it.
            self._backlog.rewind_unsafe()

    def _lost_early(self, now: float) -> None:
        """The consumer vanished before it had confirmed the end: it may come back for it."""
        self._complete = False
        self._deadline = None
        self._linger_until = self._give_up_at

    def _leave(self, now: float) -> None:
        self._outputs.append(self._leaving)
        self._lost(now)

    def _reject(self, now: float) -> None:
        self._outputs.append(self._leaving)
        self._give_up(now)

    def _give_up(self, now: float) -> None:
        self._deadline = None
        self._backlog.unpause()
        self._backlog.give_up(RECONNECT)
        if self._ending is not None:
            self._fire(Input.TIMEOUT, now)

    def _say_stop(self, now: float) -> None:
        self._complete = True
        self._stop_said(now)
        if self._capabilities.hangs_up:
            self._fire(Input.FAREWELL, now)

    def _part(self, now: float) -> None:
        """The consumer's own end, at once."""
        self._end_here(now)
        self._close(now)

    def _end_here(self, now: float) -> None:
        """The consumer's own end: what it has got by now is the whole stream."""
        self._complete = True
        self._backlog.unpause()
        self._backlog.close_at(self._outflow.cursor)
        if self._ending is None:
            duration_ms = self._outflow.cursor * 1000 // self._sample_rate
            self._ending = (EndReason.CONSUMER_BYE, duration_ms, ())
        self._stop_said(now)

    def _stop_said(self, now: float) -> None:
        reason, duration_ms, channels = self._ending or (EndReason.ERROR, 0, ())
        stop = self._backlog.stop(reason, duration_ms, channels, self._reconnects)
        self._send(self._dialect.stop(stop))
        self._deadline = now + self._destination.close_timeout_s

    def _close(self, now: float) -> None:
        reason = self._ending[0] if self._ending is not None else EndReason.CALL_ENDED
        self._outputs.append(Disconnect(_CLOSE_CODES.get(reason, CLOSE_NORMAL), reason.value))

    def _close_and_finish(self, now: float) -> None:
        self._close(now)
        self._finish(now)

    def _drop(self, now: float) -> None:
        """The call is over and the consumer too slow to get all of it."""
        code = CLOSE_BACKLOG if self._established else CLOSE_TIMEOUT
        self._outputs.append(Disconnect(code, "not delivered in time"))
        self._backlog.give_up(BACKPRESSURE)
        self._finish(now)

    def _abandon(self, now: float) -> None:
        """The call is over and the consumer could not be reached."""
        self._backlog.give_up(RECONNECT)
        self._finish(now)

    def _hang_up_and_put_by(self, now: float) -> None:
        code = CLOSE_BACKLOG if self._established else CLOSE_TIMEOUT
        self._outputs.append(Disconnect(code, "not delivered in time"))
        self._put_by(now)

    def _put_by(self, now: float) -> None:
        """The call is over: what the consumer may not have is for later."""
        self._deadline = self._linger_until = self._outflow.resume_at = None
        if self._capabilities.sends_again:
            self._backlog.rewind_unsafe()
        else:
            self._backlog.forget_sent()
        reason, duration_ms, channels = self._ending or (EndReason.ERROR, 0, ())
        final_position = self._backlog.account.position
        ending = Ending(reason, duration_ms, channels, final_position)
        self._standing = self._backlog.put_by(ending)

    def _leave_for_later(self, now: float) -> None:
        statistics = self._backlog.statistics(self._reconnects, False, self._standing)
        self._outputs.append(Finished(statistics))

    def _finish(self, now: float) -> None:
        self._deadline = self._linger_until = self._outflow.resume_at = None
        self._backlog.forget_disk()
        statistics = self._backlog.statistics(self._reconnects, self._complete)
        self._outputs.append(Finished(statistics))


def _journal(start: StreamStart, earlier: Earlier | None) -> Journal | None:
    if earlier is not None:
        return Journal(0, earlier.kept)
    if not start.destination.spool:
        return None
    return Journal(start.destination.backlog_ms * start.sample_rate // 1000)


_ACTIONS: Mapping[str, Callable[[Delivery, float], None]] = {
    "greet": Delivery._greet,
    "begin": Delivery._begin,
    "begin plain": Delivery._begin_plain,
    "resume": Delivery._resume,
    "wait": Delivery._lost,
    "wait for confirmation": Delivery._lost_early,
    "leave": Delivery._leave,
    "give up": Delivery._give_up,
    "reject": Delivery._reject,
    "abandon": Delivery._abandon,
    "drop": Delivery._drop,
    "put by": Delivery._put_by,
    "hang up and put by": Delivery._hang_up_and_put_by,
    "leave for later": Delivery._leave_for_later,
    "say stop": Delivery._say_stop,
    "part": Delivery._part,
    "end here": Delivery._end_here,
    "close": Delivery._close,
    "close and finish": Delivery._close_and_finish,
    "finish": Delivery._finish,
}
"The words of the table."
