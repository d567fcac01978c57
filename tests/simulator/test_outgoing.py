from __future__ import annotations

from dataclasses import replace
from random import Random
from struct import unpack

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.fakes import FakePort
from twisted_siprec.plan import Codec
from twisted_siprec.simulator.outgoing import Impairment, OutgoingStream, PacedStream, Slot
from twisted_siprec.simulator.sending import EncodedSpeech
from twisted_siprec.simulator.speech import Speech
from twisted_siprec.simulator.tones import EventPacket, key_presses, tone


def speech(packets: int = 4, packet_s: float = 0.02) -> EncodedSpeech:
    """Packets of two octets: their number, twice."""
    payloads = np.repeat(np.arange(packets, dtype=np.uint8), 2).reshape(packets, 2)
    return EncodedSpeech(
        (Codec(0, "PCMU", 8000),),
        payloads,
        np.full(packets, 2),
        np.zeros(packets, dtype=np.uint8),
        np.zeros(packets, dtype=np.bool_),
        160,
        packet_s,
        Speech(np.zeros(0, np.int16), 8000),
    )


def stream(slots: int = 10, **options: object) -> OutgoingStream:
    """A stream with numbers that are easy to read."""
    made = OutgoingStream(speech(), Random(1), slots=slots, **options)  # type: ignore[arg-type]
    made.ssrc, made.first_timestamp, made.sequence = 0x01020304, 0xFFFFFF60, 65534
    return made


def fields(packet: bytes | memoryview) -> tuple[int, int, int, int, int, bytes]:
    """Version octet, marker and payload type, sequence number, timestamp, SSRC, payload."""
    first, second, sequence, timestamp, ssrc = unpack(">BBHII", packet[:12])
    return first, second, sequence, timestamp, ssrc, bytes(packet[12:])


def sequences(slots: list[Slot]) -> list[list[int]]:
    """The sequence numbers of the packets of each slot."""
    return [[fields(packet)[2] for packet in slot] for slot in slots]


class OutgoingStreamTests(SynchronousTestCase):
    def test_headers(self) -> None:
        """Sequence and timestamp go up and wrap around; only the first packet is marked."""
        made = stream()
        self.assertEqual(
            [fields(made.slot(number)[0]) for number in range(3)],
            [
                (0x80, 0x80, 65534, 0xFFFFFF60, 0x01020304, b"\0\0"),
                (0x80, 0x00, 65535, 0x00000000, 0x01020304, b"\1\1"),
                (0x80, 0x00, 0, 0x000000A0, 0x01020304, b"\2\2"),
            ],
        )

    def test_batches(self) -> None:
        """What is made a few slots at a time is the same as what is made at once."""
        few, all_ = stream(slots_ahead=3), stream(slots_ahead=50)
        self.assertEqual(
            [few.slot(number) for number in range(10)],
            [all_.slot(number) for number in range(10)],
        )

    def test_repeats(self) -> None:
        """Speech that is over begins again."""
        made = stream()
        self.assertEqual(fields(made.slot(5)[0])[5], b"\1\1")

    def test_silence(self) -> None:
        """Where nothing is sent no number is used up; what comes after it may be marked."""
        silent = replace(
            speech(),
            sizes=np.array([2, 0, 0, 1]),
            types=np.array([0, 0, 0, 13], dtype=np.uint8),
            marked=np.array([False, False, False, True]),
        )
        made = OutgoingStream(silent, Random(1), slots=8, slots_ahead=3)
        made.ssrc, made.first_timestamp, made.sequence = 7, 0, 65535
        found = [[fields(packet)[1:4] for packet in made.slot(number)] for number in range(8)]
        self.assertEqual(
            found,
            [
                *([(0x80, 65535, 0)], [], [], [(0x8D, 0, 480)]),
                *([(0x00, 1, 640)], [], [], [(0x8D, 2, 1120)]),
            ],
        )
        self.assertEqual(bytes(made.slot(7)[0])[12:], b"\3")

    def test_silent_beginning(self) -> None:
        """The first packet is marked, whenever it comes."""
        made = OutgoingStream(
            replace(speech(), sizes=np.array([0, 0, 2, 2])), Random(1), slots=4, slots_ahead=1
        )
        marks = [[fields(packet)[1] for packet in made.slot(number)] for number in range(4)]
        self.assertEqual(marks, [[], [], [0x80], [0]])

    def test_pause(self) -> None:
        """After a pause sequence numbers go on; the timestamp has moved, and it is marked."""
        made = stream()
        made.slot(0)
        made.slot(1)
        made.paused(2)
        self.assertEqual(
            fields(made.slot(7)[0]),
            (0x80, 0x80, 0, (0xFFFFFF60 + 7 * 160) % 2**32, 0x01020304, b"\3\3"),
        )

    def test_pause_with_loss(self) -> None:
        """The sequence goes on rightly after a pause, whatever was lost before it."""
        made = stream(impairment=Impairment(loss=0.5))
        for number in range(4):
            made.slot(number)
        made.paused(4)
        self.assertEqual(made.sequence, 2)

    def test_key_press(self) -> None:
        """Key presses take the place of the audio and share its sequence."""
        events = {1: (EventPacket(True, 1, b"ev1"),), 2: (EventPacket(False, 1, b"end"),) * 3}
        made = stream(events=events, event_payload_type=101)
        self.assertEqual(
            [[fields(packet)[1:4] for packet in made.slot(number)] for number in range(4)],
            [
                [(0x80, 65534, 0xFFFFFF60)],
                [(0xE5, 65535, 0)],
                [(0x65, 0, 0), (0x65, 1, 0), (0x65, 2, 0)],
                [(0x00, 3, 320)],
            ],
        )


class ImpairmentTests(SynchronousTestCase):
    slots: list[Slot] = [(bytes([number]),) for number in range(200)]

    def flat(self, impairment: Impairment, seed: int = 1) -> list[int]:
        """What arrives."""
        arriving = impairment.spoil(list(self.slots), Random(seed))
        self.assertEqual(len(arriving), 200)
        return [packet[0] for slot in arriving for packet in slot]

    def test_none(self) -> None:
        """A good network changes nothing."""
        self.assertFalse(Impairment())
        self.assertEqual(self.flat(Impairment()), list(range(200)))

    def test_loss(self) -> None:
        """About as many are lost as were asked for, and the same ones for one seed."""
        arrived = self.flat(Impairment(loss=0.1))
        self.assertEqual(arrived, self.flat(Impairment(loss=0.1)))
        self.assertNotEqual(arrived, self.flat(Impairment(loss=0.1), seed=2))
        self.assertTrue(160 < len(arrived) < 195)
        self.assertEqual(arrived, sorted(set(arrived)))

    def test_all_lost(self) -> None:
        """All of it can be lost."""
        self.assertEqual(self.flat(Impairment(loss=1.0)), [])

    def test_duplicates(self) -> None:
        """Duplicates come right after what they repeat."""
        self.assertEqual(self.flat(Impairment(duplicate=1.0))[:6], [0, 0, 1, 1, 2, 2])

    def test_reordering(self) -> None:
        """Nothing is lost by reordering, not even at the end; neighbours change places."""
        arrived = self.flat(Impairment(reorder=1.0))
        self.assertEqual(arrived[:4], [1, 0, 3, 2])
        self.assertEqual(sorted(arrived), list(range(200)))
        odd = Impairment(reorder=1.0).spoil(self.slots[:3], Random(1))
        self.assertEqual(odd, [(), (b"\1", b"\0"), (b"\2",)])


class PacedStreamTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.port = FakePort(20000)
        self.paced = PacedStream(stream(), self.port.send, 100.0)

    def test_on_time(self) -> None:
        """Each packet goes out when its time has come, and not before."""
        self.assertEqual(self.paced.send_due(99.99), 100.0)
        self.assertEqual(self.port.sent, [])
        self.assertEqual(self.paced.send_due(100.0), 100.02)
        self.assertEqual(self.paced.send_due(100.019), 100.02)
        self.assertEqual(len(self.port.sent), 1)

    def test_catches_up(self) -> None:
        """After a stall all that is due goes out, in order."""
        self.paced.send_due(100.0)
        self.assertAlmostEqual(self.paced.send_due(100.125) or 0, 100.14)
        self.assertEqual(
            [fields(each)[2] for each in self.port.sent], [65534, 65535, 0, 1, 2, 3, 4]
        )

    def test_late_beginning(self) -> None:
        """A stream begins when it is begun, once, and then keeps its distances."""
        self.paced.begin(100.5)
        self.paced.begin(100.6)
        self.assertEqual(self.paced.send_due(100.51), 100.52)
        self.assertEqual(len(self.port.sent), 1)

    def test_no_early_beginning(self) -> None:
        """It does not begin before its time."""
        self.paced.begin(99.0)
        self.assertEqual(self.paced.epoch, 100.0)

    def test_end(self) -> None:
        """After the last packet nothing is due."""
        self.assertIsNone(self.paced.send_due(200.0))
        self.assertTrue(self.paced.ended)
        self.assertEqual((len(self.port.sent), self.paced.stream.packets), (10, 10))
        self.assertEqual(self.paced.stream.octets, 20)

    def test_hold(self) -> None:
        """While it is held time passes and nothing is sent; holding twice is the same."""
        self.paced.send_due(100.0)
        self.paced.hold()
        self.paced.hold()
        self.paced.send_due(100.06)
        self.paced.resume()
        self.paced.send_due(100.08)
        self.assertEqual(
            [fields(each)[2:4] for each in self.port.sent], [(65534, 0xFFFFFF60), (65535, 480)]
        )

    def test_refused(self) -> None:
        """A packet that the kernel does not take is counted, and the next one is sent."""
        self.port.refusing = True
        self.paced.send_due(100.0)
        self.port.refusing = False
        self.paced.send_due(100.02)
        self.assertEqual((self.paced.stream.unsent, self.paced.stream.packets), (1, 1))

    def test_ended_early(self) -> None:
        """Once it is ended nothing more goes out."""
        self.paced.end()
        self.assertIsNone(self.paced.send_due(100.1))
        self.assertEqual(self.port.sent, [])


class ToneTests(SynchronousTestCase):
    def test_tone(self) -> None:
        """A tone has the frequency, the level and the length that were asked for."""
        made = tone(1000.0, 0.5, rate=8000, level=0.5)
        self.assertEqual((len(made.samples), made.rate), (4000, 8000))
        self.assertEqual(int(np.argmax(np.abs(np.fft.rfft(made.samples)))), 500)
        self.assertEqual(int(made.samples.max()), 16384)

    def test_key_presses(self) -> None:
        """A key is an event of growing duration whose last packet comes three times."""
        slots = key_presses("5#", 10, 160)
        self.assertEqual(sorted(slots), [10, 11, 12, 13, 14, 20, 21, 22, 23, 24])
        self.assertEqual(slots[10], (EventPacket(True, 10, b"\x05\x0a\x00\xa0"),))
        self.assertEqual(slots[11], (EventPacket(False, 10, b"\x05\x0a\x01\x40"),))
        self.assertEqual(slots[14], (EventPacket(False, 10, b"\x05\x8a\x03\x20"),) * 3)
        self.assertEqual(slots[20][0].payload[0], 11)
