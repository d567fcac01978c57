"""
SIP messages for people.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.sip.trace import MAX_LOGGED, SIPTrace, TooManyTraces
from twisted_siprec.sip.events import Flow, Traced, Transport

FLOW = Flow(Transport.UDP, "udp-1", ("192.0.2.1", 5060), ("198.51.100.7", 5062), ("", 0))
OCTETS = (
    b"INVITE sip:srs@192.0.2.1 SIP/2.0\r\nf: <sip:2001@example.com>;tag=a\r\n"
    b"To: <sip:+4930@example.com>\r\nSubject: nonsense\r\n\r\na=crypto:1 X inline:SECRET\r\n"
)
MESSAGE = Traced(False, FLOW, FLOW.remote, OCTETS, "c1@sbc", "INVITE sip:srs@192.0.2.1 SIP/2.0")


class SIPTraceTests(SynchronousTestCase):
    """Who sees what."""

    def setUp(self) -> None:
        self.on: list[bool] = []
        self.trace = SIPTrace(self.on.append, False, lambda flow: "east" if flow is FLOW else None)

    def sees(self, word: str, message: Traced = MESSAGE) -> bool:
        texts: list[str] = []
        stop = self.trace.watch(word, texts.append)
        self.trace.traced(message)
        stop()
        return bool(texts)

    def test_words(self) -> None:
        """A word is looked for where people know a call by, and nowhere else."""
        for word in ("c1@", "INVITE sip:srs", "2001", "+4930", "198.51.100.7:50", "east"):
            self.assertTrue(self.sees(word), word)
        for word in ("nonsense", "c2", "eas", "192.0.2.77", "crypto"):
            self.assertFalse(self.sees(word), word)
        other = Traced(True, None, ("203.0.113.1", 1), b"BYE x SIP/2.0\r\n\r\n", None, "BYE x")
        self.assertTrue(self.sees("BYE", other))
        self.assertFalse(self.sees("east", other))

    def test_text(self) -> None:
        """It says which way it went, and shows no key."""
        texts: list[str] = []
        self.trace.watch("c1", texts.append)
        self.trace.traced(MESSAGE)
        self.assertTrue(texts[0].startswith("<- 198.51.100.7:5062\nINVITE sip:srs"))
        self.assertNotIn("SECRET", texts[0])

    def test_switch(self) -> None:
        """The core tells messages only while somebody looks."""
        stop = self.trace.watch("x", lambda text: None)
        other = self.trace.watch("x", lambda text: None)
        stop()
        self.assertEqual(self.on, [True, True])
        other()
        self.assertEqual(self.on, [True, True, False])
        self.trace.confide(lambda message: None)
        self.trace.watch("x", lambda text: None)()
        self.assertEqual(self.on[-1], True)

    def test_keys(self) -> None:
        """Listeners get messages without keys; those who hide them by themselves, as they are."""
        seen: list[bytes] = []
        self.trace.listen(lambda message: seen.append(message.octets))
        self.trace.confide(lambda message: seen.append(message.octets))
        self.trace.traced(MESSAGE)
        self.assertEqual([b"SECRET" in octets for octets in seen], [True, False])

    def test_fault(self) -> None:
        """A listener that fails costs neither the others nor the call."""
        seen: list[Traced] = []
        self.trace.confide(lambda message: 1 // 0)
        self.trace.listen(seen.append)
        self.trace.traced(MESSAGE)
        self.assertEqual(len(seen), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_log(self) -> None:
        """A word is logged until it is no more; twice is once, and there is an end to it."""
        self.trace.log("east")
        self.trace.log("east")
        self.assertEqual(self.trace.logged, ("east",))
        self.assertEqual(self.on, [True])
        self.assertTrue(self.trace.log_no_more("east"))
        self.assertFalse(self.trace.log_no_more("east"))
        self.assertEqual(self.on, [True, False])
        for number in range(MAX_LOGGED):
            self.trace.log(str(number))
        self.assertRaises(TooManyTraces, self.trace.log, "one more")
        self.trace.log("0")
