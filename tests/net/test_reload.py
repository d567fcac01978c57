"""
Another configuration, and renewed certificates, while calls are up.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import Configuration, ConfigurationError, Mistake
from twisted_siprec.config.model import ServerTLS
from twisted_siprec.net.reload import HangupSignal, Reload
from twisted_siprec.net.tls import CertificateError, ServerContext
from twisted_siprec.simulator.certificates import make_certificate


class LoggedTestCase(SynchronousTestCase):
    """Keeps what is logged."""

    def setUp(self) -> None:
        self.logged: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged.append)

    def texts(self) -> list[str]:
        """What was logged, in words."""
        return [
            event["log_format"].format(**event) for event in self.logged if "log_format" in event
        ]


class ReloadTests(LoggedTestCase):
    """All or nothing, and one at a time."""

    def setUp(self) -> None:
        super().setUp()
        self.jobs: list[tuple[Callable[[], Configuration], Deferred[Configuration]]] = []
        self.found: Configuration | Exception = Configuration()
        self.changes: list[Configuration] = []
        self.reload = Reload(self.read, self.change, self.in_thread)

    def read(self) -> Configuration:
        """What is in the file now."""
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def change(self, configuration: Configuration) -> None:
        """What the service takes over."""
        if configuration.workers:
            raise CertificateError("srs.pem: no pair")
        self.changes.append(configuration)

    def in_thread(self, job: Callable[[], Configuration]) -> Deferred[Configuration]:
        """A thread that runs when the test says so."""
        done: Deferred[Configuration] = Deferred()
        self.jobs.append((job, done))
        return done

    def work(self) -> None:
        """The one job that waits is done."""
        ((job, done),), self.jobs = self.jobs, []
        maybeDeferred(job).chainDeferred(done)

    def test_taken_over(self) -> None:
        """What is read is taken over."""
        self.reload()
        self.work()
        self.assertEqual(self.changes, [Configuration()])

    def test_told(self) -> None:
        """Who wants to know is told when a reading begins, and when it is over, good or bad."""
        told: list[bool] = []
        self.reload = Reload(self.read, self.change, self.in_thread, told.append)
        self.reload()
        self.assertEqual(told, [True])
        self.work()
        self.assertEqual(told, [True, False])
        self.found = ConfigurationError(())
        self.reload()
        self.work()
        self.assertEqual(told, [True, False] * 2)

    def test_mistakes(self) -> None:
        """A configuration with mistakes changes nothing, and the log names each."""
        self.found = ConfigurationError((Mistake("siprec.yaml", 3, "limits", "found soup"),))
        self.reload()
        self.work()
        self.assertEqual(self.changes, [])
        self.assertIn("siprec.yaml:3: limits: found soup", self.texts()[-1])

    def test_certificates(self) -> None:
        """Nor does one whose certificates cannot be used."""
        self.found = Configuration(workers=1)
        self.reload()
        self.work()
        self.assertIn("srs.pem: no pair", self.texts()[-1])

    def test_our_own_mistake(self) -> None:
        """A fault of ours is logged as one, and the next reload works."""
        self.found = ZeroDivisionError()
        self.reload()
        self.work()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.found = Configuration()
        self.reload()
        self.work()
        self.assertEqual(len(self.changes), 1)

    def test_while_reading(self) -> None:
        """Asked again while it reads, it reads once more, however often it was asked."""
        for _ in range(3):
            self.reload()
        self.work()
        self.work()
        self.assertEqual((len(self.changes), self.jobs), (2, []))


class HangupSignalTests(LoggedTestCase):
    """SIGHUP."""

    def callFromThread(self, function: Callable[[], object]) -> None:
        """As a reactor has it."""
        function()

    def install(self, number: int, action: Any) -> Any:
        """As the module signal has it."""
        self.assertEqual(number, signal.SIGHUP)
        before, self.action = self.action, action
        return before

    def test_signal(self) -> None:
        """While it runs each signal reloads; afterwards it does what it did before."""
        self.action: Any = "before"
        calls: list[int] = []
        service = HangupSignal(self, lambda: calls.append(1), self.install)
        service.startService()
        self.action(signal.SIGHUP, None)
        self.action(signal.SIGHUP, None)
        self.assertEqual(calls, [1, 1])
        service.stopService()
        self.assertEqual(self.action, "before")

    def test_not_the_main_thread(self) -> None:
        """Where signals cannot be had, the server runs without."""

        def refuse(number: int, action: Any) -> Any:
            raise ValueError("signal only works in main thread")

        service = HangupSignal(self, lambda: None, refuse)
        service.startService()
        service.stopService()
        self.assertIn("SIGHUP is not ours", self.texts()[0])


class RenewalTests(LoggedTestCase):
    """A certificate that is renewed on disk."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.mktemp())
        self.directory.mkdir(parents=True)
        files = make_certificate(self.directory)
        self.settings = ServerTLS(str(files[0]), str(files[1]))
        self.context = ServerContext(self.settings)

    def shown(self, context: ServerContext | None = None) -> int:
        """The serial number of the certificate that the next connection gets."""
        connection = (context or self.context).serverConnectionForTLS(None)
        certificate = connection.get_certificate()
        assert certificate is not None
        return certificate.get_serial_number()

    def test_renewed(self) -> None:
        """The next handshake has the new one; nobody has to tell us."""
        before = self.shown()
        self.assertEqual(self.shown(), before)
        make_certificate(self.directory)
        self.assertNotEqual(self.shown(), before)

    def test_half_renewed(self) -> None:
        """While the key is still the old one the old pair serves, which is told once."""
        before = self.shown()
        certificate, key = Path(self.settings.certificate), Path(self.settings.key)
        other = Path(self.mktemp())
        other.mkdir()
        new_certificate, new_key = make_certificate(other)
        os.replace(new_certificate, certificate)
        self.assertEqual([self.shown(), self.shown()], [before, before])
        told = [text for text in self.texts() if "cannot be used" in text]
        self.assertEqual(len(told), 1)
        os.replace(new_key, key)
        self.assertNotEqual(self.shown(), before)

    def test_removed(self) -> None:
        """Files that are gone leave what was read."""
        before = self.shown()
        os.unlink(self.settings.key)
        self.assertEqual(self.shown(), before)

    def test_staged(self) -> None:
        """Other files are used from the moment on that they are said to be."""
        other = Path(self.mktemp())
        other.mkdir()
        certificate, key = map(str, make_certificate(other))
        before = self.shown()
        use = self.context.staged(ServerTLS(certificate, key))
        self.assertEqual(self.shown(), before)
        use()
        self.assertNotEqual(self.shown(), before)
        self.assertRaises(
            CertificateError, self.context.staged, ServerTLS(certificate, self.settings.key)
        )
