"""
The console's vocabulary and its tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.manhole.console import Console
from twisted_siprec.manhole.table import Table, Words
from twisted_siprec.net.calls.calls import CallSummary, Copying, Value


class FakeRecorder:
    """A recording server with calls made up."""

    def __init__(self, *calls: CallSummary) -> None:
        self.current = list(calls)
        self.hung_up: list[str] = []
        self.dropped: list[tuple[str, int]] = []
        self.copying = Copying.DONE
        self.copied: list[tuple[str, str, str]] = []
        self.draining = False
        self.traces: list[tuple[str, Callable[[str], None]]] = []

    def calls(self) -> Sequence[CallSummary]:
        return self.current

    def call(self, id: str) -> Mapping[str, Value]:
        return {"id": id, "state": "recording"} if id != "gone" else {}

    def hang_up(self, id: str) -> bool:
        self.hung_up.append(id)
        return id != "gone"

    def drop(self, id: str, index: int) -> bool:
        self.dropped.append((id, index))
        return index < 2

    def copy(self, id: str, destination: str) -> Copying:
        self.copied.append(("copy", id, destination))
        return self.copying

    def uncopy(self, id: str, destination: str) -> Copying:
        self.copied.append(("uncopy", id, destination))
        return self.copying

    def drain(self) -> None:
        self.draining = True

    def statistics(self) -> Mapping[str, Value]:
        return {"calls": 2, "load": 0.25}

    def trace(self, pattern: str, write: Callable[[str], None]) -> Callable[[], None]:
        entry = (pattern, write)
        self.traces.append(entry)
        return lambda: self.traces.remove(entry)


ONE = CallSummary(
    "3f2a",
    "c1@sbc",
    "recording",
    61,
    calling="sip:+15550100@example.com",
    called="sip:2001@example.com",
    source="sbc",
    destinations=("speech", "archive"),
    warnings=1,
)
TWO = CallSummary("3f9b", "c2@sbc", "paused", 7)
GONE = CallSummary("gone", "c3@sbc", "ending", 9)


class ConsoleTests(SynchronousTestCase):
    """What each word does."""

    def setUp(self) -> None:
        self.recorder = FakeRecorder(ONE, TWO, GONE)
        self.written: list[str] = []
        self.console = Console(self.recorder, self.written.append)

    def test_calls(self) -> None:
        """The calls are a table with aligned columns."""
        self.recorder.current.remove(GONE)
        self.assertEqual(
            repr(self.console.calls()).splitlines(),
            [
                (
                    "id    state      seconds  calling                    called                "
                    "source  destinations     warnings"
                ),
                (
                    "3f2a  recording  61       sip:+15550100@example.com  sip:2001@example.com  "
                    "sbc     speech, archive  1"
                ),
                (
                    "3f9b  paused     7        -                          -                     "
                    "-       -                0"
                ),
            ],
        )
        self.recorder.current.clear()
        self.assertEqual(repr(self.console.calls()), "no calls")

    def test_call(self) -> None:
        """A call is found by its id, its Call-ID, or the beginning of one of them."""
        for name in ("3f2a", "3f2", "c1@sbc", "c1"):
            self.assertEqual(repr(self.console.call(name)), "id     3f2a\nstate  recording", name)
        self.assertEqual(repr(self.console.call("gone")), "gone has just ended")

    def test_not_found(self) -> None:
        """A name that means no call, or several, is told, and nothing is done."""
        self.assertEqual(
            repr(self.console.hangup("3f")), "2 calls begin with '3f': give more of it"
        )
        self.assertEqual(repr(self.console.hangup("x")), "no call begins with 'x'")
        self.assertEqual(repr(self.console.hangup("")), "no call begins with ''")
        self.assertEqual(repr(self.console.call("x")), "no call begins with 'x'")
        self.assertEqual(self.recorder.hung_up, [])

    def test_exact(self) -> None:
        """A whole name wins over names that begin with it."""
        self.recorder.current.append(CallSummary("3f2a0", "c4", "recording", 1))
        self.console.hangup("3f2a")
        self.assertEqual(self.recorder.hung_up, ["3f2a"])

    def test_hangup(self) -> None:
        """A call is ended, or was already."""
        self.assertEqual(repr(self.console.hangup("3f2")), "3f2a is being ended")
        self.assertEqual(repr(self.console.hangup("gone")), "gone has just ended")
        self.assertEqual(self.recorder.hung_up, ["3f2a", "gone"])

    def test_drop(self) -> None:
        """One stream of a call is given up, where there is such a stream."""
        told = "the SRC is asked to close stream 1 of 3f2a"
        self.assertEqual(repr(self.console.drop("3f2", 1)), told)
        missing = "3f2a has no stream 2, or its SRC takes no re-INVITE"
        self.assertEqual(repr(self.console.drop("3f2", 2)), missing)
        self.assertEqual(repr(self.console.drop("x", 0)), "no call begins with 'x'")
        self.assertEqual(self.recorder.dropped, [("3f2a", 1), ("3f2a", 2)])

    def test_copy(self) -> None:
        """A call is sent somewhere else too, and no more; or the reason why not is said."""
        self.assertEqual(repr(self.console.copy("3f2", "qa")), "3f2a: goes to qa too")
        self.assertEqual(repr(self.console.uncopy("3f2", "qa")), "3f2a: goes to qa no more")
        self.assertEqual(self.recorder.copied, [("copy", "3f2a", "qa"), ("uncopy", "3f2a", "qa")])
        self.recorder.copying = Copying.ALREADY
        told = "3f2a: the call goes there already"
        self.assertEqual(repr(self.console.copy("3f2", "qa")), told)
        self.assertEqual(repr(self.console.copy("x", "qa")), "no call begins with 'x'")

    def test_drain(self) -> None:
        """Draining says how many calls are awaited."""
        self.assertEqual(repr(self.console.drain()), "draining, 3 calls in progress")
        self.assertTrue(self.recorder.draining)

    def test_stats(self) -> None:
        """Counters are a list."""
        self.assertEqual(repr(self.console.stats()), "calls  2\nload   0.25")

    def test_trace(self) -> None:
        """A trace writes to the operator, one at a time, until it is stopped."""
        self.assertEqual(repr(self.console.trace("2001")), "tracing '2001', until trace()")
        self.console.trace("2002")
        [(pattern, write)] = self.recorder.traces
        write("INVITE …")
        self.assertEqual((pattern, self.written), ("2002", ["INVITE …"]))
        self.assertEqual(repr(self.console.trace()), "tracing nothing")
        self.assertEqual(self.recorder.traces, [])

    def test_close(self) -> None:
        """An operator who goes away leaves no trace on; closing twice is allowed."""
        self.console.trace("2001")
        self.console.close()
        self.console.close()
        self.assertEqual(self.recorder.traces, [])

    def test_help(self) -> None:
        """Every word of the namespace is in the help."""
        words = repr(self.console.help())
        self.assertNotIn("…\n", words)
        for name in self.console.namespace:
            if name != "recorder":
                self.assertIn(f"{name}(", words)


class TableTests(SynchronousTestCase):
    """Cells."""

    def test_cells(self) -> None:
        """Values are short and readable."""
        table = Table(
            (), [("a", None), ("b", True), ("c", False), ("d", 2.0), ("e", ()), ("f", 1.23456)]
        )
        self.assertEqual(repr(table), "a  -\nb  yes\nc  no\nd  2\ne  -\nf  1.235")
        self.assertEqual(len(table), 6)

    def test_hostile(self) -> None:
        """What a peer sent neither steers the terminal nor breaks the table."""
        table = Table((), [("a\x1b[2J\nb", "x" * 100)])
        self.assertEqual(repr(table), "a?[2J?b  " + "x" * 47 + "…")

    def test_words(self) -> None:
        """A sentence is printed as it is."""
        self.assertEqual(repr(Words("it's done")), "it's done")
