"""Links that share their destinations: circuits, failover, turns and places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.net.delivery.websocket_peer import FakeEndpoint
from twisted_siprec.net.delivery.approach import Attempt
from twisted_siprec.net.delivery.doors import Doors
from twisted_siprec.net.delivery.link import Link
from twisted_siprec.net.delivery.websocket import Handshake
from twisted_siprec.plan import Destination

B = Destination("b", "ws://b.example.com/", reconnects_per_second=0)
A = Destination("a", "ws://a.example.com/", reconnects_per_second=0, breaker_failures=2)
AB = replace(A, failover=(B,))


class Ears:
    """What a link tells."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def link_up(self, subprotocol: str | None) -> None:
        self.told.append("up")

    def link_down(self, reason: str, retry_in_s: float | None, clean: bool) -> None:
        self.told.append(("down", reason, retry_in_s))

    def link_received(self, message: str | bytes) -> None:
        self.told.append(message)

    def link_blocked(self) -> None:
        self.told.append("blocked")

    def link_unblocked(self) -> None:
        self.told.append("unblocked")


class SharedTestCase(SynchronousTestCase):
    """Links with one clock, one set of doors, and an endpoint for each place."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.doors = Doors()
        self.endpoints = {"a": FakeEndpoint(), "b": FakeEndpoint()}
        self.links: list[Link] = []

    def tearDown(self) -> None:
        for link in self.links:
            link.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        for name in self.endpoints:
            self.assertEqual(self.doors.to({"a": A, "b": B}[name]).turnstile.inside, 0)

    def link(self, destination: Destination) -> tuple[Link, Ears]:
        """One more, that is opened."""
        ears = Ears()

        def prepare(place: Destination, url: str) -> Attempt:
            return Attempt(self.endpoints[place.name], Handshake(url))

        link = Link(self.clock, destination, prepare, lambda: 1.0, ears, None, self.doors)
        link.open()
        self.links.append(link)
        return link, ears

    def attempts(self) -> tuple[int, int]:
        """At a, and at b."""
        return len(self.endpoints["a"].attempts), len(self.endpoints["b"].attempts)

    def refuse(self, name: str = "a") -> None:
        self.endpoints[name].fail(ConnectionRefusedError())


class FailoverTests(SharedTestCase):
    """Another destination takes over."""

    def test_at_once(self) -> None:
        """An attempt that fails is followed by one at the next place, without a wait."""
        link, ears = self.link(AB)
        self.refuse()
        self.clock.advance(0)
        self.assertEqual(self.attempts(), (1, 1))
        peer = self.endpoints["b"].succeed()
        peer.accept()
        self.assertEqual(link.place.name, "b")
        self.assertEqual(ears.told[-1], "up")
        peer.end()
        link.close()

    def test_circuit_is_shared(self) -> None:
        """Once a's circuit is open, another call goes to b with its first attempt."""
        for _ in range(2):
            self.link(AB)
            self.refuse()
        self.assertTrue(self.doors.is_shut("a"))
        link, _ = self.link(AB)
        self.assertEqual(link.place.name, "b")
        self.assertEqual(self.doors.states(), {"a": "open", "b": "closed"})

    def test_back_to_the_first(self) -> None:
        """When the time has passed, one call tries a again for all; then all go there."""
        for _ in range(2):
            self.link(AB)
            self.refuse()
        for link in self.links:
            link.close()
        self.clock.advance(5.0)
        probe, _ = self.link(AB)
        other, _ = self.link(AB)
        self.assertEqual((probe.place.name, other.place.name), ("a", "b"))
        peer = self.endpoints["a"].succeed()
        peer.accept()
        later, _ = self.link(AB)
        self.assertEqual(later.place.name, "a")
        peer.end()

    def test_both_fail(self) -> None:
        """Where none can be reached, it waits as ever, and begins with the first."""
        _, ears = self.link(AB)
        self.refuse()
        self.clock.advance(0)
        self.refuse("b")
        self.assertEqual(ears.told[-1][2], 0.25)
        self.clock.advance(0.25)
        self.assertEqual(self.attempts(), (2, 1))

    def test_a_status_is_not_the_end(self) -> None:
        """404 of the first place sends the stream to the second, not nowhere."""
        link, _ = self.link(AB)
        self.endpoints["a"].succeed().refuse("404 No")
        self.clock.advance(0)
        self.assertEqual(self.attempts(), (1, 1))
        self.assertEqual(link.place.name, "b")

    def test_a_spooled_stream_waits(self) -> None:
        """401 is no end either for a stream that can wait on disk."""
        _, ears = self.link(replace(A, spool=True))
        self.endpoints["a"].succeed().refuse("401 No")
        self.assertEqual(ears.told[-1][2], 0.25)


class DoorTests(SharedTestCase):
    """Circuits, turns and places without failover."""

    def test_one_attempt_for_all(self) -> None:
        """With an open circuit nobody tries, then one does, and the rest follow it."""
        listeners = [self.link(A)[1] for _ in range(6)]
        for endpoint_attempt in list(self.endpoints["a"].attempts):
            endpoint_attempt[1].errback(ConnectionRefusedError())
        before = self.attempts()[0]
        self.clock.pump([0.05] * 99)
        self.assertEqual(self.attempts()[0], before)
        self.clock.pump([0.05] * 30)
        self.assertEqual(self.attempts()[0], before + 1)
        peer = self.endpoints["a"].succeed()
        peer.accept()
        self.clock.pump([0.05] * 30)
        self.assertEqual(self.attempts()[0], before + 6)
        self.assertEqual(sum(ears.told.count("up") for ears in listeners), 1)
        peer.end()

    def test_told_once(self) -> None:
        """A call that begins while the circuit is open is told why it is not connected, once."""
        for _ in range(2):
            self.link(A)
            self.refuse()
        _, ears = self.link(A)
        [(_, reason, retry_in_s)] = ears.told
        self.assertIn("breaker_failures", reason)
        self.assertEqual(retry_in_s, 5.0 * 1.25)
        self.clock.advance(6.2)
        self.assertEqual(len(ears.told), 1)

    def test_reconnections_are_spread(self) -> None:
        """Ten calls that lost their consumer come back two in a second."""
        place = replace(A, reconnects_per_second=2.0, breaker_failures=0)
        for _ in range(10):
            self.link(place)
        self.assertEqual(self.attempts()[0], 10)
        for _, connecting in list(self.endpoints["a"].attempts):
            connecting.errback(ConnectionRefusedError())
        counts = []
        for _ in range(5):
            self.clock.pump([0.05] * 20)
            counts.append(self.attempts()[0])
        self.assertEqual(counts, [12, 14, 16, 18, 20])

    def test_places(self) -> None:
        """The second call waits for the only place, and gets it."""
        place = replace(A, max_connections=1)
        first, _ = self.link(place)
        peer = self.endpoints["a"].succeed()
        peer.accept()
        _, ears = self.link(place)
        self.assertEqual(self.attempts()[0], 1)
        self.assertIn("all the connections", ears.told[0][1])
        self.clock.advance(1.25)
        self.assertEqual(self.attempts()[0], 1)
        first.close()
        peer.close(1000)
        self.clock.advance(1.25)
        self.assertEqual(self.attempts()[0], 2)
        for link in self.links:
            link.close()
        # Terms of its own are a door of its own.
        self.assertEqual(self.doors.to(place).turnstile.inside, 0)

    def test_closed_while_it_waits(self) -> None:
        """The call ends before its turn: nothing is tried."""
        for _ in range(2):
            self.link(A)
            self.refuse()
        link, ears = self.link(A)
        link.close()
        self.clock.advance(20)
        self.assertEqual(ears.told[-1], ("down", "", None))

    def test_lost_connections_do_not_open_it(self) -> None:
        """A consumer behind many that is restarted is no reason to leave all alone."""
        for _ in range(5):
            self.link(A)
            peer = self.endpoints["a"].succeed()
            peer.accept()
            peer.end()
        self.assertFalse(self.doors.is_shut("a"))
