"""
The operations of the API. Each takes what was asked and gives the answer;
nothing here knows of HTTP beyond its status codes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.resources import files
from itertools import islice
from typing import Protocol

from .. import __version__
from ..net.calls.calls import Copying, WatchedRecorder
from ..net.sip.trace import TooManyTraces
from ..net.traces.shelf import Kept
from ..report import StreamStatistics
from . import bodies
from .metrics import Metrics
from .permission import EVERYTHING, Access
from .records import CallRecord, CallRecords

JSON = "application/json"
PROBLEM = "application/problem+json"
MOST_ROWS = 1_000
"Of one answer."
LONGEST_WORD = 256
"By which messages are traced."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is about."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    "From the path."
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    access: Access = EVERYTHING

    @property
    def subject(self) -> str:
        """What it is about, in words: the call, and what else is named."""
        words = (*self.parameters.values(), _name(self.body) or "")
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def answer(body: bodies.Body, status: int = 200) -> Answer:
    """A JSON object."""
    return Answer(status, bodies.octets(body))


def problem(status: int, detail: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """What went wrong, by :rfc:`9457`."""
    body = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Answer(status, bodies.octets(body), PROBLEM, headers)


class Flights(Protocol):
    """The files of the flight recorder."""

    def path(self, id: str) -> str | None:
        """That of a call, by its id."""

    def files(self) -> Sequence[Kept]:
        """All of them, the oldest first."""


class API:
    """
    What programs can ask of the recording server.

    :param wall: the wall clock in POSIX seconds.
    :param flights: the calls that are in files as packets.
    """

    def __init__(
        self,
        recorder: WatchedRecorder,
        records: CallRecords,
        metrics: Metrics,
        wall: Callable[[], float],
        flights: Flights | None = None,
    ) -> None:
        self._flights = flights
        self._recorder = recorder
        self._records = records
        self._metrics = metrics
        self._wall = wall
        self._started_at = wall()

    # --- the server ----------------------------------------------------------------

    def health(self, asked: Asked) -> Answer:
        """The event loop turns."""
        return answer({"status": "ok"})

    def readiness(self, asked: Asked) -> Answer:
        """Whether new calls are taken."""
        draining = bool(self._recorder.statistics().get("draining"))
        state = "draining" if draining else "ready"
        return answer({"status": state}, 503 if draining else 200)

    def metrics(self, asked: Asked) -> Answer:
        """For Prometheus."""
        return Answer(
            200, self._metrics.text(asked.access.tenant), "text/plain; version=0.0.4; charset=utf-8"
        )

    def description(self, asked: Asked) -> Answer:
        """This API, in OpenAPI."""
        return Answer(200, files(__package__).joinpath("openapi.json").read_bytes())

    def status(self, asked: Asked) -> Answer:
        """The server as a whole."""
        return answer(
            {**self.state(asked.access), "uptime_s": round(self._wall() - self._started_at, 3)}
        )

    def state(self, access: Access) -> bodies.Body:
        """
        The server as a whole, but for what is another thing each second; to a tenant,
        as far as it is its own.
        """
        counters = dict(self._recorder.statistics())
        draining = bool(counters.pop("draining", False))
        calls = [call for call in self._recorder.calls() if access.sees(call.tenant)]
        return {
            "version": __version__,
            "started_at": bodies.timestamp(self._started_at),
            "tenant": access.tenant,
            "calls": len(calls),
            "draining": draining,
            "counters": counters if access.tenant is None else {},
        }

    def drain(self, asked: Asked) -> Answer:
        """Take no new call; those in progress go on."""
        self._recorder.drain()
        return answer({"draining": True, "calls": len(self._recorder.calls())}, 202)

    # --- calls ---------------------------------------------------------------------

    def calls(self, asked: Asked) -> Answer:
        """The calls in progress."""
        query, state = asked.query.get("q", ""), asked.query.get("state")
        now = self._wall()
        found = [
            bodies.summary(record, self.streams(record), now)
            for record in self._records.current
            if asked.access.sees(record.tenant)
            and record.matches(query)
            and state in (None, record.state)
        ]
        return answer({"calls": found})

    def history(self, asked: Asked) -> Answer:
        """The calls that are over, the newest first."""
        try:
            limit = int(asked.query.get("limit", "100"))
        except ValueError:
            limit = 0
        if not 1 <= limit <= MOST_ROWS:
            return problem(400, f"limit must be a whole number from 1 to {MOST_ROWS}")
        refused = asked.query.get("refused", "false")
        if refused not in ("true", "false"):
            return problem(400, "refused must be true or false")
        kept = self._records.past(asked.query.get("q", ""), refused == "true")
        past = (record for record in kept if asked.access.sees(record.tenant))
        now = self._wall()
        found = [
            bodies.summary(record, self.streams(record), now) for record in islice(past, limit)
        ]
        return answer({"calls": found})

    def call(self, asked: Asked) -> Answer:
        """All about a call."""
        record = self._find(asked)
        if record is None:
            return _no_call()
        packets = None
        if self._flights is not None and asked.access.tenant is None:
            packets = self._flights.path(record.id)
        return answer(bodies.call(record, self.streams(record), self._wall(), packets))

    def sip(self, asked: Asked) -> Answer:
        """The SIP messages of a call."""
        record = self._find(asked)
        if record is None:
            return _no_call()
        ladder = record.ladder
        messages = [bodies.rung(message) for message in ladder.rungs]
        return answer({"messages": messages, "forgotten": ladder.forgotten})

    def metadata(self, asked: Asked) -> Answer:
        """The metadata of a call as received last."""
        record = self._find(asked)
        if record is None or record.xml is None:
            return _no_call() if record is None else problem(404, "the SRC sent no metadata")
        # Never as XML: a browser would show what a peer wrote as a page of ours.
        return Answer(200, record.xml.encode("utf-8", "replace"), "text/plain; charset=utf-8")

    def waveform(self, asked: Asked) -> Answer:
        """How loud a call was, from its beginning."""
        record = self._find(asked)
        if record is None:
            return _no_call()
        if record.waveform is None:
            return problem(404, "none is kept of this call (web.waveform_calls)")
        return answer(record.waveform.body)

    def copy(self, asked: Asked) -> Answer:
        """From now on send a call to a destination too."""
        name = _name(asked.body)
        if name is None:
            return problem(400, 'expected {"name": "…"}, the name of a destination')
        return self._copy(asked, name, self._recorder.copy)

    def uncopy(self, asked: Asked) -> Answer:
        """Send a call to one of its destinations no more."""
        return self._copy(asked, asked.parameters["name"], self._recorder.uncopy)

    def _copy(self, asked: Asked, name: str, tell: Callable[[str, str], Copying]) -> Answer:
        record = self._find(asked)
        if record is None:
            return _no_call()
        copying = tell(record.id, name)
        if copying is Copying.DONE:
            return answer({"id": record.id, "destinations": list(record.destinations)}, 202)
        missing = copying in (Copying.NO_DESTINATION, Copying.NOT_THERE)
        return problem(404 if missing else 409, copying.value)

    def hang_up(self, asked: Asked) -> Answer:
        """End a call by BYE."""
        return self._steer(asked, self._recorder.hang_up, "ending")

    def pause(self, asked: Asked) -> Answer:
        """Record nothing of a call until it is resumed."""
        return self._steer(asked, self._recorder.pause, "paused")

    def resume(self, asked: Asked) -> Answer:
        """Record a call again."""
        return self._steer(asked, self._recorder.resume, "resumed")

    def drop(self, asked: Asked) -> Answer:
        """Have the SRC close one stream of a call, by the place of its m-line."""
        record, index = self._find(asked), asked.parameters["index"]
        if record is None:
            return _no_call()
        if not (index.isascii() and index.isdigit() and len(index) < 6):
            return problem(400, "a stream is known by the place of its m-line: 0, 1, …")
        if record.ended_at is not None or not self._recorder.drop(record.id, int(index)):
            return problem(409, "there is no such stream any more, or the SRC takes no re-INVITE")
        return answer({"id": record.id, "status": "dropping"}, 202)

    # --- what is looked at in a search for a fault ---------------------------------

    def packets(self, asked: Asked) -> Answer:
        """The calls that are in files as packets, the newest first."""
        kept = self._flights.files() if self._flights is not None else ()
        return answer({"files": [bodies.packets(each) for each in reversed(kept)]})

    def traces(self, asked: Asked) -> Answer:
        """Whose SIP messages are logged."""
        return answer({"traces": list(self._recorder.traces())})

    def trace(self, asked: Asked) -> Answer:
        """Log the SIP messages of a source, a peer, a number or a call from now on."""
        name = _name(asked.body)
        if not name or len(name) > LONGEST_WORD or not name.isprintable():
            return problem(400, 'expected {"name": "…"}: a source, an address, a number or a call')
        try:
            self._recorder.trace_to_log(name, True)
        except TooManyTraces as error:
            return problem(409, str(error))
        return self.traces(asked)

    def untrace(self, asked: Asked) -> Answer:
        """Log them no more."""
        if not self._recorder.trace_to_log(asked.parameters["name"], False):
            return problem(404, "there is no trace of it")
        return self.traces(asked)

    # --- the inside ----------------------------------------------------------------

    def streams(self, record: CallRecord) -> tuple[StreamStatistics, ...]:
        """What came on the streams of a call, so far or in all."""
        if record.closed is not None:
            return record.closed.streams
        return self._recorder.streams(record.id)

    def _find(self, asked: Asked) -> CallRecord | None:
        record = self._records.find(asked.parameters["id"])
        return record if record is not None and asked.access.sees(record.tenant) else None

    def _steer(self, asked: Asked, tell: Callable[[str], bool], done: str) -> Answer:
        record = self._find(asked)
        if record is None:
            return _no_call()
        if record.ended_at is not None or not tell(record.id):
            return problem(409, "the call is over")
        return answer({"id": record.id, "status": done}, 202)


def _name(body: bytes) -> str | None:
    """The name that a body has; None for another body."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    name = given.get("name") if isinstance(given, dict) else None
    return name if isinstance(name, str) else None


def _no_call() -> Answer:
    return problem(404, "no such call: it never was, or it is forgotten")
