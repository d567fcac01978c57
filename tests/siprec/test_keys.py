"""
Key presses by INFO.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.plan import KeyPress
from twisted_siprec.siprec.keys import key_press


class KeyTests(SynchronousTestCase):
    """Both body types, as they are found."""

    def test_forms(self) -> None:
        """The digit and its duration; events above 9 are keys by number."""
        for body, expected in (
            (b"Signal=5\r\nDuration=160\r\n", KeyPress("5", 160)),
            (b"Signal= * \nDuration: 100", KeyPress("*", 100)),
            (b"signal=11\r\n", KeyPress("#", 250)),
            (b"Signal=d", KeyPress("D", 250)),
            (b" 7\r\n", KeyPress("7", 250)),
            (b"10", KeyPress("*", 250)),
            (b"Duration=5\r\nSignal=1", KeyPress("1", 5)),
            (b"Signal=1\r\nDuration=999999", KeyPress("1", 60_000)),
            (b"", None),
            (b"Signal=", None),
            (b"Signal=99", None),
            (b"hello", None),
            (b"\xff", None),
        ):
            self.assertEqual(key_press(body), expected, body)
