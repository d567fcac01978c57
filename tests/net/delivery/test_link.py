"""The link to a consumer, through its connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.net.delivery.websocket_peer import FakeEndpoint, Peer
from twisted_siprec.net.delivery.approach import (
    Attempt,
    AttemptError,
    Leaving,
    LinkSettings,
    may_redirect,
)
from twisted_siprec.net.delivery.link import Link
from twisted_siprec.net.delivery.websocket import Handshake
from twisted_siprec.plan import Destination

DESTINATION = Destination(
    "analytics", "ws://consumer.example.com:9000/", breaker_failures=0, reconnects_per_second=0
)


class LinkTestCase(SynchronousTestCase):
    """A link with an endpoint that the test connects, and what it tells."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.endpoint = FakeEndpoint()
        self.told: list[Any] = []
        self.urls: list[str] = []
        self.prepare: Callable[[str], Attempt] = self.attempt
        self.link = self.make(DESTINATION)

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(self, destination: Destination, settings: LinkSettings | None = None) -> Link:
        """A link; its jitter is always the whole of it."""
        return Link(
            self.clock,
            destination,
            lambda place, url: self.prepare(url),
            lambda: 1.0,
            self,
            settings,
        )

    def attempt(self, url: str) -> Attempt:
        self.urls.append(url)
        return Attempt(self.endpoint, Handshake(url, ("one",)))

    def link_up(self, subprotocol: str | None) -> None:
        self.told.append(("up", subprotocol))

    def link_down(self, reason: str, retry_in_s: float | None, clean: bool) -> None:
        self.told.append(("down", retry_in_s, clean))

    def link_received(self, message: str | bytes) -> None:
        self.told.append(message)

    def link_blocked(self) -> None:
        self.told.append("blocked")

    def link_unblocked(self) -> None:
        self.told.append("unblocked")

    def heard(self) -> list[Any]:
        """What it told since."""
        told, self.told = self.told, []
        return told

    def opened(self) -> Peer:
        """The link is up."""
        self.link.open()
        peer = self.endpoint.succeed()
        peer.accept("one")
        self.heard()
        return peer


class LinkTests(LinkTestCase):
    """Up, down, and up again."""

    def test_up(self) -> None:
        """Idle until it is opened; up when the handshake is done; messages pass both ways."""
        self.assertEqual(self.endpoint.attempts, [])
        self.link.send("nobody is there")
        self.link.open()
        self.link.open()
        self.assertEqual(len(self.endpoint.attempts), 1)
        peer = self.endpoint.succeed()
        self.assertEqual(self.told, [])
        peer.accept("one")
        peer.send(1, b"hello")
        self.link.send("hello")
        self.assertEqual(self.heard(), [("up", "one"), "hello"])
        self.assertEqual(peer.frames(), [(1, b"hello")])
        peer.end()
        self.link.close()

    def test_back_off(self) -> None:
        """0.25 s doubled for each failure, at most 5 s; the state in between is quiet."""
        self.link.open()
        waits = []
        for _ in range(7):
            self.endpoint.fail(ConnectionRefusedError())
            ((_, wait, _),) = self.heard()
            waits.append(wait)
            attempts = len(self.endpoint.attempts)
            self.clock.advance(wait - 0.01)
            self.assertEqual(len(self.endpoint.attempts), attempts)
            self.clock.advance(0.02)
            self.assertEqual(len(self.endpoint.attempts), attempts + 1)
        self.assertEqual(waits, [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0])
        self.link.close()
        self.assertEqual(self.endpoint.cancelled, 1)

    def test_jitter(self) -> None:
        """The wait is drawn from all of the interval."""
        link = Link(self.clock, DESTINATION, lambda _, url: self.prepare(url), lambda: 0.5, self)
        link.open()
        self.endpoint.fail(ConnectionRefusedError())
        self.assertEqual(self.heard(), [("down", 0.125, False)])
        link.close()

    def test_only_a_lasting_connection_resets_the_wait(self) -> None:
        """A consumer that accepts and drops us is not hammered."""
        self.opened().end()
        self.assertEqual(self.heard(), [("down", 0.25, False)])
        self.clock.advance(0.25)
        peer = self.endpoint.succeed()
        peer.accept()
        peer.end()
        self.assertEqual(self.heard()[-1], ("down", 0.5, False))
        self.clock.advance(0.5)
        peer = self.endpoint.succeed()
        peer.accept()
        self.clock.advance(5.0)
        peer.end()
        self.assertEqual(self.heard()[-1], ("down", 0.25, False))
        self.link.close()

    def test_connect_timeout(self) -> None:
        """TCP and handshake together have connect_timeout_s."""
        self.link.open()
        self.clock.advance(5.0)
        self.assertEqual(self.endpoint.cancelled, 1)
        self.assertEqual(self.heard(), [("down", 0.25, False)])
        self.clock.advance(0.25)
        peer = self.endpoint.succeed()
        self.clock.advance(5.0)
        self.assertTrue(peer.transport.aborted)
        self.assertEqual(self.heard(), [("down", 0.5, False)])
        self.link.close()

    def test_statuses_that_mean_never(self) -> None:
        """401, 403, 404 and 410 end it; 503 does not."""
        for status, again in ((401, False), (403, False), (404, False), (410, False), (503, True)):
            self.link = self.make(DESTINATION)
            self.link.open()
            self.endpoint.succeed().refuse(f"{status} No")
            ((_, wait, _),) = self.heard()
            self.assertEqual(wait is not None, again, status)
            self.link.close()
            self.heard()

    def test_codes_that_mean_never(self) -> None:
        """4003 ends it, 1001 does not; which do is configured."""
        self.opened().close(4003)
        self.assertEqual(self.heard(), [("down", None, True)])
        self.link = self.make(DESTINATION, LinkSettings(never_codes=frozenset({1001})))
        self.opened().close(4003)
        self.assertEqual(self.heard(), [("down", 0.25, True)])
        self.clock.advance(0.25)
        peer = self.endpoint.succeed()
        peer.accept()
        peer.close(1001)
        self.assertEqual(self.heard()[-1], ("down", None, True))

    def test_secrets_are_read_each_time(self) -> None:
        """An attempt that cannot be prepared is a failure like any other."""

        def without_secret(url: str) -> Attempt:
            raise AttemptError("no such file")

        self.prepare = without_secret
        self.link.open()
        self.clock.advance(0)
        self.assertEqual(self.heard(), [("down", 0.25, False)])
        self.prepare = self.attempt
        self.clock.advance(0.25)
        self.assertEqual(len(self.endpoint.attempts), 1)
        self.link.close()

    def test_stale_connections_are_not_heard(self) -> None:
        """What an attempt that was given up still does changes nothing."""
        self.link.open()
        peer = self.endpoint.succeed()
        self.clock.advance(5.0)
        self.heard()
        self.clock.advance(0.25)
        peer.accept("one")
        peer.end()
        self.assertEqual(self.heard(), [])
        newer = self.endpoint.succeed()
        newer.accept("one")
        self.assertEqual(self.heard(), [("up", "one")])
        newer.end()
        self.link.close()

    def test_back_pressure(self) -> None:
        """Full and empty are passed on."""
        peer = self.opened()
        peer.transport.producer.pauseProducing()
        peer.transport.producer.resumeProducing()
        self.assertEqual(self.heard(), ["blocked", "unblocked"])
        peer.end()
        self.link.close()


class LeavingTests(LinkTestCase):
    """Going, for a while or for good."""

    def test_close(self) -> None:
        """A close frame, and down for good when the consumer has closed too."""
        peer = self.opened()
        self.link.close(1000, "call_ended")
        self.link.close(1000, "call_ended")
        self.assertEqual([opcode for opcode, _ in peer.frames()], [8])
        self.assertEqual(self.heard(), [])
        peer.close(1000)
        self.assertEqual(self.heard(), [("down", None, True)])
        self.link.open()
        self.assertEqual(len(self.endpoint.attempts), 1)

    def test_close_anywhere(self) -> None:
        """Before it was opened, while it connects, in the handshake, while it waits."""
        self.make(DESTINATION).close()
        self.assertEqual(self.heard(), [])
        for stage in ("connecting", "opening", "backing off"):
            link = self.make(DESTINATION)
            link.open()
            if stage == "opening":
                self.endpoint.succeed()
            elif stage == "backing off":
                self.endpoint.fail(ConnectionRefusedError())
            self.heard()
            link.close()
            self.assertEqual(self.heard(), [("down", None, False)], stage)

    def test_leave(self) -> None:
        """Closed, and made again after the time that the consumer wished."""
        peer = self.opened()
        self.link.leave(Leaving(1000, "drain", 2.0))
        self.link.leave(Leaving(1000, "drain", 2.0))
        peer.close(1000)
        self.assertEqual(self.heard(), [("down", 2.0, True)])
        self.clock.advance(2.0)
        self.assertEqual(len(self.endpoint.attempts), 2)
        self.link.close()

    def test_leave_of_a_consumer_that_does_not_answer(self) -> None:
        """It is dropped after a while, and made again after the usual wait."""
        peer = self.opened()
        self.link.leave(Leaving(4008, "no ready in time"))
        self.clock.advance(2.0)
        self.assertTrue(peer.transport.aborted)
        peer.end()
        self.assertEqual(self.heard(), [("down", 0.25, False)])
        self.link.close()

    def test_wishes_are_bounded(self) -> None:
        """A consumer cannot send us away for a day."""
        self.link = self.make(DESTINATION, LinkSettings(max_after_s=60.0))
        peer = self.opened()
        self.link.leave(Leaving(4003, "rejected", 86_400.0))
        peer.close(4003)
        self.assertEqual(self.heard(), [("down", 60.0, True)])
        self.link.close()

    def test_closed_while_leaving(self) -> None:
        """No other connection is made."""
        peer = self.opened()
        self.link.leave(Leaving(1000, "drain", 0.0))
        self.link.close()
        self.assertEqual(self.heard(), [("down", None, False)])
        peer.end()
        self.assertEqual(self.heard(), [])

    def test_drained_elsewhere(self) -> None:
        """The next connection goes where the consumer says; if none is there, back."""
        peer = self.opened()
        elsewhere = "ws://consumer.example.com:9001/b"
        self.link.leave(Leaving(1000, "drain", 0.0, elsewhere))
        peer.close(1000)
        self.clock.advance(0)
        self.endpoint.fail(ConnectionRefusedError())
        self.clock.advance(0.25)
        self.assertEqual(self.urls, [DESTINATION.url, elsewhere, DESTINATION.url])
        self.link.close()

    def test_not_drained_anywhere(self) -> None:
        """Not to a host that nobody named."""
        peer = self.opened()
        self.link.leave(Leaving(1000, "drain", 0.0, "ws://169.254.169.254/"))
        peer.close(1000)
        self.clock.advance(0)
        self.assertEqual(self.urls, [DESTINATION.url, DESTINATION.url])
        self.link.close()

    def test_may_redirect(self) -> None:
        """The same host or one that is configured, never less secure, never with a name in it."""
        hosts = frozenset({"b.example.com"})
        for configured, wanted, allowed in (
            ("ws://a.example.com/", "ws://a.example.com:81/x?y=1", True),
            ("ws://a.example.com/", "wss://b.example.com/", True),
            ("wss://a.example.com/", "wss://b.example.com/", True),
            ("wss://a.example.com/", "ws://a.example.com/", False),
            ("wss://a.example.com/", "wss://c.example.com/", False),
            ("ws://a.example.com/", "http://a.example.com/", False),
            ("ws://a.example.com/", "ws://u:p@a.example.com/", False),
            ("ws://a.example.com/", "ws://a.example.com:0/", False),
            ("ws://a.example.com/", "ws://a.example.com:99999/", False),
            ("ws://a.example.com/", "ws://[::1/", False),
            ("ws://a.example.com/", "", False),
        ):
            self.assertEqual(may_redirect(configured, wanted, hosts), allowed, wanted)

    def test_backoff_is_configured(self) -> None:
        """Of the destination are both ends of the wait."""
        self.link = self.make(replace(DESTINATION, backoff_initial_s=3.0, backoff_max_s=3.0))
        self.link.open()
        self.endpoint.fail(ConnectionRefusedError())
        self.assertEqual(self.heard(), [("down", 3.0, False)])
        self.link.close()
