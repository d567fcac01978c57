"""
What all tests share.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from twisted.trial.unittest import SynchronousTestCase


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trial's ``mktemp`` gives names in pytest's temporary directory, not in the checkout."""
    numbers = count()
    monkeypatch.setattr(
        SynchronousTestCase, "mktemp", lambda self: str(tmp_path / f"temporary{next(numbers)}")
    )
