"""The fault suite in its short form: ten calls, twenty seconds, everything that can go wrong."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.interop.peers import run

pytestmark = pytest.mark.interop

SUITE = Path(__file__).parents[2] / "bench" / "faults.py"


def test_faults(tmp_path: Path) -> None:
    """
    Consumers are killed, frozen, reset and throttled: every account adds up, nothing
    stays in the spool, and a consumer that is left alone gets its chunks in time.
    """
    output = run(
        *(sys.executable, SUITE, "--calls", "10", "--seconds", "20", "--seed", "3"),
        *("--directory", tmp_path),
        timeout=240,
    )
    assert "WRONG" not in output
    found = re.search(r"99 % ([0-9.]+) ms", output)
    assert found is not None, output
    # A chunk is 100 ms long, and the machine may be busy with other tests.
    assert float(found[1]) < 500, output
