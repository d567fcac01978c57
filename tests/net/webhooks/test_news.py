"""
What is told of calls.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config.model import WEBHOOK_CHOICES
from twisted_siprec.net.calls.events import (
    CallAnswered,
    CallBegan,
    CallClosed,
    CallDescribed,
    CallEnded,
    CallEvent,
    CallForgotten,
    CallMoved,
    CallOffered,
    CallRefused,
    CallReported,
    Discarded,
)
from twisted_siprec.net.webhooks.news import MAX_SAID_OCTETS, CallNews
from twisted_siprec.participants import Description
from twisted_siprec.plan import BridgePlan, EndReason
from twisted_siprec.report import (
    BridgeClosed,
    BridgeFailed,
    ConsumerSaid,
    DeliveryStatistics,
    LinkDown,
    LinkUp,
    StreamHeard,
    StreamSilent,
    StreamStatistics,
)

DESCRIPTION = Description("r1", "c1@src", caller="sip:a@example.com", called="sip:b@example.com")
PLAN = BridgePlan("r1", "c1@src", "127.0.0.1", (), (), (), DESCRIPTION, 0.0)
OFFERED = CallOffered("r1", "c1@src", "sbc")
BEGAN = CallBegan("r1", "c1@src", "sbc", ("speech",), PLAN)
ANSWERED = CallAnswered("r1", 0.01)
CLOSED = CallClosed(
    "r1",
    "sbc",
    BridgeClosed(
        "r1",
        EndReason.CALL_ENDED,
        1_500,
        (StreamStatistics(0, "1", "PCMU", packets=75, lost=1),),
        (DeliveryStatistics("speech", "s1", None, 12_000, 11_840, 160, gaps_ms=(("loss", 20),)),),
    ),
)
REFUSED = CallRefused("c1@src", "INVITE", "sbc", "sbc", 404, "No Route For This Call", True, "r1")
FORGOTTEN = CallForgotten("r1")
START = (OFFERED, BEGAN, ANSWERED)


class CallNewsTests(SynchronousTestCase):
    """From events to what is told."""

    def setUp(self) -> None:
        numbers = count(1)
        self.news = CallNews(lambda: f"e{next(numbers)}")

    def tell(self, *events: CallEvent) -> list[tuple[str, dict[str, Any]]]:
        """What is told of the events."""
        return [
            (news.name, dict(news.body))
            for event in events
            for news in self.news.happened(event, 1_767_366_000.0)
        ]

    def names(self, *events: CallEvent) -> list[str]:
        """The names of it."""
        return [name for name, _ in self.tell(*events)]

    def test_a_call(self) -> None:
        """Its start and its end, each with what is known, in one sequence."""
        (started, first), (ended, last) = self.tell(
            *START, CallMoved("r1", "recording"), CallEnded("r1", "BYE"), CLOSED, FORGOTTEN
        )
        self.assertEqual((started, ended), ("call.started", "call.ended"))
        self.assertEqual(
            {key: first[key] for key in ("id", "event", "at", "sequence", "call")},
            {
                "id": "e1",
                "event": "call.started",
                "at": "2026-01-02T15:00:00.000000Z",
                "sequence": 1,
                "call": {
                    "id": "r1",
                    "sipCallId": "c1@src",
                    "source": "sbc",
                    "state": "recording",
                    "destinations": ["speech"],
                },
            },
        )
        self.assertEqual(first["siprec"]["caller"], "sip:a@example.com")
        self.assertEqual((last["id"], last["sequence"]), ("e2", 2))
        self.assertEqual((last["call"]["state"], last["reason"]), ("ended", "call_ended"))
        self.assertEqual(last["durationMs"], 1_500)
        self.assertEqual((last["streams"][0]["packets"], last["streams"][0]["lost"]), (75, 1))
        self.assertEqual(
            last["deliveries"],
            [
                {
                    "destination": "speech",
                    "streamId": "s1",
                    "complete": True,
                    "samples": 12_000,
                    "delivered": 11_840,
                    "missing": 160,
                    "gapsMs": {"loss": 20},
                    "reconnects": 0,
                }
            ],
        )

    def test_updates(self) -> None:
        """New metadata, a pause and its end; but nothing before the start or in the end."""
        described = CallDescribed("r1", DESCRIPTION, None)
        self.assertEqual(
            self.names(
                OFFERED,
                described,
                BEGAN,
                CallMoved("r1", "opening"),
                ANSWERED,
                CallMoved("r1", "recording"),
                described,
                CallMoved("r1", "paused"),
                CallMoved("r1", "recording"),
                CallEnded("r1", "BYE"),
                described,
                CallMoved("r1", "ended"),
                CLOSED,
            ),
            ["call.started", *["call.updated"] * 3, "call.ended"],
        )

    def test_failures(self) -> None:
        """A call that is refused, or ends before its answer, fails once and has no end."""
        [(name, body)] = self.tell(OFFERED, REFUSED, CallEnded("r1", "x"), CLOSED, FORGOTTEN)
        self.assertEqual(
            (name, body["status"], body["reason"]), ("call.failed", 404, "No Route For This Call")
        )
        [(name, body)] = self.tell(OFFERED, BEGAN, CallEnded("r1", "cancelled"), CLOSED, FORGOTTEN)
        self.assertEqual((name, body["reason"]), ("call.failed", "cancelled"))

    def test_a_refused_change(self) -> None:
        """A later request that is refused is no failure of the call."""
        refused = CallRefused("c1", "UPDATE", "sbc", "sbc", 488, "Not Acceptable", False, "r1")
        self.assertEqual(self.names(*START, refused), ["call.started"])

    def test_our_fault(self) -> None:
        """A bridge that fails is told, and then the end; a call without account ends too."""
        self.assertEqual(
            self.names(*START, CallReported("r1", BridgeFailed("r1", "x")), CLOSED, FORGOTTEN),
            ["call.started", "call.failed", "call.ended"],
        )
        *_, (name, body) = self.tell(*START, FORGOTTEN)
        self.assertEqual((name, body["reason"]), ("call.ended", "error"))

    def test_silence(self) -> None:
        """Told once, until something is heard of the stream again."""
        silent = CallReported("r1", StreamSilent("r1", 0, 10_000))
        heard = CallReported("r1", StreamHeard("r1", 0, ("127.0.0.1", 4000)))
        self.tell(*START)
        self.assertEqual(
            self.names(heard, silent, silent, heard, heard, silent),
            ["stream.silent", "stream.heard", "stream.silent"],
        )

    def test_destinations(self) -> None:
        """One that is down is told once, and when it is given up, and when it is up."""
        down = CallReported("r1", LinkDown("r1", "speech", "refused", 1.0))
        given_up = CallReported("r1", LinkDown("r1", "speech", "refused", None))
        up = CallReported("r1", LinkUp("r1", "speech", 2))
        self.tell(*START)
        told = self.tell(up, down, down, up, down, given_up)
        self.assertEqual(
            [(name, body.get("givenUp")) for name, body in told],
            [
                ("destination.down", False),
                ("destination.up", None),
                ("destination.down", False),
                ("destination.down", True),
            ],
        )

    def test_said(self) -> None:
        """What a consumer sends back is told as it gave it; too much of it is left out."""
        self.tell(*START)
        told = self.tell(
            *(
                CallReported("r1", ConsumerSaid("r1", "speech", "transcript", payload))
                for payload in ('{"text":"hello","final":true}', "null", "x" * 65_537)
            )
        )
        self.assertEqual(MAX_SAID_OCTETS, 65_536)
        said = {"destination": "speech", "name": "transcript"}
        self.assertEqual({name for name, _ in told}, {"consumer.said"})
        self.assertEqual(
            [
                {key: body[key] for key in body if key in (*said, "payload", "omitted")}
                for _, body in told
            ],
            [
                {**said, "payload": {"text": "hello", "final": True}},
                {**said, "payload": None},
                {**said, "omitted": 65_537},
            ],
        )

    def test_too_deep(self) -> None:
        """A payload that cannot be read again is left out."""
        self.tell(*START)
        deep = "[" * 30_000 + "]" * 30_000
        [(_, body)] = self.tell(CallReported("r1", ConsumerSaid("r1", "speech", "odd", deep)))
        self.assertEqual((body["omitted"], "payload" in body), (60_000, False))

    def test_strangers(self) -> None:
        """What is of no call that was offered is not told."""
        stranger = CallRefused("c9", "INVITE", None, "udp 1.2.3.4:5060", 403, "Forbidden", True)
        self.assertEqual(self.names(stranger, Discarded("noise"), ANSWERED, CLOSED), [])

    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(
            st.sampled_from(
                [
                    OFFERED,
                    BEGAN,
                    ANSWERED,
                    REFUSED,
                    CLOSED,
                    FORGOTTEN,
                    CallEnded("r1", "BYE"),
                    CallMoved("r1", "paused"),
                ]
            ),
            max_size=12,
        )
    )
    def test_any_order(self, events: list[CallEvent]) -> None:
        """Whatever comes: known names, one end for each start at most, and nothing is kept."""
        news = CallNews(lambda: "e")
        offered = False
        names: list[str] = []
        for event in (*events, FORGOTTEN):
            if isinstance(event, CallOffered):
                if offered:
                    continue
                offered = True
            if isinstance(event, CallForgotten):
                offered = False
            names += [each.name for each in news.happened(event, 0.0)]
        self.assertLessEqual(set(names), set(WEBHOOK_CHOICES))
        self.assertLessEqual(names.count("call.ended"), names.count("call.started"))
        self.assertEqual(news.happened(FORGOTTEN, 0.0), [])
