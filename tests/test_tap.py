"""
The command line of ``twistd siprec``, and the service that it makes.
"""

from __future__ import annotations

import io
import sys
from types import ModuleType
from typing import Any

from twisted.application.service import Application, IService, IServiceCollection, Service
from twisted.internet import reactor
from twisted.logger import ILogObserver, LogLevel
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_siprec import __version__, tap
from twisted_siprec.config import Configuration, parse


class RecordingServerService(Service):
    """Stands where the recording server would."""

    def __init__(
        self, configuration: Configuration, its_reactor: object, read: object = None
    ) -> None:
        self.configuration = configuration
        self.reactor = its_reactor
        self.read = read


class TapTests(SynchronousTestCase):
    """Options, and from options to a service."""

    def setUp(self) -> None:
        module = ModuleType("twisted_siprec.service")
        module.make_service = RecordingServerService  # type: ignore[attr-defined]
        before = sys.modules.get(module.__name__)
        sys.modules[module.__name__] = module
        self.addCleanup(self.restore, module.__name__, before)
        self.output = io.StringIO()
        self.patch(sys, "stdout", self.output)

    def restore(self, name: str, before: ModuleType | None) -> None:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before

    def file(self, text: str) -> str:
        """A configuration file of this text."""
        path: str = self.mktemp()
        with open(path, "w") as file:
            file.write(text)
        return path

    def options(self, *arguments: str) -> tap.Options:
        options = tap.Options()
        options.parseOptions(arguments)
        return options

    def exit_code(self, *arguments: str) -> Any:
        return self.assertRaises(SystemExit, self.options, *arguments).code

    def served(self, service: IService) -> RecordingServerService:
        """The recording server within the service of twistd."""
        [inner] = list(IServiceCollection(service))
        assert isinstance(inner, RecordingServerService)
        return inner

    def test_defaults(self) -> None:
        """Without options the defaults are served, by the reactor that is installed."""
        service = tap.makeService(self.options())
        self.assertTrue(verifyObject(IService, service))
        served = self.served(service)
        self.assertEqual(served.configuration, Configuration())
        self.assertIs(served.reactor, reactor)

    def test_configuration(self) -> None:
        """A file is read when the options are, and --log-json is added."""
        text = "limits: {calls: 7}"
        options = self.options("--config", self.file(text), "--log-json")
        configuration = self.served(tap.makeService(options)).configuration
        self.assertEqual(configuration.limits, parse(text).limits)
        self.assertTrue(configuration.log.json)
        self.assertFalse(self.options("-c", self.file(text)).read().log.json)

    def test_mistakes(self) -> None:
        """All mistakes come in one UsageError, from the options and from makeService."""
        path = self.file("workers: x\nlimits: {calls: y}\n")
        expected = (
            "the configuration cannot be used:\n"
            f'{path}:1: workers: found "x", expected a whole number from 0 to 64, or auto\n'
            f'{path}:2: limits.calls: found "y", expected a whole number from 1 to 1000000'
        )
        error = self.assertRaises(usage.UsageError, self.options, "--config", path)
        self.assertEqual(str(error), expected)
        options = tap.Options()
        options["config"] = path
        error = self.assertRaises(usage.UsageError, tap.makeService, options)
        self.assertEqual(str(error), expected)

    def test_no_arguments(self) -> None:
        """A word that is no option is refused."""
        self.assertRaises(usage.UsageError, self.options, "siprec.yaml")

    def test_check_good(self) -> None:
        """--check says what a good configuration means, and exits with 0."""
        path = self.file(
            "sip: {listeners: [{transport: tcp, address: '::1', port: 5080}]}\n"
            "sources: [{name: no, networks: 192.0.2.1, allow: false},"
            " {name: sbc, networks: 192.0.2.0/24}]\n"
            "media: {codecs: [PCMU, PCMA, G722, L16]}\n"
            "destinations: {a: {url: ws://a}, b: {url: ws://b}}\n"
            "routes: [{name: one, destinations: a}]\n"
        )
        self.assertEqual(self.exit_code("--check", "--config", path), 0)
        self.assertEqual(
            self.output.getvalue(),
            f"{path} is good\n"
            "  SIP           tcp [::1]:5080\n"
            "  sources       sbc (192.0.2.0/24)\n"
            "  media         udp 0.0.0.0:16384-32767, PCMU, PCMA, G722, L16\n"
            "  destination   a: ws://a\n"
            "  destination   b: ws://b\n"
            "  routes        one; no destination by default\n",
        )

    def test_check_defaults(self) -> None:
        """--check without a file tells about the defaults."""
        self.assertEqual(self.exit_code("--check"), 0)
        self.assertIn("the default configuration is good\n", self.output.getvalue())
        self.assertIn("recordings: file:./recordings\n", self.output.getvalue())

    def test_check_bad(self) -> None:
        """--check prints the mistakes and nothing else, and exits with 1."""
        path = self.file("workers: many\n")
        self.assertEqual(self.exit_code("--config", path, "--check"), 1)
        self.assertEqual(
            self.output.getvalue(),
            f'{path}:1: workers: found "many", expected a whole number from 0 to 64, or auto\n',
        )

    def test_version(self) -> None:
        """--version tells ours and Twisted's."""
        self.assertEqual(self.exit_code("--version"), 0)
        self.assertTrue(
            self.output.getvalue().startswith(f"twisted_siprec {__version__} (Twisted "),
            self.output.getvalue(),
        )

    def test_observer(self) -> None:
        """The application that twistd makes gets our observer, in the form that was asked for."""
        options = self.options("--log-json")
        options.parent = {"nodaemon": 1, "logfile": None}  # type: ignore[assignment]
        service = tap.makeService(options)
        application = Application("siprec")
        service.setServiceParent(application)
        log_observer = application.getComponent(ILogObserver)
        log_observer(
            {
                "log_time": 0.0,
                "log_format": "hello",
                "log_level": LogLevel.info,
                "log_namespace": "twisted_siprec.tap",
            }
        )
        self.assertEqual(
            self.output.getvalue(),
            '{"time":"1970-01-01T00:00:00.000Z","level":"info","namespace":"tap",'
            '"message":"hello"}\n',
        )

    def test_own_logger(self) -> None:
        """With a logger named to twistd, or without twistd, the application is left alone."""
        for parent in ({"logger": "x.y"}, None):
            options = self.options()
            options.parent = parent  # type: ignore[assignment]
            service = tap.makeService(options)
            application = Application("siprec")
            service.setServiceParent(application)
            self.assertIs(application.getComponent(ILogObserver, None), None)
