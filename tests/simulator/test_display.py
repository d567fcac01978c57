from __future__ import annotations

from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.simulator.display import Display, message_line, meter, whole_message

INVITE = (
    b"INVITE sip:srs@192.0.2.9 SIP/2.0\r\nContent-Type: multipart/mixed;boundary=x\r\n"
    b"Content-Length: 1\r\n\r\nx"
)


class Terminal(StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """It says so."""
        return True


class DisplayTests(SynchronousTestCase):
    def test_pipe(self) -> None:
        """In a pipe there are plain lines, no colours, and nothing that is written over."""
        stream = StringIO()
        display = Display(stream)
        display.fleeting("level")
        display.line(
            display.good("well") + display.bad("bad") + display.bold("b") + display.dim("d")
        )
        display.done()
        self.assertEqual(stream.getvalue(), "wellbadbd\n")

    def test_terminal(self) -> None:
        """On a terminal the fleeting line is erased by the one that follows."""
        stream = Terminal()
        display = Display(stream, colours=True)
        display.fleeting("one")
        display.fleeting("two")
        display.line(display.good("three"))
        display.fleeting("four")
        display.done()
        display.done()
        self.assertEqual(
            stream.getvalue(),
            "one\r\x1b[2Ktwo\r\x1b[2K\x1b[32mthree\x1b[0m\nfour\r\x1b[2K",
        )

    def test_no_colour(self) -> None:
        """NO_COLOR is respected."""
        self.patch_environment("NO_COLOR", "1")
        self.assertEqual(Display(Terminal()).bad("x"), "x")
        self.patch_environment("NO_COLOR", "")
        self.assertEqual(Display(Terminal()).bad("x"), "\x1b[31mx\x1b[0m")

    def patch_environment(self, name: str, value: str) -> None:
        """Set an environment variable for this test."""
        import os

        environment = dict(os.environ)
        environment[name] = value
        self.patch(os, "environ", environment)


class MeterTests(SynchronousTestCase):
    def test_levels(self) -> None:
        """-60 dBFS and silence are nothing, full scale is all of the width."""
        for dbfs, bar in (
            (float("-inf"), "    "),
            (-60.0, "    "),
            (-30.0, "██  "),
            (-28.0, "██▏ "),
            (0.0, "████"),
            (6.0, "████"),
        ):
            self.assertEqual(meter(dbfs, 4), bar, dbfs)


class MessageLineTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """A message is a line: who to whom, what, and the type of its body."""
        answer = b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n"
        self.assertEqual(
            message_line(True, INVITE),
            "SRC ──▶ SRS  INVITE sip:srs@192.0.2.9  [multipart/mixed]",
        )
        self.assertEqual(message_line(False, answer), "SRC ◀── SRS  200 OK (INVITE)")
        self.assertEqual(
            message_line(False, b"SIP/2.0 100 Trying\r\n\r\n"), "SRC ◀── SRS  100 Trying"
        )
        self.assertEqual(
            message_line(False, b"\0"), "SRC ◀── SRS  1 octets that are no SIP message"
        )

    def test_whole(self) -> None:
        """A trace has all lines of the message."""
        self.assertEqual(
            whole_message(True, INVITE).split("\n")[1:],
            [
                "    INVITE sip:srs@192.0.2.9 SIP/2.0",
                "    Content-Type: multipart/mixed;boundary=x",
                "    Content-Length: 1",
                "    ",
                "    x",
            ],
        )
