"""The jitter buffer, against a slow one."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.codec import Decoder, decoder
from twisted_siprec.bridge.composition import Missing
from twisted_siprec.bridge.playout import Kind, Placed, Playout
from twisted_siprec.bridge.timeline import UNITS_PER_MS
from twisted_siprec.plan import Codec

MS = UNITS_PER_MS
L16 = decoder(Codec(96, "L16", 8000))
WIDE = decoder(Codec(97, "L16", 16000))


def octets(first: int, ms: int = 20, rate: int = 8000) -> bytes:
    """L16 whose samples count from first on."""
    count = np.arange(first, first + ms * rate // 1000)
    return (count % 30000 + 1).astype(">i2").tobytes()


def packet(
    at_ms: int,
    sequence: int,
    payload: bytes | None = None,
    run: int = 1,
    kind: Kind = Kind.AUDIO,
    lasts_ms: int = 20,
    made: Decoder | None = L16,
) -> Placed:
    """A packet in its place."""
    if payload is None:
        payload = octets(at_ms * 8, lasts_ms)
    end = (at_ms + lasts_ms) * MS
    return Placed(at_ms * MS, run, sequence, end, kind, made, payload)


def event(at_ms: int, sequence: int, lasts_ms: int) -> Placed:
    return packet(at_ms, sequence, b"", kind=Kind.EVENT, lasts_ms=lasts_ms, made=None)


def noise(at_ms: int, sequence: int) -> Placed:
    return packet(at_ms, sequence, b"", kind=Kind.NOISE, lasts_ms=0, made=None)


class PlayoutTests(SynchronousTestCase):
    """Chunks of 100 ms of packets of 20 ms."""

    def setUp(self) -> None:
        self.playout = Playout(8000, limit=64, quiet_ms=60)

    def place(self, *packets: Placed) -> None:
        for one in packets:
            self.assertTrue(self.playout.place(one))

    def play(self, end_ms: int) -> tuple[list[tuple[int, int]], list[tuple[int, int, str]]]:
        """The spans of audio and of what is missing of the chunk, in ms."""
        start = self.playout.played // MS
        played = self.playout.play(end_ms * MS)
        heard: list[tuple[int, int]] = []
        if played.samples is not None:
            self.assertEqual(len(played.samples), (end_ms - start) * 8)
            for at, part in enumerate(played.samples.reshape(-1, 8)):
                ms = start + at
                if part.any():
                    wanted = [(ms * 8 + n) % 30000 + 1 for n in range(8)]
                    self.assertEqual(part.tolist(), wanted)
                    if heard and heard[-1][1] == ms:
                        heard[-1] = (heard[-1][0], ms + 1)
                    else:
                        heard.append((ms, ms + 1))
        missing = [(m.start // MS, m.end // MS, m.reason) for m in played.missing]
        self.assertEqual(sum(end - first for first, end in heard), played.heard // MS)
        return heard, missing

    def test_whole(self) -> None:
        """Packets in order are audio, whatever the chunk cuts in two."""
        self.place(*(packet(10 + 20 * n, n) for n in range(10)))
        self.assertEqual(self.play(100), ([(10, 100)], []))
        self.assertEqual(self.play(200), ([(100, 200)], []))

    def test_reordered(self) -> None:
        """Order of arrival is no order."""
        self.place(packet(40, 2), packet(0, 0), packet(60, 3), packet(20, 1), packet(80, 4))
        self.assertEqual(self.play(100), ([(0, 100)], []))

    def test_lost(self) -> None:
        """What a later packet proves lost is silence with that name."""
        self.place(packet(0, 0), packet(60, 3), packet(80, 4))
        self.assertEqual(self.play(100), ([(0, 20), (60, 100)], [(20, 60, "rtp_loss")]))

    def test_lost_across_chunks(self) -> None:
        """The loss at the end of a chunk is named when the next one proves it."""
        self.place(packet(0, 0), packet(20, 1), packet(40, 2), packet(60, 3))
        self.assertEqual(self.play(100), ([(0, 80)], []))
        self.place(packet(120, 6), packet(140, 7), packet(160, 8), packet(180, 9))
        self.assertEqual(self.play(200), ([(120, 200)], [(80, 120, "rtp_loss")]))

    def test_nothing(self) -> None:
        """A span of more than 60 ms without anything is named, and every span after it."""
        self.place(packet(0, 0))
        self.assertEqual(self.play(100), ([(0, 20)], [(20, 100, "no_packets")]))
        self.assertEqual(self.play(140), ([], [(100, 140, "no_packets")]))
        self.place(packet(160, 1), packet(180, 2))
        self.assertEqual(self.play(200), ([(160, 200)], [(140, 160, "no_packets")]))

    def test_quiet(self) -> None:
        """A short jump of the timestamps without loss is silence without a name."""
        self.place(packet(0, 0), packet(20, 1), packet(80, 2))
        self.assertEqual(self.play(100), ([(0, 40), (80, 100)], []))

    def test_talk_spurt(self) -> None:
        """A long jump is named as what it is: nothing came, and nothing was lost."""
        self.place(packet(0, 0), packet(180, 1))
        self.assertEqual(self.play(200), ([(0, 20), (180, 200)], [(20, 180, "no_packets")]))

    def test_lost_in_a_pause(self) -> None:
        """One packet lost in a long pause is one packet long."""
        self.place(packet(0, 0), packet(180, 2))
        missing = [(20, 160, "no_packets"), (160, 180, "rtp_loss")]
        self.assertEqual(self.play(200), ([(0, 20), (180, 200)], missing))

    def test_late(self) -> None:
        """A packet that comes after its place was played is named late, once."""
        self.place(packet(0, 0), packet(20, 1), packet(40, 2))
        self.assertEqual(self.play(100), ([(0, 60)], []))
        self.place(packet(60, 3), packet(80, 4), packet(100, 5), packet(120, 6))
        missing = [(60, 80, "late"), (80, 100, "late")]
        self.assertEqual(self.play(140), ([(100, 140)], missing))

    def test_partly_late(self) -> None:
        """The part of a late packet that is still to be played is played."""
        self.place(packet(0, 0), packet(20, 1), packet(40, 2), packet(60, 3))
        self.assertEqual(self.play(90), ([(0, 80)], []))
        self.place(packet(80, 4), packet(100, 5))
        self.assertEqual(self.play(120), ([(90, 120)], [(80, 90, "late")]))

    def test_too_late(self) -> None:
        """What was named already is of no use, and not named again."""
        self.place(packet(0, 0))
        self.play(100)
        self.assertFalse(self.playout.place(packet(40, 2)))
        self.place(packet(100, 5))
        self.assertEqual(self.play(120), ([(100, 120)], []))

    def test_comfort_noise(self) -> None:
        """After comfort noise nothing is missed, for as long as it takes."""
        self.place(packet(0, 0), noise(20, 1))
        self.assertEqual(self.play(100), ([(0, 20)], []))
        self.assertEqual(self.play(300), ([], []))
        self.place(packet(340, 2))
        self.assertEqual(self.play(360), ([(340, 360)], []))

    def test_key_press(self) -> None:
        """The span of a key press is silent and not lost, and so are its repetitions."""
        self.place(packet(0, 0), event(20, 1, 40), event(60, 2, 40), event(100, 3, 0))
        self.place(event(100, 4, 0), packet(100, 5))
        self.assertEqual(self.play(120), ([(0, 20), (100, 120)], []))

    def test_held(self) -> None:
        """Of a held stream what is buffered is played, and the rest is not missed."""
        self.place(packet(0, 0))
        played = self.playout.play(200 * MS, held=True)
        self.assertEqual((played.heard // MS, played.missing), (20, ()))

    def test_another_run(self) -> None:
        """Between two sources nothing is lost, for nobody can know."""
        self.place(packet(0, 0), packet(40, 9000, run=2), packet(60, 9001, run=2))
        self.assertEqual(self.play(80), ([(0, 20), (40, 80)], []))

    def test_slip(self) -> None:
        """A hole of a sample is filled with the one before, within a chunk and between two."""
        slipped = packet(20, 1)._replace(position=20 * MS + MS // 8, end=40 * MS + MS // 8)
        self.place(packet(0, 0), slipped)
        samples = self.playout.play(30 * MS).samples
        assert samples is not None
        self.assertEqual(samples[159:163].tolist(), [160, 160, 161, 162])
        samples = self.playout.play(40 * MS + MS // 8).samples
        assert samples is not None
        self.place(packet(40, 2)._replace(position=40 * MS + MS // 4, end=60 * MS + MS // 4))
        after = self.playout.play(50 * MS).samples
        assert after is not None
        self.assertEqual(after[:3].tolist(), [samples[-1], 321, 322])

    def test_overlap(self) -> None:
        """A slip the other way cuts a sample, and is no loss."""
        early = packet(20, 1)._replace(position=20 * MS - MS // 8, end=40 * MS - MS // 8)
        self.place(packet(0, 0), early)
        played = self.playout.play(40 * MS - MS // 8)
        assert played.samples is not None
        self.assertEqual(played.samples[157:161].tolist(), [158, 159, 161, 162])
        self.assertEqual(played.missing, ())

    def test_change_of_rate(self) -> None:
        """The chunk in which the codec changes is at the new rate."""
        wide = packet(20, 1, octets(320, rate=16000), made=WIDE)
        self.place(packet(0, 0), wide)
        played = self.playout.play(40 * MS)
        assert played.samples is not None
        self.assertEqual((played.rate, len(played.samples)), (16000, 640))
        self.assertEqual(played.samples[320:].tolist(), list(range(321, 641)))
        self.assertTrue(played.samples[100:320].any())
        self.assertEqual(self.playout.play(60 * MS).rate, 16000)

    def test_forget(self) -> None:
        """After a pause nothing from before it is heard or missed."""
        self.place(packet(0, 0), packet(20, 1), packet(40, 2))
        self.play(50)
        self.place(packet(90, 5))
        self.playout.forget(80 * MS)
        self.place(packet(100, 6))
        self.assertEqual(self.play(120), ([(100, 120)], []))

    def test_bounded(self) -> None:
        """More packets than can be played in time are refused."""
        taken = [self.playout.place(packet(20 * n, n)) for n in range(65)]
        self.assertEqual(taken, [True] * 64 + [False])

    def test_before_the_beginning(self) -> None:
        """What lies before position 0 is not played."""
        self.place(packet(0, 0), packet(20, 1))
        self.playout.begin(30 * MS)
        self.assertEqual(self.play(40), ([(30, 40)], []))


class _OneByOne:
    """The reference: an array of samples, an array of what is known, and no cleverness."""

    def __init__(self, samples: int) -> None:
        self.audio = np.zeros(samples, dtype=np.int16)
        self.heard = np.zeros(samples, dtype=bool)

    def place(self, at: int, payload: bytes) -> None:
        part = np.frombuffer(payload, dtype=">i2")
        self.audio[at : at + len(part)] = part
        self.heard[at : at + len(part)] = True


class PlayoutReferenceTests(SynchronousTestCase):
    """Any order, loss, packet length and chunk length."""

    @settings(deadline=None, max_examples=120)
    @given(
        lengths=st.lists(st.sampled_from([10, 20, 30, 40]), min_size=1, max_size=40),
        lost=st.sets(st.integers(0, 39)),
        seed=st.integers(0, 1000),
        chunk_ms=st.sampled_from([20, 30, 100, 250]),
        offset_ms=st.integers(0, 45),
    )
    def test_same(
        self, lengths: list[int], lost: set[int], seed: int, chunk_ms: int, offset_ms: int
    ) -> None:
        """Audio is where it was sent; all that was lost is named, to the sample, and no more."""
        playout = Playout(8000, limit=64, quiet_ms=60)
        total_ms = offset_ms + sum(lengths)
        reference = _OneByOne(total_ms * 8)
        packets, at = [], offset_ms
        for number, length in enumerate(lengths):
            if number not in lost:
                payload = octets(at * 8, length)
                reference.place(at * 8, payload)
                packets.append(packet(at, number, payload, lasts_ms=length))
            at += length
        arrivals = packets.copy()
        random.Random(seed).shuffle(arrivals)
        for one in arrivals:
            playout.place(one)
        heard: list[np.ndarray] = []
        missing: list[Missing] = []
        for start in range(0, total_ms, chunk_ms):
            played = playout.play(min(start + chunk_ms, total_ms) * MS)
            length = min(chunk_ms, total_ms - start) * 8
            silence = np.zeros(length, dtype=np.int16)
            heard.append(silence if played.samples is None else played.samples)
            missing += played.missing
        self.assertEqual(np.concatenate(heard).tolist(), reference.audio.tolist())
        named = np.zeros(total_ms * 8, dtype=int)
        for span in missing:
            named[span.start * 8 // MS : span.end * 8 // MS] += 1
        self.assertLessEqual(named.max(initial=0), 1)
        self.assertFalse((named.astype(bool) & reference.heard).any())
        if packets:
            first, last = packets[0].position * 8 // MS, packets[-1].end * 8 // MS
            between = ~reference.heard[first:last]
            self.assertTrue((named[first:last].astype(bool) == between).all())
