"""
The configuration: what is read, what is refused, and with which words.
"""

from __future__ import annotations

import os
from ipaddress import ip_network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.codec import NAMES
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.config import (
    SIP,
    Configuration,
    ConfigurationError,
    Digest,
    DigestUsers,
    Listener,
    PeerCredentials,
    Source,
    SourceLimits,
    Unknown,
    load,
    model,
    parse,
)
from twisted_siprec.config.model import MediaConfiguration
from twisted_siprec.plan import Destination, Encoding, Layout, Secret
from twisted_siprec.routing import CallFacts
from twisted_siprec.sdp.crypto import Secrecy
from twisted_siprec.sip.authentication import DigestSettings
from twisted_siprec.sip.digest import Algorithm
from twisted_siprec.sip.events import Limits, Reuse, Timers, Transport, UserAgentSettings


def mistakes(text: str, environment: dict[str, str] | None = None) -> list[str]:
    """The mistakes of a text, without the name of its file."""
    try:
        parse(text, "f", environment=environment or {})
    except ConfigurationError as error:
        return [str(mistake).removeprefix("f:") for mistake in error.mistakes]
    return []


class DefaultsTests(SynchronousTestCase):
    """What the server does out of the box."""

    def test_nothing(self) -> None:
        """An empty file, a file of comments and empty sections are all defaults."""
        for text in ["", "# nothing\n", "---\n", "sip:\nmedia:\nroutes:\n", "sip: {timers: }"]:
            self.assertEqual(parse(text), Configuration(), text)

    def test_out_of_the_box(self) -> None:
        """SIP on UDP and TCP 5060, calls from loopback only, into ./recordings."""
        configuration = Configuration()
        self.assertEqual(
            configuration.sip.listeners,
            (
                Listener(Transport.UDP, "0.0.0.0", 5060),
                Listener(Transport.TCP, "0.0.0.0", 5060),
            ),
        )
        self.assertEqual(
            [source.networks for source in configuration.sources],
            [(ip_network("127.0.0.0/8"), ip_network("::1/128"))],
        )
        recordings = Destination("recordings", "file:./recordings")
        self.assertEqual(configuration.router.route(CallFacts()), (recordings,))
        self.assertFalse(configuration.manhole.enabled)

    def test_mapping(self) -> None:
        """What other parts take is made of the configuration."""
        configuration = parse(
            "sip: {contact_user: rec, session_expires_s: 1800, trace: yes, reuse_flow: off,"
            " min_se_s: 120, server: x, timers: {t1: 1, c: 60}, limits: {dialogs: 7}}\n"
            "media: {ports: [10000, 10001], jitter_ms: 200, cooldown_s: 1.5, max_streams: 2,"
            " start_timeout_s: 3, silent_after_s: 4, relatch_after_s: 5,"
            " receive_buffer_octets: 8192, expect_signalled_source: true, dtmf: false,"
            " conceal: false, mask_margin_ms: 55, codecs: [G722]}\n"
            "limits: {calls: 3}\n"
        )
        self.assertEqual(
            configuration.sip.user_agent,
            UserAgentSettings(
                server="x",
                contact_user="rec",
                session_expires_s=1800,
                min_se_s=120,
                trace=True,
                reuse_flow=Reuse.NEVER,
                timers=Timers(t1=1.0, c=60.0),
                limits=Limits(dialogs=7),
            ),
        )
        self.assertEqual(
            configuration.media_settings,
            MediaSettings(
                first_port=10000,
                last_port=10001,
                port_cooldown_s=1.5,
                receive_buffer_octets=8192,
                max_bridges=6,
                max_streams=2,
                jitter_ms=200,
                start_timeout_s=3.0,
                silent_after_s=4.0,
                relatch_after_s=5.0,
                expect_signalled_source=True,
                conceal=False,
                mask_margin_ms=55,
            ),
        )
        self.assertEqual(configuration.media.codec_names, frozenset({"G722", "CN"}))
        self.assertIn("TELEPHONE-EVENT", Configuration().media.codec_names)


class DocumentTests(SynchronousTestCase):
    """YAML, keys and lines."""

    def test_not_yaml(self) -> None:
        """What is no YAML is refused with its line."""
        [mistake] = mistakes("sip:\n  a: [1\n  b: 2\n")
        self.assertTrue(mistake.startswith("3: found while parsing"), mistake)
        self.assertTrue(mistake.endswith(", expected YAML"), mistake)
        self.assertEqual(len(mistakes("a: \x00")), 1)
        self.assertEqual(len(mistakes("a: 1\n---\nb: 2\n")), 1)

    def test_nothing_is_constructed(self) -> None:
        """A tag that would make an object makes nothing: the text is what counts."""
        self.assertEqual(
            mistakes("workers: !!python/object/apply:os.getpid []"),
            ["1: workers: found a list, expected a whole number from 0 to 64, or auto"],
        )

    def test_no_mapping(self) -> None:
        """A list or a text in place of sections is a mistake."""
        self.assertEqual(mistakes("[1]"), ["1: found a list, expected a mapping of keys"])
        self.assertEqual(mistakes("hello"), ['1: found "hello", expected a mapping of keys'])

    def test_unknown_keys(self) -> None:
        """An unknown key is told with the one that was meant, or with all there are."""
        self.assertEqual(
            mistakes("destinatoins: {}\nlog: {jason: true}\nstopping: {x: 1}"),
            [
                (
                    "1: destinatoins: found an unknown key, expected a known one (did you mean "
                    '"destinations"?)'
                ),
                '2: log.jason: found an unknown key, expected a known one (did you mean "json"?)',
                "3: stopping.x: found an unknown key, expected one of drain_s, retry_after_s",
            ],
        )

    def test_keys_twice(self) -> None:
        """A key that comes twice is a mistake on its second line, at every depth."""
        self.assertEqual(
            mistakes("log:\n  json: true\n  json: false\nlog: {}"),
            [
                "3: log.json: found the key a second time, expected it once",
                "4: log: found the key a second time, expected it once",
            ],
        )

    def test_odd_keys(self) -> None:
        """A key that is no word is a mistake."""
        self.assertEqual(
            mistakes("log:\n  [a]: 1"),
            ["2: log: found a key that is no word, expected a word"],
        )

    def test_all_at_once(self) -> None:
        """The mistakes of all sections come together, by line."""
        self.assertEqual(
            mistakes(
                "workers: many\n"
                "limits: {calls: many}\n"
                "routes:\n"
                "  - name: one\n"
                "    destinations: [speach]\n"
                "destinations:\n"
                "  speech: {url: 'ws://x', chunk_ms: 7}\n"
            ),
            [
                '1: workers: found "many", expected a whole number from 0 to 64, or auto',
                '2: limits.calls: found "many", expected a whole number from 1 to 1000000',
                (
                    '5: routes[0].destinations[0]: found "speach", which is no destination, '
                    'expected a known one (did you mean "speech"?)'
                ),
                (
                    '7: destinations.speech.chunk_ms: found "7", expected a whole number of '
                    "milliseconds from 20 to 1000 in steps of 10"
                ),
            ],
        )

    def test_found(self) -> None:
        """What was found is quoted on one line, and cut."""
        self.assertEqual(
            mistakes('log: {level: "a\\nb"}\n'),
            ['1: log.level: found "a\\nb", expected one of debug, info, warn, error, critical'],
        )
        [mistake] = mistakes(f"log: {{level: {'x' * 300}}}")
        self.assertIn('found "' + "x" * 60 + '…", expected', mistake)

    def test_nothing_is_expanded(self) -> None:
        """A reference to the environment in a text stays a text."""
        configuration = parse("sip: {server: '${HOME}'}", environment={"HOME": "/root"})
        self.assertEqual(configuration.sip.server, "${HOME}")

    def test_anchors(self) -> None:
        """Anchors may be used; one that holds itself is read no deeper than the schema."""
        configuration = parse("sip: {timers: &t {t1: 1}}\nlog: {json: on}\n")
        self.assertEqual(configuration.sip.timers.t1, 1.0)
        self.assertEqual(len(mistakes("sip: &a\n  timers: *a\n")), 1)

    def test_too_long(self) -> None:
        """A text beyond any configuration is refused unread."""
        self.assertEqual(
            mistakes("#" * 1_048_577),
            ["1: found 1048577 characters, expected at most 1048576"],
        )

    @settings(max_examples=200, deadline=None)
    @given(
        st.recursive(
            st.sampled_from(["", "1", "x", "true", "{}", "[]", "~", "'y'", "udp", "ws://a", "*"]),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
                st.dictionaries(
                    st.sampled_from(
                        [
                            "sip",
                            "listeners",
                            "transport",
                            "sources",
                            "name",
                            "networks",
                            "media",
                            "ports",
                            "destinations",
                            "url",
                            "routes",
                            "match",
                            "called",
                            "header",
                            "default_destinations",
                            "bearer",
                            "tls",
                        ]
                    ),
                    inner,
                    max_size=4,
                ).map(
                    lambda members: "{" + ", ".join(f"{k}: {v}" for k, v in members.items()) + "}"
                ),
            ),
            max_leaves=12,
        )
    )
    def test_anything(self, text: str) -> None:
        """Whatever stands in the file, the result is a configuration or mistakes."""
        try:
            self.assertIsInstance(parse(text, environment={}), Configuration)
        except ConfigurationError as error:
            self.assertTrue(error.mistakes)


class LoadTests(SynchronousTestCase):
    """Files."""

    def test_file(self) -> None:
        """A file is read, and files that it names are looked up beside it."""
        directory = self.mktemp()
        os.mkdir(directory)
        path = os.path.join(directory, "siprec.yaml")
        with open(os.path.join(directory, "token"), "w") as file:
            file.write("secret")
        with open(path, "w") as file:
            file.write("destinations: {a: {url: 'ws://a', bearer: {file: token}}}\n")
        [destination] = load(path).destinations
        self.assertEqual(
            destination.bearer, Secret(file=os.path.abspath(os.path.join(directory, "token")))
        )

    def test_missing(self) -> None:
        """A file that is not there is told by name."""
        error = self.assertRaises(ConfigurationError, load, "no/such/file.yaml")
        self.assertEqual(
            str(error),
            "no/such/file.yaml: found No such file or directory, expected a file that can be read",
        )

    def test_not_utf8(self) -> None:
        """A file in another character set is told with the octet."""
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"sip: {server: caf\xe9}")
        error = self.assertRaises(ConfigurationError, load, path)
        self.assertEqual(str(error), f"{path}: found the octet 0xe9, expected UTF-8")

    def test_name_in_mistakes(self) -> None:
        """Mistakes bear the file's name as it was given."""
        path = self.mktemp()
        with open(path, "w") as file:
            file.write("\nworkers: x\n")
        error = self.assertRaises(ConfigurationError, load, path)
        self.assertTrue(str(error).startswith(f"{path}:2: workers: found"), str(error))


class SIPTests(SynchronousTestCase):
    """Listeners and the session timer."""

    def test_listeners(self) -> None:
        """Ports have the transport's default; the advertised port is optional."""
        configuration = parse(
            "sip:\n"
            "  listeners:\n"
            "    - {transport: udp, address: '::', advertise: rec.example.com}\n"
            "    - {transport: tcp, address: 192.0.2.1, port: 5080, advertise: '[2001:db8::1]:9'}\n"
            "    - {transport: udp, port: 0, advertise: '2001:db8::1'}\n"
        )
        self.assertEqual(
            configuration.sip.listeners,
            (
                Listener(Transport.UDP, "::", 5060, ("rec.example.com", None)),
                Listener(Transport.TCP, "192.0.2.1", 5080, ("2001:db8::1", 9)),
                Listener(Transport.UDP, "0.0.0.0", 0, ("2001:db8::1", None)),
            ),
        )
        self.assertEqual(configuration.sip, SIP(listeners=configuration.sip.listeners))

    def test_mistakes(self) -> None:
        """Each key of a listener is checked, and what does not go together."""
        self.assertEqual(
            mistakes(
                "sip:\n"
                "  listeners:\n"
                "    - {address: 1.2.3}\n"
                "    - {transport: sctp, port: 70000}\n"
                "    - {transport: udp, advertise: 'a b'}\n"
                "    - {transport: udp, advertise: 'a:0'}\n"
                "    - {transport: tls}\n"
                "    - {transport: tcp, client_certificates: off}\n"
            ),
            [
                "3: sip.listeners[0]: found none, expected the key transport",
                '3: sip.listeners[0].address: found "1.2.3", expected an IP address',
                '4: sip.listeners[1].port: found "70000", expected a whole number from 0 to 65535',
                '4: sip.listeners[1].transport: found "sctp", expected one of udp, tcp, tls',
                '5: sip.listeners[2].advertise: found "a b", expected HOST or HOST:PORT',
                '6: sip.listeners[3].advertise: found "0", expected a port from 1 to 65535',
                (
                    "7: sip.listeners[4]: found none, expected the key certificate, as the "
                    "transport is tls"
                ),
                (
                    '8: sip.listeners[5].client_certificates: found "off", expected it with the '
                    "transport tls only"
                ),
            ],
        )

    def test_overlaps(self) -> None:
        """Two listeners on one port are a mistake where their addresses meet."""

        def listeners(*each: str) -> str:
            return "sip: {listeners: [" + ", ".join(each) + "]}"

        udp = "{transport: udp}"
        self.assertEqual(
            mistakes(listeners(udp, "{transport: udp, address: 127.0.0.1}")),
            [
                (
                    "1: sip.listeners[1]: found udp 127.0.0.1:5060, which sip.listeners[0] takes "
                    "already, expected another port or address"
                )
            ],
        )
        one = "{transport: tcp, address: 192.0.2.1}"
        for other, count in [
            (one, 1),
            ("{transport: tcp, address: 192.0.2.2}", 0),
            ("{transport: tcp, address: '::'}", 0),
            ("{transport: tcp, port: 5061}", 0),
            (udp, 0),
        ]:
            self.assertEqual(len(mistakes(listeners(one, other))), count, other)
        zero = "{transport: udp, port: 0}"
        self.assertEqual(mistakes(listeners(zero, zero)), [])
        self.assertEqual(
            mistakes(listeners()),
            ["1: sip.listeners: found an empty list, expected one listener at least"],
        )

    def test_media_overlap(self) -> None:
        """A UDP listener must not stand among the media's ports."""
        self.assertEqual(
            mistakes("sip: {listeners: [{transport: udp}]}\nmedia: {ports: [5000, 5999]}"),
            [
                (
                    '1: sip.listeners[0].port: found "5060", which is in media.ports, expected one '
                    "outside of it"
                )
            ],
        )
        self.assertEqual(
            mistakes("sip: {listeners: [{transport: tcp}]}\nmedia: {ports: [5000, 5999]}"), []
        )

    def test_session_timer(self) -> None:
        """An interval below the least that we agree to is a mistake; 0 is none."""
        self.assertEqual(
            mistakes("sip: {session_expires_s: 100, min_se_s: 120}"),
            [
                '1: sip.session_expires_s: found "100", expected 0 or at least min_se_s (120)',
            ],
        )
        self.assertEqual(mistakes("sip: {session_expires_s: 0, min_se_s: 120}"), [])


class AuthenticationTests(SynchronousTestCase):
    """Who proves what to whom."""

    def setUp(self) -> None:
        self.users = os.path.abspath(self.mktemp())
        self.write("sbc:secret")

    def write(self, text: str) -> None:
        with open(self.users, "w") as file:
            file.write(text)

    def test_digest(self) -> None:
        """Users from a file or one by one, and all that may be chosen."""
        configuration = parse(
            "sources:\n"
            f"  - {{name: a, networks: 10.0.0.1, digest: {{users: {self.users}}}}}\n"
            "  - name: b\n"
            "    networks: 10.0.0.2\n"
            "    digest:\n"
            "      realm: example.com\n"
            "      users: {sbc: {environment: SECRET}}\n"
            "      algorithms: [MD5]\n"
            "      userhash: true\n"
            "      nonce_s: 60\n",
            environment={"SECRET": "x"},
        )
        first, second = (source.digest for source in configuration.sources)
        self.assertEqual(first, Digest(DigestUsers(file=self.users)))
        assert first is not None
        self.assertEqual(
            first.settings, DigestSettings("siprec", (Algorithm.SHA_256, Algorithm.MD5), False)
        )
        self.assertEqual(
            second,
            Digest(
                DigestUsers(secrets=(("sbc", Secret(environment="SECRET")),)),
                "example.com",
                (Algorithm.MD5,),
                True,
                60.0,
            ),
        )

    def digest_mistakes(self, digest: str) -> list[str]:
        return mistakes(f"sources: [{{name: a, networks: 10.0.0.1, digest: {digest}}}]")

    def test_digest_mistakes(self) -> None:
        """Users are needed, and a file of them has to be one; what is in it is not told."""
        key = "1: sources[0].digest"
        self.assertEqual(
            self.digest_mistakes("{realm: x}"), [f"{key}: found none, expected the key users"]
        )
        self.assertEqual(
            self.digest_mistakes("{users: {}}"),
            [f"{key}.users: found an empty mapping, expected one user at least"],
        )
        self.assertEqual(
            self.digest_mistakes("{users: {sbc: secret}}"),
            [
                (
                    f"{key}.users.sbc: found a secret in the text, expected {{file: NAME}} or "
                    "{environment: NAME}"
                )
            ],
        )
        self.assertEqual(
            self.digest_mistakes(f"{{users: {self.users}, algorithms: [SHA-1, MD5]}}"),
            [f'{key}.algorithms[0]: found "SHA-1", expected one of SHA-256, SHA-512-256, MD5'],
        )
        for text, reason in (
            ("sbc:x\nsecret", '" (line 2 is neither name:secret nor name:realm:HA1)'),
            ("# nobody", '", which has none'),
        ):
            self.write(text)
            [mistake] = self.digest_mistakes(f"{{users: {self.users}}}")
            self.assertTrue(mistake.endswith(f"{reason}, expected a file of users"), mistake)
        with open(self.users, "wb") as file:
            file.write(b"s\xff:x")
        [mistake] = self.digest_mistakes(f"{{users: {self.users}}}")
        self.assertIn(" (no UTF-8)", mistake)

    def test_credentials(self) -> None:
        """What we show ourselves, for one realm or for any."""
        configuration = parse(
            "sip: {credentials: [{realm: r, user: u, password: {environment: SECRET}},"
            " {user: v, password: {environment: SECRET}}]}",
            environment={"SECRET": "x"},
        )
        secret = Secret(environment="SECRET")
        self.assertEqual(
            configuration.sip.credentials,
            (PeerCredentials("u", secret, "r"), PeerCredentials("v", secret)),
        )
        self.assertEqual(
            mistakes("sip: {credentials: [{realm: r}]}"),
            [
                "1: sip.credentials[0]: found none, expected the key password",
                "1: sip.credentials[0]: found none, expected the key user",
            ],
        )

    def test_served(self) -> None:
        """Domains and users of Request-URIs, and how connections are used again."""
        settings = parse(
            "sip: {domains: [Example.COM, 192.0.2.1], users: +15550100, reuse_flow: alias}"
        ).sip.user_agent
        self.assertEqual(settings.domains, ("example.com", "192.0.2.1"))
        self.assertEqual(settings.users, ("+15550100",))
        self.assertIs(settings.reuse_flow, Reuse.ALIAS)
        self.assertEqual(
            mistakes("sip: {domains: 'a b', users: [a@b], reuse_flow: maybe}"),
            [
                '1: sip.domains: found "a b", expected a host name or an IP address',
                '1: sip.reuse_flow: found "maybe", expected one of true, alias, false',
                '1: sip.users[0]: found "a@b", expected the user part of a SIP URI',
            ],
        )


class SourcesTests(SynchronousTestCase):
    """Who may send calls."""

    def test_identities(self) -> None:
        """A source may be known by its certificate, and have an address and limits of its own."""
        [source] = parse(
            "sources: [{name: a, identities: [sbc.example.com, 'sip:example.com'],"
            " advertise: 203.0.113.5, limits: {calls: 5, calls_per_second: 0.5}}]\n"
            "limits: {lateness_ms: 0}\n"
            "sip: {limits: {pending_invites: 7}}\n"
        ).sources
        self.assertEqual(
            source,
            Source(
                "a",
                identities=("sbc.example.com", "sip:example.com"),
                advertise="203.0.113.5",
                limits=SourceLimits(5, 0.5),
            ),
        )
        self.assertEqual(
            mistakes("sources: [{name: a}]"),
            ["1: sources[0]: found none, expected the key networks or identities"],
        )

    def test_one_network_by_identities(self) -> None:
        """Two sources may share a network that certificates tell apart, but not hide another."""
        for first, second, good in (
            ("identities: a, ", "identities: b, ", True),
            ("identities: a, ", "", True),
            ("identities: a, ", "identities: a, ", False),
            ("", "identities: b, ", False),
        ):
            found = mistakes(
                f"sources: [{{name: a, {first}networks: 10.0.0.0/8}},"
                f" {{name: b, {second}networks: 10.1.0.0/16}}]"
            )
            self.assertEqual(not found, good, (first, second, found))

    def test_sources(self) -> None:
        """Networks may be one or several, addresses too; the default source is gone."""
        configuration = parse(
            "sources:\n"
            "  - {name: sbc, networks: 192.0.2.1, strict: true}\n"
            "  - {name: rest, networks: [192.0.2.0/24, '2001:db8::/32'], allow: false}\n"
            "unknown_sources: 403\n"
        )
        self.assertEqual(
            configuration.sources,
            (
                Source("sbc", (ip_network("192.0.2.1/32"),), strict=True),
                Source(
                    "rest", (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")), allow=False
                ),
            ),
        )
        self.assertIs(configuration.unknown_sources, Unknown.FORBIDDEN)

    def test_mistakes(self) -> None:
        """Networks must be networks, names single, and no entry without effect."""
        self.assertEqual(
            mistakes(
                "sources:\n"
                "  - {name: a, networks: 10.0.0.0/8}\n"
                "  - {name: a, networks: [192.0.2.0/24, 10.1.0.0/16]}\n"
            ),
            [
                '3: sources[1].name: found "a" a second time, expected another',
                (
                    "3: sources[1].networks[1]: found 10.1.0.0/16, which sources[0] (10.0.0.0/8) "
                    "takes already, expected the narrower network first"
                ),
            ],
        )
        self.assertEqual(
            mistakes("sources:\n  - {name: a b, networks: [10.0.0.1/8, x]}\n"),
            [
                (
                    '2: sources[0].name: found "a b", expected a name of letters, digits, hyphens, '
                    "dots and underscores"
                ),
                (
                    '2: sources[0].networks[0]: found "10.0.0.1/8", expected 10.0.0.0/8, as that '
                    "is the network of this address"
                ),
                (
                    '2: sources[0].networks[1]: found "x", expected a network such as '
                    "192.0.2.0/24, or an address"
                ),
            ],
        )
        self.assertEqual(
            mistakes("sources: []"),
            ["1: sources: found an empty list, expected one source at least"],
        )


class MediaTests(SynchronousTestCase):
    """Ports and codecs."""

    def test_ports(self) -> None:
        """The range begins even and ends odd."""
        expected = "expected [FIRST, LAST], the first port even and the last one odd"
        for given_ports, found in [
            ("[16385, 16400]", "[16385, 16400]"),
            ("[16384, 16400]", "[16384, 16400]"),
            ("[16400, 16385]", "[16400, 16385]"),
            ("[1, 2, 3]", "3 ports"),
            ("16384-32767", '"16384-32767"'),
        ]:
            self.assertEqual(
                mistakes(f"media: {{ports: {given_ports}}}"),
                [f"1: media.ports: found {found}, {expected}"],
            )
        self.assertEqual(parse("media: {ports: [20000, 20001]}").media.ports, (20000, 20001))

    def test_all_codecs(self) -> None:
        """All codecs are on; those that cannot be decoded here are in no answer, and are told."""
        self.patch(model, "SUPPORTED", frozenset({"PCMU", "GSM"}))
        media = MediaConfiguration(codecs=("PCMU", "OPUS", "GSM", "AMR"), dtmf=False)
        self.assertEqual(media.codec_names, {"PCMU", "GSM", "CN"})
        self.assertEqual(media.missing_codecs, ("OPUS", "AMR"))
        self.assertEqual(MediaConfiguration().codecs, NAMES)

    def test_srtp(self) -> None:
        """One setting for all, another one for a source."""
        self.assertEqual(parse("{}").media.srtp, Secrecy.ALLOW)
        configuration = parse(
            "{media: {srtp: require},"
            " sources: [{name: a, networks: 192.0.2.1, srtp: off},"
            " {name: b, networks: 192.0.2.2}]}"
        )
        self.assertEqual(configuration.media.srtp, Secrecy.REQUIRE)
        self.assertEqual([each.srtp for each in configuration.sources], [Secrecy.OFF, None])
        self.assertEqual(len(mistakes("media: {srtp: perhaps}")), 1)

    def test_dtls(self) -> None:
        """One setting for all, another one for a source; a key needs its certificate."""
        self.assertEqual(parse("{}").media.dtls, Secrecy.ALLOW)
        configuration = parse(
            "{media: {dtls: require},"
            " sources: [{name: a, networks: 192.0.2.1, dtls: off},"
            " {name: b, networks: 192.0.2.2}]}"
        )
        self.assertEqual(configuration.media.dtls, Secrecy.REQUIRE)
        self.assertEqual([each.dtls for each in configuration.sources], [Secrecy.OFF, None])
        self.assertEqual(
            mistakes("media: {dtls: maybe}"),
            ['1: media.dtls: found "maybe", expected one of off, allow, require'],
        )

    def test_mask_dtmf(self) -> None:
        """Off at first; one setting for all, another one for a source."""
        self.assertFalse(parse("{}").media.mask_dtmf)
        configuration = parse(
            "{media: {mask_dtmf: true},"
            " sources: [{name: a, networks: 192.0.2.1, mask_dtmf: false},"
            " {name: b, networks: 192.0.2.2}]}"
        )
        self.assertTrue(configuration.media.mask_dtmf)
        self.assertEqual([each.mask_dtmf for each in configuration.sources], [False, None])

    def test_codecs(self) -> None:
        """Only codecs that we have, each once."""
        self.assertEqual(
            mistakes("media: {codecs: [PCMU, G728]}"),
            ['1: media.codecs[1]: found "G728", expected one of ' + ", ".join(sorted(NAMES))],
        )
        self.assertEqual(
            mistakes("media: {codecs: [PCMU, PCMU]}"),
            ['1: media.codecs[1]: found "PCMU" a second time, expected each entry once'],
        )
        self.assertEqual(
            mistakes("media: {codecs: []}"),
            ["1: media.codecs: found an empty list, expected one entry at least"],
        )

    def test_addresses(self) -> None:
        """A wildcard can be bound and cannot be advertised."""
        self.assertEqual(
            mistakes("media: {address: 0.0.0.0, advertise: 0.0.0.0}"),
            [
                '1: media.advertise: found "0.0.0.0", expected an IP address that peers can reach',
            ],
        )


class OperationTests(SynchronousTestCase):
    """The rest of the keys."""

    def test_manhole(self) -> None:
        """The manhole needs keys when it is enabled, and a port always."""
        self.assertEqual(
            mistakes("manhole: {enabled: true}"),
            ["1: manhole: found none, expected the key authorized_keys, as enabled is true"],
        )
        self.assertEqual(
            mistakes("manhole: {listen: localhost:22}\n"),
            ['1: manhole.listen: found "localhost:22", expected ADDRESS:PORT'],
        )
        self.assertEqual(parse("manhole: {listen: '[::1]:22'}").manhole.listen, ("::1", 22))
        self.assertEqual(parse("manhole: {listen: 127.0.0.1:22}").manhole.listen, ("127.0.0.1", 22))

    def test_switches(self) -> None:
        """Switches are words of YAML 1.1, and nothing else."""
        self.assertTrue(parse("log: {json: on}").log.json)
        self.assertFalse(parse("log: {json: No}").log.json)
        self.assertEqual(
            mistakes("log: {json: 1}"), ['1: log.json: found "1", expected true or false']
        )

    def test_numbers(self) -> None:
        """Numbers are numbers, in their range, without units."""
        for text, good in [
            ("30", True),
            ("2.5", True),
            ("30s", False),
            ("-1", False),
            ("1e3", False),
            (".nan", False),
            ("[1]", False),
            ("86401", False),
        ]:
            self.assertEqual(mistakes(f"stopping: {{drain_s: {text}}}") == [], good, text)

    def test_too_many(self) -> None:
        """Lists, mappings and texts have limits."""
        self.assertEqual(
            mistakes("pass_headers: [" + "A, " * 65 + "]"),
            ["1: pass_headers: found 65 entries, expected at most 64 entries"],
        )
        headers = ", ".join(f"X-{number}: y" for number in range(65))
        self.assertEqual(
            mistakes(f"destinations: {{a: {{url: ws://a, headers: {{{headers}}}}}}}"),
            ["1: destinations.a.headers: found 65 entries, expected at most 64 entries"],
        )
        self.assertEqual(
            mistakes("sip: {contact_user: " + "a" * 65 + "}"),
            ["1: sip.contact_user: found 65 characters, expected at most 64 characters"],
        )

    def test_pass_headers(self) -> None:
        """Header names are tokens."""
        self.assertEqual(parse("pass_headers: X-A").pass_headers, ("X-A",))
        self.assertEqual(
            mistakes("pass_headers: ['X A']"),
            ['1: pass_headers[0]: found "X A", expected the name of a header field'],
        )

    def test_destination_types(self) -> None:
        """A destination takes its enumerations and its rate as words."""
        [destination] = parse(
            "destinations: {a: {url: 'wss://a/b?c=d', layout: mono, encoding: PCMU,"
            " sample_rate: 8000}}"
        ).destinations
        self.assertEqual(
            destination,
            Destination(
                "a",
                "wss://a/b?c=d",
                layout=Layout.MONO,
                encoding=Encoding.PCMU,
                sample_rate=8000,
            ),
        )
