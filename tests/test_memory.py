"""
What collections of garbage pass over.
"""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.memory import set_program_apart


class MemoryTests(SynchronousTestCase):
    """The memory of a process."""

    def test_apart(self) -> None:
        """What is there is collected once, and never looked at again."""
        self.addCleanup(gc.unfreeze)
        circle: list[object] = []
        circle.append(circle)
        set_program_apart()
        self.assertGreater(gc.get_freeze_count(), 10_000)
        self.assertFalse(any(each is circle for each in gc.get_objects()))
