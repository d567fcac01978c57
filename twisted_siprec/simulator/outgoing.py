"""
One RTP stream of a simulated call: packets made ahead, some seconds at a time,
and sent when their time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import floor
from random import Random

import numpy as np

from .sending import EncodedSpeech
from .tones import EventPacket

Packet = bytes | memoryview
Slot = tuple[Packet, ...]
"What goes out in one packet interval: one packet, most often."

_HEADER_OCTETS = 12
_MARKER = 0x80


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a bad network does to a stream. The same seed always does the same."""

    loss: float = 0.0
    "The part of the packets that is lost, 0 to 1."
    reorder: float = 0.0
    "The part that comes after the packet that follows it."
    duplicate: float = 0.0
    "The part that comes twice."

    def __bool__(self) -> bool:
        return bool(self.loss or self.reorder or self.duplicate)

    def spoil(self, slots: list[Slot], random: Random) -> list[Slot]:
        """These slots as they come out of the network."""
        arriving: list[Slot] = []
        delayed: Slot = ()
        for slot in slots:
            through = tuple(packet for packet in slot if random.random() >= self.loss)
            if through and random.random() < self.duplicate:
                through += through[-1:]
            if through and not delayed and random.random() < self.reorder:
                delayed = through
                arriving.append(())
            else:
                arriving.append(through + delayed)
                delayed = ()
        if delayed:
            arriving[-1] += delayed
        return arriving


class OutgoingStream:
    """
    The packets of one m-line. Time is counted in packet intervals, called
    slots, from the start of the stream; the timestamp follows from the slot, so
    that it is right after any pause.
    """

    def __init__(
        self,
        speech: EncodedSpeech,
        random: Random,
        *,
        slots: int,
        impairment: Impairment | None = None,
        events: Mapping[int, tuple[EventPacket, ...]] | None = None,
        event_payload_type: int = 101,
        slots_ahead: int = 50,
    ) -> None:
        self.speech = speech
        self.slots = slots
        "How many packet intervals it lasts."
        self.ssrc = random.getrandbits(32)
        self.first_timestamp = random.getrandbits(32)
        self.sequence = random.getrandbits(16)
        "The sequence number of the next packet that is made."
        self.packets = 0
        self.octets = 0
        "Payload octets sent, as a sender report counts them (:rfc:`3550#section-6.4.1`)."
        self.unsent = 0
        "Packets that the socket did not take."
        self._random = random
        self._impairment = impairment or Impairment()
        self._events = events or {}
        self._event_payload_type = event_payload_type
        self._slots_ahead = slots_ahead
        self._batch: list[Slot] = []
        self._sequences: list[int] = []
        "The sequence number with which each slot of the batch begins."
        self._batch_start = 0
        self._marker = True

    def slot(self, number: int) -> Slot:
        """The packets of this slot; slots are asked for in ascending order."""
        offset = number - self._batch_start
        if not 0 <= offset < len(self._batch):
            self._make(number)
            offset = 0
        return self._batch[offset]

    def paused(self, number: int) -> None:
        """Nothing is sent from this slot on: the sequence goes on where it was cut off."""
        offset = number - self._batch_start
        if 0 <= offset < len(self._sequences):
            self.sequence = self._sequences[offset]
        self._batch = []
        self._sequences = []
        self._marker = True

    def timestamp(self, slot: float) -> int:
        """The RTP timestamp at a slot."""
        return (self.first_timestamp + round(slot * self.speech.ticks)) & 0xFFFFFFFF

    def _make(self, first: int) -> None:
        count = min(self._slots_ahead, self.slots - first)
        slots = range(first, first + count)
        sequence = self.sequence
        if any(slot in self._events for slot in slots):
            made = [self._event_slot(slot) or self._audio(slot, 1)[0] for slot in slots]
        else:
            made = self._audio(first, count)
        self._batch = self._impairment.spoil(made, self._random) if self._impairment else made
        self._batch_start = first
        self._sequences = [
            (sequence + before) & 0xFFFF for before in accumulate(map(len, made), initial=0)
        ][:-1]

    def _audio(self, first: int, count: int) -> list[Slot]:
        speech = self.speech
        slots = np.arange(first, first + count)
        rows = slots % len(speech.payloads)
        sizes = speech.sizes[rows]
        packets = np.empty((count, _HEADER_OCTETS + speech.payloads.shape[1]), dtype=np.uint8)
        packets[:, 0] = 0x80
        packets[:, 1] = speech.types[rows] | speech.marked[rows] * np.uint8(_MARKER)
        sent = sizes > 0
        sequences = (self.sequence + np.cumsum(sent) - sent).astype(">u2")
        packets[:, 2:4] = sequences.view(np.uint8).reshape(-1, 2)
        times = ((self.first_timestamp + slots * speech.ticks) & 0xFFFFFFFF).astype(">u4")
        packets[:, 4:8] = times.view(np.uint8).reshape(-1, 4)
        packets[:, 8:12] = np.frombuffer(self.ssrc.to_bytes(4, "big"), dtype=np.uint8)
        packets[:, 12:] = speech.payloads[rows]
        if self._marker and sent.any():
            packets[np.argmax(sent), 1] |= _MARKER
            self._marker = False
        self.sequence = (self.sequence + int(sent.sum())) & 0xFFFF
        octets, width = memoryview(packets.tobytes()), packets.shape[1]
        return [
            (octets[number * width :][: _HEADER_OCTETS + size],) if size else ()
            for number, size in enumerate(sizes.tolist())
        ]

    def _event_slot(self, slot: int) -> Slot:
        """Key presses take the place of the audio (:rfc:`4733#section-2.5.1.1`)."""
        packets: list[Packet] = []
        for event in self._events.get(slot, ()):
            marked = _MARKER if event.marker else 0
            packets.append(
                bytes((0x80, marked | self._event_payload_type))
                + self.sequence.to_bytes(2, "big")
                + self.timestamp(event.started_slot).to_bytes(4, "big")
                + self.ssrc.to_bytes(4, "big")
                + event.payload
            )
            self.sequence = (self.sequence + 1) & 0xFFFF
        return tuple(packets)


class PacedStream:
    """
    A stream on its way: sends what is due, up to now, whenever it is asked, so
    that nothing is left out after a stall.
    """

    def __init__(
        self, stream: OutgoingStream, send: Callable[[Packet], object], epoch: float
    ) -> None:
        self.stream = stream
        self.send = send
        self.epoch = epoch
        "Monotonic seconds of the first slot; before it begins, not to be before this."
        self.begun = False
        self.sending = True
        "False while the stream is on hold: time passes, nothing is sent."
        self.next_slot = 0

    def begin(self, at: float) -> None:
        """
        The first slot is now. A stream that begins late is not late: its
        packets keep their distances, as those of a source do that starts when
        it can.
        """
        if not self.begun:
            self.begun = True
            self.epoch = max(self.epoch, at)

    def hold(self) -> None:
        """Send nothing for now."""
        if self.sending:
            self.sending = False
            self.stream.paused(self.next_slot)

    def resume(self) -> None:
        """Send again, from where time has come to."""
        self.sending = True

    def end(self) -> None:
        """Send no more."""
        self.next_slot = self.stream.slots

    @property
    def ended(self) -> bool:
        """All of it was sent."""
        return self.next_slot >= self.stream.slots

    def send_due(self, now: float) -> float | None:
        """Send all that is due; returns when the next is, None when all was sent."""
        stream, interval = self.stream, self.stream.speech.packet_s
        # The tolerance keeps a slot whose time is now from being put off by a rounding error.
        due = min(stream.slots, floor((now - self.epoch) / interval + 1e-6) + 1)
        while self.next_slot < due:
            if self.sending:
                for packet in stream.slot(self.next_slot):
                    self._send(packet)
            self.next_slot += 1
        return None if self.ended else self.epoch + self.next_slot * interval

    def _send(self, packet: Packet) -> None:
        stream = self.stream
        try:
            self.send(packet)
        except OSError:
            # A refusal (ICMP) of the packet before, or a full buffer: RTP goes on.
            stream.unsent += 1
        else:
            stream.packets += 1
            stream.octets += len(packet) - _HEADER_OCTETS
