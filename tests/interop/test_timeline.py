"""Two parties of one ffmpeg, with its sender reports, side by side on the timeline."""

from __future__ import annotations

import time

import numpy as np
import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from tests.interop.peers import needs
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.dialects.base import Audio, StreamStart
from twisted_siprec.net.media.plane import LocalMedia
from twisted_siprec.participants import Description
from twisted_siprec.plan import BridgePlan, ChannelPlan, Codec, Destination, EndReason, StreamPlan
from twisted_siprec.report import DeliveryStatistics

pytestmark = [pytest.mark.interop, pytest.mark.alone, needs("ffmpeg")]
SECONDS = 12


class _Shelf:
    """An outlet that keeps what it gets."""

    def __init__(self, start: StreamStart) -> None:
        self.start = start
        self.audio: list[bytes] = []
        self.waiting_s = 0.0

    def carry(self, audio: Audio) -> None:
        self.audio.append(audio.payload)

    def carry_alike(self, position: int, samples: int, payload: bytes) -> None:
        self.audio.append(payload)

    def tell(self, event: object) -> None:
        """Nothing is to be done."""

    def stop(
        self, reason: EndReason, duration_ms: int, channels: object
    ) -> Deferred[DeliveryStatistics]:
        return succeed(DeliveryStatistics("shelf", self.start.stream_id))


class TimelineTests(TestCase):
    """The same noise to both parties."""

    timeout = 60

    async def test_side_by_side(self) -> None:
        """It is heard at the same place of both channels, within 5 ms, and none of it twice."""
        shelves: list[_Shelf] = []

        def open_outlet(start: StreamStart, _: object) -> _Shelf:
            shelves.append(_Shelf(start))
            return shelves[-1]

        settings = MediaSettings(first_port=43000, last_port=43999)
        media = LocalMedia(reactor, settings, open_outlet)
        plan = BridgePlan(
            bridge="b1",
            call_id="c1",
            local_address="127.0.0.1",
            streams=tuple(StreamPlan(index, (Codec(0, "PCMU", 8000),)) for index in (0, 1)),
            channels=(ChannelPlan(0, (0,)), ChannelPlan(1, (1,))),
            destinations=(Destination("shelf", "ws://localhost/"),),
            description=Description("b1", "c1"),
            started_at=time.time(),
        )
        opened = await media.open(plan)
        outputs: list[str] = []
        for ports in opened.ports:
            url = f"rtp://127.0.0.1:{ports.rtp}?rtcpport={ports.rtcp}&pkt_size=172"
            outputs += ["-map", "0:a", "-c:a", "pcm_mulaw", "-f", "rtp", url]
        noise = f"anoisesrc=seed=7:sample_rate=8000:duration={SECONDS}:amplitude=0.3"
        sending = ["-v", "error", "-re", "-f", "lavfi", "-i", noise, *outputs]
        _, errors, status = await getProcessOutputAndValue("/usr/bin/env", ["ffmpeg", *sending])
        self.assertEqual(status, 0, errors)
        await deferLater(reactor, 0.3, lambda: None)
        closed = await media.close("b1", EndReason.CALL_ENDED)
        for stream in closed.streams:
            # It sends by 128 ms at a time: what is late is so at first, and is then waited for.
            self.assertLess(stream.late, 4)
            self.assertEqual(stream.lost, 0)
            self.assertGreaterEqual(stream.packets, 50 * SECONDS)
        heard = np.frombuffer(b"".join(shelves[0].audio), dtype="<i2").reshape(-1, 2)
        one, two = heard[:, 0].astype(float), heard[:, 1].astype(float)
        spectrum = np.fft.rfft(one, 2 * len(one)) * np.conj(np.fft.rfft(two, 2 * len(one)))
        likeness = np.fft.irfft(spectrum)
        lag = int(np.argmax(likeness))
        lag -= 2 * len(one) if lag > len(one) else 0
        self.assertLess(abs(lag), 40, "samples at 8000 Hz")
        self.assertGreater(likeness.max() / np.sqrt((one @ one) * (two @ two)), 0.99)
