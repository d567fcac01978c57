"""
The judge of the fault suite: compares the accounts in the server's log with what
the consumers themselves wrote down (``faults_consumer.py``), stream by stream.

Of a stream that came to its ``stop``:

* the server's sum is exact: final position = delivered + missing;
* nothing is silent: each sample up to the final position was heard by the consumer,
  or named to it as missing;
* the two agree on how much is missing, sample for sample;
* nothing is named twice to one life of a consumer, nor named and then heard. A life
  that begins anew may be told again what the one before had not acknowledged; and so may
  one to which a stream is delivered late, which begins by what was acknowledged.

A stream whose consumer was away until the server gave it up has no ``stop``; that is
allowed only where the server's log says so, and then the consumer cannot have heard
more than the final position.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

Span = tuple[int, int]
"From a position up to another."

FORGIVEN = "not closed within"
"What a consumer that was frozen or cut off itself says of a server that closed in time."


@dataclass(slots=True)
class Account:
    """What the server says of one stream."""

    final: int
    delivered: int
    missing: int
    given_up: bool
    spooled: int = 0
    settled: bool = True
    "All that was in the spool was delivered or given up."


@dataclass(slots=True)
class Life:
    """What one process of a consumer had of a stream."""

    heard: list[Span] = field(default_factory=list)
    named: list[Span] = field(default_factory=list)


@dataclass(slots=True)
class Testimony:
    """What a consumer has of one stream, over all its lives."""

    call_id: str = ""
    rate: int = 8000
    started_at: float = 0.0
    "When position 0 was, POSIX seconds."
    lives: list[Life] = field(default_factory=list)
    arrivals: list[tuple[int, float]] = field(default_factory=list)
    "The end of audio and when it came."
    reasons: dict[str, int] = field(default_factory=dict)
    "Samples in gaps."
    stopped_at: int | None = None

    @property
    def heard(self) -> list[Span]:
        """By any life."""
        return merged(span for life in self.lives for span in life.heard)

    @property
    def named(self) -> list[Span]:
        """To any life."""
        return merged(span for life in self.lives for span in life.named)


@dataclass(slots=True)
class Journal:
    """A consumer's journal, read."""

    streams: dict[str, Testimony] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    lives: int = 0


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same samples, each in one span, in order."""
    result: list[Span] = []
    for begin, end in sorted(spans):
        if result and begin <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        elif end > begin:
            result.append((begin, end))
    return result


def total(spans: Iterable[Span]) -> int:
    """Samples in them."""
    return sum(end - begin for begin, end in spans)


# --- reading ---


def read_journal(lines: Iterable[str]) -> Journal:
    """What a consumer wrote down; of a line that a kill cut short, nothing."""
    journal = Journal()
    life: dict[str, int] = {}
    for line in lines:
        if not line.endswith("\n"):
            continue
        kind, _, rest = line.rstrip("\n").partition(" ")
        if kind == "life":
            journal.lives += 1
        elif kind == "violation":
            if FORGIVEN not in rest:
                journal.violations.append(rest)
        else:
            stream_id, *values = rest.split(" ")
            stream = journal.streams.setdefault(stream_id, Testimony())
            if life.get(stream_id) != journal.lives or values[-1:] == ["late"]:
                life[stream_id] = journal.lives
                stream.lives.append(Life())
            _add(stream, kind, values)
    return journal


def _add(stream: Testimony, kind: str, values: list[str]) -> None:
    match kind, values:
        case "start", [call_id, rate, started_at, _]:
            stream.call_id = call_id
            stream.rate, stream.started_at = int(rate), float(started_at)
        case "audio", [position, samples, came_at]:
            end = int(position) + int(samples)
            stream.lives[-1].heard.append((int(position), end))
            stream.arrivals.append((end, float(came_at)))
        case "gap", [position, samples, reason]:
            stream.lives[-1].named.append((int(position), int(position) + int(samples)))
            stream.reasons[reason] = stream.reasons.get(reason, 0) + int(samples)
        case "stop", [final]:
            stream.stopped_at = int(final)


def read_accounts(lines: Iterable[str]) -> tuple[dict[tuple[str, str], Account], list[str]]:
    """
    The server's accounts by Call-ID and destination, and what is wrong in its log
    itself.
    """
    accounts: dict[tuple[str, str], Account] = {}
    spooled: dict[str, Account] = {}
    wrong: list[str] = []
    for line in lines:
        event = _event(line)
        if event.get("log_level") in ("error", "critical"):
            wrong.append(f"the server's log: {line.strip()[:300]}")
        elif "spooled" in event and "stream_id" in event:
            account = accounts[str(event["call_id"]), str(event["destination"])]
            account.spooled = int(str(event["spooled"]))
            account.settled = False
            spooled[str(event["stream_id"])] = account
        elif {"final", "delivered", "missing"} <= event.keys():
            final, delivered, missing = (
                int(str(event[name])) for name in ("final", "delivered", "missing")
            )
            if "stream_id" not in event:
                key = str(event["call_id"]), str(event["destination"])
                given_up = event.get("log_level") == "warn"
                accounts[key] = Account(final, delivered, missing, given_up)
            elif (late := spooled.get(str(event["stream_id"]))) is not None:
                late.final, late.delivered, late.missing = final, delivered, missing
                late.settled = True
            else:
                wrong.append(f"a late account of a stream that was not spooled: {line.strip()}")
    return accounts, wrong


def _event(line: str) -> dict[str, object]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


# --- judging ---


def judge(name: str, journal: Journal, accounts: dict[tuple[str, str], Account]) -> list[str]:
    """What is wrong between the destination ``name`` and the server."""
    wrong = [f"{name}: {violation}" for violation in journal.violations]
    witnessed = {stream.call_id: stream for stream in journal.streams.values()}
    for (call_id, destination), account in accounts.items():
        if destination == name:
            stream = witnessed.pop(call_id, None) or Testimony()
            wrong += [f"{name} {call_id}: {fault}" for fault in _faults(stream, account)]
    wrong += [f"{name} {call_id}: the server has no account of it" for call_id in witnessed]
    return wrong


def _faults(stream: Testimony, account: Account) -> Iterable[str]:
    final = account.final
    if account.delivered + account.missing != final:
        yield f"the account does not add up: {account}"
    if not account.settled:
        yield f"{account.spooled} samples were spooled and never settled"
    for life in stream.lives:
        if total(life.named) != total(merged(life.named)):
            yield "a gap was named twice"
        heard, named = merged(life.heard), merged(life.named)
        if total(heard) + total(named) != total(merged(heard + named)):
            yield "what was heard was named as missing too"
    told = merged(stream.heard + stream.named)
    if told and told[-1][1] > final:
        yield f"the consumer has audio up to {told[-1][1]}, which ended at {final}"
    if stream.stopped_at is None:
        if not account.given_up:
            yield f"the consumer saw no stop: {account}"
        return
    if stream.stopped_at != final:
        yield f"the stop said {stream.stopped_at}, the account {final}"
    if told != merged([(0, final)]):
        yield f"of 0 to {final}, the consumer was told of {told} only"
    if total(stream.named) != account.missing:
        yield f"{total(stream.named)} samples were named as missing, not {account.missing}"
