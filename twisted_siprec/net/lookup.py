"""
Where a call goes, asked of somebody else's server while its INVITE waits.

What can be wrong with the server (no answer in time, an error, an answer that
cannot be used) is one thing here: it fails, and ``when_failing`` says what
becomes of the call. A server that fails again and again is not asked for a
while, so that calls do not wait for nothing.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..dialects import bodies
from ..errors import RemoteError
from ..participants import Description
from ..plan import Destination
from ..routing.circuit import Circuit, CircuitSettings, State
from ..routing.rules import Failing, Lookup, Router
from ..siprec.outputs import Routed
from .http_client import HTTPAnswer, HTTPFailure, HTTPPoster, HTTPTarget
from .latency import Latency

LONGEST_PARAMETER = 1_024
MOST_PARAMETERS = 64

Answer = Routed | RemoteError
_Key = tuple[str | None, ...]


class Asker(Protocol):
    """Posts the question to the one server that it is for."""

    def post(self, body: bytes) -> Deferred[HTTPAnswer]:
        """The answer; fails with :exc:`~.http_client.HTTPFailure`."""

    def close(self) -> Deferred[None]:
        """No more will be asked."""


class Unusable(Exception):
    """The answer of a server cannot be used; the text says why."""


class RouteLookup:
    """
    Asks one server.

    :param destinations: those that an answer may name.
    :param otherwise: where calls go when it fails, unless they are refused then.
    :param max_cached: answers that are kept; the oldest goes first.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        lookup: Lookup,
        asker: Asker,
        destinations: Mapping[str, Destination],
        otherwise: tuple[Destination, ...] | RemoteError,
        max_cached: int = 10_000,
    ) -> None:
        self.lookup = lookup
        self.counters: Counter[str] = Counter()
        self.latency = Latency()
        "Of the answers that could be used, and of those that could not."
        self._clock = clock
        self._asker = asker
        self._destinations = destinations
        self._otherwise = otherwise
        self._circuit = Circuit(circuit_settings(lookup))
        self._cache: OrderedDict[_Key, tuple[float, Answer]] = OrderedDict()
        self._max_cached = max_cached
        self._waiting = 0

    def ask(self, description: Description, source: str) -> Deferred[Answer]:
        """Where a call goes, or why it is refused; it always fires, and never fails."""
        return Deferred.fromCoroutine(self._ask(description, source))

    def close(self) -> Deferred[None]:
        """It is not asked any more."""
        return self._asker.close()

    @property
    def host(self) -> str:
        """The server's name: the rest of its URL may be nobody's business."""
        return urlsplit(self.lookup.url).hostname or ""

    @property
    def waiting(self) -> int:
        """Calls that wait for an answer."""
        return self._waiting

    @property
    def cached(self) -> int:
        """Answers that are kept."""
        return len(self._cache)

    @property
    def state(self) -> State:
        """Whether it is asked."""
        return self._circuit.state

    async def _ask(self, description: Description, source: str) -> Answer:
        key = (source, description.caller, description.called, description.request_uri)
        cached = self._cached(key)
        if cached is not None:
            return cached
        if self._waiting >= self.lookup.max_waiting:
            return self._failing("too many calls wait for it")
        now = self._clock.seconds()
        if self._circuit.wait_s(now):
            return self._failing("it failed too often")
        self._circuit.begin(now)
        self._waiting += 1
        try:
            answer = await self._asker.post(question(description, source))
            routed = self._read(answer)
        except (HTTPFailure, Unusable) as error:
            return self._failed(str(error))
        finally:
            self._waiting -= 1
            self.latency.observe(self._clock.seconds() - now)
        if self._circuit.succeeded(self._clock.seconds()):
            self._log.info("look-up {url} answers again", url=self.lookup.url)
        self.counters["answered"] += 1
        self._keep(key, routed)
        return routed

    # --- answers ------------------------------------------------------------------------

    def _read(self, answer: HTTPAnswer) -> Answer:
        if answer.status != 200:
            raise Unusable(f"it answered {answer.status}")
        return read_answer(answer.body, self._destinations)

    def _failed(self, why: str) -> Answer:
        if self._circuit.failed(self._clock.seconds()):
            self._log.error(
                "look-up {url} is not asked for {open_s:g} s: it failed {failures} times",
                url=self.lookup.url,
                open_s=self.lookup.open_s,
                failures=self.lookup.failures_to_open,
            )
        return self._failing(why)

    def _failing(self, why: str) -> Answer:
        self.counters["failed"] += 1
        self._log.warn("look-up {url} fails: {why}", url=self.lookup.url, why=why)
        if self.lookup.when_failing is Failing.DEFAULT:
            otherwise = self._otherwise
            return otherwise if isinstance(otherwise, RemoteError) else Routed(otherwise)
        return RemoteError(503, "The Route Cannot Be Looked Up", (("Retry-After", "5"),))

    # --- the cache ----------------------------------------------------------------------

    def _cached(self, key: _Key) -> Answer | None:
        kept = self._cache.get(key)
        if kept is None or kept[0] <= self._clock.seconds():
            return None
        self.counters["from the cache"] += 1
        return kept[1]

    def _keep(self, key: _Key, answer: Answer) -> None:
        if not self.lookup.cache_s:
            return
        self._cache[key] = (self._clock.seconds() + self.lookup.cache_s, answer)
        self._cache.move_to_end(key)
        while len(self._cache) > self._max_cached:
            self._cache.popitem(last=False)


class RouteLookups:
    """All servers that the routes of a configuration ask, each with its own state."""

    def __init__(self, reactor: Any, open_asker: Callable[[Lookup], Asker] | None = None) -> None:
        self._reactor = reactor
        self._open = open_asker or (lambda lookup: HTTPPoster(reactor, target(lookup)))
        self._lookups: dict[tuple[Lookup, tuple[Destination, ...]], RouteLookup] = {}
        "Each with where calls go when it fails."

    def change(self, routers: Iterable[Router], destinations: tuple[Destination, ...]) -> None:
        """These are the routes from now on; calls that wait get the answer of the old ones."""
        named = {destination.name: destination for destination in destinations}
        before = self._lookups
        self._lookups = {
            (lookup, router.default): RouteLookup(
                self._reactor, lookup, self._open(lookup), named, router.otherwise
            )
            for router in routers
            for lookup in router.lookups
        }
        for old in before.values():
            old.close()

    def of(self, lookup: Lookup, router: Router) -> RouteLookup:
        """Who is asked, for the calls of a router."""
        return self._lookups[lookup, router.default]

    @property
    def all(self) -> tuple[RouteLookup, ...]:
        """Everyone who is asked, for those who count."""
        return tuple(self._lookups.values())

    def close(self) -> None:
        """Nobody is asked any more."""
        for lookup in self._lookups.values():
            lookup.close()


def question(description: Description, source: str) -> bytes:
    """What a server is asked: the call, as consumers are told of it."""
    body = {"source": source, "siprec": bodies.description(description)}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def read_answer(octets: bytes, destinations: Mapping[str, Destination]) -> Answer:
    """
    What a server answered: ``{"action": "accept", "destinations": […],
    "parameters": {…}}`` or ``{"action": "refuse", "status": 403, "reason": …}``.

    :raises Unusable: where it says neither.
    """
    try:
        body = json.loads(octets)
    except (ValueError, RecursionError):
        raise Unusable("its answer is no JSON") from None
    if not isinstance(body, dict):
        raise Unusable("its answer is no JSON object")
    match body.get("action"):
        case "accept":
            return Routed(_destinations(body, destinations), _parameters(body))
        case "refuse":
            return _refusal(body)
    raise Unusable("its answer has neither accept nor refuse for action")


def _destinations(
    body: dict[str, Any], known: Mapping[str, Destination]
) -> tuple[Destination, ...]:
    names = body.get("destinations")
    if not isinstance(names, list) or not names:
        raise Unusable("its answer has no list of destinations")
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise Unusable(f"its answer names {str(name)[:64]!r}, which is no destination")
    return tuple(known[name] for name in dict.fromkeys(names))


def _parameters(body: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    parameters = body.get("parameters", {})
    if not isinstance(parameters, dict) or len(parameters) > MOST_PARAMETERS:
        raise Unusable(f"its parameters are no object of at most {MOST_PARAMETERS} members")
    for name, value in parameters.items():
        text = isinstance(value, str) and (name + value).isprintable()
        if not text or len(name) + len(value) > LONGEST_PARAMETER:
            raise Unusable(f"its parameter {name[:64]!r} is no short text")
    return tuple(parameters.items())


def _refusal(body: dict[str, Any]) -> RemoteError:
    status, reason = body.get("status", 403), body.get("reason", "Refused By Look-up")
    if not isinstance(status, int) or isinstance(status, bool) or not 400 <= status <= 699:
        raise Unusable("its status is no number from 400 to 699")
    if not isinstance(reason, str) or not reason.isprintable() or len(reason) > 256:
        raise Unusable("its reason is no short text")
    return RemoteError(status, reason)


def circuit_settings(lookup: Lookup) -> CircuitSettings:
    """
    When it is left alone. Not longer each time, as a destination is: a call that
    waits for a route has no ring to wait in.
    """
    return CircuitSettings(
        lookup.failures_to_open, lookup.open_s, lookup.open_s, probe_s=lookup.timeout_s
    )


def target(lookup: Lookup) -> HTTPTarget:
    """Where questions go."""
    return HTTPTarget(
        url=lookup.url,
        headers=lookup.headers,
        bearer=lookup.bearer,
        tls=lookup.tls,
        timeout_s=lookup.timeout_s,
        connections=lookup.connections,
    )
