"""
The times that SRCs write.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.siprec.times import apart_s, is_complete, rfc3339, sip_date, utc_text


class TimeTests(SynchronousTestCase):
    """From many forms to one."""

    def test_forms(self) -> None:
        """Each form, what becomes of it, and the code of what was odd."""
        for written, expected in (
            ("2026-01-02T15:00:00Z", ("2026-01-02T15:00:00Z", None)),
            (" 2026-01-02T15:00:00.5+02:00\n", ("2026-01-02T15:00:00.5+02:00", None)),
            ("2026-01-02T15:00:00+0300", ("2026-01-02T15:00:00+03:00", "metadata-time")),
            ("2026-01-02T15:00:00-05", ("2026-01-02T15:00:00-05:00", "metadata-time")),
            ("2026-01-02t15:00:00z", ("2026-01-02T15:00:00Z", "metadata-time")),
            ("2026-01-02 15:00:00,25Z", ("2026-01-02T15:00:00.25Z", "metadata-time")),
            ("2026-01-02T15:00Z", ("2026-01-02T15:00:00Z", "metadata-time")),
            ("2026-01-02T15:00:00", ("2026-01-02T15:00:00", "metadata-time")),
            ("2026-12-31T23:59:60Z", ("2026-12-31T23:59:60Z", None)),
            ("1970-05-13T00:00:00Z", ("1970-05-13T00:00:00Z", "metadata-clock")),
            ("2026-02-30T00:00:00Z", ("2026-02-30T00:00:00Z", "metadata-time")),
            ("yesterday", ("yesterday", "metadata-time")),
            ("  ", (None, None)),
            (None, (None, None)),
        ):
            self.assertEqual(rfc3339(written), expected, written)

    def test_bounded(self) -> None:
        """A time has an end."""
        self.assertEqual(rfc3339("9" * 1000), ("9" * 64, "metadata-time"))

    def test_complete(self) -> None:
        """Only a time with a zone is one of RFC 3339."""
        self.assertTrue(is_complete("2026-01-02T15:00:00.123Z"))
        self.assertFalse(is_complete("2026-01-02T15:00:00"))
        self.assertFalse(is_complete(None))

    def test_date(self) -> None:
        """The Date header field of SIP, and nothing that only looks like it."""
        self.assertEqual(sip_date("Fri, 02 Jan 2026 15:00:05 GMT"), "2026-01-02T15:00:05Z")
        for text in (
            None,
            "",
            "Fri, 02 Jan 2026 15:00:05 CET",
            "Fri, 02 Foo 2026 15:00:05 GMT",
            "Fri, 31 Feb 2026 15:00:05 GMT",
            "2026-01-02T15:00:05Z",
        ):
            self.assertIsNone(sip_date(text), text)

    def test_apart(self) -> None:
        """The distance of two times, whatever their zones."""
        self.assertEqual(apart_s("2026-01-02T15:00:05Z", "2026-01-02T16:00:00+01:00"), 5.0)

    def test_wall_clock(self) -> None:
        """POSIX seconds become UTC with milliseconds."""
        self.assertEqual(utc_text(1_767_366_000.25), "2026-01-02T15:00:00.250Z")
