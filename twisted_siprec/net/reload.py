"""
Reading the configuration again while calls are up, when SIGHUP asks for it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..config.mistakes import ConfigurationError
from ..config.model import Configuration
from .tls import CertificateError


class HangupSignal(Service):
    """
    Calls ``reload`` in the reactor's thread at each SIGHUP, while it runs.

    :param install: sets what a signal does and returns what it did before.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        reload: Callable[[], object],
        install: Callable[[int, Any], Any] = signal.signal,
    ) -> None:
        self._reactor = reactor
        self._reload = reload
        self._install = install
        self._before: Any = None
        self._installed = False

    def startService(self) -> None:
        """Listen for the signal."""
        super().startService()  # type: ignore[no-untyped-call]
        try:
            self._before = self._install(signal.SIGHUP, self._came)
        except ValueError:
            # Only the main thread may; a reactor elsewhere is somebody's who embeds us.
            self._log.info("SIGHUP is not ours here: the configuration is read at the start only")
        else:
            self._installed = True

    def stopService(self) -> Any:
        """Leave the signal as it was."""
        if self._installed:
            self._installed = False
            self._install(signal.SIGHUP, self._before)
        return super().stopService()  # type: ignore[no-untyped-call]

    def _came(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self._reload)


class Reload:
    """
    Reads the configuration again, in a thread, and has it taken over. Where it
    cannot be used, nothing changes and the log says why.

    :param read: the configuration; raises :exc:`~.config.ConfigurationError`.
    :param in_thread: runs a function that takes its time.
    :param tell: is told True when a reading begins, and False when it is over.
    """

    _log = Logger()

    def __init__(
        self,
        read: Callable[[], Configuration],
        change: Callable[[Configuration], None],
        in_thread: Callable[[Callable[[], Configuration]], Deferred[Configuration]],
        tell: Callable[[bool], None] = lambda begun: None,
    ) -> None:
        self._read = read
        self._change = change
        self._in_thread = in_thread
        self._tell = tell
        self._reading = False
        self._again = False

    def __call__(self) -> None:
        """Once more where it is asked for while the file is being read."""
        self._again = self._reading
        if self._reading:
            return
        self._reading = True
        self._tell(True)
        reading = self._in_thread(self._read)
        reading.addCallback(self._change)
        reading.addErrback(self._refused)
        reading.addErrback(lambda failure: self._log.failure("a fault", failure=failure))
        reading.addBoth(self._done)

    def _refused(self, failure: Failure) -> None:
        failure.trap(ConfigurationError, CertificateError)
        self._log.error(
            "the new configuration cannot be used, the old one holds:\n{mistakes}",
            mistakes=failure.getErrorMessage(),
        )

    def _done(self, result: object) -> None:
        self._reading = False
        self._tell(False)
        if self._again:
            self()
