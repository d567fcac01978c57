"""What the delivery does for the dialects of others."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.dialects.support import Exchange, destination, shown, started
from twisted_siprec.bridge.delivery_states import Disconnect, Finished, Output, Send
from twisted_siprec.report import DeliveryStatistics


def binaries(outputs: list[Output]) -> list[bytes]:
    """The audio of binary messages."""
    sent = [output.message for output in outputs if isinstance(output, Send)]
    return [message for message in sent if isinstance(message, bytes)]


def account(outputs: list[Output]) -> DeliveryStatistics:
    """The account that was given."""
    [finished] = [output for output in outputs if isinstance(output, Finished)]
    return finished.statistics


class AgainTests(SynchronousTestCase):
    """A consumer that comes back."""

    def exchange(self, protocol: str = "raw", **options: object) -> Exchange:
        """A mono stream."""
        wanted = destination(protocol, layout="mono", preamble="none", frame_ms=20, **options)
        return Exchange(started(wanted))

    def test_nothing_twice(self) -> None:
        """What was sent is not sent again; what waited is."""
        exchange = self.exchange()
        exchange.connect()
        exchange.carry(0, 160)
        exchange.do("lost")
        exchange.carry(160, 320)
        self.assertEqual(len(binaries(exchange.connect())), 2)
        exchange.do("stop call_ended")
        statistics = account(exchange.do("closed"))
        self.assertEqual((statistics.delivered, statistics.missing), (480, 0))
        self.assertEqual((statistics.reconnects, statistics.replayed_frames), (1, 0))

    def test_what_changed_is_known(self) -> None:
        """Who is heard since then is known to the new connection."""
        exchange = Exchange(started(destination("azure")))
        exchange.connect()
        exchange.carry(0, 320)
        exchange.do("parties 1")
        exchange.do("lost")
        exchange.connect()
        sent = [text for text in map(shown, exchange.carry(320, 320)) if text is not None]
        self.assertEqual(len(sent), 1)
        self.assertIn('"participantRawID":"4:+15550100"', sent[0])

    def test_ring(self) -> None:
        """Beyond the ring it is missing, and accounted for."""
        start = self.exchange().start
        short = replace(start, destination=replace(start.destination, replay_ms=100))
        exchange = Exchange(short)
        exchange.carry(0, 800)
        exchange.carry(800, 800)
        self.assertEqual(len(binaries(exchange.connect())), 5)
        exchange.do("stop call_ended")
        statistics = account(exchange.do("closed"))
        self.assertEqual((statistics.delivered, statistics.missing), (800, 800))


class ReadyTests(SynchronousTestCase):
    """A consumer that must say something first."""

    def test_never_ready(self) -> None:
        """Without an opened in time there is no audio, but another connection."""
        exchange = Exchange(started(destination("audiohook")))
        exchange.connect()
        exchange.carry(0, 160)
        outputs = exchange.pass_time(106.0)
        self.assertEqual(binaries(outputs), [])
        self.assertIn(Disconnect(4008, "no ready in time", True), outputs)

    def test_no_deadline_without_connection(self) -> None:
        """What a dialect wanted to say is not wanted once the connection is gone."""
        exchange = Exchange(started(destination("deepgram")))
        exchange.connect()
        self.assertEqual(exchange.delivery.next_deadline(), 104.0)
        exchange.do("lost")
        self.assertIsNone(exchange.delivery.next_deadline())

    def test_not_closed(self) -> None:
        """A consumer that does not close after our last word is closed."""
        exchange = Exchange(started(destination("deepgram")))
        exchange.connect()
        exchange.carry(0, 160)
        exchange.do("stop call_ended")
        outputs = exchange.pass_time(106.0)
        self.assertIn(Disconnect(1000, "call_ended"), outputs)
        self.assertTrue(account(outputs).complete)


class DismissedTests(SynchronousTestCase):
    """A consumer that wants no more, and waits for our stop."""

    OPENED = (
        '{"version":"2","type":"opened","id":"%s","seq":1,"clientseq":1,"parameters":{"media":'
        '[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}]}}'
    )
    DISCONNECT = (
        '{"version":"2","type":"disconnect","id":"%s","seq":%d,"clientseq":1,'
        '"parameters":{"reason":"completed"}}'
    )

    def test_before_ready(self) -> None:
        """Before it took anything, nothing is delivered, and that is the end of it."""
        exchange = Exchange(started(destination("audiohook")))
        exchange.connect()
        exchange.carry(0, 160)
        session = exchange.spoken._session  # type: ignore[attr-defined]
        outputs = exchange.hear(self.DISCONNECT % (session, 1))
        self.assertEqual([type(output) for output in outputs], [Send])
        self.assertEqual(account(exchange.pass_time(110.0)).delivered, 0)

    def test_silent_afterwards(self) -> None:
        """One that does not say closed then is closed after a while."""
        exchange = Exchange(started(destination("audiohook")))
        exchange.connect()
        session = exchange.spoken._session  # type: ignore[attr-defined]
        exchange.hear(self.OPENED % session)
        exchange.carry(0, 160)
        exchange.hear(self.DISCONNECT % (session, 2))
        self.assertEqual(binaries(exchange.carry(160, 160)), [])
        outputs = exchange.pass_time(110.0)
        self.assertIn(Disconnect(1000, "consumer_bye"), outputs)
        self.assertEqual(account(outputs).delivered, 160)
