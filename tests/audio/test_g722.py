"""G.722."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.g722 import G722Decoder, G722Encoder
from twisted_siprec.plan import Codec

TONE = (8000 * np.sin(np.arange(3200) * 2 * np.pi * 3000 / 16000)).astype(np.int16)


class G722Tests(SynchronousTestCase):
    """64 kbit/s, 16 kHz, and a clock of 8 kHz."""

    def test_round_trip(self) -> None:
        """A tone comes back, 22 samples later, and louder than any noise."""
        octets = G722Encoder(Codec(9, "G722", 8000)).encode(TONE)
        self.assertEqual(len(octets), 1600)
        back = G722Decoder(Codec(9, "G722", 8000)).decode(octets)
        self.assertEqual(len(back), 3200)
        noise = back[1000:].astype(float) - TONE[978:-22]
        self.assertLess(np.sqrt((noise**2).mean()), 100)

    def test_state(self) -> None:
        """Payload by payload is the same as all at once; out of nothing comes nothing."""
        octets = G722Encoder(Codec(9, "G722", 8000)).encode(TONE)
        decoder = G722Decoder(Codec(9, "G722", 8000))
        parts = [decoder.decode(octets[at : at + 160]) for at in range(0, 1600, 160)]
        self.assertEqual(len(decoder.decode(b"")), 0)
        whole = G722Decoder(Codec(9, "G722", 8000)).decode(octets)
        self.assertEqual(np.concatenate(parts).tobytes(), whole.tobytes())

    def test_ticks(self) -> None:
        """160 octets are 160 ticks of the 8000 Hz clock: 20 ms."""
        decoder = G722Decoder(Codec(9, "G722", 8000))
        self.assertEqual((decoder.rate, decoder.ticks(bytes(160))), (16000, 160))

    def test_odd(self) -> None:
        """Half a pair of samples cannot be sent."""
        encoder = G722Encoder(Codec(9, "G722", 8000))
        self.assertRaises(ValueError, encoder.encode, TONE[:3])
        self.assertEqual(encoder.encode(TONE[:0]), b"")
        self.assertEqual((encoder.rate, encoder.clock_rate), (16000, 8000))
