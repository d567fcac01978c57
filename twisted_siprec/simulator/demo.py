"""
``siprec-demo``: a recording server, a consumer and a SIPREC client in one
process, and the proof that every sample arrives.

The server is the real one, on loopback; nothing in it knows that it is part of
a demonstration.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, globalLogBeginner
from twisted.python import usage

from ..config.delivery import SAMPLE_RATES
from ..plan import ClientTLS
from ..recording_service import RecordingService
from ..service import make_service
from ..sip.events import Transport
from .call import react, sent_line
from .certificates import make_certificate
from .client import RecordingClient
from .client_plan import CallPlan, CallResult, ClientSettings
from .compare import Comparison
from .consumer import Finish
from .demo_options import Options, configuration, sending
from .demo_proof import Outcome, judged
from .demo_view import DemoView, WatchedConsumer
from .demo_words import DemoWords, tell_words
from .display import Display
from .sending import encode
from .speech import SpeechError, bundled, read
from .transcription import Line, TranscriptionError
from .wire import Target

FAULT_AT_S = 4.0
FAULT_FOR_S = 2.0
FINISH_WITHIN_S = 15.0
"After the call, how long the consumer may take for the rest of it."


class DemoError(Exception):
    """The demonstration did not come to its end; the words say where it stopped."""


class Demo:
    """The three of them, from their start to their stop."""

    def __init__(self, reactor: Any, options: Options, directory: Path, display: Display) -> None:
        self._reactor = reactor
        self._options = options
        self._directory = directory
        self._display = display
        self._view = DemoView(display, bool(options["trace"]))
        how = sending(options)
        self._streams = tuple(encode(read(path), how) for path in bundled())
        own = self._streams[0].source.rate
        self._rate: int = options["rate"] or (own if own in SAMPLE_RATES else max(SAMPLE_RATES))
        self._words = DemoWords(reactor, self._view) if options["transcribe"] else None
        self._consumer = WatchedConsumer(
            reactor,
            directory,
            options["framing"],
            self._view,
            None if self._words is None else self._words.heard,
        )
        self._transport = Transport(options["transport"])
        tls = self._transport is Transport.TLS
        self._certificate = make_certificate(directory) if tls else None

    @property
    def view(self) -> DemoView:
        """What shows it."""
        return self._view

    async def run(self) -> tuple[Outcome, tuple[Line, ...]]:
        """
        Play the conversation: what came of it, and the words where they are wanted.

        Raises :exc:`DemoError` and :exc:`.transcription.TranscriptionError`.
        """
        if self._words is None:
            return await self._record(), ()
        self._words.start()
        try:
            outcome = await self._record()
            return outcome, await self._words.finish()
        finally:
            self._words.stop()

    async def _record(self) -> Outcome:
        await self._consumer.listen()
        service = make_service(
            configuration(self._options, self._consumer.url, self._certificate, self._rate),
            self._reactor,
        )
        recording = cast(RecordingService, cast(Any, service).getServiceNamed("recording"))
        service.privilegedStartService()
        service.startService()
        try:
            call, finish = await self._play(recording.listeners[0].local[1])
        finally:
            await service.stopService()
            await self._consumer.stop()
        return judged(
            call,
            finish,
            self._streams,
            self._consumer.gaps,
            rate=self._rate,
            broken=bool(self._options["fault"]),
        )

    async def _play(self, port: int) -> tuple[CallResult, Finish]:
        uri = f"sip:srs@127.0.0.1:{port}"
        if self._transport is not Transport.UDP:
            uri += f";transport={self._transport.value.lower()}"
        authority = str(self._certificate[0]) if self._certificate is not None else None
        client = RecordingClient(
            self._reactor,
            ClientSettings(
                Target.parse(uri, self._transport), tls=ClientTLS(authorities=authority)
            ),
            watcher=self._view,
        )
        fault: Deferred[None] | None = None
        if self._options["fault"]:
            fault = Deferred.fromCoroutine(self._break_and_mend())
        call = await client.call(CallPlan(self._streams))
        await client.close()
        if fault is not None:
            await fault
        if call.status != 200:
            raise DemoError("the call was not answered, so that there is nothing to compare")
        finished = self._consumer.finished
        try:
            finish = await finished.addTimeout(FINISH_WITHIN_S, self._reactor)
        except TimeoutError as error:
            raise DemoError(
                f"the consumer had not heard the end {FINISH_WITHIN_S:.0f} s after the call; "
                f"{self._view.seconds:.1f} s were delivered"
            ) from error
        return call, finish

    async def _break_and_mend(self) -> None:
        await deferLater(self._reactor, FAULT_AT_S, lambda: None)
        self._display.line(self._display.bold("the consumer is killed"))
        await self._consumer.kill()
        await deferLater(self._reactor, FAULT_FOR_S, lambda: None)
        await self._consumer.restart()
        self._display.line(self._display.bold("the consumer is back"))


def tell(outcome: Outcome, display: Display) -> None:
    """The result in words."""
    display.done()
    display.line("")
    display.line(sent_line(outcome.call))
    for comparison in outcome.comparisons:
        painted = display.good if comparison.equal else display.bad
        display.line(painted(str(comparison)))
    for fault in outcome.faults:
        display.line(display.bad(fault))
    display.line(f"audio:  {outcome.finish.files[-1]}")
    for events in (path.with_suffix(".jsonl") for path in outcome.finish.files):
        if events.exists():
            display.line(f"events: {events}")
    if outcome.ok:
        exact = all(isinstance(each, Comparison) for each in outcome.comparisons)
        words = "Every sample arrived." if exact else "All of it arrived, at another rate."
        display.line(display.good(words))
    else:
        display.line(display.bad("What arrived is not what was sent."))


async def run(reactor: Any, options: Options, display: Display) -> int:
    """The command: its exit code."""
    given = options["directory"]
    directory = Path(given) if given else Path(tempfile.mkdtemp(prefix="siprec-demo-"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        demo = Demo(reactor, options, directory, display)
        observers = [cast(ILogObserver, demo.view.logged)]
        globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False)
        outcome, lines = await demo.run()
    except (DemoError, SpeechError, TranscriptionError, OSError) as error:
        display.done()
        display.line(display.bad(f"siprec-demo: {error}"))
        return 1
    display.done()
    tell_words(lines, display)
    tell(outcome, display)
    return 0 if outcome.ok else 1


def main(argv: Sequence[str] | None = None) -> None:
    """The console command."""
    options = Options()
    try:
        options.parseOptions(  # type: ignore[no-untyped-call]  # Twisted has no annotations here
            sys.argv[1:] if argv is None else list(argv)
        )
    except usage.UsageError as error:
        sys.exit(f"siprec-demo: {error}\nTry siprec-demo --help.")
    sys.exit(react(lambda reactor: run(reactor, options, Display(sys.stdout))))


if __name__ == "__main__":
    main()
