"""
INVITEs with the quirks of each family of SRCs, and what is made of them.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.participants import CommunicationSession, MediaStream, Participant
from twisted_siprec.plan import BridgePlan, ChannelPlan
from twisted_siprec.siprec.session import Accept, OpenBridge, Refuse, State

from .support import POLICY, invite_from, offered, recording_of

STRICT = POLICY.__class__(strict=True, media_address="198.51.100.1")


def plan_of(name: str) -> BridgePlan:
    """What the media plane is asked for."""
    _, outputs = offered(invite_from(name))
    return next(each.plan for each in outputs if isinstance(each, OpenBridge))


def answer_to(name: str) -> list[str]:
    """The lines of our answer from the first m-line on."""
    _, outputs = recording_of(invite_from(name))
    (accept,) = [each for each in outputs if isinstance(each, Accept)]
    lines = accept.body.decode().split("\r\n")[:-1]
    first = next(number for number, line in enumerate(lines) if line.startswith("m="))
    return lines[first:]


def codes(name: str) -> list[str]:
    """The codes of the warnings, each once."""
    recording, _ = offered(invite_from(name))
    return list(dict.fromkeys(code for code, _ in recording.warnings))


def channels(*speakers: tuple[str | None, str | None, str | None]) -> tuple[ChannelPlan, ...]:
    """One channel a stream: (participant, role, label)."""
    return tuple(ChannelPlan(n, (n,), *each) for n, each in enumerate(speakers))


class AudioCodesTests(SynchronousTestCase):
    """Metadata of an early draft: id attributes, send and recv in the participant."""

    def test_channels(self) -> None:
        """Who sends which stream is read from within the participants."""
        self.assertEqual(
            plan_of("audiocodes-legacy.txt").channels,
            channels(("5550101", "caller", "1"), ("5550102", "callee", "2")),
        )

    def test_description(self) -> None:
        """Addresses without a scheme, times without a zone and the group's identifiers."""
        description = plan_of("audiocodes-legacy.txt").description
        self.assertEqual(
            description.participants,
            (
                Participant(
                    "5550101",
                    "5550101@192.0.2.20",
                    None,
                    ("s-1",),
                    joined_at="2021-03-01T09:40:12",
                ),
                Participant("5550102", "5550102@192.0.2.21", None, ("s-1",)),
            ),
        )
        self.assertEqual(
            description.extensions,
            (
                ("ucid", "FA080001"),
                ("genesys_uuid", "0XYZ123"),
                ("genesys_uuid_2", "3N8A0PQR"),
            ),
        )
        self.assertEqual(description.src, "sip:192.0.2.10:5060;transport=tcp")

    def test_warnings(self) -> None:
        """The marks and the metadata are told to be off the standard."""
        self.assertEqual(
            codes("audiocodes-legacy.txt"),
            [
                "sip-src-tag-misplaced",
                "metadata-namespace",
                "metadata-dialect",
                "metadata-time",
            ],
        )


class OracleTests(SynchronousTestCase):
    """Labels of 32 bits, quoted names, extension data under two namespaces."""

    def test_channels(self) -> None:
        """callerOrig says who called, whatever the order."""
        plan = plan_of("oracle.txt")
        self.assertEqual(
            plan.channels,
            channels(("pa==", "callee", "16777225"), ("pb==", "caller", "16777226")),
        )
        self.assertEqual(plan.description.caller, "sip:15550111@example.com")
        self.assertEqual(plan.description.called, "sip:+15550110@example.com")

    def test_description(self) -> None:
        """The name loses its quotes, the UCID its encoding; headers keep their names."""
        description = plan_of("oracle.txt").description
        self.assertEqual(
            [each.name for each in description.participants], ["Test Caller", "15550111"]
        )
        self.assertEqual(
            description.extensions, (("ucid", "00FA0811112222"), ("header.X-Tenant", "blue"))
        )

    def test_closing_padding(self) -> None:
        """Blanks after the closing delimiter are no missing one."""
        self.assertNotIn("multipart-unclosed", codes("oracle.txt"))


class RibbonTests(SynchronousTestCase):
    """A prefixed namespace, crossed labels, a clock at the epoch, no closing delimiter."""

    def test_channels(self) -> None:
        """Label 1 is the callee's voice, as the metadata says."""
        plan = plan_of("ribbon.txt")
        self.assertEqual(plan.channels, channels(("cDI=", "callee", "1"), ("cDE=", "caller", "2")))
        self.assertEqual(
            [each.source for each in plan.streams],
            [
                ("192.0.2.41", 1034),
                ("192.0.2.41", 1036),
            ],
        )

    def test_description(self) -> None:
        """Blank names are none; the escaped header values of callData are whole."""
        description = plan_of("ribbon.txt").description
        self.assertEqual([each.name for each in description.participants], [None, None])
        self.assertEqual(
            description.extensions,
            (
                ("original_from", "<sip:5550120@192.0.2.42>;tag=x"),
                ("original_to", "<sip:5550121@192.0.2.43>"),
                ("original_call_id", "orig-1@192.0.2.42"),
                ("gcid", "4711"),
            ),
        )

    def test_answer(self) -> None:
        """G.729, which we cannot decode, is left out; an unmapped 101 is too."""
        self.assertEqual(
            answer_to("ribbon.txt"),
            [
                "m=audio 30000 RTP/AVP 0 101",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-15",
                "a=label:1",
                "a=recvonly",
                "m=audio 30010 RTP/AVP 0",
                "a=rtpmap:0 PCMU/8000",
                "a=label:2",
                "a=recvonly",
            ],
        )

    def test_warnings(self) -> None:
        """The clock is named as one that is not set."""
        self.assertEqual(
            codes("ribbon.txt"),
            [
                "multipart-unclosed",
                "sdp-format-unmapped",
                "metadata-namespace",
                "metadata-clock",
            ],
        )


class CiscoTests(SynchronousTestCase):
    """CUBE with and without metadata, and CUCM without an offer."""

    def test_cube_answer(self) -> None:
        """Every format is echoed, CN 19 included; video is refused, its label kept."""
        self.assertEqual(
            answer_to("cisco-cube.txt"),
            [
                "m=audio 30000 RTP/AVP 0 101 19",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-16",
                "a=rtpmap:19 CN/8000",
                "a=ptime:20",
                "a=label:1",
                "a=recvonly",
                "m=audio 30010 RTP/AVP 0 101 19",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-16",
                "a=rtpmap:19 CN/8000",
                "a=ptime:20",
                "a=label:2",
                "a=recvonly",
                "m=video 0 RTP/AVP 97",
                "a=label:3",
            ],
        )

    def test_cube_description(self) -> None:
        """Interleaved elements are read, and identifiers of the header are told."""
        description = plan_of("cisco-cube.txt").description
        self.assertEqual(
            description.sessions,
            (
                CommunicationSession(
                    "se==",
                    None,
                    ("ab30317f1a784dc48ff824d0d3715d86; remote=47755a9de7794ba387653f2099600ef2",),
                    "2026-03-04T05:06:07.890Z",
                ),
            ),
        )
        self.assertEqual(dict(description.extensions)["call_guid"], "1-2-3-4")
        self.assertEqual(codes("cisco-cube.txt"), ["multipart-unclosed"])

    def test_cube_in_strict_mode(self) -> None:
        """The optional third part and the order of elements are no offence."""
        recording, _ = offered(invite_from("cisco-cube.txt"), STRICT)
        self.assertIs(recording.state, State.OPENING)

    def test_network_based(self) -> None:
        """Without metadata the parties come from header fields, by media index."""
        plan = plan_of("cisco-network-based.txt")
        self.assertEqual(
            plan.channels, channels(("party-1", "caller", None), ("party-2", "callee", None))
        )
        self.assertEqual(
            plan.description.participants,
            (
                Participant("party-1", "sip:5550140@192.0.2.54"),
                Participant("party-2", "sip:5550141@192.0.2.55"),
            ),
        )

    def test_built_in_bridge(self) -> None:
        """An INVITE without offer gets ours; the near end is named, but not its role."""
        plan = plan_of("cucm-built-in-bridge.txt")
        self.assertEqual(plan.channels, channels(("near-end", None, "1"), (None, None, "2")))
        self.assertEqual(dict(plan.description.extensions)["refci"], "12345")
        self.assertEqual(
            answer_to("cucm-built-in-bridge.txt")[:10],
            [
                "m=audio 30000 RTP/AVP 0 8 9 101 13",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:8 PCMA/8000",
                "a=rtpmap:9 G722/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-15",
                "a=rtpmap:13 CN/8000",
                "a=label:1",
                "a=recvonly",
                "m=audio 30010 RTP/AVP 0 8 9 101 13",
            ],
        )


class AvayaTests(SynchronousTestCase):
    """A feature tag within the brackets, dataMode, a stream with an empty identifier."""

    def test_description(self) -> None:
        """The stream without identifier stays, by its label; the UCID is decoded."""
        plan = plan_of("avaya-sbce.txt")
        self.assertEqual(
            plan.description.streams,
            (
                MediaStream("one", "10", "00FA080001", ("real-1",)),
                MediaStream("", "20", "00FA080001"),
            ),
        )
        self.assertEqual(plan.channels, channels(("real-1", "callee", "10")))
        self.assertEqual(
            plan.description.extensions,
            (
                ("ucid", "00001000020000000003"),
                ("user_to_user", "00FA080001000200000003;encoding=hex"),
            ),
        )


class BroadWorksTests(SynchronousTestCase):
    """The schema of its own, from BroadWorks itself and from Webex Calling."""

    def test_mixed_stream(self) -> None:
        """One stream with both voices has no single speaker; the extension says who called."""
        plan = plan_of("broadworks.txt")
        self.assertEqual(plan.channels, channels((None, None, "1")))
        self.assertEqual(
            plan.description.streams,
            (MediaStream("urn:uuid:st", "1", "urn:uuid:ses", ("urn:uuid:pa", "urn:uuid:pb"), ()),),
        )
        self.assertEqual(plan.description.caller, "+15550171@example.com")
        self.assertEqual(plan.description.called, "sip:+15550170@example.com;user=phone")

    def test_extensions(self) -> None:
        """The leaves of its metadata have plain names."""
        self.assertEqual(
            plan_of("broadworks.txt").description.extensions,
            (
                ("initiator", "SRC"),
                ("tracking_id", "39:1"),
                ("service_provider_id", "SP"),
                ("broadworks_call_id", "callhalf-9:0"),
                ("calling_number", "tel:+15550171;user=phone"),
                ("called_number", "tel:+15550170"),
            ),
        )

    def test_sdp_after_metadata(self) -> None:
        """Parts in any order, with lengths that are wrong, give the answer all the same."""
        self.assertEqual(
            answer_to("broadworks.txt"),
            [
                "m=audio 30000 RTP/AVP 0 101 9",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-15",
                "a=rtpmap:9 G722/8000",
                "a=label:1",
                "a=recvonly",
            ],
        )

    def test_webex(self) -> None:
        """One m-line for two streams is the one of its label; both events' clocks are taken."""
        self.assertEqual(plan_of("webex-calling.txt").channels, channels(("pa", "caller", "1")))
        self.assertEqual(
            answer_to("webex-calling.txt"),
            [
                "m=audio 30000 RTP/AVP 0 101 107",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-15",
                "a=rtpmap:107 telephone-event/48000",
                "a=fmtp:107 0-15",
                "a=label:1",
                "a=recvonly",
            ],
        )

    def test_refused_in_strict_mode(self) -> None:
        """Without Require and +sip.src there is no recording session by the standard."""
        recording, outputs = offered(invite_from("webex-calling.txt"), STRICT)
        self.assertEqual(
            outputs,
            [Refuse("t1", 403, "not a recording session by RFC 7866 section 6.2")],
        )
        self.assertIs(recording.state, State.ENDED)


class MetaswitchTests(SynchronousTestCase):
    """One mixed stream, no direction, static type 2, styles mixed in one document."""

    def test_answer(self) -> None:
        """No direction is sendrecv, and recvonly its answer; G.721 and G.729 are left out."""
        self.assertEqual(
            answer_to("metaswitch.txt"),
            ["m=audio 30000 RTP/AVP 8", "a=rtpmap:8 PCMA/8000", "a=label:1", "a=recvonly"],
        )

    def test_description(self) -> None:
        """Both parties send the one stream; the extension in the wrong namespace is kept."""
        description = plan_of("metaswitch.txt").description
        self.assertEqual(
            description.streams,
            (MediaStream("st-1", "1", "s-1", ("p-1", "p-2"), ("p-1", "p-2")),),
        )
        self.assertEqual(
            description.extensions,
            (("recording_type", "inbound"), ("charge_number", "5550190")),
        )


class OthersTests(SynchronousTestCase):
    """The rest of the field."""

    def test_sems(self) -> None:
        """Labels are words; a document by the schema gives no warning."""
        self.assertEqual(
            plan_of("sems.txt").channels,
            channels(("cGE=", "caller", "a_leg"), ("cGI=", "callee", "b_leg")),
        )
        self.assertEqual(codes("sems.txt"), [])

    def test_opensips(self) -> None:
        """An ampersand that is not escaped is mended; the zone gets its colon."""
        plan = plan_of("opensips.txt")
        self.assertEqual(plan.channels, channels(("Y2Fs", "caller", "1"), ("Y2Fk", "callee", "0")))
        self.assertEqual(
            plan.description.participants[0],
            Participant(
                "Y2Fs",
                "sip:5550210@example.com",
                "Smith & Sons",
                ("c2Vz",),
                "2026-07-08T12:00:00+03:00",
            ),
        )
        self.assertEqual(codes("opensips.txt"), ["metadata-repaired", "metadata-time"])
        self.assertEqual(plan.streams[0].rtcp, ("192.0.2.110", 11585))

    def test_netsapiens(self) -> None:
        """Metadata without streams: the order of the participants tells who speaks."""
        plan = plan_of("netsapiens.txt")
        self.assertEqual(
            plan.channels,
            channels(("leg-a@192.0.2.121", "caller", "1"), ("leg-b@192.0.2.121", "callee", "2")),
        )
        self.assertEqual(plan.description.sessions[0].group_id, "20260708@192.0.2.121")
        self.assertEqual(
            plan.description.extensions,
            (("group_seq", "2"), ("user", "100"), ("user_2", "101")),
        )

    def test_jambonz(self) -> None:
        """Its calling and called numbers are swapped, and swapped back."""
        plan = plan_of("jambonz.txt")
        self.assertEqual(plan.channels, channels(("j-p1", "caller", "1"), ("j-p2", "callee", "2")))
        self.assertEqual(
            plan.description.extensions,
            (
                ("call_sid", "CA1"),
                ("direction", "inbound"),
                ("calling_number", "5550230"),
                ("called_number", "5550231"),
            ),
        )

    def test_freeswitch(self) -> None:
        """PCMU/16000 is 8000 to us and answered in its own words."""
        self.assertEqual(plan_of("freeswitch.txt").streams[0].codecs[0].clock_rate, 8000)
        self.assertEqual(answer_to("freeswitch.txt")[1], "a=rtpmap:0 PCMU/16000")

    def test_no_connection(self) -> None:
        """Without any c= line the first packet tells the source; o= of zeros is no hold."""
        plan = plan_of("connectel.txt")
        self.assertEqual([each.source for each in plan.streams], [None, None])
        self.assertEqual([each.active for each in plan.streams], [True, True])
        self.assertIn("sdp-no-connection", codes("connectel.txt"))
