"""
``twistd siprec``: the command line, and the service that twistd runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

from twisted.application.service import IService, MultiService
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import ILogObserver
from twisted.python import usage
from twisted.python.components import Componentized

from twisted import __version__ as twisted_version

from . import __version__
from .config import Configuration, ConfigurationError, Listener, load
from .log import observer


class Options(usage.Options):
    """The options of ``twistd siprec``."""

    synopsis = "[options]"
    longdesc = (
        "Records calls by SIPREC and delivers their audio and metadata to WebSocket consumers, "
        "or without a configuration to ./recordings, for calls from this machine."
    )
    optParameters = [
        ["config", "c", None, "The configuration file (YAML; etc/siprec.yaml explains it)."],
    ]
    optFlags = [
        ["check", None, "Check the configuration, say what is wrong or what it means, and exit."],
        ["log-json", None, "Log one JSON object a line (like log: {json: true})."],
    ]
    compData = usage.Completions(optActions={"config": usage.CompleteFiles("*.yaml")})

    configuration: Configuration | None = None

    def opt_version(self) -> None:
        """Print the versions and exit."""
        print(f"twisted_siprec {__version__} (Twisted {twisted_version})")
        sys.exit(0)

    def parseArgs(self) -> None:
        """There is nothing but options."""

    def postOptions(self) -> None:
        """Read the configuration now, so that mistakes are told before twistd does anything."""
        if self["check"]:
            sys.exit(self._check())
        self.configuration = self.read()

    def read(self) -> Configuration:
        """The configuration that the options ask for; all its mistakes as a UsageError."""
        try:
            configuration = load(self["config"]) if self["config"] else Configuration()
        except ConfigurationError as error:
            raise usage.UsageError(f"the configuration cannot be used:\n{error}") from None
        if self["log-json"]:
            configuration = replace(configuration, log=replace(configuration.log, json=True))
        return configuration

    def _check(self) -> int:
        """Tell about the configuration. The result is the exit code."""
        try:
            configuration = load(self["config"]) if self["config"] else Configuration()
        except ConfigurationError as error:
            print(error)
            return 1
        print(f"{self['config'] or 'the default configuration'} is good")
        print(summary(configuration))
        return 0


def summary(configuration: Configuration) -> str:
    """What a configuration amounts to, in a few lines."""
    listeners = ", ".join(_where(listener) for listener in configuration.sip.listeners)
    sources = ", ".join(
        f"{source.name} ({', '.join([*map(str, source.networks), *source.identities])})"
        for source in configuration.sources
        if source.allow
    )
    first, last = configuration.media.ports
    default = ", ".join(each.name for each in configuration.default_destinations)
    routes = ", ".join(rule.name for rule in configuration.routes)
    missing = configuration.media.missing_codecs
    codecs = ", ".join(
        f"{name} (needs twisted_siprec[codecs])" if name in missing else name
        for name in configuration.media.codecs
    )
    return "\n".join(
        [
            f"  SIP           {listeners}",
            f"  sources       {sources or 'none'}",
            f"  media         udp {configuration.media.address}:{first}-{last}, {codecs}",
            *(f"  destination   {each.name}: {each.url}" for each in configuration.destinations),
            f"  routes        {routes or 'none'}; {default or 'no destination'} by default",
        ]
    )


def _where(listener: Listener) -> str:
    address = f"[{listener.address}]" if ":" in listener.address else listener.address
    return f"{listener.transport.value.lower()} {address}:{listener.port}"


class RecordingService(MultiService):
    """
    What twistd runs. It brings its own log observer, as twistd asks the application
    that a service is put into for one (unless its ``--logger`` names another).
    """

    def __init__(self, make_observer: Callable[[], ILogObserver | None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no annotations here
        self._make_observer = make_observer

    def setServiceParent(self, parent: object) -> None:
        if isinstance(parent, Componentized):
            log_observer = self._make_observer()
            if log_observer is not None:
                parent.setComponent(ILogObserver, log_observer)
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]  # Twisted has no annotations here


def makeService(options: Options) -> IService:
    """
    The recording server as a service. It opens nothing.

    :raises twisted.python.usage.UsageError: with all mistakes of the configuration.
    """
    # Not at the top: --check and --help then need neither a reactor nor the whole program.
    from twisted.internet import reactor

    from .memory import set_program_apart
    from .service import make_service

    reactor.callWhenRunning(set_program_apart)
    configuration = options.configuration or options.read()
    twistd = options.parent if options.parent is not None else {"logger": "unknown"}
    threads = cast(IReactorFromThreads, reactor)
    service = RecordingService(lambda: observer(configuration.log, twistd, threads))
    read = partial(load, options["config"]) if options["config"] else None
    make_service(configuration, reactor, read).setServiceParent(service)
    return service
