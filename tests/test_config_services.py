"""
The configuration of webhooks, look-ups and call records.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import ConfigurationError, parse
from twisted_siprec.config.model import (
    WEBHOOK_CHOICES,
    WEBHOOK_EVENTS,
    RecordsConfiguration,
    Webhook,
)
from twisted_siprec.plan import ClientTLS, Destination, Secret
from twisted_siprec.routing.rules import Failing, Lookup

ENVIRONMENT = {"TOKEN": "geheim"}


def mistakes(text: str) -> list[str]:
    """What is wrong, without the file's name."""
    try:
        parse(text, "c", environment=ENVIRONMENT)
    except ConfigurationError as error:
        return [str(mistake).removeprefix("c:") for mistake in error.mistakes]
    return []


class WebhooksTests(SynchronousTestCase):
    """``webhooks`` and their queue."""

    def test_least(self) -> None:
        """A name and a URL are enough: all events but what was said, with the defaults."""
        [webhook] = parse("webhooks: [{name: crm, url: 'https://crm.example.com/x?y=1'}]").webhooks
        self.assertEqual(webhook, Webhook("crm", "https://crm.example.com/x?y=1"))
        self.assertEqual(webhook.events, WEBHOOK_EVENTS)
        self.assertNotIn("consumer.said", webhook.events)
        text = "webhooks: [{name: crm, url: 'https://crm', events: consumer.said}]"
        self.assertEqual(parse(text).webhooks[0].events, ("consumer.said",))

    def test_all(self) -> None:
        """Every key."""
        text = """
webhooks:
  - name: crm
    url: https://crm
    events: call.ended
    secret: {environment: TOKEN}
    bearer: {environment: TOKEN}
    headers: {X-A: b}
    tls: {verify: false}
    timeout_s: 1
    backoff_initial_s: 2
    backoff_max_s: 3
    keep_s: 4
    connections: 5
webhook_queue: {file: q, max_events: 1, max_dead: 0, max_unwritten_octets: 65536, stop_s: 0}
"""
        configuration = parse(text, environment=ENVIRONMENT)
        token = Secret(environment="TOKEN")
        self.assertEqual(
            configuration.webhooks,
            (
                Webhook(
                    *("crm", "https://crm", ("call.ended",), token, token, (("X-A", "b"),)),
                    *(ClientTLS(verify=False), 1.0, 2.0, 3.0, 4.0, 5),
                ),
            ),
        )
        self.assertEqual(
            (configuration.webhook_queue.file, configuration.webhook_queue.stop_s), ("q", 0)
        )

    def test_mistakes(self) -> None:
        """All of them at once, and none shows a secret."""
        self.assertEqual(
            mistakes(
                "webhooks:\n"
                "  - {name: a, url: 'ws://a'}\n"
                "  - {name: b, url: 'http://user:geheim@b'}\n"
                "  - {name: c, url: 'http://c', events: [call.begun]}\n"
                "  - {name: d, url: 'http://d', secret: geheim}\n"
            ),
            [
                '2: webhooks[0].url: found "ws://a", expected http://HOST… or https://HOST…',
                (
                    "3: webhooks[1].url: found a user or a password in the URL, expected a URL "
                    "without them: use bearer"
                ),
                '4: webhooks[2].events[0]: found "call.begun", expected one of '
                + ", ".join(WEBHOOK_CHOICES),
                (
                    "5: webhooks[3].secret: found a secret in the text, expected {file: NAME} or "
                    "{environment: NAME}"
                ),
            ],
        )

    def test_mistakes_together(self) -> None:
        """What each by itself is good and together is not."""
        self.assertEqual(
            mistakes(
                "webhooks:\n"
                "  - {name: a, url: 'http://a', tls: {verify: false}}\n"
                "  - {name: a, url: 'http://a', backoff_initial_s: 5, backoff_max_s: 1}\n"
            ),
            [
                "2: webhooks[0].tls: found it with http:, expected https: with it",
                '3: webhooks[1].backoff_max_s: found "1", expected at least backoff_initial_s (5)',
                '3: webhooks[1].name: found "a" a second time, expected another',
            ],
        )

    def test_urls(self) -> None:
        """URLs that cannot be asked."""
        for url, why in (
            ("http://", "expected http://HOST"),
            ("http://a b", "without blanks"),
            ("http://ä", "of ASCII"),
            ("http://a#b", "without a fragment"),
            ("http://a:0/", "from 1 to 65535"),
            ("http://a:x/", "expected http://HOST"),
            ("http://[::1/", "expected http://HOST"),
        ):
            [mistake] = mistakes(f"webhooks: [{{name: a, url: '{url}'}}]")
            self.assertIn(why, mistake)


class LookupTests(SynchronousTestCase):
    """``lookup`` of a route."""

    def test_lookup(self) -> None:
        """It stands in place of destinations."""
        configuration = parse(
            "destinations: {a: {url: 'ws://a'}}\n"
            "routes: [{name: ask, lookup: {url: 'http://crm', cache_s: 5, when_failing: refuse}}]\n"
            "default_destinations: a\n"
        )
        [rule] = configuration.routes
        self.assertEqual(rule.lookup, Lookup("http://crm", cache_s=5, when_failing=Failing.REFUSE))
        self.assertEqual(configuration.default_destinations, (Destination("a", "ws://a"),))

    def test_mistakes(self) -> None:
        """One answer for each route, and a URL."""
        destinations = "destinations: {a: {url: 'ws://a'}}\n"
        self.assertEqual(
            mistakes(
                destinations
                + "routes: [{name: x, lookup: {url: 'http://b'}, destinations: a, refuse: 403}]"
            ),
            ["2: routes[0]: found destinations with lookup with refuse, expected one of them"],
        )
        [mistake] = mistakes(destinations + "routes: [{name: x, lookup: {timeout_s: 1}}]")
        self.assertIn("routes[0].lookup: found none, expected the key url", mistake)


class RecordsTests(SynchronousTestCase):
    """``records``."""

    def test_off(self) -> None:
        """There are none unless a database is named."""
        self.assertIs(parse("").records.database, None)

    def test_records(self) -> None:
        """A database, and what is hidden or hashed in it."""
        self.assertEqual(
            parse(
                "records: {database: 'sqlite:a b.sqlite', keep_days: 0, hide: src, "
                "hash: [caller, called], hash_key: {environment: TOKEN}, node: n1}",
                environment=ENVIRONMENT,
            ).records,
            RecordsConfiguration(
                *("sqlite:a b.sqlite", 0, ("src",), ("caller", "called")),
                *(Secret(environment="TOKEN"), "n1"),
            ),
        )

    def test_mistakes(self) -> None:
        """Passwords in the file, hashes without a key, and fields that are none."""
        for text, why in (
            ("database: 'mysql://x'", "expected sqlite:FILE or postgresql://HOST/DATABASE"),
            ("database: 'postgresql://u:geheim@h/d'", "a password in the URL"),
            ("database: 'postgresql://h/d?password=geheim'", "a password in the URL"),
            ("hide: [names]", "expected one of caller, called"),
            ("hash: [caller]", "expected the key hash_key with hash"),
            (
                "hide: [caller], hash: [caller], hash_key: {environment: TOKEN}",
                "found caller, which hide has too",
            ),
        ):
            [mistake] = mistakes(f"records: {{{text}}}")
            self.assertIn(why, mistake)
            self.assertNotIn("geheim", mistake)
