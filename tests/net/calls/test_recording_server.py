"""
The recording server, in memory: SIP in, SIP out, and what the media plane is told.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.sip.conversation import tokens
from tests.sip_fakes import UDPMemoryReactor
from tests.vendor_replay import FILES, Replay, View, WatchedMedia
from twisted_siprec.errors import RemoteError
from twisted_siprec.net.calls.bridged import Limits
from twisted_siprec.net.calls.recording import Fields, Reception
from twisted_siprec.net.calls.recording_server import RecordingServer
from twisted_siprec.net.media.media import NoPorts
from twisted_siprec.net.sip.transport import SIPTransport
from twisted_siprec.participants import Description
from twisted_siprec.plan import Destination, EndReason
from twisted_siprec.report import (
    BridgeFailed,
    HandshakeDone,
    HandshakeFailed,
    StreamHeard,
    StreamSilent,
)
from twisted_siprec.routing.policy import Intake
from twisted_siprec.sdp.crypto import Secrecy
from twisted_siprec.sdp.protection import Protection
from twisted_siprec.sip.events import Flow, UserAgentSettings
from twisted_siprec.sip.uas import UserAgentServer
from twisted_siprec.siprec.session import RouteAnswer, SessionPolicy

WALL = 1_767_366_000.0


class MemoryWire:
    """An SRC whose datagrams reach the listener at once."""

    here = "192.0.2.10"
    via = "UDP 192.0.2.10:5060"
    srs = "sip:srs@198.51.100.1"

    def __init__(self, reactor: UDPMemoryReactor) -> None:
        self.protocol, self.port = reactor.udp[0]
        self.taken = len(self.port.written)

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
        self.nowhere: RemoteError | None = None
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

    def route(self, description: Description, fields: Fields) -> RouteAnswer:
        """To one consumer."""
        self.fields = fields
        return self.nowhere or (Destination("consumer", "ws://consumer.example.com/"),)

    def replay(self, text: str) -> Replay:
        """A conversation, to its end."""
        return self.go_on(Replay("", MemoryWire(self.reactor), self.media), text)

    def go_on(self, replay: Replay, text: str) -> Replay:
        """More of a conversation, to its end."""
        replay.text = text
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


CALL = """\
> INVITE
> Require: siprec
> Content-Type: application/sdp
>
> v=0
> o=- 1 1 IN IP4 {here}
> s=-
> c=IN IP4 {here}
> t=0 0
> m=audio 4000 RTP/AVP 0
> a=label:1
> a=sendonly
"""
TAKEN = CALL + "< 200\nack\n"
TWO = CALL + "> m=audio 4002 RTP/AVP 0\n> a=label:2\n> a=sendonly\n"


class RecordingServerTests(SynchronousTestCase):
    """What joins the user agent, the recording sessions and the media plane."""

    def setUp(self) -> None:
        """A server that sends a call to its end after 30 s of silence."""
        self.recorder = Recorder(limits=Limits(end_after_silence_s=30.0))
        self.server = self.recorder.server

    def view(self, bridge: str = "rec-1") -> View:
        """What the media plane was told."""
        return self.recorder.media.views[bridge]

    def log(self) -> list[str]:
        """The lines of the log, from now on."""
        logged: list[str] = []

        def observe(event: LogEvent) -> None:
            logged.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        return logged

    def test_reason(self) -> None:
        """Why the SRC ended the call is in the log, in its words."""
        logged = self.log()
        self.recorder.replay(TAKEN + "> BYE\n> Reason: Q.850;cause=16\n< 200\n")
        self.assertIn("BYE received (Q.850;cause=16)", "".join(logged))

    def test_call(self) -> None:
        """A call in progress is listed, with what was odd; one that is over is not."""
        self.recorder.replay(TAKEN)
        (call,) = self.server.calls()
        self.assertEqual(
            (call.id, call.state, call.destinations, call.warnings),
            ("rec-1", "recording", ("consumer",), 1),
        )
        details = self.server.call("rec-1")
        self.assertEqual(details["warning metadata-missing"], "there is no recording metadata")
        self.assertEqual(self.server.call("rec-9"), {})
        self.assertTrue(self.server.hang_up("rec-1"))
        self.assertIs(self.view().ended, EndReason.OPERATOR)
        self.assertEqual(self.server.calls(), [])

    def test_warnings(self) -> None:
        """What was odd is in the log and counted by code, and in what consumers are told."""
        logged = self.log()
        self.recorder.replay(TAKEN)
        (line,) = [line for line in logged if "[metadata-missing]" in line]
        self.assertIn("there is no recording metadata", line)
        self.assertEqual(self.server.statistics()["warned: metadata-missing"], 1)
        told = self.view().plan.description.warnings
        self.assertEqual([code for code, _ in told], ["metadata-missing"])

    def test_warning_within_a_call(self) -> None:
        """What is odd in the middle of a call is told at once, and once."""
        replay = self.recorder.replay(TAKEN)
        info = "> INFO\n> Content-Type: application/dtmf\n>\n> Signal=?\n< 200\n"
        self.recorder.go_on(replay, info)
        codes = [code for code, _ in self.view().description.warnings]
        self.assertEqual(codes, ["metadata-missing", "dtmf-malformed"])
        before = self.view().description
        self.recorder.go_on(replay, info)
        self.assertIs(self.view().description, before)

    def test_half_of_a_call(self) -> None:
        """A half is joined to others of its source and its tenant only."""
        self.recorder.policy = replace(self.recorder.policy, join=True)
        self.recorder.replay(CALL.replace("> Require", "> Cisco-Guid: 1-2-3-4\n> Require"))
        half = self.view().plan.half
        assert half is not None
        self.assertEqual(half.scope, "all/")
        self.assertEqual(half.keys, ("guid:00000001000000020000000300000004",))

    def test_who_may_not(self) -> None:
        """A source that may not is refused before anything is made of its call."""
        self.recorder.refusal = RemoteError(403, "Forbidden")
        self.recorder.replay(CALL + "< 403\nack\n")
        self.assertEqual(self.recorder.media.views, {})
        self.assertEqual(self.server.statistics()["refused: 403"], 1)

    def test_no_route(self) -> None:
        """A call that goes nowhere is refused as the route says."""
        self.recorder.nowhere = RemoteError(480, "No destination")
        self.recorder.replay(CALL + "< 480\nack\n")
        self.assertEqual(self.server.calls(), [])

    def test_over_the_limit(self) -> None:
        """The third of two calls gets 503 with Retry-After; the two go on, and leave room."""
        self.recorder.replay(TAKEN)
        self.recorder.replay(TAKEN)
        self.recorder.replay(CALL + "< 503\n< Retry-After: *\nack\n")
        self.assertEqual(len(self.server.calls()), 2)
        self.server.hang_up("rec-1")
        self.recorder.replay("dialog late\n" + TAKEN)

    def test_no_ports(self) -> None:
        """Where no ports are left the call is refused, for another recorder to take."""
        self.recorder.media.failure = NoPorts("none")
        self.recorder.replay(CALL + "< 503\n< Retry-After: *\nack\n")
        self.assertEqual(self.server.calls(), [])

    def test_media_fails(self) -> None:
        """A fault of the media plane costs this call, is logged, and says nothing of itself."""
        self.recorder.media.failure = ZeroDivisionError("inside")
        replay = self.recorder.replay(CALL + "< 500\nack\n")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertNotIn("inside", "".join(replay.response))

    def test_silence(self) -> None:
        """A call of which nothing comes any more is ended; packets put it off."""
        self.recorder.replay(TAKEN)
        source = ("192.0.2.10", 4000)
        self.server.reported(StreamSilent("rec-1", 0, 5000))
        self.recorder.reactor.advance(20)
        self.server.reported(StreamHeard("rec-1", 0, source))
        self.recorder.reactor.advance(10)
        self.assertIsNone(self.view().ended)
        self.server.reported(StreamSilent("rec-1", 0, 5000))
        self.recorder.reactor.advance(24.9)
        self.assertIsNone(self.view().ended)
        self.recorder.reactor.advance(0.2)
        self.assertIs(self.view().ended, EndReason.SRC_LOST)

    def test_no_keys(self) -> None:
        """A stream that DTLS gave no keys is a warning of its call, with the reason, once."""
        logged = self.log()
        self.recorder.replay(TAKEN)
        for _ in range(2):
            self.server.reported(HandshakeFailed("rec-1", 0, "RTP: no handshake came"))
        self.server.reported(HandshakeDone("rec-1", 1, "AEAD_AES_128_GCM"))
        shown = self.server.call("rec-1")
        self.assertIn("0, RTP: no handshake came", str(shown["warning media-no-keys"]))
        text = "\n".join(logged)
        self.assertEqual(text.count("[media-no-keys]"), 1)
        self.assertEqual(text.count("protected by AEAD_AES_128_GCM, with keys by DTLS"), 1)

    def test_silence_while_paused(self) -> None:
        """While the SRC has paused the call, silence is as it should be."""
        self.recorder.replay(CALL.replace("sendonly", "inactive") + "< 200\nack\n")
        self.server.reported(StreamSilent("rec-1", 0, 5000))
        self.recorder.reactor.advance(1000)
        self.assertIsNone(self.view().ended)

    def test_bridge_lost(self) -> None:
        """Where the media plane gave a call up, its dialog is ended too."""
        self.recorder.replay(TAKEN)
        self.server.reported(BridgeFailed("rec-1", "why"))
        self.assertIs(self.view().ended, EndReason.ERROR)
        self.assertIn(b"BYE sip:src@192.0.2.10", self.recorder.reactor.udp[0][1].written[-1][0])

    def test_drain(self) -> None:
        """While draining OPTIONS and INVITE get 503; a call in progress is served."""
        self.recorder.replay(TAKEN)
        idle = self.server.idle()
        self.server.drain()
        self.recorder.replay("> OPTIONS\n< 503\n< Retry-After: *\n")
        self.recorder.replay("dialog late\n" + CALL + "< 503\nack\n")
        self.assertNoResult(idle)
        self.server.hang_up_all(EndReason.SHUTDOWN)
        self.successResultOf(idle)
        self.assertIs(self.view().ended, EndReason.SHUTDOWN)
        self.successResultOf(self.server.idle())

    def test_pause(self) -> None:
        """The operator pauses a call and resumes it; one that is over can be neither."""
        self.recorder.replay(TAKEN)
        self.assertTrue(self.server.pause("rec-1"))
        self.assertTrue(self.view().paused)
        self.assertTrue(self.server.resume("rec-1"))
        self.assertFalse(self.view().paused)
        self.server.hang_up("rec-1")
        self.assertFalse(self.server.pause("rec-1"))

    def test_pause_src(self) -> None:
        """Where so configured the SRC is asked to send nothing, and is asked to again."""
        replay = self.asking(TWO + "< 200\nack\n")
        self.server.pause("rec-1")
        self.recorder.go_on(replay, "<< INVITE\n<< a=label:1\n<< a=inactive\n<< a=inactive\n")
        self.assertEqual((self.view().paused, self.server.calls()[0].state), (True, "paused"))
        self.assertEqual([each.active for each in self.view().streams], [False, False])
        self.server.resume("rec-1")
        self.assertTrue(self.view().paused)
        self.recorder.go_on(replay, "<< INVITE\n<< a=recvonly\n<< a=recvonly\n")
        self.assertEqual((self.view().paused, self.server.calls()[0].state), (False, "recording"))
        self.recorder.go_on(replay, "> BYE\n< 200\n")

    def test_drop(self) -> None:
        """A stream is dropped by port 0; the other one, and its m-line, stay."""
        replay = self.asking(TWO + "< 200\nack\n")
        self.assertTrue(self.server.drop("rec-1", 0))
        self.assertEqual(len(self.view().streams), 2)
        invite = "<< INVITE\n<< m=audio 0 RTP/AVP 0\n<< a=label:1\n<< m=audio 30002 RTP/AVP 0\n"
        self.recorder.go_on(replay, invite + "<< a=label:2\n")
        self.assertEqual([each.index for each in self.view().streams], [1])
        self.assertFalse(self.server.drop("rec-1", 0))
        self.assertFalse(self.server.drop("rec-9", 0))

    def test_glare(self) -> None:
        """A re-INVITE that meets one of the SRC's is sent again after the time drawn."""
        replay = self.asking(TWO + "< 200\nack\n")
        self.server.pause("rec-1")
        self.recorder.go_on(replay, "<< INVITE 491\n")
        self.recorder.reactor.advance(1.2)
        self.assertRaises(AssertionError, self.recorder.go_on, replay, "<< INVITE\n")
        self.recorder.reactor.advance(0.1)
        self.recorder.go_on(replay, "<< INVITE\n<< o=* 2 IN IP4 *\n<< a=inactive\n")
        self.assertEqual([each.active for each in self.view().streams], [False, False])

    def test_own_before_the_ack(self) -> None:
        """Until the ACK to our 200 came, there is no INVITE of ours."""
        replay = self.asking(TWO + "< 200\n")
        self.server.pause("rec-1")
        self.assertRaises(AssertionError, self.recorder.go_on, replay, "<< INVITE\n")
        self.recorder.go_on(replay, "ack\n<< INVITE\n<< a=inactive\n")

    def test_own_while_another_is_under_way(self) -> None:
        """While ours has no answer, the SRC's gets 491; metadata by UPDATE is taken."""
        replay = self.asking(TWO + "< 200\nack\n")
        self.server.pause("rec-1")
        again = TWO.replace("o=- 1 1", "o=- 1 2")
        self.recorder.go_on(replay, "<<! INVITE\n" + again + "< 491\nack\n")
        self.recorder.go_on(replay, again.replace("> INVITE", "> UPDATE") + "< 491\n")
        update = "> UPDATE\n> Content-Type: application/rs-metadata+xml\n>\n> <recording/>\n"
        self.recorder.go_on(replay, update + "< 200\n")

    def test_refused(self) -> None:
        """An SRC that takes no re-INVITE is warned of, recorded, and asked no more."""
        replay = self.asking(TWO + "< 200\nack\n")
        self.server.pause("rec-1")
        self.recorder.go_on(replay, "<< INVITE 405\n")
        self.server.resume("rec-1")
        self.assertFalse(self.view().paused)
        self.assertFalse(self.server.drop("rec-1", 0))
        self.assertIn("warning sip-re-invite-refused", self.server.call("rec-1"))
        self.recorder.go_on(replay, "> BYE\n< 200\n")

    def test_unanswered(self) -> None:
        """An SRC that answers nothing is warned of, and recorded."""
        replay = self.asking(TWO + "< 200\nack\n")
        self.server.pause("rec-1")
        self.server.resume("rec-1")
        self.recorder.go_on(replay, "<<! INVITE\n")
        for _ in range(40):
            self.recorder.reactor.advance(1)
        self.assertIn("warning sip-re-invite-unanswered", self.server.call("rec-1"))
        self.assertEqual(self.server.calls()[0].state, "recording")

    def test_dialog_unknown(self) -> None:
        """A 481 to ours ends the recording."""
        replay = self.asking(TWO + "< 200\nack\n")
        self.server.pause("rec-1")
        self.recorder.go_on(replay, "<< INVITE 481\n")
        self.assertIs(self.view().ended, EndReason.SRC_LOST)
        self.assertEqual(self.server.calls(), [])

    def test_keys_are_told_nobody(self) -> None:
        """Neither traces nor the log nor what consumers are told has a key of SRTP."""
        self.recorder.policy = replace(
            self.recorder.policy,
            protection=Protection(Secrecy.ALLOW),
            new_key=lambda octets: b"\xaa" * octets,
        )
        logged, traced = self.log(), list[str]()
        self.server.trace("", traced.append)
        ours, theirs = b64encode(b"\xaa" * 30).decode(), b64encode(b"\xbb" * 30).decode()
        crypto = f"> a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{theirs}\n"
        secured = CALL.replace("RTP/AVP", "RTP/SAVP").replace(
            "> a=label:1\n", f"> a=label:1\n{crypto}"
        )
        replay = self.recorder.replay(secured + "< 200\nack\n")
        self.assertIn(ours, "".join(replay.response))
        self.assertIn("a=crypto:1", "".join(traced))
        shown = "".join((*traced, *logged, repr(self.view()), repr(self.server.call("rec-1"))))
        for secret in (ours, theirs):
            self.assertNotIn(secret, shown)

    def asking(self, text: str) -> Replay:
        """A call of a server that asks the SRC to pause."""
        self.recorder.policy = replace(
            self.recorder.policy, pause_src=True, glare_delay_s=lambda: 1.25
        )
        return self.recorder.replay(text)

    def test_one_call_by_two_sources(self) -> None:
        """One communication session in two recording sessions is no error; they have one key."""
        metadata = (
            "> --b\n> Content-Type: application/rs-metadata+xml\n>\n"
            '> <recording xmlns="urn:ietf:params:xml:ns:recording:1"><session session_id="s1"/>'
            "</recording>\n> --b--\n"
        )
        head, sdp = CALL.split("> Content-Type: application/sdp\n>\n")
        call = (
            head + "> Content-Type: multipart/mixed;boundary=b\n>\n> --b\n"
            "> Content-Type: application/sdp\n>\n" + sdp + metadata + "< 200\nack\n? stitch cs:s1\n"
        )
        self.recorder.replay(call)
        self.recorder.replay(call)
        self.assertEqual(len(self.server.calls()), 2)

    def test_record_aware(self) -> None:
        """What concerns the recorded call only is passed over, and not said again."""
        sdp = CALL.replace("> a=label:1\n", "> a=record:on\n> a=recordpref:on\n> a=label:1\n")
        sdp = sdp.replace("> Require: siprec\n", "> Require: siprec\n> Supported: record-aware\n")
        replay = self.recorder.replay(sdp + "< 200\nack\n")
        answer = "\n".join(replay.response)
        self.assertNotIn("a=record", answer)
        self.assertNotIn("record-aware", answer)


def test_routes_see_all_fields() -> None:
    """
    A route may look at any header field of the INVITE, under its long name; consumers
    get those alone that the configuration passes on.
    """
    recorder = Recorder()
    file = next(each for each in FILES if each.stem == "oracle")
    recorder.replay(file.read_text())
    assert "call-id" in dict(recorder.fields)
    assert "max-forwards" in dict(recorder.fields)
    [view] = recorder.media.views.values()
    assert view.description.headers == ()
