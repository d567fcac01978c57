"""
The recording server, in memory: SIP in, SIP out, and what the media plane is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from tests.sip.conversation import tokens
from tests.sip_fakes import UDPMemoryReactor
from tests.vendor_replay import FILES, Replay, WatchedMedia
from twisted_siprec.errors import RemoteError
from twisted_siprec.net.recording import Reception
from twisted_siprec.net.recording_server import Limits, RecordingServer
from twisted_siprec.net.sip_transport import SIPTransport
from twisted_siprec.plan import Description, Destination, EndReason, StreamSilent
from twisted_siprec.routing.policy import Intake
from twisted_siprec.sip.events import Flow, UserAgentSettings
from twisted_siprec.sip.uas import UserAgentServer
from twisted_siprec.siprec.session import SessionPolicy

WALL = 1_767_366_000.0


class MemoryWire:
    """An SRC whose datagrams reach the listener at once."""

    here = "192.0.2.10"
    via = "UDP 192.0.2.10:5060"
    srs = "sip:srs@198.51.100.1"

    def __init__(self, reactor: UDPMemoryReactor) -> None:
        self.protocol, self.port = reactor.udp[0]
        self.taken = 0

    def send(self, octets: bytes) -> None:
        """To the listener."""
        self.protocol.datagramReceived(octets, (self.here, 5060))

    def message(self) -> Awaitable[bytes]:
        """What it wrote, or a mistake: there is nothing to wait for."""
        assert self.taken < len(self.port.written), "nothing was sent"
        octets, _ = self.port.written[self.taken]
        self.taken += 1
        return succeed(octets)

    def settle(self, holds: Callable[[], None]) -> Awaitable[None]:
        """It holds now or never."""
        holds()
        return succeed(None)

    def rtp(self, stream: str, port: int, payload_type: int) -> None:
        """There is no media plane."""


class Recorder:
    """A recording server on a reactor in memory, and a media plane that only takes notes."""

    def __init__(self, policy: SessionPolicy | None = None, limits: Limits | None = None) -> None:
        self.reactor = UDPMemoryReactor()
        self.media = WatchedMedia()
        self.policy = policy or SessionPolicy(media_address="198.51.100.1")
        self.refusal: RemoteError | None = None
        numbers, identities = tokens(), count(1)
        self.transport = SIPTransport(
            self.reactor,
            UserAgentServer(UserAgentSettings(), lambda digits: f"{next(numbers):0{digits}x}"),
            lambda output: self.server.happened(output),
        )
        self.transport.listen_udp("198.51.100.1", 5060)
        self.server = RecordingServer(
            self.reactor,
            lambda: WALL,
            lambda: f"rec-{next(identities)}",
            self.transport,
            self.media,
            Intake(2),
            self.receive,
            limits or Limits(),
        )

    def receive(self, flow: Flow) -> Reception | RemoteError:
        """Everybody may, unless a test says otherwise."""
        return self.refusal or Reception("all", self.policy, self.route)

    def route(self, description: Description) -> tuple[Destination, ...]:
        """To one consumer."""
        return (Destination("consumer", "ws://consumer.example.com/"),)

    def replay(self, text: str) -> Replay:
        """A conversation, to its end."""
        replay = Replay(text, MemoryWire(self.reactor), self.media)
        done: Deferred[None] = Deferred.fromCoroutine(replay.run())
        outcome: list[object] = []
        done.addBoth(outcome.append)
        assert outcome, "the conversation waits for something"
        if outcome[0] is not None:
            outcome[0].raiseException()  # type: ignore[attr-defined]
        return replay


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_vendor(name: str) -> None:
    """The conversation goes as the file has it, and at its end nothing is under way."""
    recorder = Recorder()
    file = next(each for each in FILES if each.stem == name)
    recorder.replay(file.read_text())
    assert recorder.server.calls() == []
    assert recorder.server.statistics().get("faults") is None


def test_there_are_vendors() -> None:
    """Every family has its conversation."""
    assert len(FILES) >= 15
