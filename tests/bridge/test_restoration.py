"""Losses that are concealed, and key presses that are silenced, in a jitter buffer."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.codec import Decoder, decoder
from twisted_siprec.audio.concealment import Concealment
from twisted_siprec.audio.samples import Samples
from twisted_siprec.bridge.composition import Missing, Played
from twisted_siprec.bridge.playout import Kind, Placed, Playout
from twisted_siprec.bridge.timeline import UNITS_PER_MS as MS
from twisted_siprec.plan import Codec

L16 = decoder(Codec(96, "L16", 8000))


def voice(number: int) -> Samples:
    """The 20 ms of a packet: a vowel at 125 Hz."""
    turns = np.arange(160 * number, 160 * number + 160) * 125 / 8000 * 2 * np.pi
    return (6000 * np.sin(turns) + 3000 * np.sin(2 * turns + 1)).astype(np.int16)


def packet(number: int, lasts_ms: int = 20, made: Decoder = L16, late_ms: int = 0) -> Placed:
    """The packet of a number in its place."""
    at = (20 * number + late_ms) * MS
    payload = voice(number).astype(">i2").tobytes()
    return Placed(at, 1, number, at + lasts_ms * MS, Kind.AUDIO, made, payload)


class Repeating:
    """A decoder that conceals by itself: 1000 for what it heard, -1000 for what it conceals."""

    rate = 8000
    joins = False

    def __init__(self) -> None:
        self.order: list[str] = []

    def ticks(self, payload: bytes) -> int:
        return 160

    def decode(self, payload: bytes) -> Samples:
        self.order.append("packet")
        return np.full(160, 1000, dtype=np.int16)

    def conceal(self, count: int) -> Samples:
        self.order.append(f"{count} lost")
        return np.full(count, -1000, dtype=np.int16)


class ConcealedTests(SynchronousTestCase):
    """G.711 and its like, in chunks of 100 ms."""

    def setUp(self) -> None:
        self.playout = Playout(8000, limit=64, quiet_ms=60, conceal=True)

    def place(self, *numbers: int) -> None:
        for number in numbers:
            self.assertTrue(self.playout.place(packet(number)))

    def play(self, end_ms: int) -> tuple[list[tuple[int, int]], list[tuple[int, int, str, bool]]]:
        """The spans of the chunk with anything in them, and what is missing of it, in ms."""
        played = self.playout.play(end_ms * MS)
        self.played = played
        return spans(played, end_ms), named(played)

    def test_lost(self) -> None:
        """A lost packet is replaced by what would have been in it, and named concealed."""
        self.place(0, 1, 3, 4)
        self.assertEqual(self.play(100), ([(0, 100)], [(40, 60, "rtp_loss", True)]))
        samples = self.played.samples
        assert samples is not None
        self.assertLess(int(np.abs(samples[320:480].astype(int) - voice(2)).max()), 1200)
        self.assertEqual((self.played.heard // MS, self.played.concealed // MS), (80, 20))

    def test_same_as_audio(self) -> None:
        """It is what Concealment makes of the same packets."""
        self.place(0, 1, 3, 4)
        samples = self.playout.play(100 * MS).samples
        concealment = Concealment(8000)
        concealment.good(np.concatenate([voice(0), voice(1)]))
        wanted = [concealment.lost(160), concealment.good(np.concatenate([voice(3), voice(4)]))]
        assert samples is not None
        self.assertEqual(samples[320:].tolist(), np.concatenate(wanted).tolist())

    def test_long(self) -> None:
        """After 60 ms there is silence, and named as such."""
        self.place(0, 1, 7, 8, 9)
        missing = [(40, 100, "rtp_loss", True), (100, 140, "rtp_loss", False)]
        self.assertEqual(self.play(200), ([(0, 100), (140, 200)], missing))

    def test_across_chunks(self) -> None:
        """What later packets prove lost is concealed up to the end of the chunk, and after it."""
        self.place(0, 1, 2, 3, 6, 7, 8, 9)
        self.assertEqual(self.play(100), ([(0, 100)], [(80, 100, "rtp_loss", True)]))
        self.assertEqual(self.play(200), ([(100, 200)], [(100, 120, "rtp_loss", True)]))

    def test_whole_chunk(self) -> None:
        """A chunk of which nothing came is concealed too, where that is known in time."""
        self.place(0, 1, 3, 4)
        self.assertEqual(self.play(40), ([(0, 40)], []))
        self.assertEqual(self.play(60), ([(40, 60)], [(40, 60, "rtp_loss", True)]))
        self.assertEqual(self.play(100), ([(60, 100)], []))

    def test_not_known_in_time(self) -> None:
        """What was played as silence stays silence, and so does the rest of the same loss."""
        self.place(0, 1, 2, 3)
        self.assertEqual(self.play(100), ([(0, 80)], []))
        self.place(6, 7, 8, 9)
        self.assertEqual(self.play(200), ([(120, 200)], [(80, 120, "rtp_loss", False)]))

    def test_late(self) -> None:
        """A packet that comes after all, in part in time, is heard where it was not concealed."""
        self.place(0, 1, 2, 4)
        self.assertEqual(self.play(70), ([(0, 70)], [(60, 70, "rtp_loss", True)]))
        self.place(3)
        self.assertEqual(self.play(100), ([(70, 100)], []))
        samples = self.played.samples
        assert samples is not None
        self.assertEqual(samples[80:].tolist(), voice(4).tolist())
        self.assertEqual(samples[40:80].tolist(), voice(3)[120:].tolist())

    def test_silence_suppressed(self) -> None:
        """Timestamps that jump without a loss, and a source of which nothing comes, stay silent."""
        self.place(0, 1)
        self.playout.place(packet(2, late_ms=20))
        self.assertEqual(self.play(80), ([(0, 40), (60, 80)], []))
        self.assertEqual(self.play(200), ([], [(80, 200, "no_packets", False)]))

    def test_comfort_noise(self) -> None:
        """A packet lost after comfort noise is not missed."""
        self.place(0, 1)
        self.playout.place(Placed(40 * MS, 1, 2, 40 * MS, Kind.NOISE, None, b""))
        self.place(4)
        self.assertEqual(self.play(100), ([(0, 40), (80, 100)], []))

    def test_held(self) -> None:
        """Nothing is concealed of a stream that is held."""
        self.place(0, 1, 6)
        played = self.playout.play(100 * MS, held=True)
        self.assertEqual((spans(played, 100), named(played)), ([(0, 40)], []))

    def test_after_a_pause(self) -> None:
        """What was heard before a pause is not repeated after it."""
        self.place(0, 1, 2, 3, 4)
        self.play(100)
        self.playout.forget(100 * MS)
        self.assertTrue(self.playout.place(packet(6)))
        self.assertTrue(self.playout.place(packet(8)))
        self.assertEqual(self.play(120), ([], []))
        heard, missing = self.play(180)
        self.assertEqual(missing, [(140, 160, "rtp_loss", True)])
        self.assertEqual(heard, [(120, 180)])

    def test_first_packets(self) -> None:
        """Nothing is lost before the first packet, and nothing is there to be repeated."""
        self.place(2)
        self.assertEqual(self.play(60)[0], [(40, 60)])

    def test_not_wanted(self) -> None:
        """Without concealment there is silence."""
        self.playout = Playout(8000, limit=64, quiet_ms=60)
        self.place(0, 1, 3, 4)
        missing = [(40, 60, "rtp_loss", False)]
        self.assertEqual(self.play(100), ([(0, 40), (60, 100)], missing))

    def test_muted(self) -> None:
        """What is muted is silent whatever came or was concealed, and is not repeated after it."""
        self.place(0, 1, 2, 4)
        played = self.playout.play(100 * MS, muted=[(20 * MS, 50 * MS), (65 * MS, 70 * MS)])
        self.assertEqual(spans(played, 100), [(0, 20), (50, 65), (70, 100)])
        self.assertEqual(
            [one for one in named(played) if one[2] == "muted"],
            [(20, 50, "muted", False), (65, 70, "muted", False)],
        )
        assert played.samples is not None
        self.assertFalse(played.samples[160:400].any())

    def test_muted_tone(self) -> None:
        """A loss right after a tone that was muted does not bring it back."""
        self.place(0, 1, 3, 4)
        played = self.playout.play(100 * MS, muted=[(0, 40 * MS)])
        self.assertEqual(spans(played, 100), [(60, 100)])
        self.assertIn((40, 60, "rtp_loss", False), named(played))


class OwnTests(SynchronousTestCase):
    """A decoder that conceals by itself."""

    def setUp(self) -> None:
        self.playout = Playout(8000, limit=64, quiet_ms=60, conceal=True)
        self.decoder = Repeating()

    def place(self, *numbers: int) -> None:
        for number in numbers:
            self.assertTrue(self.playout.place(packet(number, made=self.decoder)))

    def levels(self, end_ms: int) -> tuple[list[int], Played]:
        """A sample for every 10 ms of the chunk."""
        start = self.playout.played // MS
        played = self.playout.play(end_ms * MS)
        samples = played.samples
        if samples is None:
            return [0] * ((end_ms - start) // 10), played
        return samples[40::80].tolist(), played

    def test_order(self) -> None:
        """It is asked between the packets before the loss and those after it."""
        self.place(0, 1, 3)
        levels, played = self.levels(80)
        self.assertEqual(levels, [1000] * 4 + [-1000] * 2 + [1000] * 2)
        self.assertEqual(named(played), [(40, 60, "rtp_loss", True)])
        self.assertEqual(self.decoder.order, ["packet", "packet", "160 lost", "packet"])
        self.assertEqual((played.heard // MS, played.concealed // MS), (60, 20))

    def test_across_chunks(self) -> None:
        """A loss that a chunk cuts in two is asked for once."""
        self.place(0, 1, 3)
        levels, played = self.levels(50)
        self.assertEqual(levels, [1000] * 4 + [-1000])
        self.assertEqual(named(played), [(40, 50, "rtp_loss", True)])
        levels, played = self.levels(80)
        self.assertEqual(levels, [-1000, 1000, 1000])
        self.assertEqual(named(played), [(50, 60, "rtp_loss", True)])
        self.assertEqual(self.decoder.order, ["packet", "packet", "160 lost", "packet"])
        self.assertEqual((played.heard // MS, played.concealed // MS), (20, 10))

    def test_long(self) -> None:
        """60 ms at most, the last 20 of them fading."""
        self.place(0, 1, 7)
        levels, played = self.levels(160)
        wanted = [1000] * 4 + [-1000] * 4 + [-750, -250, 0, 0, 0, 0] + [1000] * 2
        for found, level in zip(levels, wanted, strict=True):
            self.assertApproximates(found, level, 10)
        missing = [(40, 100, "rtp_loss", True), (100, 140, "rtp_loss", False)]
        self.assertEqual(named(played), missing)

    def test_muted(self) -> None:
        """What it conceals is muted like the rest."""
        self.place(0, 1, 3)
        played = self.playout.play(80 * MS, muted=[(30 * MS, 50 * MS)])
        assert played.samples is not None
        wanted = [1000] * 3 + [0, 0, -1000, 1000, 1000]
        self.assertEqual(played.samples[40::80].tolist(), wanted)


class Correcting(Repeating):
    """A decoder of packets that end with R where they have the one before once more: 500 then."""

    def repeats(self, payload: bytes) -> int:
        return 160 if payload.endswith(b"R") else 0

    def recover(self, payload: bytes) -> Samples:
        self.order.append("recovered")
        return np.full(160, 500, dtype=np.int16)


class CorrectedTests(SynchronousTestCase):
    """Packets that have the one before them once more."""

    def setUp(self) -> None:
        self.playout = Playout(8000, limit=64, quiet_ms=60, conceal=True)
        self.decoder = Correcting()

    def place(self, *numbers: int, redundant: bool = True, made: Decoder | None = None) -> None:
        for number in numbers:
            one = packet(number, made=made or self.decoder)
            payload = b"speech" + (b"R" if redundant else b"")
            self.assertTrue(self.playout.place(one._replace(payload=payload)))

    def levels(self, end_ms: int) -> tuple[list[int], Played]:
        """A sample for every 10 ms of the chunk."""
        played = self.playout.play(end_ms * MS)
        assert played.samples is not None
        return played.samples[40::80].tolist(), played

    def test_one(self) -> None:
        """One that is lost is heard of the next one, before that is decoded; nothing is guessed."""
        self.place(0, 1, 3)
        levels, played = self.levels(80)
        self.assertEqual(levels, [1000] * 4 + [500] * 2 + [1000] * 2)
        self.assertEqual(named(played), [(40, 60, "rtp_loss", True)])
        self.assertEqual(self.decoder.order, ["packet", "packet", "recovered", "packet"])

    def test_several(self) -> None:
        """Of three that are lost the last one is heard, and the others are concealed."""
        self.place(0, 1, 5)
        levels, _ = self.levels(120)
        wanted = [1000] * 4 + [-1000] * 4 + [500] * 2 + [1000] * 2
        for found, level in zip(levels, wanted, strict=True):
            self.assertApproximates(found, level, 10)
        self.assertEqual(
            self.decoder.order, ["packet", "packet", "320 lost", "recovered", "packet"]
        )

    def test_long(self) -> None:
        """After a long loss there is silence, and then the one before the next packet."""
        self.place(0, 1, 8)
        levels, played = self.levels(180)
        self.assertEqual(levels[4:8], [-1000] * 4)
        self.assertEqual(levels[10:], [0] * 4 + [500] * 2 + [1000] * 2)
        self.assertEqual(
            named(played),
            [
                (40, 100, "rtp_loss", True),
                (100, 140, "rtp_loss", False),
                (140, 160, "rtp_loss", True),
            ],
        )
        self.assertEqual(played.concealed // MS, 80)

    def test_chunks(self) -> None:
        """Cut into chunks it is the same, and counted once."""
        self.place(0, 1, 8)
        found = [self.levels(end_ms) for end_ms in (50, 90, 110, 150, 180)]
        self.assertEqual(
            [level for levels, _ in found for level in levels][14:], [500] * 2 + [1000] * 2
        )
        self.assertEqual([played.concealed // MS for _, played in found], [10, 40, 10, 10, 10])

    def test_not_there(self) -> None:
        """A packet without it, and one of another format, are of no help."""
        self.place(0, 1)
        self.place(3, redundant=False)
        self.place(5, made=Correcting())
        levels, _ = self.levels(120)
        self.assertEqual(levels, [1000] * 4 + [-1000] * 2 + [1000] * 2 + [-1000] * 2 + [1000] * 2)


class AnyLossTests(SynchronousTestCase):
    """Any loss, in chunks of any length."""

    @settings(deadline=None, max_examples=80)
    @given(
        lost=st.sets(st.integers(1, 38)),
        chunk_ms=st.sampled_from([20, 30, 50, 100, 250]),
        own=st.booleans(),
    )
    def test_account(self, lost: set[int], chunk_ms: int, own: bool) -> None:
        """
        With all packets in time: what came is heard, and of each loss the first
        60 ms are concealed, whatever the chunks; nothing is named twice.
        """
        playout = Playout(8000, limit=64, quiet_ms=60, conceal=True)
        made: Decoder = Repeating() if own else L16
        for number in range(40):
            if number not in lost:
                playout.place(packet(number, made=made))
        missing: list[Missing] = []
        concealed = heard = 0
        for start in range(0, 800, chunk_ms):
            played = playout.play(min(start + chunk_ms, 800) * MS)
            missing += played.missing
            concealed += played.concealed // MS
            heard += played.heard // MS
        wanted, run = set(), 0
        for number in range(40):
            run = run + 1 if number in lost else 0
            if 1 <= run <= 3:
                wanted |= set(range(20 * number, 20 * number + 20))
        found = [
            ms for one in missing if one.concealed for ms in range(one.start // MS, one.end // MS)
        ]
        self.assertEqual(sorted(found), sorted(wanted))
        self.assertEqual((concealed, heard), (len(wanted), 800 - 20 * len(lost)))
        everything = sum(one.end - one.start for one in missing) // MS
        self.assertEqual(everything, 20 * len(lost))


def spans(played: Played, end_ms: int) -> list[tuple[int, int]]:
    """Where there is anything in a chunk, in ms."""
    if played.samples is None:
        return []
    parts = played.samples.reshape(-1, 8)
    start = end_ms - len(parts)
    heard: list[tuple[int, int]] = []
    for at, part in enumerate(parts):
        if part.any():
            begin = heard.pop()[0] if heard and heard[-1][1] == start + at else start + at
            heard.append((begin, start + at + 1))
    return heard


def named(played: Played) -> list[tuple[int, int, str, bool]]:
    """What is missing, in ms."""
    return [(m.start // MS, m.end // MS, m.reason, m.concealed) for m in played.missing]
