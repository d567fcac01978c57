"""
What consumers are told of a call besides its audio.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.dialects.base import ChannelStart
from twisted_siprec.dialects.bodies import channels, description
from twisted_siprec.participants import (
    CommunicationSession,
    Description,
    Participant,
    SessionGroup,
    Span,
    Stay,
)
from twisted_siprec.plan import ChannelPlan


class DescriptionTests(SynchronousTestCase):
    """The body of siprec."""

    def test_stitched(self) -> None:
        """The key that joins calls; all of them only where there are several."""
        body = description(Description("r", "c", stitch="ucid:1", stitch_keys=("ucid:1", "cs:s")))
        self.assertEqual((body["stitch"], body["stitchKeys"]), ("ucid:1", ["ucid:1", "cs:s"]))
        body = description(Description("r", "c", stitch="cs:s", stitch_keys=("cs:s",)))
        self.assertNotIn("stitchKeys", body)
        self.assertNotIn("stitch", description(Description("r", "c")))

    def test_groups_and_times(self) -> None:
        """Groups, and the beginning and the end by the SRC's clock."""
        body = description(
            Description(
                "r",
                "c",
                groups=(SessionGroup("g", "t1", None, (("gcid", "7"),)), SessionGroup("h")),
                start_time="t0",
                stop_time="t9",
            )
        )
        self.assertEqual(
            body["groups"],
            [{"id": "g", "startTime": "t1", "extensions": {"gcid": "7"}}, {"id": "h"}],
        )
        self.assertEqual((body["startTime"], body["stopTime"]), ("t0", "t9"))

    def test_came_back(self) -> None:
        """Every stay of a participant, every span of a session, where there were several."""
        body = description(
            Description(
                "r",
                "c",
                sessions=(
                    CommunicationSession("s", recorded=(Span("t1", "t2"), Span("t3"))),
                    CommunicationSession("s2", reasons=(("SIP", "200", None),)),
                ),
                participants=(
                    Participant("p", stays=(Stay("s", "t1", "t2"), Stay("s", "t3"))),
                    Participant("q"),
                ),
            )
        )
        self.assertEqual(
            body["sessions"],
            [
                {
                    "id": "s",
                    "recorded": [{"startTime": "t1", "stopTime": "t2"}, {"startTime": "t3"}],
                },
                {"id": "s2", "reasons": [{"protocol": "SIP", "cause": "200"}]},
            ],
        )
        self.assertEqual(
            body["participants"],
            [
                {
                    "id": "p",
                    "stays": [
                        {"sessionId": "s", "joinedAt": "t1", "leftAt": "t2"},
                        {"sessionId": "s", "joinedAt": "t3"},
                    ],
                },
                {"id": "q"},
            ],
        )

    def test_warnings(self) -> None:
        """What was odd, by code."""
        body = description(Description("r", "c", warnings=(("label-missing", "text"),)))
        self.assertEqual(body["warnings"], [{"code": "label-missing", "text": "text"}])

    def test_content(self) -> None:
        """What a channel's stream is for."""
        (channel,) = channels((ChannelStart(ChannelPlan(0, (0,), content="main")),))
        self.assertEqual(channel, {"index": 0, "content": "main"})
