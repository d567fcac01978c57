"""
What all tests share.

They run in three processes at once (``-n 3``), for many of them wait for audio in real
time. Those that say ``pytest.mark.alone`` measure, or load the machine: nothing runs
beside them.
"""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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


@contextmanager
def _locked(name: str, how: int) -> Iterator[None]:
    run = os.environ["PYTEST_XDIST_TESTRUNUID"]
    path = Path(tempfile.gettempdir()) / f"twisted-siprec-{run}-{name}"
    with path.open("w") as file:
        fcntl.flock(file, how)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let those be alone that want to be."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    alone = item.get_closest_marker("alone") is not None
    with ExitStack() as kept:
        # Who waits to be alone holds the gate, so that nobody else goes in meanwhile.
        with _locked("gate", fcntl.LOCK_EX):
            kept.enter_context(_locked("inside", fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
        return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing behind."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        for path in Path(tempfile.gettempdir()).glob("twisted-siprec-*-*"):
            path.unlink(missing_ok=True)
