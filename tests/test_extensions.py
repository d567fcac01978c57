"""What Autobahn brings compiled."""

from __future__ import annotations

from dataclasses import replace

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config.model import Configuration
from twisted_siprec.extensions import warn_of_slow_texts
from twisted_siprec.plan import Destination


class SlowTextsTests(SynchronousTestCase):
    """Masks in Python are told of where they are made."""

    def warnings(self, *destinations: Destination, native: bool) -> list[dict[str, object]]:
        events: list[dict[str, object]] = []
        configuration = replace(Configuration(), destinations=destinations)
        warn_of_slow_texts(configuration, Logger("test", observer=events.append), native)
        return events

    def test_told(self) -> None:
        """One line, with the protocols that it concerns and what to do."""
        twilio = Destination("a", "wss://a.example.com/", protocol="twilio")
        (event,) = self.warnings(twilio, Destination("b", "ws://b.example.com/"), native=False)
        self.assertEqual(event["protocols"], "recstream, twilio")
        self.assertIn("AUTOBAHN_USE_NVX", str(event["log_format"]))

    def test_not_told(self) -> None:
        """Nothing where the extension is in use, or nothing is sent to anybody."""
        consumer = Destination("a", "wss://a.example.com/", protocol="twilio")
        files = Destination("recordings", "file:./recordings")
        self.assertEqual(self.warnings(consumer, native=True), [])
        self.assertEqual(self.warnings(files, native=False), [])
