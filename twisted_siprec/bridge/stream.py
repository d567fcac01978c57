"""
One recorded m-line: from datagrams to packets in their places, and to audio.

The way of a datagram: is it RTP, from the source that is heard? Then its
sequence number says whether it is new, its payload type what it is, and its
timestamp where it belongs.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, replace

from ..plan import Address, Codec, SRTPKeys, StreamPlan
from ..report import StreamStatistics
from ..rtp.datagram import Datagram
from ..rtp.events import DigitPressed, EventReceiver
from ..rtp.header import RTPPacket, parse
from ..rtp.quality import mos
from ..rtp.rtcp import SenderReport
from ..rtp.sequence import Order
from ..rtp.source import Arrival, Probation, Source
from ..rtp.srtp import SRTP
from .alignment import SourceClock
from .composition import Played
from .course import Course, Progressed, Run
from .drift import Drift
from .formats import Format, first_rate, formats
from .mask import DigitMask
from .placement import Placement
from .playout import Kind, Playout
from .settings import MediaSettings
from .stretch import SLOWNESS, fitted
from .timeline import UNITS_PER_MS

MAX_CONTRIBUTORS = 32
"So many of those who were mixed into a stream are told; a conference may have more."


@dataclass(slots=True)
class _Counts:
    """What came, over all sources."""

    packets: int = 0
    octets: int = 0
    lost: int = 0
    "Of the sources that are over."
    duplicate: int = 0
    reordered: int = 0
    discarded: int = 0
    silent: int = 0
    "Units."
    concealed: int = 0
    "Units."
    max_jitter_s: float = 0.0
    codec_changes: int = 0
    ssrc_changes: int = 0
    dropped: int = 0


class Stream:
    """The reception and the playout of one stream of a bridge."""

    def __init__(
        self,
        plan: StreamPlan,
        settings: MediaSettings,
        opened_at: float,
        mask: DigitMask | None = None,
    ) -> None:
        self.plan = plan
        self.source: Source | None = None
        "The source that is heard."
        self.codec: Codec | None = None
        "The format of the newest audio packet."
        self.origin: float | None = None
        "When the first packet came of which the source was believed."
        self.heard_at: float | None = None
        "When the newest packet came."
        self.round_trip_s: float | None = None
        "To the source and back, as RTCP measured it."
        self.muted = False
        "What comes now is not recorded, though it is counted."
        self._opened_at = opened_at
        self.srtp = SRTP(plan.crypto) if plan.crypto is not None else None
        "What protects RTP and RTCP; None where nothing does."
        self._settings = settings
        self._formats = formats(plan.codecs)
        self._playout = Playout(
            first_rate(self._formats),
            settings.max_pending_packets,
            settings.quiet_ms,
            settings.conceal,
        )
        self._mask = mask
        self._placement = Placement(self._playout, opened_at, settings)
        self._probation = Probation()
        self._doubted = False
        "Somebody is on probation, and nothing came since of the source that is heard."
        self._cname: str | None = None
        self._moved = False
        "The SRC said that it sends from elsewhere from now on."
        self._events = EventReceiver()
        self._pressed: list[DigitPressed] = []
        self._counts = _Counts()
        self._contributors: dict[int, None] = {}
        "Who was mixed into it, as the packets say."

    def update(self, plan: StreamPlan) -> None:
        """The stream is this from now on: its formats, where it comes from, whether it is held."""
        if plan.source is not None and plan.source != self.plan.source:
            self._moved = True
        if plan.crypto is not None or plan.dtls is None or self.plan.crypto is not None:
            self.protect(plan.crypto)
        if plan.codecs != self.plan.codecs:
            self._formats = formats(plan.codecs)
        self.plan = plan

    def protect(self, keys: SRTPKeys | None) -> None:
        """From now on packets are by these keys; by none, as the plan says."""
        if keys is None:
            self.srtp = None
        elif self.srtp is None:
            self.srtp = SRTP(keys)
        else:
            self.srtp.update(keys)

    @property
    def srtcp(self) -> SRTP | None:
        """What protects RTCP; None where nothing does, or the ports do it by themselves (DTLS)."""
        return self.srtp if self.plan.dtls is None else None

    @property
    def _unreadable(self) -> bool:
        """There are no keys yet, or no more, and nothing is taken without."""
        return self.srtp is None and self.plan.dtls is not None

    # --- datagrams ---

    def receive(self, datagrams: Items[Datagram]) -> None:
        """Take what came since the last time, in the order of arrival."""
        for octets, address, arrived_at, dropped, opened in datagrams:
            if dropped:
                self._counts.dropped = dropped
            if self.srtp is not None and not opened:
                octets = self.srtp.unprotect(octets) or b""
            elif self._unreadable:
                octets = b""
            packet = parse(octets)
            if packet is None:
                self._counts.discarded += 1
                continue
            source = self.source
            if source is None or packet.ssrc != source.ssrc or address != source.address:
                self._doubt(packet, address, arrived_at)
                continue
            order, sequence = source.sequence.receive(packet.sequence)
            if order is Order.NEXT:
                if self._doubted:
                    self._doubted = False
                    self._probation.interrupt()
                self._take(source, packet, sequence, arrived_at)
            elif order is Order.REORDERED:
                self._counts.reordered += 1
                self._take(source, packet, sequence, arrived_at)
            elif order is Order.DUPLICATE:
                self._counts.duplicate += 1
            else:
                self._doubt(packet, address, arrived_at)

    def _doubt(self, packet: RTPPacket, address: Address, arrived_at: float) -> None:
        """A packet that is not of the source that is heard: may it be of the next one?"""
        if packet.payload_type not in self._formats or not self._has_business(address, arrived_at):
            self._counts.discarded += 1
            return
        arrivals = self._probation.receive(Arrival(packet, address, arrived_at))
        self._doubted = not arrivals
        if arrivals:
            # A re-INVITE may have taken away the format of one that was held.
            known = self._formats
            self._adopt(tuple(one for one in arrivals if one.packet.payload_type in known))

    def _has_business(self, address: Address, arrived_at: float) -> bool:
        """Whether a source may send from an address: the first one, or the next one."""
        signalled = self.plan.source
        strict = self._settings.expect_signalled_source and signalled is not None
        if strict and signalled is not None and address[0] != signalled[0]:
            return False
        if self.source is None or self._moved or self.source.address == address:
            return True
        # Nobody takes over from a source that goes on (RFC 3550 section 8.2).
        return arrived_at - (self.heard_at or 0.0) > self._settings.relatch_after_s

    def _adopt(self, arrivals: tuple[Arrival, ...]) -> None:
        """Hear a new source, or one that began anew, from its first held packet on."""
        first = arrivals[0]
        before = self.source
        if before is not None:
            self._retire(before)
            self._counts.ssrc_changes += before.ssrc != first.packet.ssrc
            self._moved = self._moved and before.address == first.address
            # What the decoders remember is of another source.
            self._formats = formats(self.plan.codecs)
            self._placement.release()
        packet = first.packet
        source = Source(packet.ssrc, first.address, packet.sequence, packet.timestamp)
        self.source = source
        self._events = EventReceiver()
        if self.origin is None:
            self.origin = first.arrived_at
        # Those in the wrong order lie before the one that came first.
        earliest = min(source.extend(arrival.packet.timestamp) for arrival in arrivals)
        self._placement.anchor(earliest, first.arrived_at, self._formats[packet.payload_type].tick)
        self._take(source, packet, packet.sequence, first.arrived_at)
        for arrival in arrivals[1:]:
            _, sequence = source.sequence.receive(arrival.packet.sequence)
            self._take(source, arrival.packet, sequence, arrival.arrived_at)

    def _retire(self, source: Source) -> None:
        """Keep the counts of a source that is heard no more."""
        self._counts.lost += max(source.sequence.lost, 0)
        self._counts.max_jitter_s = max(self._counts.max_jitter_s, source.max_jitter_s)

    def _take(self, source: Source, packet: RTPPacket, sequence: int, arrived_at: float) -> None:
        """A packet of the source that is heard, for the first time."""
        if packet.contributors and len(self._contributors) < MAX_CONTRIBUTORS:
            self._contributors.update(dict.fromkeys(packet.contributors))
        counts = self._counts
        counts.packets += 1
        counts.octets += len(packet.payload)
        self.heard_at = arrived_at
        known = self._formats.get(packet.payload_type)
        if known is None:
            counts.discarded += 1
            placed = self._placement.nothing(sequence)
        elif known.kind is Kind.EVENT:
            timestamp = source.extend(packet.timestamp)
            self._press(known, packet.payload, timestamp, arrived_at)
            placed = self._placement.event(known, packet.payload, sequence, timestamp)
            if self._mask is not None:
                span = self._placement.event_span(known, packet.payload, timestamp, arrived_at)
                self._mask.press(packet.payload, timestamp, *span)
        else:
            timestamp = source.extend(packet.timestamp)
            source.measure(timestamp, arrived_at, known.codec.clock_rate)
            if known.codec is not self.codec and known.kind is Kind.AUDIO:
                self._change_codec(known.codec)
            placed = self._placement.audio(known, packet.payload, sequence, timestamp, arrived_at)
        if not self.muted and self.plan.active:
            self._playout.place(placed)

    def _change_codec(self, codec: Codec) -> None:
        if self.codec is not None and codec != self.codec:
            self._counts.codec_changes += 1
        self.codec = codec

    def _press(self, known: Format, payload: bytes, timestamp: int, arrived_at: float) -> None:
        """What is keyed in a pause is as confidential as what is said."""
        rate = known.codec.clock_rate
        pressed = self._events.receive(payload, timestamp, rate, arrived_at)
        if not self.muted and self.plan.active:
            self._pressed += pressed

    # --- on course ---

    def course(self) -> Course | None:
        """What to expect next, where all goes as it should; None where anything is unusual."""
        source, codec = self.source, self.codec
        drift = self._placement.drift
        unheard = self.muted or not self.plan.active or self._unreadable
        protection = self.srtp.unprotection if self.srtp is not None else None
        if source is None or codec is None or drift is None or self._doubted or unheard:
            return None
        if self.srtp is not None and protection is None:
            return None
        run = self._playout.run()
        known = self._formats.get(codec.payload_type)
        if run is None or known is None or self._pressed or self._events.pressing:
            return None
        if self._mask is not None and not self._mask.idle:
            return None
        clock, until = source.clock, drift.until
        if clock is None or until is None or drift.slips:
            return None
        timestamp = source.timestamp + run.ticks
        if known.codec is not codec or not self._placement.steady(known.tick):
            return None
        if self._placement.place_of(timestamp) != run.end:
            return None
        if run.sequence != source.sequence.highest or run.lasts != run.ticks * known.tick:
            return None
        return Course(
            run=run,
            payload_type=codec.payload_type,
            ssrc=source.ssrc,
            source=source.address,
            timestamp=timestamp,
            clock_rate=codec.clock_rate,
            opened_at=self._opened_at,
            arrived_at=clock[0],
            jitter_s=clock[1],
            max_jitter_s=source.max_jitter_s,
            least=None if drift.least is None else drift.least - drift.moved,
            most=None if drift.most is None else drift.most - drift.moved,
            until=until,
            dropped=self._counts.dropped,
            protection=protection,
        )

    def progress(self, progressed: Progressed) -> None:
        """These packets came on course; what becomes of their audio is not told here."""
        source, drift = self.source, self._placement.drift
        if source is None or drift is None or not progressed.packets:
            return
        source.advance(
            progressed.packets,
            progressed.ticks,
            progressed.arrived_at,
            progressed.jitter_s,
            progressed.max_jitter_s,
        )
        self._counts.packets += progressed.packets
        self._counts.octets += progressed.octets
        self.heard_at = progressed.arrived_at
        drift.least = None if progressed.least is None else progressed.least + drift.moved
        drift.most = None if progressed.most is None else progressed.most + drift.moved

    def take_back(self, played: int, run: Run) -> None:
        """On course up to here; from now on anything may come."""
        self._playout.take_back(played, run)

    @property
    def drift(self) -> Drift | None:
        """The clock of the source against ours; None before it is known."""
        return self._placement.drift

    # --- the timeline ---

    def reported(self, report: SenderReport, cname: str | None, received_at: float) -> None:
        """A sender report came; it counts when it is of the source that is heard."""
        source = self.source
        if source is not None and report.ssrc == source.ssrc:
            self._cname = cname
            timestamp = source.nearest(report.timestamp)
            self._placement.reported(report.ntp, timestamp, received_at)

    @property
    def source_clock(self) -> SourceClock | None:
        """Where the clock of the source lies, as far as its reports are believed."""
        origin, drift = self._placement.clock_origin(), self._placement.drift
        if origin is None or drift is None or self.source is None:
            return None
        return SourceClock(origin - drift.aligned_yet, self._cname, self.source.address[0])

    def take_lateness(self) -> int:
        """How late the latest packet was that came too late since the last time, in units."""
        return self._placement.take_lateness()

    @property
    def first_arrival(self) -> float | None:
        """When the first packet came, whether its source is believed yet or not."""
        return self.origin if self.origin is not None else self._probation.waiting_since

    @property
    def buffered(self) -> int:
        """The end of the newest packet that is placed."""
        return self._playout.newest

    @property
    def drift_ppm(self) -> float:
        """How much slower the clock of the source runs than ours."""
        return self._placement.drift.ppm if self._placement.drift is not None else 0.0

    def begin(self, place: int) -> None:
        """Play from this place on."""
        self._playout.begin(place)

    def skip(self, place: int) -> None:
        """Play from this place on, and nothing of what is buffered."""
        self._playout.forget(place)

    def play(self, end: int) -> Played:
        """The audio up to a place, whatever came."""
        start = self._playout.played
        moved = self._slip(start, end)
        until = end - moved
        muted = self._mask.play(start, until) if self._mask is not None else ()
        played = self._playout.play(until, not self.plan.active, muted)
        self._counts.silent += until - start - played.heard - played.concealed
        self._counts.concealed += played.concealed
        if not moved:
            return played
        self._playout.shift(moved)
        if self._mask is not None:
            self._mask.shift(moved)
        return fitted(played, start, until, end)

    def _slip(self, start: int, end: int) -> int:
        """
        By how much the timeline of the source is moved now: in a chunk that is
        silent by all that is asked for, else by so little that nobody hears it.
        """
        drift = self._placement.drift
        if drift is None or not drift.slips:
            return 0
        span = end - start
        silent = self._playout.quiet(end + span)
        return self._placement.slip(span if silent else span // SLOWNESS)

    def pressed(self, now: float) -> list[DigitPressed]:
        """The keys that were pressed since the last time."""
        over = self._events.expire(now)
        if over and not self.muted and self.plan.active:
            self._pressed += over
        pressed, self._pressed = self._pressed, []
        return pressed

    def timestamp_at(self, place: int) -> int | None:
        """The RTP timestamp of a place."""
        return self._placement.timestamp_at(place)

    def statistics(self) -> StreamStatistics:
        """What came so far."""
        counts, source = self._counts, self.source
        lost, jitter_s = counts.lost, counts.max_jitter_s
        if source is not None:
            lost += max(source.sequence.lost, 0)
            jitter_s = max(jitter_s, source.max_jitter_s)
        counted = StreamStatistics(
            index=self.plan.index,
            label=self.plan.label,
            codec=self.codec.name if self.codec is not None else None,
            ssrc=source.ssrc if source is not None else None,
            packets=counts.packets,
            octets=counts.octets,
            lost=lost,
            late=self._placement.late,
            duplicate=counts.duplicate,
            reordered=counts.reordered,
            discarded=counts.discarded,
            concealed_ms=counts.concealed // UNITS_PER_MS,
            silent_ms=counts.silent // UNITS_PER_MS,
            max_jitter_ms=round(jitter_s * 1000, 3),
            codec_changes=counts.codec_changes,
            ssrc_changes=counts.ssrc_changes,
            dropped=counts.dropped,
            slipped=self._placement.slipped,
            jitter_ms=round(source.jitter_s * 1000, 3) if source is not None else 0.0,
            rtt_ms=round(self.round_trip_s * 1000, 1) if self.round_trip_s is not None else None,
            contributors=tuple(self._contributors),
        )
        return replace(counted, mos=mos(counted))
