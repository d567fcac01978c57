"""
SIP messages into the log, by a word at the console.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import FakeServer
from twisted_siprec.manhole.console import Console
from twisted_siprec.net.sip.trace import TooManyTraces


class LogSIPTests(SynchronousTestCase):
    """``log_sip()``."""

    def test_words(self) -> None:
        """It is turned on and off, and says what is on."""
        console = Console(FakeServer(), lambda text: None)
        for arguments, said in (
            ((), "logging the SIP of nobody"),
            (("sbc",), "logging the SIP of sbc"),
            (("c1",), "logging the SIP of sbc, c1"),
            (("sbc", False), "logging the SIP of c1"),
            (("sbc", False), "'sbc' is not logged"),
        ):
            self.assertEqual(repr(console.log_sip(*arguments)), said)

    def test_too_many(self) -> None:
        """There is an end to it."""
        server: Any = FakeServer()

        def too_many(word: str, on: bool) -> bool:
            raise TooManyTraces("16 traces are on already")

        server.trace_to_log = too_many
        console = Console(server, lambda text: None)
        self.assertEqual(repr(console.log_sip("x")), "16 traces are on already")
