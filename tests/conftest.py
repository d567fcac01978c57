"""
What all tests share.
"""

from __future__ import annotations

import signal
from itertools import count
from pathlib import Path

import pytest
from twisted.trial.unittest import SynchronousTestCase

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Run in the background of a script: the programs that are tested would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trial's ``mktemp`` gives names in pytest's temporary directory, not in the checkout."""
    numbers = count()
    monkeypatch.setattr(
        SynchronousTestCase, "mktemp", lambda self: str(tmp_path / f"temporary{next(numbers)}")
    )
