"""The configuration of failover, circuits, choices and the spool."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config.loading import parse
from twisted_siprec.config.mistakes import ConfigurationError
from twisted_siprec.config.model import Configuration
from twisted_siprec.plan import Secret
from twisted_siprec.routing.rules import Choice, Share

TWO = """
destinations:
  a: {{url: "ws://a/", {terms}}}
  b: {{url: "ws://b/", {others}}}
"""


class ReachTests(SynchronousTestCase):
    """What is taken, and what is not."""

    def good(self, text: str) -> Configuration:
        return parse(text, environment={"KEY": "secret"})

    def bad(self, text: str) -> str:
        error = self.assertRaises(ConfigurationError, self.good, text)
        return str(error)

    def two(self, terms: str, others: str = "") -> str:
        return TWO.format(terms=terms, others=others)

    def test_failover(self) -> None:
        """The others of a destination are with it, as they are configured, but for their own."""
        terms, others = "failover: b, breaker_failures: 9", "failover: [a], replay_ms: 7"
        a, b = self.good(self.two(terms, others)).destinations
        self.assertEqual([each.name for each in a.failover], ["b"])
        self.assertEqual((a.failover[0].url, a.failover[0].replay_ms), ("ws://b/", 7))
        self.assertEqual(a.failover[0].failover, ())
        self.assertEqual([each.name for each in b.failover], ["a"])

    def test_failover_that_cannot_be(self) -> None:
        """Nobody, oneself, a file, or one that is sent something else."""
        self.assertIn("a.failover", self.bad(self.two("failover: nobody")))
        self.assertIn("another destination", self.bad(self.two("failover: a")))
        mistakes = self.bad(self.two("failover: b", "encoding: PCMU, chunk_ms: 20"))
        self.assertIn("alike in encoding, chunk_ms", mistakes)
        text = 'destinations: {a: {url: "ws://a/", failover: b}, b: {url: "file:/tmp/x"}}'
        self.assertIn("ws: or wss:", self.bad(text))
        text = 'destinations: {a: {url: "file:/tmp/x", spool: true}}'
        self.assertIn("a.spool", self.bad(text))

    def test_proxy(self) -> None:
        """A host and a port."""
        [a, _] = self.good(self.two('proxy: "proxy.example.com:3128"')).destinations
        self.assertEqual(a.proxy, ("proxy.example.com", 3128))
        self.assertIn("HOST:PORT", self.bad(self.two("proxy: proxy.example.com")))

    def test_proxy_credentials(self) -> None:
        """A user name and where the password is, for a proxy that there is, and nowhere else."""
        basic = "proxy_basic: {user: recorder, password: {environment: KEY}}"
        [a, _] = self.good(self.two(f'proxy: "p:3128", {basic}')).destinations
        self.assertEqual((a.proxy_user, a.proxy_password), ("recorder", Secret(environment="KEY")))
        self.assertIn(
            ":3: destinations.a.proxy_basic: found it without proxy, expected HOST:PORT",
            self.bad(self.two(basic)),
        )
        self.assertIn(
            "a.proxy_basic: found none, expected the key password",
            self.bad(self.two('proxy: "p:3128", proxy_basic: {user: recorder}')),
        )
        self.assertIn("proxy_basic", self.bad(f'destinations: {{a: {{url: "file:/x", {basic}}}}}'))
        header = self.bad(self.two("headers: {Proxy-Authorization: Basic eDp5}"))
        self.assertIn("found a credential, expected proxy_basic instead", header)
        self.assertNotIn("eDp5", header)

    def test_choices(self) -> None:
        """A mapping in place of a name is a choice by weights."""
        routes = "routes: [{name: all, destinations: [b, {a: 3, b: 1}]}]"
        configuration = self.good(self.two("") + routes)
        a, b = configuration.destinations
        [rule] = configuration.routes
        self.assertEqual(rule.destinations, (b,))
        self.assertEqual(rule.choices, (Choice((Share(a, 3), Share(b, 1))),))
        alone = self.good(self.two("") + "routes: [{name: all, destinations: {a: 3, b: 1}}]")
        self.assertEqual(alone.routes[0].choices, rule.choices)
        for wrong in ("{}", "{a: 0}", "{c: 1}", "{a: x}"):
            text = self.two("") + f"routes: [{{name: all, destinations: {wrong}}}]"
            self.assertIn("routes[0].destinations", self.bad(text))

    def test_spool(self) -> None:
        """Its directory, bounds and key; a destination can only use one that there is."""
        spool = "spool: {directory: s, max_mb: 5, batch_ms: 50, key: {environment: KEY}}"
        configuration = self.good(self.two("spool: true") + spool)
        self.assertEqual(configuration.spool.key, Secret(environment="KEY"))
        self.assertEqual((configuration.spool.directory, configuration.spool.max_mb), ("s", 5))
        self.assertTrue(configuration.destinations[0].spool)
        self.assertIn("spool.directory", self.bad(self.two("spool: true")))
        self.assertIn("workers: 0", self.bad("spool: {directory: s}\nworkers: 2"))
