"""
The benches run: a few calls for a second or two, so that they do not rot. What they
measure is not judged here; what they account for is.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from twisted.trial.unittest import SynchronousTestCase

BENCH = Path(__file__).parent.parent / "bench"


def began(*command: str) -> subprocess.Popen[str]:
    """A bench as a process."""
    name, *options = command
    return subprocess.Popen(
        [sys.executable, BENCH / name, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.interop
@pytest.mark.alone
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc): the load is in C")
class BenchTests(SynchronousTestCase):
    """The benches, with little to do."""

    def test_calls_and_soak(self) -> None:
        """All at once: nothing of the calls is lost, everything in the soak is accounted for."""
        short = ("--calls", "2", "--seconds", "0.5", "--warm-up-s", "0.5")
        running = [
            began("calls.py", *short, "--beside", "per-packet", "compiled-tick"),
            began("calls.py", *short, "--wss", "--codec", "G722", "--rate", "16000"),
            began(
                *("soak.py", "--calls", "2", "--waves", "2", "--minutes", "0.1"),
                *("--lasts-s", "2", "--restart-s", "1.5", "--settle-s", "3"),
            ),
        ]
        for each in running:
            self.addCleanup(each.kill)
        told = [each.communicate(timeout=100)[0] for each in running]
        self.assertEqual([each.returncode for each in running[:2]], [0, 0], "\n".join(told))
        beside, wideband, soak = (
            json.JSONDecoder().raw_decode(each[each.index("{") :])[0] for each in told
        )
        self.assertGreater(beside["per-packet"]["messages"], 0)
        self.assertGreater(beside["compiled-tick"]["messages"], 0)
        for siprec in (beside["siprec"], wideband["siprec"]):
            self.assertGreater(siprec["messages"], 0)
            self.assertEqual(siprec["lost_packets"], 0)
            self.assertEqual(siprec["unaccounted_samples"], 0)
            self.assertEqual(siprec["streams_without_stop"], 0)
            self.assertIn("lateness_ms", siprec)
        self.assertEqual(soak["unaccounted_samples"], 0)
        self.assertEqual(soak["packets"], soak["sent"])
        self.assertEqual(soak["lost"], soak["left_out"])
        self.assertGreater(soak["left_out"], 0)
        self.assertGreater(soak["consumer_lives"], 1)
