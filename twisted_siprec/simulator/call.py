"""
``siprec-call``: plays speech into a SIPREC recording server, as an SBC or a PBX
does that forks its calls.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from math import ceil
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import deferLater
from twisted.python import usage
from twisted.python.failure import Failure

from ..sip.events import Address
from .advice import silent
from .call_options import Options, call_plan, settings
from .client import RecordingClient
from .client_plan import CallPlan, CallResult, ClientSettings, StreamResult
from .display import Display, whole_message

_ERRORS_SHOWN = 5
"Of many calls, one by one."


class CallDisplay:
    """Shows what becomes of the calls, in a line each or in a few if there is only one."""

    def __init__(self, display: Display, options: Options, client: ClientSettings) -> None:
        self._display = display
        self._trace = bool(options["trace"])
        self._quiet = bool(options["quiet"])
        self._single = options["calls"] == 1
        self._client = client
        self._hinted = False
        self._errors = 0

    def traced(self, outgoing: bool, octets: bytes, peer: Address) -> None:
        """A SIP message."""
        if self._trace:
            self._display.line(whole_message(outgoing, octets))

    def waiting(self, call_id: str, seconds: float) -> None:
        """Silence."""
        if not self._hinted and not self._quiet:
            self._hinted = True
            words = silent(self._client.target, self._client.local or "this address")
            self._display.line(self._display.dim(f"{words} Waiting on."))

    def answered(self, call_id: str, answer_s: float, streams: tuple[StreamResult, ...]) -> None:
        """The call is up."""
        if self._single and not self._quiet:
            targets = ", ".join(
                f"{stream.label} → {stream.destination[0]}:{stream.destination[1]}"
                if stream.destination
                else f"{stream.label} → (inactive)"
                for stream in streams
            )
            self._display.line(f"answered in {answer_s * 1000:.1f} ms: {targets}")

    def held(self, call_id: str, held: bool) -> None:
        """Hold."""
        if self._single and not self._quiet:
            self._display.line("on hold" if held else "resumed")

    def ended(self, result: CallResult) -> None:
        """The call is over."""
        if not result.ok:
            self._errors += 1
            if self._errors > _ERRORS_SHOWN:
                return  # the summary counts them
            name = f"{result.call_id}: " if result.call_id and not self._single else ""
            self._display.line(self._display.bad(f"{name}{result.error}"))
        elif self._single and not self._quiet:
            self._display.line(sent_line(result))


def sent_line(result: CallResult) -> str:
    """What was sent, in words."""
    packets = sum(stream.packets for stream in result.streams)
    octets = sum(stream.octets for stream in result.streams)
    unsent = sum(stream.unsent for stream in result.streams)
    words = f"{result.sent_s:.1f} s sent: {packets} packets, {octets} octets of audio"
    if unsent:
        words += f"; {unsent} packets that nobody took"
    return words + "; ended"


def summary(results: Sequence[CallResult], worst_delay_s: float) -> list[str]:
    """What came of many calls."""
    good = sum(result.ok for result in results)
    lines = [f"{len(results)} calls: {good} well, {len(results) - good} not"]
    times = sorted(
        row.answer_s * 1000 for row in results if row.answer_s is not None and row.status == 200
    )
    if times:
        lines.append(
            f"answered in p50 {percentile(times, 0.5):.1f} ms, "
            f"p99 {percentile(times, 0.99):.1f} ms, max {times[-1]:.1f} ms"
        )
    streams = [stream for result in results for stream in result.streams]
    packets, unsent = sum(row.packets for row in streams), sum(row.unsent for row in streams)
    lines.append(
        f"{packets} packets sent, {unsent} refused by the network, "
        f"at most {worst_delay_s * 1000:.0f} ms late"
    )
    errors = [result.error for result in results if result.error]
    for error in sorted(set(errors), key=errors.count, reverse=True)[:10]:
        lines.append(f"{errors.count(error)} × {error}")
    return lines


def percentile(ascending: Sequence[float], part: float) -> float:
    """The value below or at which this part of them is."""
    return ascending[max(ceil(part * len(ascending)), 1) - 1]


async def make_calls(
    reactor: Any, client: RecordingClient, plan: CallPlan, count: int, rate: float
) -> list[CallResult]:
    """Make so many calls, so many a second, and wait for the end of all."""
    made: list[Deferred[CallResult]] = []
    began = client.pacer.now()
    for number in range(count):
        wait_s = began + number / rate - client.pacer.now()
        if wait_s > 0:
            await deferLater(reactor, wait_s, lambda: None)
        made.append(client.call(plan))
    return [result for _, result in await DeferredList(made)]


async def run(reactor: Any, options: Options, plan: CallPlan, display: Display) -> int:
    """The command: its exit code."""
    where = settings(options)
    watcher = CallDisplay(display, options, where)
    client = RecordingClient(reactor, where, watcher=watcher)
    # Ctrl-C ends the calls with BYE rather than leaving them to the server's time-outs.
    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromCoroutine(client.close())
    )
    count = options["calls"]
    if not options["quiet"]:
        target = where.target
        calls = f"{count} calls, {options['rate']:g} a second, to" if count > 1 else "calling"
        display.line(
            f"{calls} {display.bold(target.uri)} over {target.transport.value}: "
            f"{len(plan.streams)} × {plan.streams[0].codec}, {plan.seconds:.1f} s"
        )
    results = await make_calls(reactor, client, plan, count, options["rate"])
    await client.close()
    if count > 1 and not options["quiet"]:
        for line in summary(results, client.pacer.worst_delay_s):
            display.line(line)
    return 0 if all(result.ok for result in results) else 1


def main(argv: Sequence[str] | None = None) -> None:
    """The console command."""
    options = Options()
    try:
        options.parseOptions(sys.argv[1:] if argv is None else list(argv))
        plan = call_plan(options)
    except usage.UsageError as error:
        sys.exit(f"siprec-call: {error}\nTry siprec-call --help.")
    sys.exit(react(lambda reactor: run(reactor, options, plan, Display(sys.stdout))))


def react(work: Any) -> int:
    """Run a coroutine function on the reactor until it is done; its result is the exit code."""
    from twisted.internet import reactor

    codes: list[int] = []
    running: Any = reactor

    def done(result: int | Failure) -> None:
        if isinstance(result, Failure):
            result.printTraceback(sys.stderr)
        codes.append(1 if isinstance(result, Failure) else result)
        with suppress(ReactorNotRunning):  # interrupted, it is stopping already
            running.stop()

    running.callWhenRunning(lambda: Deferred.fromCoroutine(work(running)).addBoth(done))
    running.run()
    return codes[0] if codes else 1


if __name__ == "__main__":
    main()
