"""
What the calls of this process share about each destination: whether it can be
reached, how many connections it has, and whose turn it is.
"""

from __future__ import annotations

from twisted.logger import Logger

from ...plan import Destination
from ...routing.circuit import Circuit, CircuitSettings, State
from ...routing.turnstile import Turnstile


class Door:
    """The way in at one destination."""

    _log = Logger()

    def __init__(self, destination: Destination) -> None:
        self.terms = _terms(destination)
        self.name = destination.name
        settings = CircuitSettings(
            destination.breaker_failures,
            destination.breaker_open_s,
            max(destination.breaker_open_s, destination.breaker_open_max_s),
            destination.connect_timeout_s,
        )
        self.circuit = Circuit(settings)
        self.turnstile = Turnstile(destination.max_connections, destination.reconnects_per_second)

    def wait_s(self, now: float) -> float:
        """How long to wait before asking again; 0 where a connection may be tried."""
        return max(self.circuit.wait_s(now), self.turnstile.wait_s())

    def why(self) -> str:
        """Why one has to wait, for the log."""
        if self.circuit.state is State.CLOSED:
            return f"{self.name} has all the connections that it may have"
        return f"{self.name} is not tried for now, as attempts fail (breaker_failures)"

    def book(self, now: float) -> float:
        """When it is the turn of the one who asks, who failed before."""
        return self.turnstile.book(now)

    def enter(self, now: float) -> None:
        """An attempt begins; :meth:`leave` ends it, or the connection that it led to."""
        self.circuit.begin(now)
        self.turnstile.enter()

    def opened(self, now: float) -> None:
        """It led to a WebSocket."""
        if self.circuit.succeeded(now):
            self._log.info("{destination} is back", destination=self.name)

    def failed(self, now: float, reason: str) -> None:
        """It came to nothing."""
        if self.circuit.failed(now):
            self._log.warn(
                "{destination} is not tried for {seconds:g} s, as attempts fail: {reason}",
                destination=self.name,
                seconds=self.circuit.wait_s(now),
                reason=reason,
            )

    def leave(self) -> None:
        """The attempt, or the connection, is over."""
        self.turnstile.leave()


class Doors:
    """One for each destination, by its name; as many as are configured."""

    def __init__(self) -> None:
        self._doors: dict[str, Door] = {}

    def to(self, destination: Destination) -> Door:
        """The door of a destination; a new one where its terms are others since a reload."""
        door = self._doors.get(destination.name)
        if door is None or door.terms != _terms(destination):
            door = self._doors[destination.name] = Door(destination)
        return door

    def is_shut(self, name: str) -> bool:
        """Whether a destination is known not to be reachable."""
        door = self._doors.get(name)
        return door is not None and door.circuit.state is not State.CLOSED

    def states(self) -> dict[str, str]:
        """By destination: closed, open or half-open."""
        return {name: door.circuit.state.value for name, door in self._doors.items()}

    def ways(self) -> dict[str, tuple[str, int]]:
        """By destination: its circuit, and its connections with the attempts under way."""
        return {
            name: (door.circuit.state.value, door.turnstile.inside)
            for name, door in self._doors.items()
        }


def _terms(destination: Destination) -> tuple[object, ...]:
    return (
        destination.url,
        destination.breaker_failures,
        destination.breaker_open_s,
        destination.breaker_open_max_s,
        destination.connect_timeout_s,
        destination.max_connections,
        destination.reconnects_per_second,
    )
