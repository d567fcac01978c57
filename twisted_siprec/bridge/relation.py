"""
Where a consumer stream stands with its consumer: the machine of
:data:`~.delivery_states.TABLE`, and what each move of it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..dialects.base import Capabilities, Dialect, Message, Ready, Rejected, ResumePoint
from ..plan import Destination, EndReason
from ..report import LinkUp, StreamStatistics
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
)
from .journal import Ending, Standing
from .outflow import Outflow

ENDED = frozenset({State.CLOSING, State.PARTING, State.PUTTING_BY, State.FINISHED})
_CLOSE_CODES = {EndReason.SHUTDOWN: CLOSE_GOING_AWAY, EndReason.ERROR: CLOSE_OUR_FAULT}


class Relation:
    """
    What was said between us and the consumer, over one connection after another.

    :param may_wait: what is not delivered in time can be put by on disk.
    :ivar place: the destination that connections are to; reports name it.
    :ivar ending: how the call ended, once it did.
    :ivar deadline: for what the consumer is to say next.
    :ivar linger_until: until when a call that is over waits for its consumer.
    :ivar give_up_at: until when it may catch up.
    :ivar ready: what the consumer said of how it takes the stream.
    :ivar from_frame: where it goes on.
    """

    def __init__(
        self,
        destination: Destination,
        dialect: Dialect,
        token: str,
        settings: DeliverySettings,
        backlog: Backlog,
        outflow: Outflow,
        may_wait: bool,
    ) -> None:
        self.destination = destination
        self.place = destination.name
        self.state = State.WAITING
        self.outputs: list[Output] = []
        self.ending: tuple[EndReason, int, tuple[StreamStatistics, ...]] | None = None
        self.linger_until: float | None = None
        self.give_up_at = 0.0
        self._dialect = dialect
        self._token = token
        self._settings = settings
        self._backlog = backlog
        self._outflow = outflow
        self._may_wait = may_wait
        self._standing: Standing | None = None
        self.complete = False
        self._unconfirmed = 0
        # Of the connection:
        self.capabilities = Capabilities()
        self.subprotocol: str | None = None
        self.deadline: float | None = None
        self._established = False
        self._odd = 0
        # Why the machine moves, for the action that follows:
        self.ready = Ready()
        self.from_frame = 0
        self.leaving = Disconnect(CLOSE_NORMAL, "")

    @property
    def closed(self) -> bool:
        """Nothing can be added to the stream any more."""
        return self.ending is not None or self.state in ENDED

    def fire(self, moved: Input, now: float) -> None:
        """What moves the machine; what does not concern its state does nothing."""
        transition = TABLE.get((self.state, moved))
        if transition is None:
            return
        self.state, action = transition
        self._backlog.drop_reason = BACKPRESSURE if self.state is State.STREAMING else RECONNECT
        _ACTIONS[action](self, now)

    def leave_for(self, leaving: Disconnect, now: float) -> None:
        """Close this connection, and make another."""
        self.leaving = leaving
        self.fire(Input.LEFT, now)

    def late(self, now: float) -> None:
        """No ready, or no close, in time."""
        patient = self._unconfirmed < self._settings.max_unconfirmed
        if self.state is State.CLOSING and self._backlog.unacknowledged and patient:
            self.fire(Input.UNCONFIRMED, now)
        elif self.state is not State.GREETING:
            self.fire(Input.TIMEOUT, now)
        elif (
            self.destination.on_ready_timeout == "plain"
            and self.capabilities.falls_back_to is not None
        ):
            self.fire(Input.LATE, now)
        else:
            self.leave_for(Disconnect(CLOSE_TIMEOUT, "no ready in time", True), now)

    def linger_over(self, now: float) -> None:
        """An unreachable consumer had its time; one that is catching up gets some more."""
        if self.state is State.STREAMING and now < self.give_up_at:
            self.linger_until = self.give_up_at
            return
        self.linger_until = None
        if self.state not in ENDED:
            self.fire(Input.PUT_BY if self._may_wait else Input.TIMEOUT, now)

    def rejected(self, reply: Rejected, now: float) -> None:
        """The consumer does not take the stream, now or ever."""
        reason = f"rejected: {reply.code} {reply.message}".rstrip()
        if reply.retry_after_ms is None:
            self.leaving = Disconnect(CLOSE_REJECTED, reason)
            self.fire(Input.REJECTED, now)
        else:
            after_s = reply.retry_after_ms / 1000
            self.leave_for(Disconnect(CLOSE_REJECTED, reason, True, after_s), now)

    def puzzled(self, reason: str, now: float) -> None:
        """It said something without sense; too much of that and we part."""
        self.outputs.append(Puzzled(reason))
        self._odd += 1
        if self._odd > self._settings.max_odd:
            senseless = "too much that makes no sense"
            self.leave_for(Disconnect(CLOSE_PROTOCOL_ERROR, senseless, True), now)

    def send(self, messages: list[Message]) -> None:
        """Messages for the open connection."""
        self.outputs.extend(Send(message) for message in messages)
        self._backlog.tally.texts += sum(isinstance(message, str) for message in messages)

    # --- what a move does ---------------------------------------------------------

    def _greet(self, now: float) -> None:
        """Say start, or resume; stream at once where the dialect waits for nothing."""
        start = self._backlog.start
        self._backlog.tally.connections += 1
        self._outflow.blocked = False
        self._outflow.set_window(None)
        self._odd = 0
        self.capabilities = self._dialect.opened(self.subprotocol)
        if not self.capabilities.sends_again:
            self._backlog.forget_sent()
        self.outputs.append(Tell(LinkUp(start.bridge, self.place, self._backlog.tally.connections)))
        self._say_start()
        if self.capabilities.waits_for_ready:
            self.deadline = now + self.destination.ready_timeout_s
        else:
            self.ready = Ready()
            self.fire(Input.READY, now)

    def _say_start(self) -> None:
        point = ResumePoint(
            self._token,
            self._backlog.tally.connections,
            self._backlog.first_frame,
            self._backlog.tally.acknowledged,
            self._backlog.head,
            self._established,
        )
        self.send(self._dialect.start(self._backlog.start, point))

    def _begin(self, now: float) -> None:
        """From the beginning of the ring, or from what is live."""
        if self.ready.start_at == "live":
            self._backlog.skip_waiting()
        else:
            self._backlog.rewind()
        if self.ready.ack_every_ms is not None:
            self._backlog.acknowledges = True
        self._outflow.set_window(self.ready.window_ms)
        self._flow(now)

    def _begin_plain(self, now: float) -> None:
        """Ready did not come: tell, and go on as if it were not needed."""
        self.send(self._dialect.error("ready_timeout", "no ready in time, plain now", False))
        self.capabilities = self._dialect.opened(self.capabilities.falls_back_to)
        if self._established:
            self._say_start()
        self._backlog.rewind()
        self._flow(now)

    def _resume(self, now: float) -> None:
        """From the frame that the consumer wants; from the ring's beginning where it errs."""
        if not self._backlog.rewind_to(self.from_frame):
            self.outputs.append(Puzzled("resumed from a frame that was not sent"))
            self._backlog.rewind()
        self._outflow.set_window(self.ready.window_ms)
        self._flow(now)

    def _flow(self, now: float) -> None:
        self.deadline = None
        self._established = True
        self._outflow.begin(now, self._backlog.tally.connections > 1)

    def _lost(self, now: float) -> None:
        """Wait for another connection. A pause was this consumer's wish, not the next one's."""
        self.deadline = None
        if self.ending is None:
            self._backlog.unpause()
        if self._backlog.spooled and self.capabilities.sends_again:
            # What died with the connection is needed again, before there is no room for it.
            self._backlog.rewind_unsafe()

    def _lost_early(self, now: float) -> None:
        """The consumer vanished before it had confirmed the end: it may come back for it."""
        self.complete = False
        self.deadline = None
        self.linger_until = self.give_up_at

    def _leave_unconfirmed(self, now: float) -> None:
        """What it has not read dies with this connection; on another, it gets it again."""
        self._unconfirmed += 1
        self.outputs.append(Disconnect(CLOSE_TIMEOUT, "not acknowledged in time", True))
        self._lost_early(now)

    def _leave(self, now: float) -> None:
        self.outputs.append(self.leaving)
        self._lost(now)

    def _reject(self, now: float) -> None:
        self.outputs.append(self.leaving)
        self._give_up(now)

    def _give_up(self, now: float) -> None:
        self.deadline = None
        self._backlog.unpause()
        self._backlog.give_up(RECONNECT)
        if self.ending is not None:
            self.fire(Input.TIMEOUT, now)

    def _say_stop(self, now: float) -> None:
        self.complete = True
        self._stop_said(now)
        if self.capabilities.hangs_up:
            self.fire(Input.FAREWELL, now)

    def _part(self, now: float) -> None:
        """The consumer's own end, at once."""
        self._end_here(now)
        self._close(now)

    def _end_here(self, now: float) -> None:
        """The consumer's own end: what it has got by now is the whole stream."""
        self.complete = True
        self._backlog.unpause()
        self._backlog.close_at(self._outflow.cursor)
        if self.ending is None:
            duration_ms = self._outflow.cursor * 1000 // self._backlog.start.sample_rate
            self.ending = (EndReason.CONSUMER_BYE, duration_ms, ())
        self._stop_said(now)

    def _stop_said(self, now: float) -> None:
        reason, duration_ms, channels = self.ending or (EndReason.ERROR, 0, ())
        stop = self._backlog.tally.stop(reason, duration_ms, channels)
        self.send(self._dialect.stop(stop))
        self.deadline = now + self.destination.close_timeout_s

    def _close(self, now: float) -> None:
        reason = self.ending[0] if self.ending is not None else EndReason.CALL_ENDED
        self.outputs.append(Disconnect(_CLOSE_CODES.get(reason, CLOSE_NORMAL), reason.value))

    def _close_and_finish(self, now: float) -> None:
        """The consumer did not close; who acknowledges has what it acknowledged."""
        self.complete = not self._backlog.unacknowledged
        self._close(now)
        self._finish(now)

    def _drop(self, now: float) -> None:
        """The call is over and the consumer too slow to get all of it."""
        code = CLOSE_BACKLOG if self._established else CLOSE_TIMEOUT
        self.outputs.append(Disconnect(code, "not delivered in time"))
        self._backlog.give_up(BACKPRESSURE)
        self._finish(now)

    def _abandon(self, now: float) -> None:
        """The call is over and the consumer could not be reached."""
        self._backlog.give_up(RECONNECT)
        self._finish(now)

    def _hang_up_and_put_by(self, now: float) -> None:
        code = CLOSE_BACKLOG if self._established else CLOSE_TIMEOUT
        self.outputs.append(Disconnect(code, "not delivered in time"))
        self._put_by(now)

    def _put_by(self, now: float) -> None:
        """The call is over: what the consumer may not have is for later."""
        self.deadline = self.linger_until = self._outflow.resume_at = None
        if self.capabilities.sends_again:
            self._backlog.rewind_unsafe()
        else:
            self._backlog.forget_sent()
        reason, duration_ms, channels = self.ending or (EndReason.ERROR, 0, ())
        final_position = self._backlog.account.position
        ending = Ending(reason, duration_ms, channels, final_position)
        self._standing = self._backlog.put_by(ending)

    def _leave_for_later(self, now: float) -> None:
        statistics = self._backlog.tally.statistics(False, self._standing)
        self.outputs.append(Finished(statistics))

    def _finish(self, now: float) -> None:
        self.deadline = self.linger_until = self._outflow.resume_at = None
        self._backlog.forget_disk()
        statistics = self._backlog.tally.statistics(self.complete)
        self.outputs.append(Finished(statistics))


_ACTIONS: Mapping[str, Callable[[Relation, float], None]] = {
    "greet": Relation._greet,
    "begin": Relation._begin,
    "begin plain": Relation._begin_plain,
    "resume": Relation._resume,
    "wait": Relation._lost,
    "wait for confirmation": Relation._lost_early,
    "leave": Relation._leave,
    "leave unconfirmed": Relation._leave_unconfirmed,
    "give up": Relation._give_up,
    "reject": Relation._reject,
    "abandon": Relation._abandon,
    "drop": Relation._drop,
    "put by": Relation._put_by,
    "hang up and put by": Relation._hang_up_and_put_by,
    "leave for later": Relation._leave_for_later,
    "say stop": Relation._say_stop,
    "part": Relation._part,
    "end here": Relation._end_here,
    "close": Relation._close,
    "close and finish": Relation._close_and_finish,
    "finish": Relation._finish,
}
"The words of the table."
