"""G.729, and the silence of its Annex B."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from tests.audio_vectors import decoded, likeness_db, octets, parts
from twisted_siprec.audio.g729 import G729Decoder
from twisted_siprec.audio.pyav import INSTALLED
from twisted_siprec.plan import Codec

CODEC = Codec(18, "G729", 8000)
SPEECH = octets("speech.g729")


class G729Tests(SynchronousTestCase):
    """10 octets, 10 ms."""

    if not INSTALLED:
        skip = "PyAV is not installed"

    def test_speech(self) -> None:
        """It is what bcg729 hears, but for the postfilters, which differ by annex."""
        judge = np.frombuffer(octets("speech.g729.raw"), dtype="<i2").astype(np.int16)
        audio = decoded(G729Decoder(CODEC), parts(SPEECH, 20))
        self.assertEqual(len(audio), 4000)
        self.assertGreater(likeness_db(judge, audio), 18)

    def test_packets(self) -> None:
        """Any number of frames in a packet is the same audio."""
        single = decoded(G729Decoder(CODEC), parts(SPEECH, 10))
        for frames in (2, 3, 6):
            together = decoded(G729Decoder(CODEC), parts(SPEECH, 10 * frames))
            self.assertEqual(together.tobytes(), single.tobytes())

    def test_silence(self) -> None:
        """A SID, alone or after frames, is 10 ms of silence, and nothing need follow it."""
        decoder = G729Decoder(CODEC)
        for payload, ticks, rests in (
            (SPEECH[:20], 160, False),
            (SPEECH[:20] + b"\x12\x34", 240, True),
            (b"\x12\x34", 80, True),
            (b"\x12\x34\x56", 0, False),
            (b"", 0, False),
        ):
            self.assertEqual((decoder.ticks(payload), decoder.rests(payload)), (ticks, rests))
            self.assertEqual(len(decoder.decode(payload)), ticks)
        self.assertEqual(decoder.decode(b"\x12\x34").tolist(), [0] * 80)
        self.assertEqual(decoder.decode(SPEECH[:20] + b"\x12\x34")[160:].tolist(), [0] * 80)
