"""Key presses that are silenced in a stream, and losses that it counts as concealed."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.mask import DigitMask
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.stream import Stream
from twisted_siprec.bridge.timeline import UNITS_PER_MS as MS
from twisted_siprec.plan import Codec, StreamPlan
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket

PCMU, OPUS_LIKE = Codec(0, "PCMU", 8000), Codec(97, "L16", 16000)
EVENT = Codec(101, "TELEPHONE-EVENT", 8000)
HERE = ("192.0.2.1", 4000)
OPENED = 50.0
LOUD = {0: b"\x90" * 160, 97: np.full(320, 9000, dtype=">i2").tobytes()}


class MaskedStreamTests(SynchronousTestCase):
    """Packets of 20 ms at their times, chunks of 100 ms that are played 60 ms after their end."""

    def setUp(self) -> None:
        self.stream = self.make()
        self.sequence = 0
        self.waiting: list[Datagram] = []

    def make(self, mask: DigitMask | None = None, codec: Codec = PCMU) -> Stream:
        mask = mask or DigitMask(40 * MS, 150 * MS)
        return Stream(StreamPlan(0, (codec, EVENT), source=HERE), MediaSettings(), OPENED, mask)

    def send(self, at_ms: int, payload_type: int, timestamp_ms: int, payload: bytes) -> None:
        """A packet that comes at a time; its timestamp counts 8000 Hz."""
        rate = 16 if payload_type == 97 else 8
        packet = RTPPacket(
            payload_type, False, self.sequence, 4000 + timestamp_ms * rate, 7, payload
        )
        self.sequence += 1
        self.waiting.append(Datagram(bytes(packet), HERE, OPENED + at_ms / 1000))

    def voice(self, begin_ms: int, end_ms: int, payload_type: int = 0) -> None:
        for at in range(begin_ms, end_ms, 20):
            self.send(at, payload_type, at, LOUD[payload_type])

    def event(self, at_ms: int, start_ms: int, lasts_ms: int, over: bool = False) -> None:
        octets = bytes([5, over << 7 | 10]) + (lasts_ms * 8).to_bytes(2, "big")
        self.send(at_ms, 101, start_ms, octets)

    def play(self, until_ms: int, step_ms: int = 100) -> list[tuple[int, int]]:
        """The spans that are heard, in ms, up to a time."""
        heard: list[tuple[int, int]] = []
        self.missing: list[tuple[int, int, str]] = []
        for end in range(step_ms, until_ms + 1, step_ms):
            came = [one for one in self.waiting if one.arrived_at <= OPENED + (end + 60) / 1000]
            self.waiting = self.waiting[len(came) :]
            self.stream.receive(came)
            played = self.stream.play(end * MS)
            self.missing += [(m.start // MS, m.end // MS, m.reason) for m in played.missing]
            if played.samples is None:
                continue
            per_ms = played.rate // 1000
            for number, part in enumerate(played.samples.reshape(-1, per_ms)):
                at = end - step_ms + number
                if part.any():
                    begin = heard.pop()[0] if heard and heard[-1][1] == at else at
                    heard.append((begin, at + 1))
        return heard

    def press(self, begin_ms: int, lasts_ms: int) -> None:
        """An event as gateways send it: every 20 ms, the last packet three times."""
        for told in range(20, lasts_ms, 20):
            self.event(begin_ms + told, begin_ms, told)
        for again in range(3):
            self.event(begin_ms + lasts_ms + 20 * again, begin_ms, lasts_ms, over=True)

    def test_instead_of_audio(self) -> None:
        """Events in the place of audio: the margins are silenced, the press is silent anyway."""
        self.voice(0, 300)
        self.press(300, 160)
        self.voice(520, 700)
        self.assertEqual(self.play(700), [(0, 260), (520, 700)])
        muted = [span[:2] for span in self.missing if span[2] == "muted"]
        self.assertEqual(muted, [(260, 300), (300, 400), (400, 500)])

    def test_beside_audio(self) -> None:
        """A fork that sends the tone in the audio as well: with its margins it is silenced."""
        for at in range(0, 800, 20):
            self.send(at, 0, at, LOUD[0])
            if 320 <= at <= 460:
                self.event(at, 300, at - 300, over=at == 460)
        self.assertEqual(self.play(800), [(0, 260), (500, 800)])

    def test_ends_lost(self) -> None:
        """Where all last packets are lost, 150 ms more are silenced than were told."""
        for at in range(0, 800, 20):
            self.send(at, 0, at, LOUD[0])
            if 320 <= at <= 400:
                self.event(at, 300, at - 300)
        self.assertEqual(self.play(800), [(0, 260), (550, 800)])

    def test_late_start(self) -> None:
        """Of a press that is first told when it is played, the rest is silenced."""
        for at in range(0, 800, 20):
            self.send(at, 0, at, LOUD[0])
            if at == 480:
                self.event(at, 300, 160, over=True)
        self.assertEqual(self.play(800), [(0, 400), (500, 800)])

    def test_another_clock(self) -> None:
        """Events of another clock than the audio's are placed by their arrival."""
        self.stream = self.make(codec=OPUS_LIKE)
        for at in range(0, 800, 20):
            self.send(at, 97, at, LOUD[97])
            if 320 <= at <= 460:
                self.event(at, 12345, at - 300, over=at == 460)
        self.assertEqual(self.play(800), [(0, 260), (500, 800)])

    def test_told(self) -> None:
        """The key is told all the same."""
        self.voice(0, 300)
        self.press(300, 160)
        self.play(700)
        pressed = self.stream.pressed(OPENED + 1)
        self.assertEqual([(one.digit, one.duration_ms) for one in pressed], [("5", 160)])

    def test_heard(self) -> None:
        """Without a mask the tone is heard."""
        plan = StreamPlan(0, (PCMU, EVENT), source=HERE)
        self.stream = Stream(plan, MediaSettings(), OPENED)
        for at in range(0, 400, 20):
            self.send(at, 0, at, LOUD[0])
            if 100 <= at <= 300:
                self.event(at, 100, at - 80)
        self.assertEqual(self.play(400), [(0, 400)])

    def test_concealed(self) -> None:
        """What was concealed is counted, and is not silent."""
        for at in range(0, 300, 20):
            if at in (120, 200, 220):
                self.sequence += 1
            else:
                self.send(at, 0, at, LOUD[0])
        self.assertEqual(self.play(300), [(0, 300)])
        statistics = self.stream.statistics()
        self.assertEqual((statistics.concealed_ms, statistics.silent_ms), (60, 0))

    def test_course(self) -> None:
        """A stream is on course again when its press is over and silenced to its end."""
        self.voice(0, 300)
        self.press(300, 100)
        self.voice(460, 900)
        self.play(400)
        self.stream.pressed(OPENED + 0.46)
        self.assertIsNone(self.stream.course())
        self.assertTrue(self.stream._mask is not None and not self.stream._mask.idle)
