"""
The records of calls, from what happens to them.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import ACCOUNT, BEGINNING, DESCRIPTION
from twisted_siprec.net.calls.events import (
    CallClosed,
    CallDescribed,
    CallEnded,
    CallEvent,
    CallForgotten,
    CallMoved,
    CallOffered,
    CallRefused,
    CallReported,
    CallWarned,
    Discarded,
    Faulted,
)
from twisted_siprec.report import (
    BridgeFailed,
    ConsumerSaid,
    HandshakeDone,
    LinkDown,
    LinkUp,
    StreamHeard,
    StreamSilent,
)
from twisted_siprec.sip.events import Traced
from twisted_siprec.web.records import CallRecord, CallRecords, Moment, RecordLimits


def traced(call_id: str | None, summary: str = "INVITE x") -> Traced:
    """A message of a call."""
    return Traced(False, None, ("192.0.2.1", 5060), summary.encode(), call_id, summary)


class CallRecordsTests(SynchronousTestCase):
    """What is known of a call, and for how long."""

    def setUp(self) -> None:
        self.records = CallRecords(lambda: 5.0)

    def happen(self, *events: CallEvent, at: float = 1_000.0) -> None:
        for event in events:
            self.records.happened(event, at)

    def record(self, id: str = "3f2a") -> CallRecord:
        record = self.records.find(id)
        assert record is not None
        return record

    def moments(self) -> list[tuple[str, str]]:
        return [(moment.kind, moment.text) for moment in self.record().moments]

    def test_in_progress(self) -> None:
        """A call is there from its INVITE on."""
        self.happen(BEGINNING[0])
        self.assertEqual(self.record().state, "offered")
        self.happen(*BEGINNING[1:])
        record = self.record()
        self.assertEqual(self.records.current, [record])
        self.assertEqual(
            (record.state, record.answered_after_s, record.xml, record.links, record.result),
            ("recording", 0.004, "<recording/>", {"speech": "connecting"}, None),
        )
        self.assertEqual(
            self.moments(),
            [
                ("metadata", "metadata revision 1"),
                ("state", "answered after 4 ms"),
                ("state", "recording"),
            ],
        )

    def test_reports(self) -> None:
        """What the media plane tells is a moment, and what is up with a destination is kept."""
        self.happen(*BEGINNING)
        self.record().moments.clear()
        for report in (
            StreamHeard("3f2a", 0, ("192.0.2.1", 4000)),
            StreamSilent("3f2a", 1, 10_000),
            HandshakeDone("3f2a", 0, "AEAD_AES_128_GCM"),
            LinkUp("3f2a", "speech", 1),
            LinkDown("3f2a", "speech", "refused", 0.25),
            LinkDown("3f2a", "speech", "gone", None),
            ConsumerSaid("3f2a", "speech", "transcript", '{"text":"hello"}'),
            BridgeFailed("3f2a", "boom"),
        ):
            self.happen(CallReported("3f2a", report), at=7.0)
        self.assertEqual(
            list(self.record().moments),
            [
                Moment(7.0, "stream", "stream 0 is heard from 192.0.2.1:4000"),
                Moment(7.0, "stream", "nothing came on stream 1 for 10 s"),
                Moment(
                    7.0, "stream", "stream 0 is protected by AEAD_AES_128_GCM, with keys by DTLS"
                ),
                Moment(7.0, "link", "connected, attempt 1", "speech"),
                Moment(7.0, "link", "refused; again in 0.25 s", "speech"),
                Moment(7.0, "link", "gone; given up", "speech"),
                Moment(7.0, "consumer", "transcript", "speech", '{"text":"hello"}'),
                Moment(7.0, "state", "the media plane gave it up: boom"),
            ],
        )
        self.assertEqual(self.record().links, {"speech": "gone"})

    def test_end(self) -> None:
        """A call that is over is found with its account, and no longer among the current ones."""
        self.happen(*BEGINNING)
        self.happen(CallEnded("3f2a", "BYE received"), CallClosed("3f2a", "sbc", ACCOUNT))
        self.happen(CallForgotten("3f2a"), at=1_061.0)
        record = self.record()
        self.assertEqual(self.records.current, [])
        self.assertEqual(list(self.records.past()), [record])
        self.assertEqual(
            (record.state, record.result, record.ended_at), ("ended", "call_ended", 1_061.0)
        )
        self.assertEqual(self.moments()[-1], ("end", "BYE received"))
        self.happen(CallMoved("3f2a", "recording"))
        self.assertEqual(record.state, "ended")

    def test_without_account(self) -> None:
        """A call that ended without an account is not said to have ended well."""
        self.happen(*BEGINNING, CallForgotten("3f2a"))
        self.assertEqual(self.record().result, "unknown")

    def test_refused(self) -> None:
        """A refused call is kept apart, with the reason."""
        refused = CallRefused("c1@sbc", "request", "sbc", "sbc", 404, "No Route", True, "3f2a")
        self.happen(BEGINNING[0], refused, CallForgotten("3f2a"))
        self.assertEqual(list(self.records.past()), [])
        [record] = self.records.past(refused=True)
        self.assertEqual((record.refusal, record.result), ((404, "No Route"), "refused 404"))
        self.assertEqual(self.moments(), [("state", "refused 404 No Route")])

    def test_request_refused(self) -> None:
        """A refused request within a call is a moment of it, and the call goes on."""
        refused = CallRefused("c1@sbc", "request", "sbc", "sbc", 491, "Pending", False, "3f2a")
        self.happen(*BEGINNING, refused)
        self.assertIsNone(self.record().refusal)
        self.assertEqual(self.moments()[-1], ("state", "refused 491 Pending"))

    def test_warned(self) -> None:
        """A warning is a moment, with its code."""
        self.happen(*BEGINNING, CallWarned("3f2a", "label-missing", "an m-line has no label"))
        self.assertEqual(self.moments()[-1], ("warning", "an m-line has no label [label-missing]"))

    def test_none_of_ours(self) -> None:
        """Events of no call, or of one that is not known, change nothing."""
        self.happen(
            Discarded("x"),
            Faulted("c"),
            CallEnded("nope", "x"),
            CallDescribed("no", DESCRIPTION, ""),
        )
        self.happen(CallRefused(None, "OPTIONS", None, "UDP 192.0.2.9:5060", 405, "No"))
        self.assertEqual(self.records.current, [])

    def test_bounds(self) -> None:
        """The oldest ended calls and the oldest moments are forgotten."""
        self.records = CallRecords(lambda: 5.0, RecordLimits(calls=2, moments=3, payload=4))
        for number in range(4):
            id = f"id{number}"
            self.happen(CallOffered(id, f"c{number}", "sbc"), CallForgotten(id))
        self.assertEqual([record.id for record in self.records.past()], ["id3", "id2"])
        self.assertIsNone(self.records.find("id0"))
        self.happen(*BEGINNING, CallMoved("3f2a", "paused"))
        self.happen(CallReported("3f2a", ConsumerSaid("3f2a", "speech", "n", "0123456789")))
        record = self.record()
        self.assertEqual((len(record.moments), record.moments_forgotten), (3, 2))
        self.assertEqual(record.moments[-1].payload, "0123")

    def test_search(self) -> None:
        """All words of a search are to be somewhere in what is known, whatever their case."""
        self.happen(*BEGINNING, CallForgotten("3f2a"))
        for query in ("", "ann 0001", "+15550100", "C1@SBC", "speech", "ANN sbc unknown"):
            self.assertEqual(len(list(self.records.past(query))), 1, query)
        self.assertEqual(list(self.records.past("ann bob")), [])

    def test_sip(self) -> None:
        """The INVITE, which is traced before it is a call, and what follows are in its ladder."""
        self.records.traced(traced("c1@sbc"))
        self.records.traced(traced("other", "OPTIONS x"))
        self.records.traced(traced(None))
        self.happen(*BEGINNING)
        self.records.traced(traced("c1@sbc", "ACK x"))
        self.happen(CallForgotten("3f2a"))
        self.records.traced(traced("c1@sbc", "BYE x"))
        self.assertEqual(
            [(rung.summary, rung.at) for rung in self.record().ladder.rungs],
            [("INVITE x", 5.0), ("ACK x", 5.0), ("BYE x", 5.0)],
        )

    def test_stray_sip(self) -> None:
        """Messages that never become a call do not pile up."""
        for number in range(1_000):
            self.records.traced(traced(f"stray{number}"))
        self.happen(CallOffered("a", "stray999", "sbc"), CallOffered("b", "stray0", "sbc"))
        self.assertEqual(len(self.record("a").ladder.rungs), 1)
        self.assertEqual(len(self.record("b").ladder.rungs), 0)

    def test_no_trace(self) -> None:
        """Nothing is kept of SIP where that is configured."""
        self.records = CallRecords(lambda: 5.0, RecordLimits(trace_octets=0))
        self.records.traced(traced("c1@sbc"))
        self.happen(*BEGINNING)
        self.assertEqual(self.record().ladder.rungs, ())
