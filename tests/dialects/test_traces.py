"""
Whole conversations, dialect by dialect: what a consumer is sent, octet by octet,
and what becomes of what it says.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.dialects.support import TRACES, replayed


class TraceTests(SynchronousTestCase):
    """Each trace, by way of a real delivery."""

    maxDiff = None

    def test_traces(self) -> None:
        """Everything said and done is in the trace, in its order, and nothing else is."""
        paths = sorted(TRACES.glob("*.trace"))
        self.assertGreaterEqual(len(paths), 19)
        for path in paths:
            lines = path.read_text(encoding="utf-8").splitlines()
            self.assertEqual("\n".join(replayed(lines)), "\n".join(lines), path.name)
