"""
Recording sessions: requests in, outputs out.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.errors import LocalError, RemoteError
from twisted_siprec.plan import (
    BridgePlan,
    BridgeUpdate,
    ChannelPlan,
    Codec,
    Destination,
    EndReason,
    Half,
    KeyPress,
    ParticipantEvent,
    StreamPlan,
)
from twisted_siprec.siprec import snapshot
from twisted_siprec.siprec.session import (
    Accept,
    Changed,
    CloseBridge,
    OpenBridge,
    Output,
    RecordingSession,
    Refuse,
    SendBye,
    SendUpdate,
    State,
    UpdateBridge,
    Warned,
)

from .support import (
    NOW_TEXT,
    POLICY,
    RECORDING_HEADERS,
    WALL,
    invite_from,
    offer,
    offered,
    ports,
    recording_of,
    request,
    with_both,
    with_metadata,
    with_sdp,
)

STRICT = replace(POLICY, strict=True)

PCMU = Codec(0, "PCMU", 8000)


def metadata(inner: str, mode: str = "complete") -> bytes:
    """A document of these elements."""
    return (
        '<recording xmlns="urn:ietf:params:xml:ns:recording:1">'
        f"<datamode>{mode}</datamode>{inner}</recording>"
    ).encode()


CALL = (
    '<session session_id="s"/>'
    '<participant participant_id="p1"><nameID aor="sip:a@example.com"/></participant>'
    '<participant participant_id="p2"><nameID aor="sip:b@example.com"/></participant>'
    '<stream stream_id="t1" session_id="s"><label>1</label></stream>'
    '<stream stream_id="t2" session_id="s"><label>2</label></stream>'
    '<participantstreamassoc participant_id="p1"><send>t1</send></participantstreamassoc>'
    '<participantstreamassoc participant_id="p2"><send>t2</send></participantstreamassoc>'
)
HELD = CALL.replace("<send>t2</send>", "")
INVITE = with_both(offer("sendonly", "sendonly"), metadata(CALL))


def answer(version: int, *streams: tuple[int, str]) -> bytes:
    """Our SDP of this version: (port, direction) for each stream; port 0 for a closed one."""
    lines = [
        "v=0",
        f"o=- 6246088846903853 {version} IN IP4 198.51.100.1",
        "s=-",
        "c=IN IP4 198.51.100.1",
        "t=0 0",
    ]
    for number, (port, direction) in enumerate(streams):
        lines.append(f"m=audio {port} RTP/AVP 0")
        if port:
            lines.append("a=rtpmap:0 PCMU/8000")
        lines.append(f"a=label:{number + 1}")
        if port:
            lines.append(f"a={direction}")
    return "".join(line + "\r\n" for line in lines).encode()


def quiet(outputs: list[Output]) -> list[Output]:
    """Outputs without what is told of the call."""
    return [each for each in outputs if not isinstance(each, (Changed, Warned))]


def updates(outputs: list[Output]) -> list[BridgeUpdate]:
    """What the media plane is told."""
    return [each.update for each in outputs if isinstance(each, UpdateBridge)]


def bodies(outputs: list[Output]) -> list[bytes]:
    """The bodies of our 200s, without the random part of the origin."""
    return [
        b"".join(
            b"o=- 6246088846903853 " + line.split(b" ", 2)[2] if line.startswith(b"o=") else line
            for line in each.body.splitlines(keepends=True)
        )
        for each in outputs
        if isinstance(each, Accept)
    ]


class OfferedTests(SynchronousTestCase):
    """The first INVITE."""

    def test_opens(self) -> None:
        """It asks for ports and answers nothing yet."""
        recording, outputs = offered(INVITE)
        self.assertIs(recording.state, State.OPENING)
        changed, opening = outputs
        assert isinstance(changed, Changed)
        self.assertEqual(
            opening,
            OpenBridge(
                BridgePlan(
                    bridge="rec-1",
                    call_id="call-1",
                    local_address="10.0.0.1",
                    streams=(
                        StreamPlan(0, (PCMU,), ("192.0.2.1", 4000), "1", rtcp=("192.0.2.1", 4001)),
                        StreamPlan(1, (PCMU,), ("192.0.2.1", 4002), "2", rtcp=("192.0.2.1", 4003)),
                    ),
                    channels=(
                        ChannelPlan(0, (0,), "p1", "caller", "1"),
                        ChannelPlan(1, (1,), "p2", "callee", "2"),
                    ),
                    destinations=(),
                    description=changed.description,
                    started_at=WALL,
                    paused=False,
                )
            ),
        )
        self.assertEqual(changed.description, recording.description)
        self.assertEqual(changed.description.revision, 1)
        self.assertEqual(recording.outputs(), [])

    def test_half(self) -> None:
        """Where halves are to be joined, the bridge is told by what, and which end this is."""
        near = (
            ("From", "<sip:8000@192.0.2.1;x-nearend;x-refci=7;x-nearendaddr=8000>;tag=a"),
            *(field for field in RECORDING_HEADERS if field[0] != "From"),
        )
        sdp = b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n"
        for policy, invite, half in (
            (POLICY, with_sdp(sdp, headers=near), None),
            (replace(POLICY, join=True), with_sdp(sdp), None),
            (
                replace(POLICY, join=True, hide=frozenset({"extension"})),
                with_sdp(sdp, headers=near),
                Half(("refci:7",), "near"),
            ),
        ):
            _, outputs = offered(invite, policy)
            (opening,) = [each for each in outputs if isinstance(each, OpenBridge)]
            self.assertEqual(opening.plan.half, half)

    def test_mask_dtmf(self) -> None:
        """The bridge is told where key presses are to be silenced."""
        _, outputs = offered(INVITE, replace(POLICY, mask_dtmf=True))
        [opening] = [each for each in outputs if isinstance(each, OpenBridge)]
        self.assertTrue(opening.plan.mask_dtmf)

    def test_answers(self) -> None:
        """With the ports comes the answer, and nothing else."""
        recording, outputs = recording_of(INVITE)
        self.assertIs(recording.state, State.RECORDING)
        self.assertEqual(bodies(outputs), [answer(1, (30000, "recvonly"), (30010, "recvonly"))])
        self.assertEqual(len(outputs), 1)

    def test_origin_is_of_the_recording(self) -> None:
        """The origin's id is a number, the same for one recording and not for another."""
        ids = set()
        for identity in ("rec-1", "rec-1", "rec-2"):
            recording = RecordingSession(identity, "d", POLICY, lambda description: ())
            recording.offered("t", INVITE, 0.0, WALL)
            recording.bridge_opened(ports(0, 1), 0.0)
            (accept,) = [each for each in recording.outputs() if isinstance(each, Accept)]
            ids.add(int(accept.body.split()[2]))
        self.assertEqual(len(ids), 2)
        self.assertLess(max(ids), 2**63)

    def test_offered_once(self) -> None:
        """A second first INVITE is our own mistake."""
        recording, _ = offered(INVITE)
        with self.assertRaises(LocalError):
            recording.offered("t2", INVITE, 0.0, WALL)

    def test_starts_paused(self) -> None:
        """A call of inactive streams is answered inactive and begins paused."""
        recording, outputs = offered(with_sdp(offer("inactive", "inactive")))
        (opening,) = [each for each in outputs if isinstance(each, OpenBridge)]
        self.assertTrue(opening.plan.paused)
        recording.bridge_opened(ports(0, 1), 0.0)
        self.assertEqual(
            bodies(recording.outputs()), [answer(1, (30000, "inactive"), (30010, "inactive"))]
        )
        self.assertIs(recording.state, State.PAUSED)

    def test_no_streams(self) -> None:
        """A recording session without any m-line waits for one."""
        recording, outputs = recording_of(with_both(offer(), metadata("")))
        self.assertEqual(bodies(outputs), [answer(1)])
        self.assertIs(recording.state, State.RECORDING)

    def test_no_ports(self) -> None:
        """Without ports it is refused, and over."""
        recording, _ = offered(INVITE)
        recording.bridge_failed(503, "all ports are in use", 0.1)
        self.assertEqual(
            recording.outputs(),
            [Refuse("t1", 503, "all ports are in use", (("Retry-After", "2"),))],
        )
        self.assertIs(recording.state, State.ENDED)

    def test_route(self) -> None:
        """The route sees the description; what it gives is in the plan, or is the refusal."""
        seen = []
        destinations = (Destination("d", "ws://x", include_xml=True),)
        recording = RecordingSession(
            "rec-1", "d", POLICY, lambda description: seen.append(description) or destinations
        )
        recording.offered("t1", INVITE, 0.0, WALL)
        (opening,) = [each for each in recording.outputs() if isinstance(each, OpenBridge)]
        self.assertEqual(opening.plan.destinations, destinations)
        self.assertEqual(seen[0].caller, "sip:a@example.com")
        self.assertEqual(opening.plan.description.xml, metadata(CALL).decode())
        refusing = RecordingSession(
            "rec-1", "d", POLICY, lambda description: RemoteError(480, "no route", (("A", "b"),))
        )
        refusing.offered("t1", INVITE, 0.0, WALL)
        self.assertEqual(refusing.outputs(), [Refuse("t1", 480, "no route", (("A", "b"),))])

    def test_headers(self) -> None:
        """The fields that are configured are passed on."""
        invite = with_sdp(offer("sendonly"), headers=(*RECORDING_HEADERS, ("X-Tag", "7")))
        recording, _ = offered(invite, replace(POLICY, headers=("X-Tag",)))
        self.assertEqual(recording.description.headers, (("X-Tag", "7"),))

    def test_no_metadata(self) -> None:
        """It is recorded; From and To stand in for the parties."""
        recording, _ = offered(with_sdp(offer("sendonly")))
        description = recording.description
        self.assertEqual(
            (description.caller, description.called, description.revision),
            ("sip:src@192.0.2.1", "sip:srs@198.51.100.1", 0),
        )
        self.assertEqual([code for code, _ in recording.warnings], ["metadata-missing"])

    def test_date(self) -> None:
        """The SRC's own time of the beginning is told beside ours, and a clock far off is odd."""
        for seconds, codes in (("05", []), ("59", [])):
            headers = (*RECORDING_HEADERS, ("Date", f"Fri, 02 Jan 2026 15:00:{seconds} GMT"))
            invite = with_sdp(offer("sendonly"), headers=headers)
            recording, outputs = offered(invite)
            plan = next(each.plan for each in outputs if isinstance(each, OpenBridge))
            self.assertEqual(plan.description.start_time, f"2026-01-02T15:00:{seconds}Z")
            self.assertEqual(plan.started_at, WALL)
            found = [code for code, _ in recording.warnings if code == "sip-clock"]
            self.assertEqual(found, codes)
        headers = (*RECORDING_HEADERS, ("Date", "Thu, 01 Jan 1970 00:00:05 GMT"))
        recording, _ = offered(with_sdp(offer("sendonly"), headers=headers))
        self.assertIn("sip-clock", [code for code, _ in recording.warnings])

    def test_content(self) -> None:
        """What a stream is for goes with its channel."""
        sdp = offer("sendonly", "sendonly").replace(
            b"a=label:2\r\n", b"a=label:2\r\na=content:alt\r\n"
        )
        _, outputs = offered(with_sdp(sdp))
        plan = next(each.plan for each in outputs if isinstance(each, OpenBridge))
        self.assertEqual([each.content for each in plan.channels], [None, "alt"])

    def test_stitched(self) -> None:
        """What joins the call with others is told, the strongest first."""
        headers = (*RECORDING_HEADERS, ("Cisco-Guid", "1-2-3-4"))
        _, outputs = offered(with_sdp(offer("sendonly"), headers=headers))
        plan = next(each.plan for each in outputs if isinstance(each, OpenBridge))
        self.assertEqual(plan.description.stitch, "guid:00000001000000020000000300000004")
        _, outputs = offered(INVITE)
        plan = next(each.plan for each in outputs if isinstance(each, OpenBridge))
        self.assertEqual(plan.description.stitch_keys, ("cs:s",))
        _, outputs = offered(with_sdp(offer("sendonly")))
        plan = next(each.plan for each in outputs if isinstance(each, OpenBridge))
        self.assertIsNone(plan.description.stitch)

    def test_useless_metadata(self) -> None:
        """Whatever the metadata is, the streams are recorded."""
        for octets, code in (
            (b"<recording", "metadata-malformed"),
            (b'<!DOCTYPE a [<!ENTITY x "y">]><recording/>', "metadata-unsafe"),
            (b"{}", "metadata-malformed"),
        ):
            recording, _ = recording_of(with_both(offer("sendonly"), octets))
            self.assertIs(recording.state, State.RECORDING)
            self.assertIn(code, [code for code, _ in recording.warnings])

    def test_unread_lines(self) -> None:
        """Lines of the SDP that mean nothing are told of."""
        recording, _ = offered(with_sdp(offer("sendonly") + b"nonsense\r\n"))
        self.assertIn("sdp-lines-unread", [code for code, _ in recording.warnings])


class GateTests(SynchronousTestCase):
    """What is a recording session."""

    PLAIN = tuple(each for each in RECORDING_HEADERS if each[0] not in ("Contact", "Require"))

    def state_of(self, policy_strict: bool, *more: tuple[str, str]) -> tuple[State, list[Output]]:
        """What becomes of an INVITE with these fields."""
        invite = with_sdp(offer("sendonly"), headers=(*self.PLAIN, *more))
        policy = replace(POLICY, strict=policy_strict, plain_invite_status=488)
        recording, outputs = offered(invite, policy)
        return recording.state, outputs

    def test_matrix(self) -> None:
        """Strict mode wants both marks; else one of them will do, however spelt."""
        tag, require = ("Contact", "<sip:a@b>;+sip.src"), ("Require", "siprec")
        for more, strict, tolerant in (
            ((tag, require), State.OPENING, State.OPENING),
            ((tag,), State.ENDED, State.OPENING),
            ((require,), State.ENDED, State.OPENING),
            ((("Contact", "<sip:a@b>;src"), require), State.ENDED, State.OPENING),
            ((), State.ENDED, State.ENDED),
        ):
            state, outputs = self.state_of(True, *more)
            self.assertIs(state, strict, more)
            refused = [each.status for each in outputs if isinstance(each, Refuse)]
            self.assertEqual(refused, [488] if strict is State.ENDED else [])
            self.assertIs(self.state_of(False, *more)[0], tolerant, more)

    def test_refusals(self) -> None:
        """The status is the configured one."""
        self.assertEqual(self.state_of(False)[1], [Refuse("t1", 488, "not a recording session")])

    def test_accepted_by_default(self) -> None:
        """Where nothing is configured a plain call is recorded, with a warning."""
        recording, _ = offered(with_sdp(offer("sendonly"), headers=self.PLAIN))
        self.assertIs(recording.state, State.OPENING)
        self.assertIn("sip-not-recording", [code for code, _ in recording.warnings])

    def test_metadata_is_a_mark(self) -> None:
        """A part of metadata makes a recording session of any INVITE."""
        invite = replace(INVITE, headers=INVITE.headers.without("Contact", "Require"))
        recording, _ = offered(invite, replace(POLICY, plain_invite_status=403))
        self.assertIs(recording.state, State.OPENING)

    def test_strict_metadata(self) -> None:
        """Strict mode refuses metadata that cannot be read."""
        _, outputs = offered(with_both(offer("sendonly"), b"<recording"), STRICT)
        (refusal,) = outputs
        assert isinstance(refusal, Refuse)
        self.assertEqual(refusal.status, 400)

    def test_strict_accept(self) -> None:
        """Strict mode refuses who does not take SDP."""
        for accept, state in (
            ("text/plain", State.ENDED),
            ("application/sdp;level=1", State.OPENING),
            ("*/*", State.OPENING),
        ):
            invite = replace(INVITE, headers=INVITE.headers.adding(("Accept", accept)))
            recording, _ = offered(invite, STRICT)
            self.assertIs(recording.state, state)

    def test_nothing_in_common(self) -> None:
        """The 488 says why."""
        _, outputs = offered(with_sdp(offer("sendonly", codecs="18")))
        self.assertEqual(
            outputs,
            [
                Refuse(
                    "t1",
                    488,
                    "Incompatible media format",
                    (("Warning", '305 srs "Incompatible media format"'),),
                )
            ],
        )

    def test_malformed(self) -> None:
        """A body that is no SDP though it says so is a 488, one of unknown type a 415."""
        for kind, status in (("application/sdp", 488), ("application/foo", 415)):
            _, outputs = offered(request(body=b"nonsense", content_type=kind))
            (refusal,) = outputs
            assert isinstance(refusal, Refuse)
            self.assertEqual(refusal.status, status)


class ReofferedTests(SynchronousTestCase):
    """Offers within the dialog."""

    def setUp(self) -> None:
        """A call of two is recorded."""
        self.recording, _ = recording_of(INVITE)

    def again(self, *directions: str, method: str = "INVITE", port: int = 4000) -> list[Output]:
        """What a re-offer gives."""
        self.recording.reoffered("t2", with_sdp(offer(*directions, port=port), method), 1.0, WALL)
        return self.recording.outputs()

    def test_refresh(self) -> None:
        """The same offer again is answered with the same answer, and nobody is told."""
        outputs = self.again("sendonly", "sendonly")
        self.assertEqual(bodies(outputs), [answer(1, (30000, "recvonly"), (30010, "recvonly"))])
        self.assertEqual(len(outputs), 1)

    def test_pause_and_resume(self) -> None:
        """All streams inactive is a pause; the answer is inactive and its version is new."""
        for direction, ours, version, paused, state in (
            ("inactive", "inactive", 2, True, State.PAUSED),
            ("sendonly", "recvonly", 3, False, State.RECORDING),
        ):
            outputs = self.again(direction, direction)
            (update,) = updates(outputs)
            self.assertEqual(
                (update.paused, update.paused_by, update.described), (paused, "src", False)
            )
            self.assertEqual([each.active for each in update.streams], [not paused] * 2)
            self.assertEqual(bodies(outputs), [answer(version, (30000, ours), (30010, ours))])
            self.assertIs(self.recording.state, state)

    def test_one_held(self) -> None:
        """One stream inactive is no pause of the call."""
        (update,) = updates(self.again("sendonly", "inactive"))
        self.assertEqual([each.active for each in update.streams], [True, False])
        self.assertFalse(update.paused)
        self.assertIs(self.recording.state, State.RECORDING)

    def test_moved(self) -> None:
        """A new address of the SRC changes the plan, not our ports."""
        outputs = self.again("sendonly", "sendonly", port=5000)
        (update,) = updates(outputs)
        self.assertEqual(update.streams[0].source, ("192.0.2.1", 5000))
        self.assertEqual(bodies(outputs), [answer(1, (30000, "recvonly"), (30010, "recvonly"))])

    def test_payload_type_remapped(self) -> None:
        """A payload type with another meaning is taken from then on, and told."""
        mapped = offer("sendonly", codecs="96").replace(
            b"a=label", b"a=rtpmap:96 PCMU/8000\r\na=label"
        )
        recording, _ = recording_of(with_sdp(mapped))
        again = mapped.replace(b"PCMU", b"PCMA")
        recording.reoffered("t2", with_sdp(again), 1.0, WALL)
        outputs = recording.outputs()
        self.assertEqual(
            [each.streams[0].codecs for each in updates(outputs)],
            [(Codec(96, "PCMA", 8000),)],
        )
        self.assertIn("sdp-payload-type-remapped", [code for code, _ in recording.warnings])
        self.assertIn(b"a=rtpmap:96 PCMA/8000", bodies(outputs)[0])

    def test_new_stream(self) -> None:
        """A new stream waits for its port; the answer has the old ports too."""
        outputs = self.again("sendonly", "sendonly", "sendonly", method="UPDATE")
        (update,) = updates(outputs)
        self.assertEqual([each.index for each in update.streams], [0, 1, 2])
        self.assertEqual(bodies(outputs), [])
        self.recording.bridge_opened(ports(0, 1), 1.1)
        self.assertEqual(self.recording.outputs(), [])
        self.recording.bridge_opened(ports(0, 1, 2), 1.2)
        outputs = self.recording.outputs()
        self.assertEqual(updates(outputs), [])
        self.assertEqual(
            bodies(outputs), [answer(2, *((30000 + 10 * n, "recvonly") for n in range(3)))]
        )

    def test_closed_and_opened_again(self) -> None:
        """A closed stream loses its port; the slot gets a new one."""
        closing = offer("sendonly", "sendonly").replace(b"m=audio 4002", b"m=audio 0")
        self.recording.reoffered("t2", with_sdp(closing), 1.0, WALL)
        outputs = self.recording.outputs()
        (update,) = updates(outputs)
        self.assertEqual([each.index for each in update.streams], [0])
        self.assertEqual([each.streams for each in update.channels], [(0,)])
        self.assertEqual(bodies(outputs), [answer(2, (30000, "recvonly"), (0, ""))])
        self.recording.bridge_opened(ports(0), 1.1)
        self.assertEqual(bodies(self.again("sendonly", "sendonly")), [])
        self.recording.bridge_opened(ports(0, 1), 1.2)
        self.assertEqual(
            bodies(self.recording.outputs()),
            [answer(3, (30000, "recvonly"), (30010, "recvonly"))],
        )

    def test_refused(self) -> None:
        """A re-offer that is refused changes nothing, its metadata included."""
        before = self.recording.description
        bad = with_both(offer("sendonly", "sendonly", codecs="18"), metadata(""))
        self.recording.reoffered("t2", bad, 1.0, WALL)
        refusal, warned, told = self.recording.outputs()
        assert isinstance(refusal, Refuse)
        assert isinstance(told, UpdateBridge)
        self.assertTrue(told.update.described)
        self.assertEqual(told.update.description, self.recording.description)
        assert isinstance(warned, Warned)
        self.assertEqual((refusal.status, warned.code), (488, "sip-bad-re-offer"))
        self.assertEqual(
            replace(self.recording.description, warnings=()), replace(before, warnings=())
        )
        outputs = self.again("sendonly", "sendonly")
        self.assertEqual(bodies(outputs), [answer(1, (30000, "recvonly"), (30010, "recvonly"))])

    def test_no_ports(self) -> None:
        """Without ports for the new stream all stays as it was, and the plane hears so."""
        self.again("sendonly", "sendonly", "sendonly")
        self.recording.bridge_failed(503, "all ports are in use", 1.1)
        outputs = self.recording.outputs()
        self.assertEqual(
            outputs[0],
            Refuse("t2", 500, "another change is under way", (("Retry-After", "2"),)),
        )
        (update,) = updates(outputs)
        self.assertEqual([each.index for each in update.streams], [0, 1])
        self.assertEqual(
            bodies(self.again("sendonly", "sendonly")),
            [answer(1, (30000, "recvonly"), (30010, "recvonly"))],
        )

    def test_late_failure(self) -> None:
        """A change that needed no ports was accepted; its failure is only told."""
        self.recording.bridge_failed(503, "why", 1.0)
        warned, told = self.recording.outputs()
        self.assertEqual(warned, Warned("sip-no-ports", "the media plane refused a change (why)"))
        assert isinstance(told, UpdateBridge)
        self.assertEqual([code for code, _ in told.update.description.warnings], ["sip-no-ports"])

    def test_queue(self) -> None:
        """Requests wait for one another; past the limit they get 500 and Retry-After."""
        recording, _ = recording_of(INVITE, replace(POLICY, max_waiting=2))
        three = with_sdp(offer("sendonly", "sendonly", "sendonly"))
        recording.reoffered("a", three, 1.0, WALL)
        recording.reoffered("b", with_sdp(offer(*["inactive"] * 3), "UPDATE"), 1.0, WALL)
        recording.reoffered("c", request("UPDATE"), 1.0, WALL)
        recording.outputs()
        recording.reoffered("d", three, 1.0, WALL)
        self.assertEqual(
            recording.outputs(),
            [Refuse("d", 500, "another change is under way", (("Retry-After", "2"),))],
        )
        recording.bridge_opened(ports(0, 1, 2), 1.1)
        accepted = [e.transaction for e in recording.outputs() if isinstance(e, Accept)]
        self.assertEqual(accepted, ["a", "b", "c"])
        self.assertIs(recording.state, State.PAUSED)

    def test_while_opening(self) -> None:
        """A request before the first ports waits for them."""
        recording, _ = offered(INVITE)
        recording.reoffered("t2", request("UPDATE"), 0.0, WALL)
        self.assertEqual(recording.outputs(), [])
        recording.bridge_opened(ports(0, 1), 0.1)
        accepted = [e.transaction for e in recording.outputs() if isinstance(e, Accept)]
        self.assertEqual(accepted, ["t1", "t2"])

    def test_after_the_end(self) -> None:
        """A request for a dialog that is over is a 481."""
        self.recording.hang_up(EndReason.OPERATOR, 1.0)
        self.recording.outputs()
        self.assertEqual(
            self.again("sendonly"), [Refuse("t2", 481, "Call/Transaction Does Not Exist")]
        )

    def test_labels_swapped(self) -> None:
        """Swapped labels move the parties to the other channels."""
        swapped = offer("sendonly", "sendonly").replace(b"label:1", b"label:x")
        swapped = swapped.replace(b"label:2", b"label:1").replace(b"label:x", b"label:2")
        self.recording.reoffered("t2", with_sdp(swapped), 1.0, WALL)
        (update,) = updates(self.recording.outputs())
        self.assertEqual([each.participant_id for each in update.channels], ["p2", "p1"])


class MetadataTests(SynchronousTestCase):
    """Metadata within the dialog."""

    def setUp(self) -> None:
        """A call of two is recorded."""
        self.recording, _ = recording_of(INVITE)

    def told(self, inner: str, mode: str = "complete") -> list[Output]:
        """What an UPDATE with metadata alone gives."""
        self.recording.reoffered("t2", with_metadata(metadata(inner, mode)), 1.0, WALL)
        return self.recording.outputs()

    def test_hold(self) -> None:
        """A party on hold is told by metadata alone; the 200 has no SDP."""
        outputs = self.told(HELD)
        (update,) = updates(outputs)
        self.assertEqual(update.events, (ParticipantEvent("held", "p2", NOW_TEXT),))
        self.assertTrue(update.described)
        self.assertEqual(update.description.revision, 2)
        self.assertFalse(update.paused)
        self.assertEqual([each.participant_id for each in update.channels], ["p1", "p2"])
        self.assertEqual(outputs[-1], Accept("t2"))

    def test_partial(self) -> None:
        """A partial update says so, and the description is whole all the same."""
        (update,) = updates(
            self.told('<participant participant_id="p3"><nameID aor="c"/></participant>', "partial")
        )
        self.assertEqual(update.description.mode, "delta")
        self.assertEqual([each.id for each in update.description.participants], ["p1", "p2", "p3"])
        self.assertEqual(update.events, (ParticipantEvent("joined", "p3", NOW_TEXT),))

    def test_unchanged(self) -> None:
        """Metadata that says nothing new is accepted and passed over."""
        self.assertEqual(self.told(CALL), [Accept("t2")])

    def test_dummy_replaced(self) -> None:
        """Avaya's dummy party gives way to the real one."""
        recording, _ = recording_of(invite_from("avaya-sbce.txt"))
        self.assertEqual(recording.description.caller, "sip:ASBCE@asbce.example.com")
        recording.reoffered(
            "t2",
            with_metadata(
                metadata(
                    '<session session_id="00FA080001"/>'
                    '<participant participant_id="new"><nameID aor="sip:5550161@example.com"/>'
                    '</participant><participant participant_id="real-1">'
                    '<nameID aor="sip:5550160@example.com"/></participant>'
                    '<stream stream_id="one"><label>10</label></stream>'
                    '<participantstreamassoc participant_id="real-1"><send>one</send>'
                    "</participantstreamassoc>"
                )
            ),
            1.0,
            WALL,
        )
        (update,) = updates(recording.outputs())
        self.assertEqual(
            [(each.event, each.participant_id) for each in update.events],
            [("left", "abcdef12345678901234"), ("joined", "new")],
        )
        self.assertEqual(recording.description.caller, "sip:5550161@example.com")

    def test_events_once(self) -> None:
        """Where the offer waits for ports, the parties that joined are told once."""
        inner = CALL + '<participant participant_id="p3"/>'
        both = with_both(offer("sendonly", "sendonly", "sendonly"), metadata(inner))
        self.recording.reoffered("t2", both, 1.0, WALL)
        (update,) = updates(self.recording.outputs())
        self.assertEqual([each.event for each in update.events], ["joined"])
        self.recording.bridge_opened(ports(0, 1, 2), 1.1)
        self.assertEqual(updates(self.recording.outputs()), [])

    def test_strict(self) -> None:
        """Strict mode refuses an update that cannot be read."""
        recording, _ = recording_of(INVITE, STRICT)
        recording.reoffered("t2", with_metadata(b"<recording"), 1.0, WALL)
        refusal = recording.outputs()[0]
        assert isinstance(refusal, Refuse)
        self.assertEqual(refusal.status, 400)

    def test_in_the_bye(self) -> None:
        """Metadata of the BYE is applied before the bridge is closed."""
        ending = metadata(
            '<session session_id="s"><end-time>2026-01-02T15:09:00Z</end-time></session>'
        )
        self.recording.dialog_ended(with_metadata(ending, "BYE"), EndReason.CALL_ENDED, 9.0, WALL)
        outputs = quiet(self.recording.outputs())
        (update,) = updates(outputs)
        self.assertEqual(
            [(each.event, each.participant_id) for each in update.events],
            [("left", "p1"), ("left", "p2")],
        )
        self.assertEqual(outputs[-1], CloseBridge("rec-1", EndReason.CALL_ENDED))
        self.assertEqual(self.recording.description.sessions[0].stop_time, "2026-01-02T15:09:00Z")

    def test_date_of_the_bye(self) -> None:
        """The SRC's own time of the end is told before the bridge is closed."""
        recording, _ = recording_of(INVITE)
        bye = request(
            "BYE", headers=(*RECORDING_HEADERS, ("Date", "Fri, 02 Jan 2026 15:30:00 GMT"))
        )
        recording.dialog_ended(bye, EndReason.CALL_ENDED, 1.0, WALL)
        outputs = recording.outputs()
        (update,) = updates(outputs)
        self.assertEqual(update.description.stop_time, "2026-01-02T15:30:00Z")
        self.assertTrue(update.described)
        self.assertIsInstance(outputs[-1], CloseBridge)

    def test_bad_bye(self) -> None:
        """A BYE with a body that means nothing ends the call as well."""
        self.recording.dialog_ended(
            request("BYE", b"x", "application/foo"), EndReason.CALL_ENDED, 9.0, WALL
        )
        self.assertIs(self.recording.state, State.ENDED)
        self.assertIn("body-malformed", [code for code, _ in self.recording.warnings])

    def test_in_the_ack(self) -> None:
        """Metadata of an ACK is applied."""
        self.recording.acknowledged(with_metadata(metadata(HELD), "ACK"), 0.2, WALL)
        (update,) = updates(self.recording.outputs())
        self.assertEqual([each.event for each in update.events], ["held"])

    def test_snapshot_request(self) -> None:
        """Where it is configured, a partial start makes us ask, once, after the ACK."""
        invite = with_both(offer("sendonly"), metadata(CALL, "partial"))
        allowing = replace(invite, headers=invite.headers.adding(("Allow", "INVITE, UPDATE")))
        asking = replace(POLICY, request_snapshots=True)
        for message, policy, expected in (
            (allowing, asking, [SendUpdate("dialog-1", snapshot.BODY, snapshot.HEADERS)]),
            (invite, asking, []),
            (allowing, POLICY, []),
        ):
            recording, _ = recording_of(message, policy)
            recording.acknowledged(request("ACK"), 0.2, WALL)
            self.assertEqual(recording.outputs(), expected)
            recording.acknowledged(request("ACK"), 0.3, WALL)
            self.assertEqual(recording.outputs(), [])


class OwnOfferTests(SynchronousTestCase):
    """INVITEs without an offer."""

    def setUp(self) -> None:
        """Our offer is on its way."""
        self.recording, self.outputs = recording_of(
            request(), replace(POLICY, codecs=frozenset({"PCMU"}))
        )

    def test_offer(self) -> None:
        """The 200 has two streams with labels."""
        self.assertEqual(
            bodies(self.outputs), [answer(1, (30000, "recvonly"), (30010, "recvonly"))]
        )

    def test_answer(self) -> None:
        """The ACK tells the sources, and which stream is not wanted."""
        ours = offer("sendonly", "sendonly").replace(b"m=audio 4002", b"m=audio 0")
        self.recording.acknowledged(with_sdp(ours, "ACK"), 0.2, WALL)
        (update,) = updates(self.recording.outputs())
        self.assertEqual(
            update.streams,
            (StreamPlan(0, (PCMU,), ("192.0.2.1", 4000), "1", rtcp=("192.0.2.1", 4001)),),
        )
        self.recording.acknowledged(request("ACK"), 0.3, WALL)
        self.recording.reoffered("t2", with_sdp(ours, "UPDATE"), 0.4, WALL)
        self.assertEqual(
            bodies(quiet(self.recording.outputs())), [answer(2, (30000, "recvonly"), (0, ""))]
        )

    def test_pending(self) -> None:
        """Until then another offer is refused, and a refresh by UPDATE is not."""
        self.recording.reoffered("t2", with_sdp(offer("sendonly"), "UPDATE"), 0.1, WALL)
        self.assertEqual(quiet(self.recording.outputs()), [Refuse("t2", 491, "Request Pending")])
        self.recording.reoffered("t3", request("UPDATE"), 0.1, WALL)
        self.assertEqual(self.recording.outputs(), [Accept("t3")])

    def test_no_answer(self) -> None:
        """An ACK without an answer, or with a useless one, is a warning; strict mode hangs up."""
        for ack, code in (
            (request("ACK"), "sip-no-answer"),
            (with_sdp(offer("sendonly", codecs="18"), "ACK"), "sip-bad-answer"),
        ):
            for strict, state in ((False, State.RECORDING), (True, State.ENDING)):
                recording, _ = recording_of(request(), replace(POLICY, strict=strict))
                recording.acknowledged(ack, 0.2, WALL)
                self.assertIn(code, [c for c, _ in recording.warnings])
                self.assertIs(recording.state, state)

    def test_empty_re_invite(self) -> None:
        """It gets the same streams as an offer; a paused one is offered as well."""
        recording, _ = recording_of(with_sdp(offer("inactive", "sendonly")))
        recording.reoffered("t2", request(), 1.0, WALL)
        self.assertEqual(
            bodies(recording.outputs()), [answer(2, (30000, "recvonly"), (30010, "recvonly"))]
        )
        recording.acknowledged(with_sdp(offer("sendonly", "sendonly"), "ACK"), 1.2, WALL)
        (update,) = updates(recording.outputs())
        self.assertEqual([each.active for each in update.streams], [True, True])


class InformedTests(SynchronousTestCase):
    """INFO requests."""

    def informed(self, body: bytes, kind: str | None, strict: bool = False) -> list[Output]:
        """What an INFO gives."""
        recording, _ = recording_of(INVITE, replace(POLICY, strict=strict))
        recording.informed("t2", request("INFO", body, kind), 1.0, WALL)
        return recording.outputs()

    def test_key(self) -> None:
        """A key press goes to the media plane, with everything else as it was."""
        outputs = self.informed(b"Signal=5\r\nDuration=100\r\n", "application/dtmf-relay")
        (update,) = updates(outputs)
        self.assertEqual(update.key_presses, (KeyPress("5", 100),))
        self.assertEqual(len(update.streams), 2)
        self.assertEqual((update.events, update.described), ((), False))
        self.assertEqual(outputs[-1], Accept("t2"))

    def test_malformed_key(self) -> None:
        """A key press that is none is a warning and a 200."""
        outputs = self.informed(b"Signal=?", "application/dtmf")
        (update,) = updates(outputs)
        self.assertTrue(update.described)
        self.assertEqual(update.key_presses, ())
        self.assertEqual([code for code, _ in update.description.warnings], ["dtmf-malformed"])
        self.assertEqual(outputs[-1], Accept("t2"))

    def test_others(self) -> None:
        """Anything else is accepted; strict mode has a 415 for what is unknown."""
        self.assertEqual(self.informed(b"x", "application/foo"), [Accept("t2")])
        self.assertEqual(self.informed(b"", None, strict=True), [Accept("t2")])
        self.assertEqual(
            self.informed(b"<x/>", "application/media_control+xml", strict=True), [Accept("t2")]
        )
        (refusal,) = self.informed(b"x", "application/foo", strict=True)
        assert isinstance(refusal, Refuse)
        self.assertEqual((refusal.status, refusal.headers[0][0]), (415, "Accept"))

    def test_while_waiting(self) -> None:
        """A key press during a change does not undo the change."""
        recording, _ = recording_of(INVITE)
        recording.reoffered("t2", with_sdp(offer(*["sendonly"] * 3)), 1.0, WALL)
        recording.outputs()
        recording.informed("t3", request("INFO", b"5", "application/dtmf"), 1.0, WALL)
        (update,) = updates(recording.outputs())
        self.assertEqual(len(update.streams), 3)


class PolicyPauseTests(SynchronousTestCase):
    """Pauses by the operator."""

    def test_pause_and_resume(self) -> None:
        """The plane is told who paused; twice is once."""
        recording, _ = recording_of(INVITE)
        recording.pause(1.0)
        recording.pause(1.0)
        (update,) = updates(recording.outputs())
        self.assertEqual((update.paused, update.paused_by), (True, "policy"))
        self.assertIs(recording.state, State.PAUSED)
        recording.resume(2.0)
        (update,) = updates(recording.outputs())
        self.assertFalse(update.paused)
        self.assertIs(recording.state, State.RECORDING)

    def test_both(self) -> None:
        """While the SRC has paused it too, resuming is not enough."""
        recording, _ = recording_of(INVITE)
        recording.pause(1.0)
        recording.reoffered("t2", with_sdp(offer("inactive", "inactive")), 1.5, WALL)
        recording.resume(2.0)
        self.assertIs(recording.state, State.PAUSED)
        self.assertEqual(updates(recording.outputs())[-1].paused_by, "src")

    def test_before_the_ports(self) -> None:
        """A pause that comes before the ports holds when they are there."""
        recording, _ = offered(INVITE)
        recording.pause(0.0)
        recording.bridge_opened(ports(0, 1), 0.1)
        (update,) = updates(recording.outputs())
        self.assertTrue(update.paused)
        self.assertIs(recording.state, State.PAUSED)


class EndTests(SynchronousTestCase):
    """How it ends."""

    def test_bye(self) -> None:
        """The bridge is closed, everybody has left, and a second end is nothing."""
        recording, _ = recording_of(INVITE)
        recording.dialog_ended(request("BYE"), EndReason.CALL_ENDED, 9.0, WALL)
        changed, closing = recording.outputs()
        assert isinstance(changed, Changed)
        self.assertEqual(closing, CloseBridge("rec-1", EndReason.CALL_ENDED))
        self.assertEqual([e.left_at for e in changed.description.participants], [NOW_TEXT] * 2)
        recording.dialog_ended(None, EndReason.SRC_LOST, 10.0, WALL)
        recording.hang_up(EndReason.OPERATOR, 11.0)
        self.assertEqual(recording.outputs(), [])

    def test_hang_up(self) -> None:
        """We say BYE and stop recording at once; whatever comes back, it is over then."""
        recording, _ = recording_of(INVITE)
        recording.hang_up(EndReason.OPERATOR, 9.0)
        self.assertEqual(
            recording.outputs(),
            [
                SendBye("dialog-1", EndReason.OPERATOR),
                CloseBridge("rec-1", EndReason.OPERATOR),
            ],
        )
        self.assertIs(recording.state, State.ENDING)
        recording.dialog_ended(None, EndReason.CALL_ENDED, 10.0, WALL)
        self.assertEqual(recording.outputs(), [])
        self.assertIs(recording.state, State.ENDED)

    def test_hang_up_while_opening(self) -> None:
        """Before our 200 there is no BYE: the INVITE is refused so that the SRC can hunt."""
        recording, _ = offered(INVITE)
        recording.hang_up(EndReason.SHUTDOWN, 0.1)
        self.assertEqual(
            recording.outputs(),
            [
                Refuse("t1", 503, "Service Unavailable", (("Retry-After", "2"),)),
                CloseBridge("rec-1", EndReason.SHUTDOWN),
            ],
        )
        recording.bridge_opened(ports(0, 1), 0.2)
        self.assertEqual(recording.outputs(), [])

    def test_cancelled(self) -> None:
        """A CANCEL closes what was being opened; the SIP core has answered it."""
        recording, _ = offered(INVITE)
        recording.dialog_ended(None, EndReason.CALL_ENDED, 0.1, WALL)
        self.assertEqual(recording.outputs(), [CloseBridge("rec-1", EndReason.CALL_ENDED)])
        recording.bridge_failed(503, "late", 0.2)
        self.assertIs(recording.state, State.ENDED)

    def test_waiting_requests_are_dropped(self) -> None:
        """A BYE drops what waits for ports; the SIP core answers it with 487."""
        recording, _ = recording_of(INVITE)
        recording.reoffered("t2", with_sdp(offer(*["sendonly"] * 3)), 1.0, WALL)
        recording.dialog_ended(request("BYE"), EndReason.CALL_ENDED, 1.1, WALL)
        recording.outputs()
        recording.bridge_opened(ports(0, 1, 2), 1.2)
        self.assertEqual(recording.outputs(), [])

    def test_never_offered(self) -> None:
        """What was never offered is just over."""
        recording = RecordingSession("rec-1", "d", POLICY, lambda description: ())
        recording.acknowledged(request("ACK"), 0.0, WALL)
        recording.hang_up(EndReason.OPERATOR, 0.0)
        self.assertEqual((recording.outputs(), recording.state), ([], State.ENDED))


class WarningTests(SynchronousTestCase):
    """What was odd is told once."""

    def test_once(self) -> None:
        """A warning comes when it is new, and stays in the description."""
        invite = with_sdp(offer("sendonly"))
        recording, outputs = offered(invite)
        warned = Warned("metadata-missing", "there is no recording metadata")
        self.assertEqual([each for each in outputs if isinstance(each, Warned)], [warned])
        recording.bridge_opened(ports(0), 0.1)
        recording.outputs()
        recording.reoffered("t2", invite, 1.0, WALL)
        self.assertEqual([e for e in recording.outputs() if isinstance(e, Warned)], [])
        self.assertEqual(recording.warnings, ((warned.code, warned.text),))
        self.assertEqual(recording.description.warnings, recording.warnings)

    def test_bounded(self) -> None:
        """However many there are, they have an end."""
        recording, _ = recording_of(INVITE)
        for number in range(100):
            recording.bridge_failed(503, str(number), 1.0)
        self.assertEqual(len(recording.warnings), 32)


class AnythingTests(SynchronousTestCase):
    """Whatever comes, in whatever order."""

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    [
                        "reoffered",
                        "informed",
                        "acknowledged",
                        "opened",
                        "failed",
                        "pause",
                        "resume",
                        "hang_up",
                        "ended",
                    ]
                ),
                st.sampled_from(["INVITE", "UPDATE"]),
                st.sampled_from(
                    [
                        None,
                        "application/sdp",
                        "multipart/mixed;boundary=b",
                        "x/y",
                        "application/rs-metadata+xml",
                        "application/dtmf",
                    ]
                ),
                st.sampled_from(
                    [
                        b"",
                        offer("sendonly"),
                        offer("inactive", "sendonly"),
                        offer("sendonly", "sendonly", "sendonly"),
                        INVITE.body,
                        metadata(HELD),
                        metadata("", "partial"),
                        b"5",
                    ]
                )
                | st.binary(max_size=40),
            ),
            max_size=12,
        )
    )
    @settings(max_examples=150, deadline=None)
    def test_every_request_is_answered_once(
        self, inputs: list[tuple[str, str, str | None, bytes]]
    ) -> None:
        """Nothing raises, no transaction is answered twice, and an ended one stays ended."""
        recording, _ = offered(INVITE)
        outputs: list[Output] = []
        for number, (kind, method, content_type, body) in enumerate(inputs):
            message, name = request(method, body, content_type), f"x{number}"
            match kind:
                case "reoffered":
                    recording.reoffered(name, message, 1.0, WALL)
                case "informed":
                    recording.informed(name, message, 1.0, WALL)
                case "acknowledged":
                    recording.acknowledged(message, 1.0, WALL)
                case "opened":
                    recording.bridge_opened(ports(0, 1, 2), 1.0)
                case "failed":
                    recording.bridge_failed(503, "no", 1.0)
                case "pause":
                    recording.pause(1.0)
                case "resume":
                    recording.resume(1.0)
                case "hang_up":
                    recording.hang_up(EndReason.OPERATOR, 1.0)
                case _:
                    recording.dialog_ended(message, EndReason.CALL_ENDED, 1.0, WALL)
            outputs += recording.outputs()
        answered = [e.transaction for e in outputs if isinstance(e, (Accept, Refuse))]
        self.assertEqual(len(answered), len(set(answered)))
        closings = [each for each in outputs if isinstance(each, CloseBridge)]
        self.assertLessEqual(len(closings), 1)
        if closings:
            last = outputs.index(closings[0])
            self.assertEqual(updates(outputs[last:]), [])
