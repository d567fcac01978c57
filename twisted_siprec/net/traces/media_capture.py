"""
The packets of calls, written down by the process that receives them.

RTP and RTCP of a call go to a file of its own, ``ID.rtp.part``, which is
``ID.rtp`` when the bridge has ended; the process of the signalling puts it together
with the SIP messages (:mod:`.shelf`). Once a second a thread writes what came
meanwhile. What is more than there is room for, and what the disk does not take, is
counted and not written; the call never notices.

Nothing is decrypted: SRTP is written as it came.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...bridge.batch import PacketBuffer
from ...plan import Address, BridgePlan
from ...rtp.datagram import Datagram
from ...rtp.header import is_rtcp
from ..media.rtp_port import PortPair
from .media_file import MediaFile, One, Rows
from .watched_pair import WatchedPair

RTP_HEAD_OCTETS = 12

InThread = Callable[[Callable[[], int]], "Deferred[int]"]
"Runs something that blocks where it may."


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """What is written, and what it may cost."""

    directory: str
    payloads: bool = True
    "False for the headers of RTP only: when what came, and nothing of what was said."
    max_call_octets: int = 20_000_000
    "Of the packets of one call; the rest of them is only counted."
    max_waiting_octets: int = 64 * 1024 * 1024
    "Of all calls, in memory until the disk has taken it."
    flush_s: float = 1.0


@dataclass(slots=True)
class _Account:
    """How much of a call waits, was taken and was not."""

    taken: int = 0
    "Octets."
    dropped: int = 0
    "Packets."


class CallCapture:
    """The packets of one bridge; a :class:`~..media.capture.BridgeCapture`."""

    def __init__(self, capture: MediaCapture, plan: BridgePlan) -> None:
        self.file = MediaFile(
            capture.settings.directory, plan.bridge, plan.local_address, plan.call_id
        )
        self.waiting: list[Rows | One] = []
        self.account = _Account()
        self.ended = False
        self._capture = capture
        self._payloads = capture.settings.payloads and not plan.mask_dtmf
        self._paused = plan.paused

    def watched(self, pair: PortPair) -> PortPair:
        """See :meth:`~..media.capture.BridgeCapture.watched`."""
        return WatchedPair(pair, self._came, self._reported)

    def rows(
        self,
        buffer: PacketBuffer,
        first: int,
        counts: Sequence[int],
        pairs: Sequence[PortPair],
    ) -> None:
        """See :meth:`~..media.capture.BridgeCapture.rows`: four copies, however many packets."""
        count = sum(counts)
        if not count or self._paused:
            return
        last = first + count
        lengths = buffer.lengths[first:last].copy()
        width = min(int(lengths.max()), buffer.max_octets)
        if not self._payloads:
            width = min(width, RTP_HEAD_OCTETS)
        if self._takes(count * (width + 32), count):
            self.waiting.append(
                Rows(
                    tuple([pair.rtp for pair in pairs]),
                    tuple(counts),
                    lengths,
                    buffer.names[first:last].copy(),
                    buffer.arrived_at[first:last] + self._capture.wall_offset(),
                    buffer.octets[first:last, :width].copy(),
                )
            )

    def pause(self, paused: bool) -> None:
        """See :meth:`~..media.capture.BridgeCapture.pause`."""
        self._paused = paused

    def end(self) -> None:
        """See :meth:`~..media.capture.BridgeCapture.end`. May be called again."""
        if not self.ended:
            self.ended = True
            self._capture.ended()

    # --- packets one by one ---

    def _came(self, datagrams: list[Datagram], port: int) -> None:
        if self._paused:
            return
        offset = self._capture.wall_offset()
        for datagram in datagrams:
            octets = datagram.octets
            if not octets:
                # It was longer than there is room for, and nothing of it is known.
                self.account.dropped += 1
                continue
            kept = octets if self._payloads else octets[:RTP_HEAD_OCTETS]
            at = datagram.arrived_at + offset
            self._take(One(at, datagram.source, port, False, kept, len(octets)))

    def _reported(self, octets: bytes, peer: Address, port: int, outgoing: bool) -> None:
        # On a port that is not shared, what is no RTCP says nothing to anybody.
        if not self._paused and is_rtcp(octets):
            at = self._capture.wallclock()
            self._take(One(at, peer, port, outgoing, octets, len(octets)))

    def _take(self, one: One) -> None:
        if self._takes(len(one.octets) + 64, 1):
            self.waiting.append(one)

    def _takes(self, octets: int, packets: int) -> bool:
        """Whether there is room for so much; it is taken up then."""
        account = self.account
        room = account.taken + octets <= self._capture.settings.max_call_octets
        if not room or self.ended or not self._capture.takes(octets):
            account.dropped += packets
            return False
        account.taken += octets
        return True


_Part = tuple[CallCapture, list[Rows | One], bool]
"A call, what is to be written of it, and whether it has ended."


class MediaCapture:
    """
    All calls of a process; a :class:`~..media.capture.Capture`.

    :param in_thread: runs what blocks; the reactor's threads where None.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: CaptureSettings,
        in_thread: InThread | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wallclock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.wallclock = wallclock
        self._reactor = reactor
        self._in_thread = in_thread if in_thread is not None else self._in_pool
        self._monotonic = monotonic
        self._calls: list[CallCapture] = []
        self._waiting_octets = 0
        self._timer: IDelayedCall | None = None
        self._writing: Deferred[None] | None = None
        self._refusing = False

    def begin(self, plan: BridgePlan) -> CallCapture | None:
        """See :meth:`~..media.capture.Capture.begin`."""
        if not plan.captured:
            return None
        call = CallCapture(self, plan)
        self._calls.append(call)
        self._arm()
        return call

    def wall_offset(self) -> float:
        """What makes POSIX seconds of monotonic ones."""
        return self.wallclock() - self._monotonic()

    def takes(self, octets: int) -> bool:
        """Whether there is room in memory for so much; it is taken up then."""
        if self._waiting_octets + octets > self.settings.max_waiting_octets:
            return False
        self._waiting_octets += octets
        return True

    def ended(self) -> None:
        """A bridge has ended: somebody waits for its file."""
        self._disarm()
        self._write()

    def stop(self) -> Deferred[None]:
        """Write what is left of bridges that have ended; fires when it is written."""
        self._disarm()
        self._write()
        if self._writing is None:
            self._disarm()
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._writing.addCallback(lambda _: self.stop().chainDeferred(stopped))
        return stopped

    # --- writing ---

    def _arm(self) -> None:
        if self._timer is None and self._writing is None and self._calls:
            self._timer = self._reactor.callLater(self.settings.flush_s, self._due)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _due(self) -> None:
        self._timer = None
        self._write()

    def _write(self) -> None:
        """Hand all that waits to a thread; where one is at work, it is the next one's."""
        if self._writing is not None:
            return
        batch: list[_Part] = []
        for call in self._calls:
            if call.waiting or call.ended:
                batch.append((call, call.waiting, call.ended))
                call.waiting = []
        self._calls = [call for call in self._calls if not call.ended]
        if not batch:
            self._arm()
            return
        # Until the thread is done it is still in memory.
        octets = self._waiting_octets
        self._writing = Deferred()
        written = self._in_thread(lambda: self._write_batch(batch))
        told = written.addCallbacks(self._refused, self._log_fault)
        told.addCallback(lambda _: self._written(octets))

    def _write_batch(self, batch: list[_Part]) -> int:
        """In a thread: how many files could not be written."""
        refused = 0
        for call, waiting, ended in batch:
            try:
                call.file.write(waiting)
            except OSError:
                refused += 1
            if ended:
                refused += not call.file.finish(call.account.dropped, self.wallclock())
        return refused

    def _refused(self, refused: int) -> None:
        # Once for each time that the disk begins to refuse, not once a second.
        refused, self._refusing = refused * (not self._refusing), bool(refused)
        if refused:
            self._log.warn(
                "the packets of {refused} calls cannot be written to {directory}",
                refused=refused,
                directory=self.settings.directory,
            )

    def _log_fault(self, failure: Failure) -> None:
        self._log.failure("a fault in writing packets", failure)

    def _written(self, octets: int) -> None:
        self._waiting_octets -= octets
        waiting, self._writing = self._writing, None
        if any(call.ended for call in self._calls):
            self._write()
        else:
            self._arm()
        if waiting is not None:
            waiting.callback(None)

    def _in_pool(self, write: Callable[[], int]) -> Deferred[int]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), write)


def media_capture(reactor: Any, settings: CaptureSettings | None) -> MediaCapture | None:
    """What a process has where packets are written down; it is done before the process ends."""
    if settings is None:
        return None
    capture = MediaCapture(reactor, settings)
    reactor.addSystemEventTrigger("before", "shutdown", capture.stop)
    return capture
