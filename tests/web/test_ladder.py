"""
The SIP messages of a call.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.sip.events import Traced
from twisted_siprec.web.ladder import Ladder, Rung


def message(text: str, outgoing: bool = False, host: str = "192.0.2.1") -> Traced:
    """A message with its start line."""
    octets = text.encode("utf-8", "surrogateescape")
    return Traced(outgoing, None, (host, 5060), octets, "c1@sbc", text.split("\r\n")[0])


class LadderTests(SynchronousTestCase):
    """What is kept of them."""

    def test_order(self) -> None:
        """Messages stay in order, with their direction, their peer and their text."""
        ladder = Ladder(1000)
        ladder.add(message("INVITE x\r\nVia: y\r\n\r\n"), 1.0)
        ladder.add(message("SIP/2.0 200 OK", True, "2001:db8::1"), 2.0)
        self.assertEqual(
            ladder.rungs,
            (
                Rung(1.0, False, "192.0.2.1:5060", "INVITE x", "INVITE x\nVia: y\n\n", 20),
                Rung(2.0, True, "[2001:db8::1]:5060", "SIP/2.0 200 OK", "SIP/2.0 200 OK", 14),
            ),
        )

    def test_room(self) -> None:
        """Where there is no room for a text, its start line is kept."""
        ladder = Ladder(25)
        for text in ("INVITE 0123456789", "BYE 0123456789", "ACK 4567"):
            ladder.add(message(text), 0.0)
        self.assertEqual(
            [(rung.summary, rung.text is None) for rung in ladder.rungs],
            [("INVITE 0123456789", False), ("BYE 0123456789", True), ("ACK 4567", False)],
        )

    def test_many(self) -> None:
        """Of too many, the first few and the newest stay, and the room of the others is free."""
        ladder = Ladder(100, max_messages=10)
        for number in range(30):
            ladder.add(message(f"INFO {number:05}"), 0.0)
        self.assertEqual(
            [rung.summary[-2:] for rung in ladder.rungs],
            ["00", "01", "02", "03", "04", "05", "06", "07", "28", "29"],
        )
        self.assertEqual(ladder.forgotten, 20)
        self.assertEqual(ladder.rungs[-1].text, "INFO 00029")

    def test_credentials(self) -> None:
        """What proves who a peer is is not kept."""
        ladder = Ladder(1000)
        ladder.add(message("BYE x\r\nAUTHORIZATION : Digest response=1\r\nVia: y"), 0.0)
        self.assertEqual(ladder.rungs[0].text, "BYE x\nAUTHORIZATION : (not shown)\nVia: y")

    def test_hostile(self) -> None:
        """Octets that are no text are shown as such."""
        ladder = Ladder(1000)
        ladder.add(message("X \udc80\udcff"), 0.0)
        self.assertEqual(ladder.rungs[0].text, "X \ufffd\ufffd")
