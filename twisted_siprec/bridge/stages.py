"""
The way of many packets at once: expect, unprotect, keep, decode.

Functions over the table and one round of reading. A stage never does anything
unusual: :func:`expected` says whose packets are just what they should be, and
:func:`unprotect` whose are genuine, and only those go on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..audio.samples import Samples
from .batch import HEADER_OCTETS, PacketBuffer
from .forms import FORMS, Form
from .table import LINE_OCTETS, NEVER, NOBODY, Rows, StreamTable, past_samples
from .timeline import UNITS_PER_SECOND

_MARKER = np.uint32(0xFF7FFFFF)
"All of the header's first word but the marker, which means nothing to us."


@dataclass(slots=True)
class Arrivals:
    """What came for some rows: for each row, and for each packet."""

    rows: Rows
    counts: Rows
    starts: Rows
    "Where the packets of a row begin, among those that are here."
    of: Rows
    "The row of a packet, as an index into ``rows``."
    number: Rows
    "Of a packet among those of its row."
    packets: Rows | slice
    "Where a packet lies in the buffer."
    arrived_at: NDArray[np.float64]
    arrival: NDArray[np.int64]
    transit: NDArray[np.int64]
    "How much later than its place a packet came, in units."
    good: NDArray[np.bool_]
    "Whether all that came for a row is as expected."

    def only(self, chosen: NDArray[np.bool_]) -> Arrivals:
        """Those of some rows."""
        kept = chosen[self.of]
        counts = self.counts[chosen]
        return Arrivals(
            rows=self.rows[chosen],
            counts=counts,
            starts=np.cumsum(counts) - counts,
            of=np.repeat(np.arange(len(counts)), counts),
            number=self.number[kept],
            packets=np.flatnonzero(kept) if isinstance(self.packets, slice) else self.packets[kept],
            arrived_at=self.arrived_at[kept],
            arrival=self.arrival[kept],
            transit=self.transit[kept],
            good=self.good[chosen],
        )


def expected(
    table: StreamTable, buffer: PacketBuffer, rows: Rows, counts: Rows, far: int
) -> Arrivals:
    """
    Hold what came against what was expected, all rows at once: the whole header
    but the marker, the length, who sent it, and that nothing was dropped before.

    :param counts: packets of each row, in the order in which they lie.
    :param far: how much earlier than its place a packet may come, in units.
    """
    used = buffer.used
    starts = np.cumsum(counts) - counts
    of = np.repeat(np.arange(len(rows)), counts)
    row = rows[of]
    number = np.arange(used) - starts[of]
    heads = buffer.heads[:used]
    first = table.first[row] | (table.sequence[row] + number & 0xFFFF).astype(np.uint32)
    timestamp = table.timestamp[row] + (number * table.ticks[row]).astype(np.uint32)
    arrived_at = buffer.arrived_at[:used]
    since = (arrived_at - table.opened_at[row]) * UNITS_PER_SECOND
    arrival = since.astype(np.int64)
    transit = (arrival - table.place[row] - number * table.lasts[row]).astype(np.int64, copy=False)
    as_expected = (
        (heads[:, 0] & _MARKER == first)
        & (heads[:, 1] == timestamp)
        & (heads[:, 2] == table.ssrc[row])
        & (buffer.lengths[:used] == table.length[row])
        & (buffer.dropped[:used] == table.dropped[row])
        & (buffer.names[:used] == table.names[row]).all(axis=1)
        & (transit >= -far)
    )
    waiting = table.fill[rows] - table.lead[rows] + counts * table.octets[rows]
    good = (waiting <= table.room[rows] - table.past[rows]) & (rows != NOBODY)
    if not as_expected.all():
        good[of[~as_expected]] = False
    return Arrivals(
        rows, counts, starts, of, number, slice(0, used), arrived_at, arrival, transit, good
    )


def unprotect(table: StreamTable, buffer: PacketBuffer, came: Arrivals) -> None:
    """
    Take off what protects the packets of good rows, where they lie. A row is good
    no more where one is not genuine; those before it are marked as opened.
    """
    wanted = table.protected[came.rows] & came.good & (came.counts > 0)
    if not wanted.any():
        return
    opened = buffer.opened
    for number in np.flatnonzero(wanted).tolist():
        first, count = int(came.starts[number]), int(came.counts[number])
        course = table.courses[came.rows[number]]
        if course is None or course.protection is None:
            continue
        genuine = buffer.protected.unprotect(course.protection.session, first, count)
        opened[first : first + genuine] = True
        if genuine < count:
            came.good[number] = False


def keep(table: StreamTable, buffer: PacketBuffer, came: Arrivals) -> list[int]:
    """
    Take expected packets into their lines, and measure them. Gives the rows of
    which a window of the drift is over: their delays are still to be looked at.
    """
    rows, counts = came.rows, came.counts
    octets = table.octets[rows]
    added = counts * octets
    # Where much was played already, room is made early: short lines stay in the caches.
    full = (table.fill[rows] + added > table.room[rows]) | (table.lead[rows] >= LINE_OCTETS)
    if full.any():
        table.make_room(rows[full])
    _copy(table, buffer, came, octets)
    table.fill[rows] += added
    table.sequence[rows] += counts
    table.timestamp[rows] += (counts * table.ticks[rows]).astype(np.uint32)
    table.place[rows] += counts * table.lasts[rows]
    table.taken[rows] += counts
    heard = counts > 0
    if not heard.all():
        came = came.only(heard)
    if not len(came.rows):
        return []
    _measure(table, came)
    return _watch(table, came)


def _copy(table: StreamTable, buffer: PacketBuffer, came: Arrivals, octets: Rows) -> None:
    """Payloads to the ends of their lines, all of one length at once."""
    ends = table.base[came.rows] + table.fill[came.rows]
    to = ends[came.of] + came.number * octets[came.of]
    lengths = np.unique(octets)
    for length in lengths.tolist():
        payloads = buffer.octets[:, HEADER_OCTETS : HEADER_OCTETS + length]
        lines = table.windows(length)
        if len(lengths) == 1:
            lines[to] = payloads[came.packets]
            continue
        chosen = np.flatnonzero(octets[came.of] == length)
        packets = chosen if isinstance(came.packets, slice) else came.packets[chosen]
        lines[to[chosen]] = payloads[packets]


def _measure(table: StreamTable, came: Arrivals) -> None:
    """Interarrival jitter (:rfc:`3550#appendix-A.8`), packet after packet, all rows at once."""
    rows, counts, starts = came.rows, came.counts, came.starts
    before = np.empty_like(came.arrived_at)
    before[1:] = came.arrived_at[:-1]
    before[starts] = table.arrived_at[rows]
    deviation = np.abs(came.arrived_at - before - table.spacing[rows][came.of])
    jitter, most = table.jitter_s[rows], table.max_jitter_s[rows]
    fewest = int(counts.min())
    for number in range(int(counts.max())):
        if number < fewest:
            jitter += (deviation[starts + number] - jitter) / 16.0
        else:
            more = counts > number
            jitter[more] += (deviation[starts[more] + number] - jitter[more]) / 16.0
        np.maximum(most, jitter, out=most)
    table.jitter_s[rows], table.max_jitter_s[rows] = jitter, most
    table.arrived_at[rows] = came.arrived_at[starts + counts - 1]


def _watch(table: StreamTable, came: Arrivals) -> list[int]:
    """The least and greatest delay of each row; where a window is over, packet by packet."""
    rows, starts = came.rows, came.starts
    over = np.maximum.reduceat(came.arrival, starts) >= table.until[rows]
    least = np.minimum(table.least[rows], np.minimum.reduceat(came.transit, starts))
    most = np.maximum(table.most[rows], np.maximum.reduceat(came.transit, starts))
    if not over.any():
        table.least[rows], table.most[rows] = least, most
        return []
    going_on = ~over
    table.least[rows[going_on]], table.most[rows[going_on]] = least[going_on], most[going_on]
    for number in np.flatnonzero(over).tolist():
        _observe(table, came, number)
    return [int(row) for row in rows[over]]


def _observe(table: StreamTable, came: Arrivals, number: int) -> None:
    """Judge the drift of one row: rare, so by the plain path's own means."""
    row = int(came.rows[number])
    stream = table.streams[row]
    drift = stream.drift if stream is not None else None
    if drift is None or drift.until is None:
        return
    least, most = int(table.least[row]), int(table.most[row])
    drift.least = None if least == NEVER else least + drift.moved
    drift.most = None if most == -NEVER else most + drift.moved
    own = slice(came.starts[number], came.starts[number] + came.counts[number])
    for transit, arrival in zip(
        came.transit[own].tolist(), came.arrival[own].tolist(), strict=True
    ):
        drift.observe(transit, arrival)
    table.least[row] = NEVER if drift.least is None else drift.least - drift.moved
    table.most[row] = -NEVER if drift.most is None else drift.most - drift.moved
    table.until[row] = drift.until


def decoded(table: StreamTable, rows: Rows, count: int) -> NDArray[np.int16]:
    """The next samples of each row, so many of each, one row each."""
    forms = table.form[rows]
    present = np.unique(forms).tolist()
    if len(present) == 1:
        samples = _decoded_alike(table, rows, FORMS[present[0]], count)
    else:
        samples = np.empty((len(rows), count), dtype=np.int16)
        for number in present:
            chosen = forms == number
            samples[chosen] = _decoded_alike(table, rows[chosen], FORMS[number], count)
    table.lead[rows] += table.chunk[rows]
    table.last_sample[rows] = samples[:, -1]
    return samples


def _decoded_alike(table: StreamTable, rows: Rows, form: Form, count: int) -> NDArray[np.int16]:
    """Those of rows of one form."""
    if form.decoded is not None:
        lines = table.windows(form.octets_of(count))
        return form.decoded(lines[table.base[rows] + table.lead[rows]])
    samples = np.empty((len(rows), count), dtype=np.int16)
    for number, row in enumerate(rows.tolist()):
        samples[number] = played = _decoded_alone(table, row, form, count)
        course = table.courses[row]
        if course is not None:
            past = past_samples(course.run.decoder.rate)
            before = played if len(played) >= past else np.concatenate((table.before[row], played))
            table.before[row] = before[-past:].copy()
    return samples


def _decoded_alone(table: StreamTable, row: int, form: Form, count: int) -> Samples:
    """Those of one row, of which some may be decoded already."""
    ahead, lead = table.ahead[row], int(table.lead[row])
    course = table.courses[row]
    if course is None:
        return np.zeros(count, dtype=np.int16)
    decode = course.run.decoder.decode
    if not len(ahead):
        return decode(table.line(row, lead, lead + form.octets_of(count)).tobytes())
    begun, table.ahead[row] = ahead[:count], ahead[count:]
    taken = form.octets_of(len(begun))
    octets = table.line(row, lead + taken, lead + form.octets_of(count)).tobytes()
    return np.concatenate((begun, decode(octets)))


def side_by_side(samples: NDArray[np.int16], width: int) -> NDArray[np.int16]:
    """Rows that follow each other, so many for each call, interleaved sample by sample."""
    if width == 1:
        return samples
    calls = samples.reshape(-1, width, samples.shape[1])
    together: NDArray[np.int16] = np.empty((len(calls), samples.shape[1], width), dtype="<i2")
    for column in range(width):
        together[:, :, column] = calls[:, column]
    return together
