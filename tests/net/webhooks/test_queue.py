"""
The queue of webhooks.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.webhook_fakes import FakeDatabase
from twisted_siprec.net.webhooks.queue import Letter, WebhookQueue

NOBODY: frozenset[int] = frozenset()


def letter(call: str, event: str, webhook: str = "crm", at: float = 0.0) -> Letter:
    """An event of a call."""
    return Letter(webhook, call, event, "call.updated", event.encode(), at)


class WebhookQueueTests(SynchronousTestCase):
    """In order for each call, and bounded."""

    def setUp(self) -> None:
        self.database = FakeDatabase()
        self.queue = self.open()

    def open(self, max_waiting: int = 100, max_dead: int = 3) -> WebhookQueue:
        """The queue of a server that has just started."""
        queue = WebhookQueue(self.database, max_waiting, max_dead)
        self.successResultOf(queue.open())
        return queue

    def add(self, *letters: Letter) -> int:
        return self.successResultOf(self.queue.add(letters))

    def due(
        self, now: float = 0.0, held: frozenset[int] = NOBODY, webhook: str = "crm", count: int = 10
    ) -> list[Letter]:
        """What may be sent."""
        due = self.successResultOf(self.queue.due(webhook, now, 1_000.0, held, count))
        return list(due.letters)

    def test_first_of_each_call(self) -> None:
        """The second event of a call comes out when the first is delivered, not before."""
        self.add(letter("a", "a1"), letter("a", "a2"), letter("b", "b1"))
        self.assertEqual([each.event for each in self.due()], ["a1", "b1"])
        first = self.due()[0]
        self.assertEqual(self.due(held=frozenset({first.id}))[0].event, "b1")
        self.successResultOf(self.queue.delivered(first))
        self.assertEqual([each.event for each in self.due()], ["a2", "b1"])

    def test_put_off(self) -> None:
        """One that is put off is not due before, and holds up its own call only."""
        self.add(letter("a", "a1"), letter("a", "a2"), letter("b", "b1"))
        self.successResultOf(self.queue.put_off(self.due()[0], 50.0))
        due = self.successResultOf(self.queue.due("crm", 10.0, 1_000.0, NOBODY, 10))
        self.assertEqual([each.event for each in due.letters], ["b1"])
        self.assertEqual(due.next_at, 50.0)
        late = {each.event: each.attempts for each in self.due(50.0)}
        self.assertEqual(late, {"b1": 0, "a1": 1})

    def test_set_back_clock(self) -> None:
        """What seems to be due in a far future is due."""
        self.add(letter("a", "a1"))
        self.successResultOf(self.queue.put_off(self.due()[0], 5_000.0))
        self.assertEqual(len(self.due(now=4_500.0)), 0)
        self.assertEqual(len(self.due(now=3_000.0)), 1)

    def test_webhooks_apart(self) -> None:
        """Each webhook has a queue of its own."""
        self.add(letter("a", "a1"), letter("a", "a1", "log"), letter("a", "a2", "log"))
        self.successResultOf(self.queue.delivered(self.due()[0]))
        self.assertEqual([each.event for each in self.due(webhook="log")], ["a1"])
        self.assertEqual(self.successResultOf(self.queue.waiting()), {"log": 2})

    def test_count(self) -> None:
        """No more than is asked for, and the next time is that of the rest."""
        self.add(*(letter(str(number), str(number)) for number in range(5)))
        due = self.successResultOf(self.queue.due("crm", 0.0, 1_000.0, NOBODY, 2))
        self.assertEqual([each.event for each in due.letters], ["0", "1"])

    def test_dead(self) -> None:
        """A dead letter lets the next of its call pass; the latest dead are kept."""
        self.add(*(letter("a", f"a{number}") for number in range(5)))
        for _ in range(4):
            self.successResultOf(self.queue.bury(self.due()[0], "no"))
        self.assertEqual([each.event for each in self.due()], ["a4"])
        dead = self.successResultOf(self.queue.dead())
        self.assertEqual(
            [(each.event, each.dead) for each in dead][::2], [("a3", "no"), ("a1", "no")]
        )

    def test_revive(self) -> None:
        """The dead of a webhook are new again, before what came after them."""
        self.add(letter("a", "a1"), letter("a", "a2"), letter("a", "a1", "log"))
        self.successResultOf(self.queue.put_off(self.due()[0], 0.0))
        self.successResultOf(self.queue.bury(self.due()[0], "no"))
        self.assertEqual(self.successResultOf(self.queue.revive("log", 9.0)), 0)
        self.assertEqual(self.successResultOf(self.queue.revive("crm", 9.0)), 1)
        [revived] = self.due(9.0)
        self.assertEqual(
            (revived.event, revived.attempts, revived.queued_at, revived.dead), ("a1", 0, 9.0, None)
        )

    def test_full(self) -> None:
        """More than may wait for a webhook pushes its oldest out, among the dead."""
        self.queue = self.open(max_waiting=2)
        self.assertEqual(self.add(letter("a", "a1"), letter("b", "b1"), letter("a", "x", "log")), 0)
        self.assertEqual(self.add(letter("b", "b2")), 1)
        self.assertEqual([each.event for each in self.due()], ["b1"])
        [dead] = self.successResultOf(self.queue.dead())
        self.assertEqual((dead.event, dead.dead), ("a1", "the queue was full"))

    def test_restart(self) -> None:
        """What waited is there after a restart, and due at once; the dead stay dead."""
        self.add(letter("a", "a1", at=7.0), letter("b", "b1"))
        self.successResultOf(self.queue.put_off(self.due(7.0)[0], 500.0))
        self.successResultOf(self.queue.bury(self.due(7.0)[0], "no"))
        self.queue = self.open()
        [waiting] = self.due(8.0)
        self.assertEqual((waiting.event, waiting.body), ("b1", b"b1"))

    def test_close(self) -> None:
        """Closing it closes the file."""
        self.queue.close()
        self.assertTrue(self.database.closed)
