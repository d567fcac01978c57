"""
The jitter buffer of one stream: packets in at any time and in any order,
audio out at the playout deadline, whatever came.

Each packet has its place on the bridge's timeline, so reordering needs no care
but a sort, and a span where nothing was placed is a value: silence, with the
reason why. A span is named once:

=============  ===============================================================
rtp_loss       a later packet shows that sequence numbers are missing
late           its packet came after it was played as silence
no_packets     nothing came for more than ``quiet_ms``
=============  ===============================================================

A shorter span with nothing wrong about it is silence without a name
(:rfc:`3550#section-5.1`: timestamps jump where a sender is silent), and so is
what follows a comfort noise packet (:rfc:`3389`).

What is known to be lost when it is to be played is concealed
(:mod:`.restoration`). Where a key is pressed, there is silence (``muted``), if
the bridge is to have it so (:mod:`.mask`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from ..audio.codec import Decoder
from ..audio.samples import NO_SAMPLES, Samples
from .composition import Missing, Piece, Played, composed, mute, named
from .course import Run
from .forms import FORMS, form_of, rewritten
from .restoration import Restoration, Span
from .timeline import UNITS_PER_MS, units_per_sample


class Kind(IntEnum):
    """What a packet stands for on the timeline."""

    AUDIO = 0
    EVENT = 1
    "A key press, or nothing: its span is silent, and not lost."
    NOISE = 2
    "Comfort noise: silent from here to the next packet."


class Placed(NamedTuple):
    """
    A packet in its place. The fields are in the order of playing, so that the
    tuples sort as they are; no two have the same run and sequence.
    """

    position: int
    run: int
    "Counts anchorings; sequence numbers of different runs say nothing of each other."
    sequence: int
    end: int
    kind: Kind
    decoder: Decoder | None
    payload: bytes

    def moved(self, units: int) -> Placed:
        """The same, later by so much."""
        return self._replace(position=self.position + units, end=self.end + units)


class Playout:
    """The packets of one stream that are not played yet, and how far it is played."""

    def __init__(self, rate: int, limit: int, quiet_ms: int, conceal: bool = False) -> None:
        self.played = 0
        "The end of what was played; what comes for a place before it is late."
        self.newest = 0
        "The end of the newest packet."
        self._rate = rate
        self._limit = limit
        self._quiet = quiet_ms * UNITS_PER_MS
        self._pending: list[Placed] = []
        self._sorted = True
        self._tail: list[Piece] = []
        self._accounted = 0
        "Up to here everything was heard, named, or found to be plain silence."
        self._run = -1
        self._sequence = 0
        self._dry = False
        "Nothing comes, and this was said."
        self._noise = False
        "The source said that it is silent."
        self._last_sample = 0
        self._decoder: Decoder | None = None
        "Of the newest packet that was played."
        self._restoration = Restoration(rate) if conceal else None

    def place(self, packet: Placed) -> bool:
        """Keep a packet for its time. False where there is no room, or no use for it any more."""
        pending = self._pending
        if len(pending) >= self._limit:
            return False
        if (
            packet.end <= self._accounted
            and packet.end <= self.played
            and packet.kind is Kind.AUDIO
        ):
            return False
        if pending and packet < pending[-1]:
            self._sorted = False
        pending.append(packet)
        if packet.end > self.newest:
            self.newest = packet.end
        return True

    def begin(self, position: int) -> None:
        """Playing begins at a position."""
        self.played = self._accounted = position

    def forget(self, position: int) -> None:
        """Nothing of what is buffered is to be heard; go on at a position."""
        self._pending = []
        self._sorted = True
        self._tail = []
        self.played = self._accounted = self.newest = position
        self._run = -1
        self._dry = self._noise = False
        self._last_sample = 0
        if self._restoration is not None:
            self._restoration.forget()

    def quiet(self, end: int) -> bool:
        """Whether nothing is to be heard before a place."""
        losing = self._restoration is not None and self._restoration.losing
        return not (losing or self._tail or any(known.position < end for known in self._pending))

    def pull(self, run: int, units: int) -> None:
        """Of a run nothing was played yet: all of it lies later by so much, earlier mostly."""
        self._pending = [
            known.moved(units) if known.run == run else known for known in self._pending
        ]
        self._sorted = False
        ends = [known.end for known in self._pending]
        self.newest = max(ends, default=self.newest)

    def shift(self, units: int) -> None:
        """The timeline lies later by so much from what was played on, and all that waits on it."""
        self.played += units
        self.newest += units
        self._accounted += units
        self._pending = [known.moved(units) for known in self._pending]
        self._tail = [piece._replace(position=piece.position + units) for piece in self._tail]
        if self._restoration is not None:
            self._restoration.shift(units)

    def play(self, end: int, held: bool = False, muted: Sequence[Span] = ()) -> Played:
        """
        The audio up to ``end``, whatever came; of a held stream nothing is missed.

        :param muted: the spans that are silent whatever came.
        """
        start, self.played = self.played, end
        missing = [Missing(first, last, "muted") for first, last in muted]
        pieces = self._tail
        due = self._due(end)
        if due:
            pieces = pieces + self._decoded(due, start, missing)
        self._noise = self._noise or held
        pieces = pieces + self._settle(start, end, missing)
        restoration = self._restoration
        if not pieces and (restoration is None or not restoration.wanted):
            if restoration is not None:
                restoration.forget()
            return Played(self._rate, None, tuple(missing))
        samples, heard, self._tail, self._last_sample = composed(
            pieces, self._rate, start, end, self._last_sample
        )
        mute(samples, self._rate, start, muted)
        concealed: list[Span] = []
        if restoration is not None:
            concealed = restoration.restore(samples, self._rate, start, end)
            mute(samples, self._rate, start, muted)
        replaced = sum(last - first for first, last in concealed)
        told = tuple(named(missing, concealed))
        audible = heard or replaced
        return Played(self._rate, samples if audible else None, told, heard, replaced)

    def run(self) -> Run | None:
        """What waits, where that goes on from what was played, packet by packet, in a line."""
        pending = self._pending
        decoder = pending[0].decoder if pending else None
        number = form_of(decoder)
        if decoder is None or number is None or self._dry or self._noise or not self._sorted:
            return None
        if self._restoration is not None and self._restoration.losing:
            # What comes next is to be joined to what was concealed.
            return None
        form, rest = FORMS[number], self._begun(decoder)
        octets_begun = rewritten(form, rest, decoder) if rest is not None else None
        if rest is None or octets_begun is None:
            return None
        place, sequence = self._accounted, self._sequence
        for packet in pending:
            if (packet.position, packet.sequence, packet.run) != (place, sequence + 1, self._run):
                return None
            place, sequence = packet.end, packet.sequence
        payloads = [packet.payload for packet in pending]
        octets = len(payloads[0])
        if any(packet.decoder is not decoder for packet in pending):
            return None
        if any(len(payload) != octets for payload in payloads):
            return None
        if form.octets_of(form.samples_of(octets)) != octets:
            return None
        return Run(
            form=number,
            decoder=decoder,
            packet_octets=octets,
            ticks=decoder.ticks(payloads[0]),
            lasts=pending[0].end - pending[0].position,
            octets=octets_begun + b"".join(payloads),
            sequence=sequence,
            end=place,
            last_sample=self._last_sample,
            ahead=rest if form.decoded is None else NO_SAMPLES,
        )

    def _begun(self, decoder: Decoder) -> Samples | None:
        """The rest of the packet that was played in part; None where there is more to it."""
        unit = units_per_sample(decoder.rate)
        if decoder.rate != self._rate or len(self._tail) > 1:
            return None
        rest = self._tail[0] if self._tail else Piece(self.played, self._rate, NO_SAMPLES)
        if rest.position != self.played or rest.rate != self._rate:
            return None
        if self.played + len(rest.samples) * unit != self._accounted:
            return None
        return rest.samples

    def take_back(self, played: int, run: Run) -> None:
        """All was played up to a place, and this waits; the anchoring is still the same."""
        decoder, lasts = run.decoder, run.lasts
        ahead = FORMS[run.form].octets_of(len(run.ahead))
        begun = len(run.octets) % run.packet_octets
        # A packet is decoded as a whole here, or not yet.
        begun += max(-(-(ahead - begun) // run.packet_octets), 0) * run.packet_octets
        whole = (len(run.octets) - begun) // run.packet_octets
        self.played, self.newest = played, max(self.newest, run.end)
        self._accounted = played + begun * lasts // run.packet_octets
        self._sequence = run.sequence - whole
        self._last_sample = run.last_sample
        self._decoder = decoder
        if self._restoration is not None:
            self._restoration.remember(run.before, decoder.rate)
        self._tail = []
        if begun:
            rest = np.concatenate([run.ahead, decoder.decode(run.octets[ahead:begun])])
            self._tail.append(Piece(played, decoder.rate, rest))
        self._pending = [
            Placed(
                position=self._accounted + number * lasts,
                run=self._run,
                sequence=self._sequence + 1 + number,
                end=self._accounted + (number + 1) * lasts,
                kind=Kind.AUDIO,
                decoder=decoder,
                payload=run.octets[begun + number * run.packet_octets :][: run.packet_octets],
            )
            for number in range(whole)
        ]

    def _due(self, end: int) -> list[Placed]:
        """The packets that begin before a position, in order; they are pending no more."""
        pending = self._pending
        if not self._sorted:
            pending.sort()
            self._sorted = True
        count = len(pending)
        while count and pending[count - 1].position >= end:
            count -= 1
        self._pending = pending[count:]
        return pending[:count]

    def _decoded(self, due: list[Placed], start: int, missing: list[Missing]) -> list[Piece]:
        """Packets as audio, those that follow each other decoded as one."""
        pieces: list[Piece] = []
        position = end = 0
        decoder: Decoder | None = None
        payloads: list[bytes] = []
        for packet in due:
            if (
                packet.position == self._accounted >= start
                and packet.sequence == self._sequence + 1
                and packet.run == self._run
            ):
                self._accounted = packet.end
                self._sequence += 1
                self._dry = self._noise = False
                if packet.kind is Kind.NOISE:
                    self._noise = True
            else:
                lost = self._account(packet, start, missing)
                if lost is not None:
                    if decoder is not None:
                        pieces.append(
                            Piece(position, decoder.rate, decoder.decode(b"".join(payloads)))
                        )
                        self._decoder, decoder = decoder, None
                    pieces += self._replaced(*lost, packet, start)
            if packet.decoder is None:
                continue
            if packet.decoder is decoder and packet.position == end and decoder.joins:
                payloads.append(packet.payload)
            else:
                if decoder is not None:
                    pieces.append(Piece(position, decoder.rate, decoder.decode(b"".join(payloads))))
                decoder, position, payloads = packet.decoder, packet.position, [packet.payload]
            end = packet.end
        if decoder is not None:
            pieces.append(Piece(position, decoder.rate, decoder.decode(b"".join(payloads))))
            self._decoder = decoder
            self._rate = decoder.rate
        return pieces

    def _account(self, packet: Placed, start: int, missing: list[Missing]) -> Span | None:
        """Say what is missing before a packet, and what of it came late. Gives what was lost."""
        lost_span: Span | None = None
        same_run = packet.run == self._run
        before = self._accounted
        if packet.position > before and not self._noise:
            lost = max(packet.sequence - self._sequence - 1, 0) if same_run else 0
            # What is lost fills the gap, unless the sender was silent as well: then
            # it is taken for packets like this one, right before it.
            each = packet.end - packet.position or packet.position - before
            spans = packet.position - before
            if lost and spans <= lost * each + self._quiet:
                loss_from = before
            else:
                loss_from = packet.position - lost * each
            if loss_from > before and (self._dry or loss_from - before > self._quiet):
                missing.append(Missing(before, loss_from, "no_packets"))
            if packet.position > loss_from:
                missing.append(Missing(loss_from, packet.position, "rtp_loss"))
                lost_span = loss_from, packet.position
        late_from, late_to = max(before, packet.position), min(packet.end, start)
        if packet.kind is Kind.AUDIO and late_to > late_from:
            missing.append(Missing(late_from, late_to, "late"))
        self._accounted = max(before, packet.end, min(packet.position, start))
        if not same_run or packet.sequence > self._sequence:
            self._run, self._sequence = packet.run, packet.sequence
        self._noise = packet.kind is Kind.NOISE
        if packet.end > packet.position:
            self._dry = False
        return lost_span

    def _replaced(self, begin: int, end: int, following: Placed, start: int) -> list[Piece]:
        """What a decoder has in the place of a loss, unless a part was played as silence."""
        if self._restoration is None or begin < start:
            return []
        alike = following.decoder is self._decoder
        audio = self._restoration.lose(
            begin, end, following.position, self._decoder, following.payload if alike else b""
        )
        if self._decoder is None or not len(audio):
            return []
        return [Piece(begin, self._decoder.rate, audio, came=False)]

    def _settle(self, start: int, end: int, missing: list[Missing]) -> list[Piece]:
        """
        At the end of a chunk: a span that is known to be lost, or open for long
        enough, is named. Gives what is in its place.
        """
        before = self._accounted
        if before >= end:
            return []
        following = self._after_loss()
        if self._noise:
            self._accounted = end
        elif following is not None:
            missing.append(Missing(before, end, "rtp_loss"))
            self._accounted = end
            return self._replaced(before, end, following, start)
        elif self._dry or end - before > self._quiet:
            missing.append(Missing(before, end, "no_packets"))
            self._accounted = end
            self._dry = True
        return []

    def _after_loss(self) -> Placed | None:
        """The next packet, if it is here, and shows that all before it was lost."""
        if self._restoration is None or self._dry or not self._pending:
            return None
        following = self._pending[0]
        lost = following.sequence - self._sequence - 1
        if following.run != self._run or lost <= 0:
            return None
        spans = following.position - self._accounted
        each = following.end - following.position or spans
        return following if spans <= lost * each + self._quiet else None
