"""
The unit for systemd: it starts what there is, is told what we tell, and may do little.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec import supervision
from twisted_siprec.config.model import Configuration
from twisted_siprec.recording_service import FLUSH_S

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "etc" / "siprec.service"
MOST_EXPOSURE = 1.1
"Of systemd-analyze: 0 for a service that may do nothing, 10 for one that may do all."


def settings() -> dict[str, list[str]]:
    """What the unit says, by directive; a directive may be there more than once."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


class UnitTests(SynchronousTestCase):
    """What the unit says, beside what the server does."""

    def test_notified(self) -> None:
        """It waits for READY, reloads by SIGHUP, and its watchdog hears of us in time."""
        unit = settings()
        self.assertEqual(unit["Type"], ["notify"])
        self.assertEqual(unit["NotifyAccess"], ["main"])
        self.assertEqual(unit["ExecReload"], ["/bin/kill -HUP $MAINPID"])
        watchdog_s = int(unit["WatchdogSec"][0])
        self.assertGreater(watchdog_s / supervision.BEATS_OF_A_WATCHDOG, 5)

    def test_patient(self) -> None:
        """It waits for the default drain, and after that for what the beats ask for."""
        [stop_s] = settings()["TimeoutStopSec"]
        self.assertGreater(int(stop_s), Configuration().stopping.drain_s + FLUSH_S)
        self.assertGreater(supervision.EXTENSION_S, 2 * supervision.BEAT_S)

    def test_commands(self) -> None:
        """What is checked before the start is what is started."""
        unit = settings()
        [start], [check] = unit["ExecStart"], unit["ExecStartPre"]
        self.assertEqual(check, start + " --check")
        self.assertEqual(
            start,
            "/opt/siprec/bin/twistd --nodaemon --pidfile= siprec --config /etc/siprec/siprec.yaml",
        )

    def test_place_for_what_is_written(self) -> None:
        """It works in the directory that it may write to."""
        unit = settings()
        self.assertEqual(unit["ProtectSystem"], ["strict"])
        self.assertEqual(unit["WorkingDirectory"], ["/var/lib/" + unit["StateDirectory"][0]])

    def test_may_be_told(self) -> None:
        """The families of addresses that it may use have that of NOTIFY_SOCKET."""
        [families] = settings()["RestrictAddressFamilies"]
        self.assertIn("AF_UNIX", families.split())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="not installed: systemd")
class AnalyzedTests(SynchronousTestCase):
    """What systemd says of the unit."""

    def test_exposure(self) -> None:
        """It is as little exposed as the manual says."""
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        found = re.search(r"Overall exposure level for siprec.service: ([0-9.]+)", done.stdout)
        if found is None:
            pytest.skip(f"systemd-analyze knows no --offline here: {done.stderr[:200]}")
        self.assertLessEqual(float(found[1]), MOST_EXPOSURE)
        manual = (ROOT / "docs" / "deployment.rst").read_text()
        self.assertIn(f"gives it {MOST_EXPOSURE} (OK)", manual)
