"""
The operations of the API. Each takes what was asked and gives the answer;
nothing here knows of HTTP beyond its status codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.resources import files
from itertools import islice

from .. import __version__
from ..net.calls.calls import WatchedRecorder
from ..report import StreamStatistics
from . import bodies
from .metrics import Metrics
from .records import CallRecord, CallRecords

JSON = "application/json"
PROBLEM = "application/problem+json"
MOST_ROWS = 1_000
"Of one answer."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is about."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    "From the path."
    query: Mapping[str, str] = field(default_factory=dict)


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


class API:
    """
    What programs can ask of the recording server.

    :param wall: the wall clock in POSIX seconds.
    """

    def __init__(
        self,
        recorder: WatchedRecorder,
        records: CallRecords,
        metrics: Metrics,
        wall: Callable[[], float],
    ) -> None:
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
        return Answer(200, self._metrics.text(), "text/plain; version=0.0.4; charset=utf-8")

    def description(self, asked: Asked) -> Answer:
        """This API, in OpenAPI."""
        return Answer(200, files(__package__).joinpath("openapi.json").read_bytes())

    def status(self, asked: Asked) -> Answer:
        """The server as a whole."""
        return answer({**self.state(), "uptime_s": round(self._wall() - self._started_at, 3)})

    def state(self) -> bodies.Body:
        """The server as a whole, but for what is another thing each second."""
        counters = dict(self._recorder.statistics())
        return {
            "version": __version__,
            "started_at": bodies.timestamp(self._started_at),
            "calls": len(self._recorder.calls()),
            "draining": bool(counters.pop("draining", False)),
            "counters": counters,
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
            if record.matches(query) and state in (None, record.state)
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
        past = self._records.past(asked.query.get("q", ""), refused == "true")
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
        return answer(bodies.call(record, self.streams(record), self._wall()))

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

    def hang_up(self, asked: Asked) -> Answer:
        """End a call by BYE."""
        return self._steer(asked, self._recorder.hang_up, "ending")

    def pause(self, asked: Asked) -> Answer:
        """Record nothing of a call until it is resumed."""
        return self._steer(asked, self._recorder.pause, "paused")

    def resume(self, asked: Asked) -> Answer:
        """Record a call again."""
        return self._steer(asked, self._recorder.resume, "resumed")

    # --- the inside ----------------------------------------------------------------

    def streams(self, record: CallRecord) -> tuple[StreamStatistics, ...]:
        """What came on the streams of a call, so far or in all."""
        if record.closed is not None:
            return record.closed.streams
        return self._recorder.streams(record.id)

    def _find(self, asked: Asked) -> CallRecord | None:
        return self._records.find(asked.parameters["id"])

    def _steer(self, asked: Asked, tell: Callable[[str], bool], done: str) -> Answer:
        record = self._find(asked)
        if record is None:
            return _no_call()
        if record.ended_at is not None or not tell(record.id):
            return problem(409, "the call is over")
        return answer({"id": record.id, "status": done}, 202)


def _no_call() -> Answer:
    return problem(404, "no such call: it never was, or it is forgotten")
