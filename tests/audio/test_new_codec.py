"""docs/codecs.rst, "Add a codec", walked through with one that nobody needs."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio import codec as table
from twisted_siprec.audio.codec import decoder, encoder, supports, wideband
from twisted_siprec.audio.samples import Samples
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.stream import Stream
from twisted_siprec.bridge.timeline import UNITS_PER_MS
from twisted_siprec.plan import Codec, StreamPlan
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.sdp.parameters import decodable
from twisted_siprec.simulator.sending import Sending, encode
from twisted_siprec.simulator.speech import Speech

S8 = Codec(120, "S8", 12000)


class S8Decoder:
    """Eight bits of a sample, linear: the upper ones."""

    joins = True

    def __init__(self, codec: Codec) -> None:
        self.rate = codec.clock_rate

    def ticks(self, payload: bytes) -> int:
        """One for each octet."""
        return len(payload)

    def decode(self, payload: bytes) -> Samples:
        """The octets as samples."""
        return np.frombuffer(payload, dtype=np.int8).astype(np.int16) << 8


class S8Encoder:
    """The same the other way."""

    def __init__(self, codec: Codec) -> None:
        self.rate = self.clock_rate = codec.clock_rate

    def encode(self, samples: Samples) -> bytes:
        """The upper bits."""
        return (samples >> 8).astype(np.int8).tobytes()


class NewCodecTests(SynchronousTestCase):
    """A module, which is the two classes above, and a line."""

    def setUp(self) -> None:
        known = {**table._KNOWN, "S8": table._Known(S8Decoder, S8Encoder, (8000, 12000))}
        self.patch(table, "_KNOWN", known)
        self.patch(table, "SUPPORTED", table.SUPPORTED | {"S8"})

    def test_known(self) -> None:
        """It is taken at the rates that the line names."""
        self.assertTrue(supports(S8))
        self.assertFalse(supports(Codec(120, "S8", 16000)))
        self.assertTrue(decodable(S8))
        self.assertTrue(wideband(S8))
        self.assertEqual((decoder(S8).rate, encoder(S8).rate), (12000, 12000))

    def test_stream(self) -> None:
        """What a simulated party sends by it is heard of a stream, packet by packet, and lost."""
        samples = (10000 * np.sin(np.arange(2400) * 0.1)).astype(np.int16)
        speech = encode(Speech(samples, 12000), Sending((S8,)))
        self.assertEqual((speech.ticks, speech.payloads.shape), (240, (10, 240)))
        stream = Stream(StreamPlan(0, (S8,)), MediaSettings(), 0.0)
        for number, payload in enumerate(speech.payloads):
            if number == 6:
                continue
            octets = bytes(RTPPacket(120, False, number, 240 * number, 7, payload.tobytes()))
            stream.receive([Datagram(octets, ("192.0.2.1", 4000), 0.02 * number)])
        played = stream.play(200 * UNITS_PER_MS)
        assert played.samples is not None
        self.assertEqual((played.rate, len(played.samples)), (12000, 2400))
        self.assertEqual(played.samples[:1440].tolist(), speech.heard()[:1440].tolist())
        self.assertEqual([each.reason for each in played.missing], ["rtp_loss"])
        self.assertTrue(played.samples[1440:1680].any())
        self.assertEqual(stream.statistics().codec, "S8")
