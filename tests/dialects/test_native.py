"""The native protocol, message by message."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.dialects import DIALECTS, RecstreamDialect, dialect
from twisted_siprec.dialects.base import (
    Acknowledged,
    Audio,
    Capabilities,
    ChannelStart,
    Continue,
    Digit,
    DrainAsked,
    Event,
    Farewell,
    Gap,
    Marked,
    Odd,
    PauseAsked,
    Paused,
    Progress,
    Ready,
    Rearranged,
    Redescribed,
    Rejected,
    Reply,
    ResumeAsked,
    Resumed,
    ResumePoint,
    Said,
    Stop,
    StreamStart,
    Synchronisation,
    Window,
)
from twisted_siprec.dialects.native_told import Told
from twisted_siprec.errors import LocalError
from twisted_siprec.participants import CommunicationSession, Description, MediaStream, Participant
from twisted_siprec.plan import (
    ChannelPlan,
    Destination,
    Encoding,
    EndReason,
    Layout,
    ParticipantEvent,
)
from twisted_siprec.report import StreamStatistics

FRAMED = "recstream.v1.framed"
DESTINATION = Destination("analytics", "wss://consumer.example.com/calls")
DESCRIPTION = Description(
    "rs-1",
    "call@sbc",
    src="sip:sbc.example.com",
    caller="+15550100",
    sessions=(CommunicationSession("cs1", "g1", ("sid", "sid2"), "2026-01-02T15:00:00Z"),),
    participants=(
        Participant("p1", "sip:+15550100@example.com", "Ann", ("cs1",), extensions=(("x", "y"),)),
        Participant("p2", "sip:2001@example.com"),
    ),
    streams=(MediaStream("s1", "1", "cs1", ("p1",), ("p2",)),),
    extensions=(("ucid", "0001"),),
    headers=(("X-Call-Tag", "vip"),),
    warnings=(("no-label", "m-line 2 has no label"),),
    xml="<recording/>",
)
START = StreamStart(
    "stream-1",
    "rs-1",
    1_767_366_000.123456,
    Encoding.L16,
    16000,
    (
        ChannelStart(ChannelPlan(0, (0,), "p1", "caller", "1"), "PCMA", 305419896),
        ChannelStart(ChannelPlan(1, (1,), "p2", "callee", "2")),
    ),
    DESTINATION,
    DESCRIPTION,
)
FIRST = ResumePoint("token", 1, 0, None)


def started(
    subprotocol: str | None = FRAMED, destination: Destination = DESTINATION
) -> RecstreamDialect:
    """A dialect that has said start."""
    speaker = RecstreamDialect(destination)
    speaker.opened(subprotocol)
    speaker.start(replace(START, destination=destination), FIRST)
    return speaker


def text(messages: list[Any]) -> Any:
    """The one text among messages, decoded."""
    (message,) = messages
    return json.loads(message)


class HandshakeTests(SynchronousTestCase):
    """What is offered, and what follows from the choice."""

    def test_offers(self) -> None:
        """framing says which subprotocols are offered; framed is preferred."""
        offers = {
            framing: RecstreamDialect(replace(DESTINATION, framing=framing)).subprotocols
            for framing in ("any", "framed", "plain")
        }
        self.assertEqual(
            offers,
            {
                "any": ("recstream.v1.framed", "recstream.v1.plain"),
                "framed": ("recstream.v1.framed",),
                "plain": ("recstream.v1.plain",),
            },
        )

    def test_capabilities(self) -> None:
        """A framed consumer is waited for and can resume; any other is not and cannot."""
        speaker = RecstreamDialect(DESTINATION)
        framed = Capabilities(True, True, True, True, "recstream.v1.plain")
        self.assertEqual(speaker.opened(FRAMED), framed)
        self.assertEqual(speaker.opened("recstream.v1.plain"), Capabilities())
        self.assertEqual(speaker.opened(None), Capabilities())

    def test_header(self) -> None:
        """The handshake names the stream, so that a signature can be checked."""
        headers = RecstreamDialect(DESTINATION).headers(START)
        self.assertEqual(headers, (("X-Recstream-Stream-Id", "stream-1"),))

    def test_registry(self) -> None:
        """The dialect is the one that the destination names."""
        self.assertIsInstance(dialect(DESTINATION), RecstreamDialect)
        self.assertEqual(next(iter(DIALECTS)), "recstream")
        self.assertRaises(LocalError, dialect, replace(DESTINATION, protocol="morse"))


class StartTests(SynchronousTestCase):
    """The first message of a connection."""

    def test_start(self) -> None:
        """All that is known, with the order of the channels."""
        speaker = RecstreamDialect(DESTINATION)
        speaker.opened(FRAMED)
        envelope = text(speaker.start(START, FIRST))
        body = envelope.pop("data")
        self.assertEqual(
            envelope, {"type": "start", "streamId": "stream-1", "seq": 1, "ack": 0, "pos": 0}
        )
        siprec = body.pop("siprec")
        self.assertEqual(
            body,
            {
                "protocol": "recstream",
                "version": "1.0",
                "resumeToken": "token",
                "attempt": 1,
                "startedAt": "2026-01-02T15:00:00.123456Z",
                "media": {
                    "encoding": "L16",
                    "endianness": "little",
                    "sampleRate": 16000,
                    "channels": 2,
                    "layout": "interleaved",
                    "chunkMs": 100,
                },
                "channels": [
                    {
                        "index": 0,
                        "participantId": "p1",
                        "role": "caller",
                        "label": "1",
                        "codec": "PCMA",
                        "ssrc": 305419896,
                    },
                    {"index": 1, "participantId": "p2", "role": "callee", "label": "2"},
                ],
                "limits": {"replayMs": 30000, "maxChunkMs": 500},
                "capabilities": ["resume", "pause", "window", "dtmf", "metadata"],
            },
        )
        self.assertEqual(siprec["recordingSessionId"], "rs-1")
        self.assertEqual(siprec["sessions"][0]["sipSessionIds"], ["sid", "sid2"])
        self.assertEqual(siprec["participants"][0]["name"], "Ann")
        self.assertEqual(siprec["participants"][1], {"id": "p2", "aor": "sip:2001@example.com"})
        self.assertEqual(siprec["streams"][0]["sentBy"], ["p1"])
        self.assertEqual(siprec["extensions"], {"ucid": "0001"})
        self.assertEqual(siprec["headers"], {"X-Call-Tag": "vip"})
        self.assertEqual(siprec["warnings"][0]["code"], "no-label")
        self.assertNotIn("xml", siprec)

    def test_xml_where_it_is_wanted(self) -> None:
        """The raw metadata goes only to a destination that asks for it."""
        destination = replace(DESTINATION, include_xml=True)
        speaker = RecstreamDialect(destination)
        body = text(speaker.start(replace(START, destination=destination), FIRST))["data"]
        self.assertEqual(body["siprec"]["xml"], "<recording/>")

    def test_resume(self) -> None:
        """A framed consumer that took the stream before is asked where it was."""
        speaker = started()
        envelope = text(speaker.start(START, ResumePoint("token", 2, 40, 38, 64000)))
        self.assertEqual((envelope["type"], envelope["seq"], envelope["pos"]), ("resume", 2, 64000))
        start = envelope["data"].pop("start")
        self.assertEqual(start["attempt"], 2)
        self.assertEqual(
            envelope["data"],
            {"resumeToken": "token", "attempt": 2, "firstAvailableFrame": 40, "lastAckedFrame": 38},
        )

    def test_no_resumption_for_plain_or_for_strangers(self) -> None:
        """Plain consumers, and those that never took the stream, get start."""
        again = ResumePoint("token", 2, 0, None)
        self.assertEqual(text(started(None).start(START, again))["type"], "start")
        stranger = replace(again, established=False)
        self.assertEqual(text(started().start(START, stranger))["type"], "start")

    def test_g711_and_separate(self) -> None:
        """G.711 has no endianness; channels apart have one channel and one entry."""
        destination = replace(DESTINATION, layout=Layout.SEPARATE)
        start = replace(
            START,
            encoding=Encoding.PCMU,
            destination=destination,
            channels=START.channels[1:],
            track=1,
        )
        speaker = RecstreamDialect(destination)
        speaker.opened(FRAMED)
        body = text(speaker.start(start, FIRST))["data"]
        self.assertNotIn("endianness", body["media"])
        self.assertEqual((body["media"]["channels"], len(body["channels"])), (1, 1))
        self.assertEqual(speaker.audio(Audio(0, 1, b"\xff"), 0, False)[0][2], 1)


class AudioTests(SynchronousTestCase):
    """Binary messages, octet by octet."""

    def test_plain(self) -> None:
        """The samples and nothing else, silence too."""
        speaker = started(None)
        self.assertEqual(speaker.audio(Audio(0, 1, b"abcd", True), 0, False), [b"abcd"])

    def test_framed(self) -> None:
        """Sixteen octets of header, then the samples."""
        speaker = started()
        audio = Audio(0x0102030405, 1, b"abcd")
        self.assertEqual(
            speaker.audio(audio, 7, False),
            [b"\x10\x00\xff\x00\x00\x00\x00\x07\x00\x00\x00\x01\x02\x03\x04\x05abcd"],
        )

    def test_silence(self) -> None:
        """Kind 1: how many samples, and none of them."""
        speaker = started()
        self.assertEqual(
            speaker.audio(Audio(1, 1600, bytes(6400), silence=True), 1, False),
            [b"\x11\x00\xff\x00\x00\x00\x00\x01" + bytes(7) + b"\x01\x00\x00\x06\x40"],
        )

    def test_flags(self) -> None:
        """discontinuity 1, concealed 2, replay 4, held 8."""
        speaker = started()
        plain = Audio(0, 1, b"abcd")
        flags = [
            speaker.audio(audio, 0, replay)[0][1]
            for audio, replay in (
                (replace(plain, discontinuity=True), False),
                (replace(plain, concealed=True), False),
                (plain, True),
                (replace(plain, held=True), False),
            )
        ]
        self.assertEqual(flags, [1, 2, 4, 8])

    def test_frame_numbers_wrap(self) -> None:
        """The frame number has 32 bits."""
        self.assertEqual(started().audio(Audio(0, 1, b""), 2**32, False)[0][4:8], bytes(4))


class EventTests(SynchronousTestCase):
    """What happens, in texts."""

    def said(self, event: Any, position: int = 1600) -> Any:
        """The type and the body of an event's text."""
        envelope = text(started().event(event, position))
        self.assertEqual((envelope["pos"], envelope["seq"]), (position, 2))
        return envelope["type"], envelope["data"]

    def test_gap(self) -> None:
        """Where, how long, which channels, why, and with what it is filled."""
        self.assertEqual(
            self.said(Gap(800, 160, (1,), "rtp_loss", "concealed")),
            (
                "gap",
                {
                    "pos": 800,
                    "samples": 160,
                    "channels": [1],
                    "reason": "rtp_loss",
                    "filled": "concealed",
                },
            ),
        )

    def test_dtmf(self) -> None:
        """A key press, with its channel and party where they are known."""
        self.assertEqual(
            self.said(Digit("5", 80, 0, "p1", "rfc4733")),
            (
                "dtmf",
                {
                    "digit": "5",
                    "durationMs": 80,
                    "source": "rfc4733",
                    "channel": 0,
                    "participantId": "p1",
                },
            ),
        )
        body = {"digit": "#", "durationMs": 0, "source": "sip-info"}
        self.assertEqual(self.said(Digit("#", 0, None, None, "sip-info")), ("dtmf", body))

    def test_sync(self) -> None:
        """Wall clock against position, and the RTP clocks as far as they are known."""
        event = Synchronisation(0, 1_767_366_000.5, ((1, 2, 0.12345), (None, None, 0.0)))
        self.assertEqual(
            self.said(event),
            (
                "sync",
                {
                    "wallclock": "2026-01-02T15:00:00.500000Z",
                    "channels": [
                        {"index": 0, "driftPpm": 0.123, "ssrc": 1, "rtpTimestamp": 2},
                        {"index": 1, "driftPpm": 0.0},
                    ],
                },
            ),
        )

    def test_metadata(self) -> None:
        """The whole description, its revision, and whether the SRC sent it whole."""
        kind, body = self.said(Redescribed(replace(DESCRIPTION, revision=3, mode="delta")))
        self.assertEqual((kind, body["revision"], body["mode"]), ("metadata", 3, "delta"))
        self.assertEqual(body["siprec"]["src"], "sip:sbc.example.com")
        self.assertNotIn("xml", body)
        speaker = started(destination=replace(DESTINATION, include_xml=True))
        self.assertEqual(
            text(speaker.event(Redescribed(DESCRIPTION), 0))["data"]["xml"], "<recording/>"
        )

    def test_format(self) -> None:
        """Channels from a position on; an interleaved stream is as wide as they are many."""
        kind, body = self.said(Rearranged(1600, START.channels[:1]))
        self.assertEqual((kind, body["pos"], body["media"]["channels"]), ("format", 1600, 1))
        self.assertEqual(body["channels"][0]["index"], 0)

    def test_small_ones(self) -> None:
        """participant, paused, resumed, stats."""
        joined = ParticipantEvent("joined", "p3", "2026-01-02T15:00:01Z")
        self.assertEqual(
            self.said(joined),
            (
                "participant",
                {"event": "joined", "participantId": "p3", "at": "2026-01-02T15:00:01Z"},
            ),
        )
        self.assertEqual(self.said(Paused(0, "src")), ("paused", {"by": "src"}))
        resumed = ("resumed", {"by": "src", "skippedSamples": 8})
        self.assertEqual(self.said(Resumed(8, "src", 8)), resumed)
        kind, body = self.said(Progress(0, (StreamStatistics(0, packets=5),)))
        self.assertEqual((kind, body["channels"][0]["packets"]), ("stats", 5))

    def test_mark_and_error(self) -> None:
        """A mark comes back with the position; an error says whether it is the end."""
        speaker = started()
        marked = text(speaker.mark("m", 99))
        self.assertEqual(
            (marked["type"], marked["pos"], marked["data"]), ("mark", 99, {"name": "m"})
        )
        error = text(speaker.error("code", "words", True))["data"]
        self.assertEqual(error, {"code": "code", "message": "words", "fatal": True})

    def test_stop(self) -> None:
        """The account, in the protocol's words."""
        stop = Stop(
            EndReason.CALL_ENDED,
            12345,
            98760,
            123,
            395040,
            (StreamStatistics(0, "1", "PCMA", 7, 600, 103200, 2, 1, 0, 3, 4, 40, 0, 1.23456),),
            (("rtp_loss", 40),),
            1,
            5,
            2,
        )
        envelope = text(started().stop(stop))
        self.assertEqual((envelope["type"], envelope["pos"]), ("stop", 98760))
        self.assertEqual(
            envelope["data"],
            {
                "reason": "call_ended",
                "durationMs": 12345,
                "finalPos": 98760,
                "frames": 123,
                "bytes": 395040,
                "channels": [
                    {
                        "index": 0,
                        "label": "1",
                        "codec": "PCMA",
                        "ssrc": 7,
                        "packets": 600,
                        "lost": 2,
                        "late": 1,
                        "duplicate": 0,
                        "reordered": 3,
                        "concealedMs": 40,
                        "silentMs": 0,
                        "jitterMs": 0.0,
                        "maxJitterMs": 1.235,
                        "codecChanges": 0,
                    }
                ],
                "gaps": {"rtp_loss": 40},
                "reconnects": 1,
                "replayedFrames": 5,
                "metadataRevision": 2,
            },
        )


class ToldAgainTests(SynchronousTestCase):
    """Texts after a reconnection."""

    FIVE = Digit("5", 80, 0, "p1", "rfc4733")
    AGAIN = Digit("5", 80, 0, "p1", "rfc4733")
    GAP = Gap(1600, 160, (0, 1), "paused", "none")

    def told(self, *told: Event, answer: dict[str, Any]) -> list[tuple[str, int]]:
        """Tell FIVE and GAP, resume, tell others: types and seq of what is said then."""
        speaker = started()
        for event in (self.FIVE, self.GAP):
            speaker.event(event, 1600)
        speaker.start(START, ResumePoint("token", 2, 0, None))
        kind = answer.pop("type", "resumed")
        body = {"fromFrame": 0, **answer}
        speaker.received(json.dumps({"type": kind, "seq": 2, "ack": 4, "data": body}))
        said = [json.loads(text) for event in told for text in speaker.event(event, 1600)]
        return [(text["type"], text["seq"]) for text in said]

    def test_what_is_known_is_not_told_again(self) -> None:
        """Up to ``lastSeq``: the same key press once, and another one like it too."""
        again = Gap(1600, 160, (0, 1), "paused", "none")
        told = self.told(self.FIVE, again, self.AGAIN, answer={"lastSeq": 2})
        self.assertEqual(told, [("gap", 5), ("dtmf", 6)])
        told = self.told(self.FIVE, again, self.AGAIN, answer={"lastSeq": 3})
        self.assertEqual(told, [("dtmf", 5)])

    def test_everything_is_told_again(self) -> None:
        """To a consumer that starts over, names no text, or one that cannot be."""
        for answer in (
            {"type": "ready", "lastSeq": 3},
            {},
            {"lastSeq": 4},
            {"lastSeq": True},
        ):
            told = self.told(self.FIVE, self.GAP, answer=dict(answer))
            self.assertEqual(told, [("dtmf", 5), ("gap", 6)], answer)

    def test_of_this_connection(self) -> None:
        """What one consumer had, another that comes after it has not."""
        speaker = started()
        speaker.event(self.FIVE, 0)
        speaker.start(START, ResumePoint("token", 2, 0, None))
        speaker.received('{"type": "resumed", "data": {"fromFrame": 0, "lastSeq": 2}}')
        self.assertEqual(speaker.event(self.FIVE, 0), [])
        speaker.opened("recstream.v1.plain")
        speaker.start(START, ResumePoint("token", 3, 0, None))
        self.assertEqual(len(speaker.event(self.FIVE, 0)), 1)

    def test_lost_twice(self) -> None:
        """What died with one connection, and was not told again on the next, is not known."""
        speaker = started()
        six = Digit("6", 80, 0, "p1", "rfc4733")
        for event in (self.FIVE, six):
            speaker.event(event, 0)
        for attempt, last in ((2, 2), (3, 2)):
            speaker.start(START, ResumePoint("token", attempt, 0, None))
            body = {"fromFrame": 0, "lastSeq": last}
            speaker.received(json.dumps({"type": "resumed", "data": body}))
        self.assertEqual(speaker.event(self.FIVE, 0), [])
        self.assertEqual(text(speaker.event(six, 0))["seq"], 6)
        speaker.start(START, ResumePoint("token", 4, 0, None))
        speaker.received('{"type": "resumed", "data": {"fromFrame": 0, "lastSeq": 6}}')
        self.assertEqual(speaker.event(self.FIVE, 0) + speaker.event(six, 0), [])

    def test_bounded(self) -> None:
        """What is long ago is forgotten, and told again."""
        told = Told(most=2)
        digits = [Digit(digit, 80, 0, None, "rfc4733") for digit in "123"]
        for sequence, digit in enumerate(digits):
            told.add(digit, sequence)
        self.assertEqual([digit in told for digit in digits], [False, True, True])
        told.keep(1)
        self.assertEqual([digit in told for digit in digits], [False, True, False])


class ReceivedTests(SynchronousTestCase):
    """What a consumer says."""

    def reply(self, message: str | bytes, subprotocol: str | None = FRAMED) -> Reply:
        """What it means."""
        (reply,) = started(subprotocol).received(message)
        return reply

    def test_words(self) -> None:
        """Each word of the protocol, with its fields."""
        said: list[tuple[str, dict[str, Any], Reply]] = [
            ("ready", {}, Ready()),
            (
                "ready",
                {"accept": True, "startAt": "live", "ackEveryMs": 500, "windowMs": 2000},
                Ready("live", 500, 2000),
            ),
            ("ready", {"accept": False}, Rejected("not_accepted", "")),
            (
                "reject",
                {"code": "busy", "message": "no room", "retryAfterMs": 100},
                Rejected("busy", "no room", 100),
            ),
            ("reject", {}, Rejected("rejected", "")),
            ("ack", {"frame": 3}, Acknowledged(3)),
            ("resumed", {"fromFrame": 4}, Continue(4)),
            ("window", {"ms": 100.0}, Window(100)),
            ("pause", {}, PauseAsked()),
            ("resume", {}, ResumeAsked()),
            ("mark", {"name": "m"}, Marked("m")),
            ("event", {"name": "t", "payload": {"a": [1]}}, Said("t", '{"a":[1]}')),
            ("event", {"name": "t", "payload": float("nan")}, Said("t", "null")),
            ("event", {"name": "t"}, Said("t", "null")),
            (
                "drain",
                {"reconnectTo": "wss://b.example.com/", "afterMs": 10},
                DrainAsked("wss://b.example.com/", 10),
            ),
            ("drain", {}, DrainAsked(None, 0)),
            ("bye", {"reason": "done"}, Farewell("done")),
        ]
        for kind, body, meaning in said:
            message = json.dumps({"type": kind, "data": body})
            self.assertEqual(self.reply(message), meaning)

    def test_odd(self) -> None:
        """What makes no sense is told so, and nothing else."""
        for message, reason in (
            (b"\x00", "binary message"),
            ("{", "not JSON"),
            ('{"type": NaN}', "no type"),
            ("NaN", "not a JSON object"),
            ("[" * 100_000, "not JSON"),
            ("[]", "not a JSON object"),
            ("{}", "no type"),
            ('{"type": "dance"}', "unknown type 'dance'"),
            ('{"type": "ack"}', "ack without frame"),
            ('{"type": "ack", "data": {"frame": true}}', "ack without frame"),
            ('{"type": "ack", "data": {"frame": -1}}', "ack without frame"),
            ('{"type": "ack", "data": {"frame": 1.5}}', "ack without frame"),
            ('{"type": "ack", "data": {"frame": 1e300}}', "ack without frame"),
            ('{"type": "resumed", "data": []}', "resumed without fromFrame"),
            ('{"type": "window"}', "window without ms"),
            ('{"type": "mark"}', "mark without name"),
            ('{"type": "event"}', "event without name"),
        ):
            self.assertEqual(self.reply(message), Odd(reason))

    def test_half_a_surrogate_pair(self) -> None:
        """A name that no encoding carries is mended, so that it can be sent back."""
        message = '{"type": "mark", "data": {"name": "\\ud800"}}'
        self.assertEqual(self.reply(message), Marked("?"))

    def test_plain_has_no_frames(self) -> None:
        """A plain consumer has nothing to acknowledge, but it may pause."""
        self.assertEqual(
            self.reply('{"type": "ack", "data": {"frame": 1}}', None),
            Odd("ack from a plain consumer"),
        )
        self.assertEqual(self.reply('{"type": "pause"}', None), PauseAsked())

    def test_sequence_is_acknowledged(self) -> None:
        """The highest seq heard is in everything that is said after it."""
        speaker = started()
        for sequence in ("5", "3", "true", '"x"'):
            speaker.received(f'{{"type": "pause", "seq": {sequence}}}')
        self.assertEqual(text(speaker.mark("m", 0))["ack"], 5)

    @settings(max_examples=300, deadline=None)
    @given(
        st.one_of(
            st.text(),
            st.binary(),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(
                            ["type", "data", "seq", "frame", "ms", "name", "payload", "fromFrame"]
                        ),
                        inner
                        | st.sampled_from(["ack", "ready", "event", "window", "drain", "mark"]),
                        max_size=4,
                    )
                ),
                max_leaves=12,
            ).map(json.dumps),
        )
    )
    def test_anything(self, message: str | bytes) -> None:
        """Whatever it is, there is one reply and no exception."""
        self.assertEqual(len(started().received(message)), 1)
        self.assertEqual(len(started(None).received(message)), 1)
