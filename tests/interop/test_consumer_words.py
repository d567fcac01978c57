"""
What a consumer can say, and how a stream can end, over real sockets: both ends in
this process, the consumer checking the protocol all the while.
"""

from __future__ import annotations

import time
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.interop.test_delivery import CHUNK, RATE, samples
from tests.interop.test_delivery import DeliveryTestCase as _DeliveryTestCase
from twisted_siprec.dialects.base import Audio
from twisted_siprec.plan import EndReason
from twisted_siprec.report import ConsumerSaid, LinkDown
from twisted_siprec.simulator.consumer import Consumer
from twisted_siprec.simulator.recstream import ConsumerSettings


class WordsTestCase(_DeliveryTestCase):
    """A consumer whose texts are kept."""

    def texts(self, consumer: Consumer) -> list[dict[str, Any]]:
        """What it is told from now on."""
        kept: list[dict[str, Any]] = []
        told = consumer.told

        def keep(record: Any, text: Any) -> None:
            kept.append(text)
            told(record, text)

        consumer.told = keep  # type: ignore[method-assign]
        return kept

    async def until(self, holds: Any, timeout_s: float = 5.0) -> None:
        """Wait for it."""
        end = time.monotonic() + timeout_s
        while not holds():
            self.assertLess(time.monotonic(), end, "it does not come about")
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]

    def violations(self, *consumers: Consumer) -> list[str]:
        """What the server did wrong."""
        records = [record for consumer in consumers for record in consumer.records.values()]
        return [violation for record in records for violation in record.violations]


class WordsTests(WordsTestCase):
    """mark, event, pause, drain, reject."""

    async def test_mark(self) -> None:
        """It comes back with the position of what is sent next."""
        consumer = await self.consumer()
        texts = self.texts(consumer)
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 10)
        consumer.say("mark", name="m1")
        await self.until(lambda: texts[-1]["type"] == "mark")
        self.assertEqual((texts[-1]["data"], texts[-1]["pos"]), ({"name": "m1"}, 10 * CHUNK))
        await outlet.stop(EndReason.CALL_ENDED, 200, ())
        self.check(await consumer.finished, 10)

    async def test_event(self) -> None:
        """It is told to signalling, from where webhooks and the live page have it."""
        consumer = await self.consumer()
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 5)
        consumer.say("event", name="transcript", payload={"text": "hello"})
        said = ConsumerSaid("b1", "analytics", "transcript", '{"text":"hello"}')
        await self.until(lambda: said in self.reports)
        await outlet.stop(EndReason.CALL_ENDED, 100, ())
        self.check(await consumer.finished, 5)

    async def test_pause(self) -> None:
        """No audio until it says resume, a gap for what was heard meanwhile, and the exact sum."""
        consumer = await self.consumer()
        texts = self.texts(consumer)
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 10)
        consumer.say("pause")
        await self.until(lambda: texts[-1]["type"] == "paused")
        await self.speak(outlet, 10, 10)
        consumer.say("resume")
        await self.until(lambda: texts[-1]["type"] == "resumed")
        await self.speak(outlet, 20, 5)
        statistics = await outlet.stop(EndReason.CALL_ENDED, 500, ())
        finish = await consumer.finished
        self.assertEqual(finish.violations, [])
        self.assertEqual([text["type"] for text in texts[1:]], ["paused", "gap", "resumed", "stop"])
        self.assertEqual(texts[2]["data"]["reason"], "paused")
        [record] = finish.records
        self.assertEqual((record.delivered, record.missing), (15 * CHUNK, 10 * CHUNK))
        self.assertEqual((statistics.delivered, statistics.missing), (15 * CHUNK, 10 * CHUNK))

    async def test_drain(self) -> None:
        """It is left with 1000, and connected to again where and when it says."""
        consumer, other = await self.consumer(), await self.consumer()
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 10)
        drained_at = time.monotonic()
        consumer.say("drain", reconnectTo=other.url, afterMs=300)
        await self.speak(outlet, 10, 10)
        await self.until(lambda: bool(other.records))
        self.assertGreater(time.monotonic() - drained_at, 0.29)
        await self.speak(outlet, 20, 5)
        statistics = await outlet.stop(EndReason.CALL_ENDED, 500, ())
        [record] = (await other.finished).records
        self.assertEqual(consumer.close_codes, [1000])
        self.assertEqual(self.violations(consumer, other), [])
        self.assertEqual((record.delivered, record.missing), (25 * CHUNK, 0))
        self.assertEqual((statistics.missing, statistics.reconnects), (0, 1))

    async def test_drained_in_place(self) -> None:
        """Without reconnectTo it is where it was, and goes on at the frame that it lacks."""
        consumer = await self.consumer()
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 10)
        consumer.say("drain", afterMs=50)
        await self.speak(outlet, 10, 20)
        await outlet.stop(EndReason.CALL_ENDED, 600, ())
        finish = await consumer.finished
        self.check(finish, 30)
        self.assertEqual([record.repeated for record in finish.records], [0])

    async def test_rejected_for_now(self) -> None:
        """With retryAfterMs: closed with 4003, told with its reason, and tried again then."""
        consumer = await self.consumer()
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 10)
        consumer.say("reject", code="busy", message="no room", retryAfterMs=100)
        await self.speak(outlet, 10, 20)
        await outlet.stop(EndReason.CALL_ENDED, 600, ())
        self.check(await consumer.finished, 30)
        self.assertEqual(consumer.close_codes, [4003, 1000])
        [down] = [report for report in self.reports if isinstance(report, LinkDown)]
        self.assertIn("busy no room", down.reason)

    async def test_bye(self) -> None:
        """In the middle: stop with what was sent by then, and 1000."""
        consumer = await self.consumer()
        texts = self.texts(consumer)
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 10)
        consumer.say("bye", reason="enough")
        finish = await consumer.finished
        self.check(finish, 10)
        self.assertEqual(texts[-1]["data"]["reason"], "consumer_bye")
        self.assertEqual(consumer.close_codes, [1000])


class CloseCodesTests(WordsTestCase):
    """With which code a connection ends."""

    async def ended(self, reason: EndReason) -> list[int]:
        """The codes of a call that ends so."""
        consumer = await self.consumer()
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 5)
        await outlet.stop(reason, 100, ())
        self.check(await consumer.finished, 5)
        return consumer.close_codes

    async def test_ends(self) -> None:
        """1000 at the end of a call, 1001 at ours, 1011 where it is our fault."""
        for reason, code in (
            (EndReason.CALL_ENDED, 1000),
            (EndReason.SHUTDOWN, 1001),
            (EndReason.ERROR, 1011),
        ):
            self.directory = self.directory / reason.value
            self.assertEqual(await self.ended(reason), [code])

    async def test_senseless(self) -> None:
        """4000 after too much that makes no sense, and another connection, which goes on."""
        consumer = await self.consumer()
        outlet = self.outlet(consumer.url, backoff_initial_s=0.05)
        await self.speak(outlet, 0, 5)
        for _ in range(101):
            consumer.say("gibber")
        await self.until(lambda: consumer.close_codes == [4000])
        await self.speak(outlet, 5, 5)
        await outlet.stop(EndReason.CALL_ENDED, 200, ())
        await consumer.finished
        self.assertEqual(consumer.close_codes, [4000, 1000])

    async def test_rejected(self) -> None:
        """4003, and for good."""
        consumer = await self.consumer(settings=ConsumerSettings(reject="busy"))
        outlet = self.outlet(consumer.url)
        await self.until(lambda: consumer.close_codes == [4003])
        await self.speak(outlet, 0, 5)
        await outlet.stop(EndReason.CALL_ENDED, 100, ())
        self.assertEqual(len(consumer.headers), 1)
        self.assertEqual(self.violations(consumer), [])

    async def test_no_ready(self) -> None:
        """4008 where ready does not come in time, and a destination wants it."""
        consumer = await self.consumer(settings=ConsumerSettings(mute=True))
        outlet = self.outlet(
            consumer.url, ready_timeout_s=0.1, on_ready_timeout="fail", linger_s=0.2
        )
        await self.until(lambda: 4008 in consumer.close_codes)
        await outlet.stop(EndReason.CALL_ENDED, 100, ())
        self.assertEqual(self.violations(consumer), [])

    async def test_no_ready_is_plain(self) -> None:
        """Or it is plain from then on."""
        consumer = await self.consumer(settings=ConsumerSettings(mute=True))
        outlet = self.outlet(consumer.url, ready_timeout_s=0.1)
        await self.speak(outlet, 0, 30)
        await outlet.stop(EndReason.CALL_ENDED, 600, ())
        self.check(await consumer.finished, 30)

    async def test_too_slow(self) -> None:
        """4029 where the call is over, and the consumer does not take what there is of it."""
        settings = ConsumerSettings(window_ms=40)
        consumer = await self.consumer(settings=settings)
        outlet = self.outlet(consumer.url, linger_s=0.1, replay_ms=1000)
        await self.speak(outlet, 0, 20)
        statistics = await outlet.stop(EndReason.CALL_ENDED, 400, ())
        await self.until(lambda: bool(consumer.close_codes))
        self.assertEqual(consumer.close_codes, [4029])
        self.assertEqual(self.violations(consumer), [])
        self.assertEqual(
            dict(statistics.gaps_ms)["backpressure"], statistics.missing * 1000 // RATE
        )
        self.assertEqual(statistics.delivered + statistics.missing, 20 * CHUNK)


class ReplayTests(WordsTestCase):
    """Catching up."""

    async def test_pace(self) -> None:
        """Four seconds that a consumer missed come in order, within one second and no sooner."""
        consumer = await self.consumer()
        outlet = self.outlet(consumer.url, backoff_max_s=0.05)
        await self.speak(outlet, 0, 5)
        await consumer.kill()
        for number in range(5, 205):
            position = number * CHUNK
            outlet.carry(Audio(position, CHUNK, samples(position, CHUNK)))
        arrivals: list[float] = []
        heard = consumer.heard

        def note(record: Any, audio: Any) -> None:
            arrivals.append(time.monotonic())
            heard(record, audio)

        consumer.heard = note  # type: ignore[method-assign]
        await consumer.restart()
        await self.until(lambda: sum(r.delivered for r in consumer.records.values()) >= 205 * CHUNK)
        elapsed_s = arrivals[-1] - arrivals[0]
        self.assertGreater(elapsed_s, 0.8)
        self.assertLess(elapsed_s, 2.0)
        await outlet.stop(EndReason.CALL_ENDED, 4100, ())
        self.check(await consumer.finished, 205)
