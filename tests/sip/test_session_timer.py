"""
Who refreshes, and how often (:rfc:`4028#section-9`, table 2).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.errors import RemoteError
from twisted_siprec.sip.message import Headers, Request
from twisted_siprec.sip.session_timer import (
    SessionExpires,
    SessionTimer,
    agree,
    least_interval,
    seconds_of,
)


def answer(*fields: tuple[str, str], proposal_s: int = 0, least_s: int = 90) -> object:
    """What we answer to an INVITE with these fields: interval and refresher."""
    request = Request(Headers(fields), method="INVITE", uri_text="sip:x")
    agreed = agree(request, proposal_s=proposal_s, least_s=least_s)
    if agreed is None:
        return None
    expires, headers = agreed
    assert ("Session-Expires", f"{expires.interval_s};refresher={expires.refresher}") in headers
    assert ("Require", "timer") in headers
    return (expires.interval_s, expires.refresher)


TIMER = ("Supported", "100rel, Timer")


class AgreeTests(SynchronousTestCase):
    """The answer to a session refresh request."""

    def test_table_2(self) -> None:
        """The UAC's choice stands; where it made none, it refreshes itself."""
        for value, expected in (
            ("1800", (1800, "uac")),
            ("1800;refresher=uac", (1800, "uac")),
            ("1800 ; Refresher = UAS", (1800, "uas")),
            ("1800;refresher=nobody", (1800, "uac")),
        ):
            self.assertEqual(answer(TIMER, ("x", value)), expected)
            self.assertIsNone(answer(("Session-Expires", value)))

    def test_proposal(self) -> None:
        """Ours where the peer proposes nothing, and not below its Min-SE or ours."""
        self.assertIsNone(answer(TIMER))
        self.assertEqual(answer(TIMER, proposal_s=600), (600, "uac"))
        self.assertEqual(answer(TIMER, ("Min-SE", "700"), proposal_s=600), (700, "uac"))
        self.assertEqual(answer(TIMER, proposal_s=30), (90, "uac"))
        self.assertIsNone(answer(proposal_s=600))

    def test_never_raised(self) -> None:
        """A value of the peer is copied, though we would propose another."""
        self.assertEqual(answer(TIMER, ("x", "90"), proposal_s=600), (90, "uac"))
        self.assertEqual(answer(TIMER, ("x", "99999"), proposal_s=600), (99_999, "uac"))

    def test_too_short(self) -> None:
        """Below the minimum it is 422 with ours, which is never below 90."""
        for least_s, value, minimum in ((90, "89", "90"), (10, "60", "90"), (300, "299", "300")):
            with self.assertRaises(RemoteError) as caught:
                answer(TIMER, ("x", value), least_s=least_s)
            self.assertEqual(
                (caught.exception.status, caught.exception.headers), (422, (("Min-SE", minimum),))
            )

    def test_malformed(self) -> None:
        """A Session-Expires that is no number is none."""
        for value in ("", "x", "-1", ";refresher=uac"):
            self.assertIsNone(answer(TIMER, ("x", value)))


class SessionTimerTests(SynchronousTestCase):
    """When what is due."""

    def test_times(self) -> None:
        """A refresh at half, the end 32 s or a third early, whichever is less."""
        short = SessionTimer.starting(90, True, 100.0)
        self.assertEqual((short.refresh_at, short.expires_at), (145.0, 160.0))
        long = SessionTimer.starting(1800, False, 0.0)
        self.assertEqual((long.refresh_at, long.expires_at), (900.0, 1768.0))
        self.assertEqual(long.postponed(950.0).refresh_at, 950.0)

    def test_numbers(self) -> None:
        """Numbers of seconds, within bounds."""
        self.assertEqual(seconds_of(" 90 ;x=1"), 90)
        self.assertEqual(seconds_of("9" * 40), 2**31 - 1)
        self.assertIsNone(seconds_of(None))
        self.assertIsNone(seconds_of("\u0664"))
        self.assertEqual(least_interval(Headers([("Min-SE", "120")])), 120)
        self.assertEqual(least_interval(Headers()), 90)

    def test_of(self) -> None:
        """A message's own value."""
        request = Request(
            Headers([("Session-Expires", "  90;refresher=uas;x")]), method="A", uri_text="b"
        )
        self.assertEqual(SessionExpires.of(request), SessionExpires(90, "uas"))
