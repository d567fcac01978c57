"""
Near end and far end of a phone's built-in bridge, in two dialogs over a real listener,
as the two channels of one recording: with the media in this process and in a worker.
"""

from __future__ import annotations

import json
import wave
from array import array
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from tests.interop.test_vendors import DatagramWire
from tests.vendor_replay import DIRECTORY, PACKETS, Replay, WatchedMedia
from twisted_siprec.config.loading import parse
from twisted_siprec.recording_service import RecordingService

CONFIGURATION = """
workers: {workers}
sip:
  listeners: [{{transport: udp, address: 127.0.0.1, port: 0}}]
media: {{address: 127.0.0.1, ports: [{first}, {last}], cooldown_s: 0}}
sources:
  - {{name: cucm, networks: 127.0.0.0/8, non_siprec: accept, join: {join}}}
destinations:
  files: {{url: "file:{directory}"}}
"""


STITCHED = "? stitch refci:12345\n"


async def converse(wire: DatagramWire, media: WatchedMedia) -> None:
    """The conversation of CUCM, in which each end speaks once it is answered."""
    near, far, rest = (DIRECTORY / "cisco_cucm.txt").read_text().split(STITCHED)
    replay = Replay("", wire, media)
    for part in (near, far):
        replay.text = part
        await replay.run()
        bridge = replay.view().plan.bridge
        ports = [line.split()[1] for line in replay.response if line.startswith("m=audio ")]
        wire.rtp(part, int(ports[0]), 0)

        def heard(bridge: str = bridge) -> None:
            assert sum(each.packets for each in media.statistics(bridge)) == PACKETS

        await wire.settle(heard)
    replay.text = "dialog far\n" + rest
    await replay.run()

    def accounted() -> None:
        for view in media.views.values():
            assert view.account is not None
            assert sum(each.packets for each in view.account.streams) == PACKETS

    await wire.settle(accounted)


class JoinTests(TestCase):
    """The conversation of CUCM, from the first datagram to the files."""

    timeout = 60

    async def record(self, workers: int, join: str, first: int) -> list[Path]:
        """The recordings that are made of it."""
        directory = Path(self.mktemp())
        configuration = parse(
            CONFIGURATION.format(
                directory=directory.resolve(),
                workers=workers,
                join=join,
                first=first,
                last=first + 19,
            )
        )
        service = RecordingService(configuration, reactor)
        media = WatchedMedia(service.server._media)
        service.server._media = media
        service.startService()
        try:
            if service.pool is not None:
                await service.pool._all_ready
            wire = DatagramWire(service.listeners[0].local)
            wire.start()
            try:
                await converse(wire, media)
            finally:
                await wire.stop()
            self.assertNotIn("faults", service.server.statistics())
        finally:
            await service.stopService()
        return sorted(directory.rglob("*.wav"))

    def check(self, recordings: list[Path]) -> None:
        """One recording, near end on the left and far end on the right, and both heard."""
        self.assertEqual(len(recordings), 1)
        with wave.open(str(recordings[0])) as file:
            self.assertEqual(file.getnchannels(), 2)
            samples = array("h", file.readframes(file.getnframes()))
        # Four packets of one level, from each end.
        self.assertEqual([sum(map(bool, samples[n::2])) for n in (0, 1)], [640, 640])
        document = json.loads(recordings[0].with_suffix(".json").read_text())
        known = [each for each in document["events"] if each["type"] == "metadata"][-1]
        parties = known["data"]["siprec"]["participants"]
        self.assertEqual(
            sorted((each["id"], each["aor"]) for each in parties),
            [("far-end", "5550150"), ("near-end", "8000")],
        )
        self.assertEqual([each["packets"] for each in document["statistics"]["channels"]], [4, 4])

    async def test_in_this_process(self) -> None:
        """One stereo recording."""
        self.check(await self.record(0, "true", 43200))

    async def test_in_a_worker(self) -> None:
        """The same with two workers: both halves are in one of them."""
        self.check(await self.record(2, "true", 43240))

    async def test_not_asked_for(self) -> None:
        """Two dialogs are two recordings where the SRC is not configured so."""
        self.assertEqual(len(await self.record(0, "false", 43280)), 2)
