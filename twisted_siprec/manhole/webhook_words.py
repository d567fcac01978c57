"""
What operators ask of webhooks: how they are, what was given up, and to try that again.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from ..net.webhooks.queue import Letter
from ..net.webhooks.webhooks import Webhooks
from .console import Word
from .table import Table, Words


def webhook_words(webhooks: Webhooks) -> tuple[Word, ...]:
    """The words, for :class:`~.console.Console`."""
    return (
        Word("webhooks()", "how the webhooks are", lambda: _state(webhooks)),
        Word(
            "dead_letters()",
            "events that were given up, the latest first",
            lambda count=100: webhooks.dead(int(count)).addCallback(_dead),
        ),
        Word(
            'revive("crm")',
            "try those of a webhook again",
            lambda name: webhooks.revive(str(name)).addCallback(_revived),
        ),
    )


def _state(webhooks: Webhooks) -> Deferred[Table]:
    def table(waiting: dict[str, int]) -> Table:
        return Table(
            ("webhook", "waiting", "delivered", "given up", "failures", "last error"),
            [
                (
                    sender.settings.name,
                    waiting.get(sender.settings.name, 0),
                    sender.tally.delivered,
                    sender.tally.given_up,
                    sender.tally.failures,
                    sender.tally.last_error,
                )
                for sender in webhooks.senders
            ],
        )

    return webhooks.waiting().addCallback(table)


def _dead(letters: tuple[Letter, ...]) -> Table:
    return Table(
        ("webhook", "event", "call", "attempts", "why"),
        [
            (letter.webhook, letter.name, letter.call, letter.attempts, letter.dead)
            for letter in letters
        ],
        empty="no dead letters",
    )


def _revived(count: int) -> Words:
    return Words(f"{count} are tried again")
