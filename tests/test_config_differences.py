"""
What a new configuration changes, and what of it can hold at once.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import Configuration, parse
from twisted_siprec.config.differences import differences, running

BEFORE = """
sources:
  - {name: one, networks: [192.0.2.1]}
  - {name: two, networks: [192.0.2.2]}
destinations:
  speech: {url: "ws://speech.example.com/?token=geheim"}
  archive: {url: "file:archive"}
routes:
  - {name: sales, match: {called: "+1*"}, destinations: speech}
"""


class DifferencesTests(SynchronousTestCase):
    """Lines for the log."""

    def lines(self, before: str, after: str) -> list[str]:
        """The differences of two texts."""
        return list(differences(parse(before), parse(after)))

    def test_none(self) -> None:
        """The same file has none, patterns included."""
        self.assertEqual(self.lines(BEFORE, BEFORE), [])

    def test_values(self) -> None:
        """Numbers, switches and words are shown, by the keys of the file."""
        self.assertEqual(
            self.lines(
                "", "{limits: {calls: 5}, unknown_sources: '403', sip: {trace: true, server: x}}"
            ),
            [
                "sip.server: changed",
                "sip.trace: false → true",
                "unknown_sources: silence → 403",
                "limits.calls: 1000 → 5",
            ],
        )
        self.assertEqual(
            self.lines("{stopping: {drain_s: 1}}", "{stopping: {drain_s: 2.5}}"),
            ["stopping.drain_s: 1 → 2.5"],
        )

    def test_names(self) -> None:
        """Things with names come, go and change by them; no text of theirs is shown."""
        after = (
            BEFORE.replace("geheim", "heimlich")
            .replace('  archive: {url: "file:archive"}', '  store: {url: "file:archive"}')
            .replace('"+1*"', '"+2*"')
        )
        self.assertEqual(
            self.lines(BEFORE, after),
            [
                "destinations.archive: removed",
                "destinations.speech.url: changed",
                "destinations.store: added",
                "routes.sales.conditions: changed",
                "routes.sales.destinations.speech.url: changed",
            ],
        )

    def test_order(self) -> None:
        """The order decides among sources, so it is told."""
        one, two = BEFORE.splitlines()[2:4]
        after = BEFORE.replace(one, "x").replace(two, one).replace("x\n", two + "\n", 1)
        self.assertEqual(self.lines(BEFORE, after), ["sources: in another order"])


class RunningTests(SynchronousTestCase):
    """What holds without a restart."""

    def test_what_holds(self) -> None:
        """Routes, destinations, sources and limits do; listeners and ports stay as they are."""
        before = parse("{sip: {listeners: [{transport: udp, port: 5070}]}}")
        after = parse(
            BEFORE + "limits: {calls: 7}\nmedia: {ports: [20000, 20999]}\n"
            "sip: {listeners: [{transport: tcp, port: 5071}], trace: true}\n"
        )
        now = running(before, after)
        self.assertEqual(
            list(differences(now, after)),
            ["sip.listeners: changed", "sip.trace: false → true", "media.ports: changed"],
        )
        self.assertEqual(now.router, after.router)
        self.assertEqual(now.limits.calls, 7)

    def test_nothing_new(self) -> None:
        """The same configuration is the same again."""
        self.assertEqual(running(Configuration(), Configuration()), Configuration())
