"""
What operators ask of webhooks.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.webhook_fakes import FakeDatabase, FakePoster
from twisted_siprec.config.model import Webhook, WebhookStore
from twisted_siprec.manhole.console import Console
from twisted_siprec.manhole.webhook_words import webhook_words
from twisted_siprec.net.calls.events import CallAnswered, CallOffered
from twisted_siprec.net.webhooks.queue import WebhookQueue
from twisted_siprec.net.webhooks.webhooks import Webhooks


class WebhookWordsTests(SynchronousTestCase):
    """The words of the console."""

    def setUp(self) -> None:
        self.clock, self.poster = Clock(), FakePoster()
        webhooks = Webhooks(
            self.clock,
            self.clock.seconds,
            lambda: "e1",
            lambda: 1.0,
            (Webhook("crm", "https://crm"),),
            WebhookStore(),
            WebhookQueue(FakeDatabase()),
            lambda _: self.poster,
        )
        webhooks.startService()
        webhooks.happened(CallOffered("r1", "c1", "sbc"), 0.0)
        webhooks.happened(CallAnswered("r1", 0.0), 0.0)
        self.clock.advance(0)
        # The words need nothing of a recorder.
        recorder: Any = None
        self.console = Console(recorder, print, webhook_words(webhooks))

    def say(self, word: str, *arguments: object) -> str:
        """What the prompt prints in the end."""
        function: Any = self.console.namespace[word]
        return repr(self.successResultOf(function(*arguments)))

    def test_state(self) -> None:
        """How each webhook is."""
        self.poster.fail("connection refused")
        self.assertEqual(
            self.say("webhooks").splitlines(),
            [
                "webhook  waiting  delivered  given up  failures  last error",
                "crm      1        0          0         1         connection refused",
            ],
        )

    def test_dead_letters(self) -> None:
        """What was given up, and to try it again."""
        self.assertEqual(self.say("dead_letters"), "no dead letters")
        self.poster.answer(404)
        self.assertEqual(
            self.say("dead_letters").splitlines(),
            [
                "webhook  event         call  attempts  why",
                "crm      call.started  r1    0         it answered 404",
            ],
        )
        self.assertEqual(self.say("revive", "crm"), "1 are tried again")
        self.assertEqual(len(self.poster.posted), 2)
        self.assertEqual(self.say("dead_letters"), "no dead letters")

    def test_help(self) -> None:
        """They are in the help."""
        self.assertIn("dead_letters()", repr(self.console.help()))
