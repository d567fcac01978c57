"""
Destinations, routes, secrets and certificates in the configuration.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import (
    ClientCertificates,
    Configuration,
    ConfigurationError,
    ServerTLS,
    load,
    parse,
)
from twisted_siprec.errors import RemoteError
from twisted_siprec.plan import ClientTLS, Destination, Secret
from twisted_siprec.routing import CallFacts


def mistakes(text: str, directory: str = ".", **environment: str) -> list[str]:
    """The mistakes of a text, without the name of its file."""
    try:
        parse(text, "f", directory, environment)
    except ConfigurationError as error:
        return [str(mistake).removeprefix("f:") for mistake in error.mistakes]
    return []


def destination(keys: str, directory: str = ".", **environment: str) -> list[str]:
    """The mistakes of one destination."""
    text = f"destinations: {{a: {{{keys}}}}}"
    return [
        each.removeprefix("1: destinations.a") for each in mistakes(text, directory, **environment)
    ]


def write_pair(directory: str, name: str, password: bytes | None = None) -> None:
    """A certificate of its own signing, and its key, as name.pem and name.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    with open(os.path.join(directory, f"{name}.pem"), "wb") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
    with open(os.path.join(directory, f"{name}.key"), "wb") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
            )
        )


class DestinationsTests(SynchronousTestCase):
    """The keys of a destination."""

    def test_url(self) -> None:
        """ws, wss and file; without users, blanks or fragments."""
        for url in ["ws://a", "wss://a.example.com:9000/x?y=z", "ws://[::1]:9000/", "file:./x"]:
            self.assertEqual(destination(f"url: '{url}'"), [], url)
        expected = "expected ws://HOST…, wss://HOST… or file:DIRECTORY"
        for url, message in [
            ("http://a", f'found "http://a", {expected}'),
            ("ws:///x", f'found "ws:///x", {expected}'),
            ("ws://a:99999/", f'found "ws://a:99999/", {expected}'),
            ("ws://a:0/", 'found "0", expected a port from 1 to 65535'),
            ("ws://a b/", 'found "ws://a b/", expected a URL without blanks'),
            ("ws://a/#x", 'found "ws://a/#x", expected a URL without a fragment'),
            ("ws://999.1.1.1/", f'found "ws://999.1.1.1/", {expected}'),
            ("file:", 'found "file:", expected file:DIRECTORY'),
            ("file://host/x", 'found "file://host/x", expected file:DIRECTORY'),
        ]:
            self.assertEqual(destination(f"url: '{url}'"), [f".url: {message}"], url)
        self.assertEqual(destination("framing: any"), [": found none, expected the key url"])

    def test_password_in_url(self) -> None:
        """A password in a URL is refused, and not repeated in the mistake."""
        for url in ["wss://u:hunter2@a/", "http://u:hunter2@a/"]:
            [mistake] = destination(f"url: '{url}'")
            self.assertNotIn("hunter2", mistake)

    def test_file_url(self) -> None:
        """A directory may be missing; a file in its place is a mistake. Both notations are one."""
        [one] = parse("destinations: {a: {url: 'file:///no/such'}}").destinations
        self.assertEqual(one.url, "file:/no/such")
        path = self.mktemp()
        with open(path, "w"):
            pass
        [mistake] = destination(f"url: 'file:{path}'")
        self.assertIn("which is none, expected a directory after file:", mistake)

    def test_together(self) -> None:
        """What is good by itself and not together is a mistake."""
        url = "url: ws://a"
        self.assertEqual(
            destination(f"{url}, chunk_ms: 200, max_chunk_ms: 100"),
            ['.max_chunk_ms: found "100", expected at least chunk_ms (200)'],
        )
        self.assertEqual(
            destination(f"{url}, backoff_initial_s: 10"),
            ['.backoff_max_s: found "5", expected at least backoff_initial_s (10)'],
        )
        self.assertEqual(
            destination(f"{url}, tls: {{verify: false}}"),
            [".tls: found it with a ws: URL, expected wss: with it"],
        )
        self.assertEqual(
            destination("url: 'file:x', headers: {A: b}"),
            [".headers: found it with a file: URL, expected ws: or wss: with it"],
        )
        self.assertEqual(
            destination(
                f"{url}, bearer: {{environment: T}}, "
                "basic: {user: u, password: {environment: T}}",
                T="x",
            ),
            [
                ".bearer: found it with basic, expected one of them, as both set Authorization",
            ],
        )

    def test_headers(self) -> None:
        """Header fields are kept in order; credentials and the handshake's own are refused."""
        [one] = parse(
            "destinations: {a: {url: ws://a, headers: {X-B: '1', X-A: x y}}}"
        ).destinations
        self.assertEqual(one.headers, (("X-B", "1"), ("X-A", "x y")))
        for header, message in [
            (
                "Authorization: Bearer hunter2",
                (
                    ".headers.Authorization: found a credential, expected bearer or basic instead, "
                    "which read it from elsewhere"
                ),
            ),
            (
                "Sec-WebSocket-Protocol: x",
                (
                    '.headers.Sec-WebSocket-Protocol: found "Sec-WebSocket-Protocol", expected a '
                    "field that the handshake does not set itself"
                ),
            ),
            ("'X A': x", '.headers.X A: found "X A", expected the name of a header field'),
            (
                'X-A: "x\\r\\nHost: y"',
                '.headers.X-A: found "x\\r\\nHost: y", expected a header field\'s value',
            ),
        ]:
            self.assertEqual(destination(f"url: ws://a, headers: {{{header}}}"), [message])

    def test_names(self) -> None:
        """A destination's name is a word."""
        self.assertEqual(
            mistakes("destinations: {'a b': {url: ws://a}}"),
            [
                (
                    '1: destinations.a b: found "a b", expected a name of letters, digits, '
                    "hyphens, dots and underscores"
                )
            ],
        )
        self.assertEqual(
            mistakes("destinations: {}"),
            ["1: destinations: found none, expected at least one destination, or no such key"],
        )
        self.assertEqual(
            mistakes("destinations: [a]"), ["1: destinations: found a list, expected a mapping"]
        )


class SecretsTests(SynchronousTestCase):
    """Secrets come from files and the environment, never from the text."""

    def test_from_elsewhere(self) -> None:
        """Only the place of a secret is in the configuration."""
        [one] = parse(
            "destinations: {a: {url: ws://a, hmac: {environment: KEY},"
            " basic: {user: u, password: {environment: KEY}}}}",
            environment={"KEY": "hunter2"},
        ).destinations
        self.assertEqual(one.hmac, Secret(environment="KEY"))
        self.assertEqual((one.basic_user, one.basic_password), ("u", Secret(environment="KEY")))
        self.assertNotIn("hunter2", repr(one))

    def test_in_the_text(self) -> None:
        """A secret in the text is refused without repeating it."""
        self.assertEqual(
            destination("url: ws://a, bearer: hunter2"),
            [".bearer: found a secret in the text, expected {file: NAME} or {environment: NAME}"],
        )

    def test_mistakes(self) -> None:
        """The file must be there, the variable must be set, and there is one of them."""
        self.assertEqual(
            destination("url: ws://a, bearer: {environment: KEY}"),
            [
                (
                    '.bearer.environment: found "KEY", which is not set, expected a variable of '
                    "the environment"
                )
            ],
        )
        self.assertEqual(
            destination("url: ws://a, bearer: {file: token}", "/no/such"),
            ['.bearer.file: found "/no/such/token", expected a file with the secret that exists'],
        )
        self.assertEqual(
            destination("url: ws://a, bearer: {}"),
            [".bearer: found neither, expected {file: NAME} or {environment: NAME}"],
        )
        self.assertEqual(
            destination("url: ws://a, basic: {user: u}"),
            [".basic: found none, expected the key password"],
        )


class CertificatesTests(SynchronousTestCase):
    """Certificates and keys are tried before they are needed."""

    def setUp(self) -> None:
        self.directory = self.mktemp()
        os.mkdir(self.directory)
        write_pair(self.directory, "one")
        write_pair(self.directory, "two")
        write_pair(self.directory, "locked", b"passphrase")

    def path(self, name: str) -> str:
        return os.path.abspath(os.path.join(self.directory, name))

    def listener(self, keys: str) -> list[str]:
        text = f"sip: {{listeners: [{{transport: tls, {keys}}}]}}"
        return mistakes(text, self.directory)

    def test_listener(self) -> None:
        """A TLS listener has its pair, port 5061, and the authorities of its peers."""
        configuration = parse(
            "sip: {listeners: [{transport: tls, certificate: one.pem, key: one.key,"
            " client_certificates: required, client_authorities: two.pem}]}",
            directory=self.directory,
        )
        [listener] = configuration.sip.listeners
        self.assertEqual(listener.port, 5061)
        self.assertEqual(
            listener.tls,
            ServerTLS(
                self.path("one.pem"),
                self.path("one.key"),
                self.path("two.pem"),
                ClientCertificates.REQUIRED,
            ),
        )

    def test_pair(self) -> None:
        """The key must be the certificate's own, without a passphrase."""
        [mistake] = self.listener("certificate: one.pem, key: two.key")
        self.assertIn("sip.listeners[0].certificate: found", mistake)
        self.assertIn("(key values mismatch)", mistake)
        [mistake] = self.listener("certificate: locked.pem, key: locked.key")
        self.assertIn("without a passphrase", mistake)
        [mistake] = self.listener("certificate: one.pem")
        self.assertIn("its own private key", mistake)

    def test_media(self) -> None:
        """The pair for DTLS: one file or two that belong together, and no key alone."""
        media = parse(
            "media: {dtls_certificate: one.pem, dtls_key: one.key}", directory=self.directory
        ).media
        self.assertEqual(
            (media.dtls_certificate, media.dtls_key), (self.path("one.pem"), self.path("one.key"))
        )
        for pair, words in (
            ("dtls_certificate: one.pem, dtls_key: two.key", "(key values mismatch)"),
            ("dtls_certificate: one.pem", "its own private key"),
            ("dtls_key: one.key", "expected the key dtls_certificate, as there is a dtls_key"),
        ):
            error = self.assertRaises(
                ConfigurationError, parse, f"media: {{{pair}}}", directory=self.directory
            )
            self.assertIn(words, str(error))

    def test_clients(self) -> None:
        """Client certificates and their authorities need each other."""
        self.assertEqual(
            self.listener("certificate: one.pem, key: one.key, client_certificates: optional"),
            [
                (
                    '1: sip.listeners[0].client_certificates: found "optional", expected the key '
                    "client_authorities with it"
                )
            ],
        )
        self.assertEqual(
            self.listener("certificate: one.pem, key: one.key, client_authorities: two.pem"),
            [
                (
                    '1: sip.listeners[0].client_authorities: found "two.pem", expected '
                    "client_certificates: optional or required with it"
                )
            ],
        )
        [mistake] = self.listener(
            "certificate: one.pem, key: one.key, client_certificates: required, "
            "client_authorities: one.key"
        )
        self.assertIn("expected a PEM file of certificate authorities", mistake)

    def test_directory(self) -> None:
        """A directory is no certificate."""
        os.mkdir(self.path("folder"))
        [mistake] = self.listener("certificate: folder")
        self.assertIn("which is no file, expected a PEM certificate", mistake)

    def test_unreadable(self) -> None:
        """A file that may not be read is told so."""
        self.patch(os, "access", lambda path, mode: False)
        [mistake] = self.listener("certificate: one.pem")
        self.assertIn("expected a PEM certificate that this user may read", mistake)

    def test_client(self) -> None:
        """A destination's certificates are tried too."""
        text = "destinations: {{a: {{url: 'wss://a', tls: {{{}}}}}}}"
        [one] = parse(
            text.format("certificate: one.pem, key: one.key, authorities: two.pem"),
            directory=self.directory,
        ).destinations
        self.assertEqual(
            one.tls,
            ClientTLS(
                authorities=self.path("two.pem"),
                certificate=self.path("one.pem"),
                key=self.path("one.key"),
            ),
        )
        self.assertEqual(
            mistakes(text.format("key: one.key"), self.directory),
            ["1: destinations.a.tls: found none, expected the key certificate with key"],
        )
        self.assertEqual(
            mistakes(text.format("verify: no, authorities: one.pem"), self.directory),
            ["1: destinations.a.tls: found authorities with verify: false, expected one of them"],
        )
        [mistake] = mistakes(text.format("certificate: one.pem, key: two.key"), self.directory)
        self.assertIn("destinations.a.tls.certificate: found", mistake)


class RoutesTests(SynchronousTestCase):
    """Routes and where calls go by them."""

    destinations = "destinations: {a: {url: ws://a}, b: {url: ws://b}}\n"
    a = Destination("a", "ws://a")
    b = Destination("b", "ws://b")

    def read(self, text: str) -> Configuration:
        return parse(self.destinations + text)

    def test_no_routes(self) -> None:
        """Without routes every call goes to every destination."""
        self.assertEqual(self.read("").router.route(CallFacts()), (self.a, self.b))

    def test_default(self) -> None:
        """With routes, calls that none takes need a default."""
        routes = "routes: [{name: one, match: {called: '2*'}, destinations: a}]\n"
        router = self.read(routes).router
        self.assertEqual(router.route(CallFacts(called="2001")), (self.a,))
        self.assertIsInstance(router.route(CallFacts(called="3001")), RemoteError)
        router = self.read(routes + "default_destinations: b").router
        self.assertEqual(router.route(CallFacts(called="3001")), (self.b,))
        self.assertIsInstance(
            self.read("default_destinations: []").router.route(CallFacts()), RemoteError
        )

    def test_match(self) -> None:
        """All keys of match become conditions; numbers stay as they are written."""
        router = self.read(
            "sources: [{name: sbc-1, networks: 192.0.2.1}]\n"
            "routes:\n"
            "  - name: one\n"
            "    match:\n"
            "      called: [0012, 1_0]\n"
            "      calling: +1 555 0100\n"
            "      request_uri: srs\n"
            "      source: sbc-*\n"
            "      header: {X-Queue: [sales, support], Subject: '*'}\n"
            "      metadata: {ucid: '~[0-9]+'}\n"
            "    destinations: [b, a]\n"
        ).router
        facts = CallFacts(
            called="sip:0012@x",
            calling="sip:+15550100@x",
            request_uri="sip:srs@x",
            source="sbc-1",
            headers=(("x-queue", "support"), ("subject", "s")),
            metadata=(("ucid", "12"),),
        )
        self.assertEqual(router.route(facts), (self.b, self.a))
        self.assertEqual(router.route(replace(facts, called="sip:1_0@x")), (self.b, self.a))
        for other in (
            replace(facts, called="sip:12@x"),
            replace(facts, calling=""),
            replace(facts, request_uri="sip:x"),
            replace(facts, source="sbc"),
            replace(facts, headers=(("x-queue", "support"),)),
            replace(facts, metadata=(("ucid", "x"),)),
        ):
            self.assertIsInstance(router.route(other), RemoteError, other)

    def test_refuse(self) -> None:
        """A route may refuse."""
        answer = self.read("routes: [{name: no, refuse: 603}]").router.route(CallFacts())
        assert isinstance(answer, RemoteError)
        self.assertEqual(answer.status, 603)

    def test_mistakes(self) -> None:
        """Names, patterns, statuses and the order are checked."""
        self.assertEqual(
            mistakes(
                self.destinations + "routes:\n"
                "  - {name: one}\n"
                "  - {name: two, destinations: a, refuse: 403}\n"
                "  - {name: two, destinations: [a, c]}\n"
                "  - {name: four, refuse: 200}\n"
                "  - {destinations: a}\n"
                "  - {name: six, destinations: [a, a]}\n"
                "  - {name: seven, destinations: a, match: {called: []}}\n"
                "  - {name: eight, destinations: a, match: {header: {A: '~('}}}\n"
                "  - {name: nine, destinations: a, match: {source: loopbak}}\n"
                "default_destinations: d\n"
            ),
            [
                (
                    "3: routes[0]: found none of them, expected destinations, "
                    "a lookup, or refuse with a status"
                ),
                "4: routes[1]: found destinations with refuse, expected one of them",
                (
                    '5: routes[2].destinations[1]: found "c", which is no destination, expected '
                    "one of a, b"
                ),
                '6: routes[3].refuse: found "200", expected a whole number from 400 to 699',
                "7: routes[4]: found none, expected the key name",
                '8: routes[5].destinations[1]: found "a" a second time, expected each entry once',
                (
                    "9: routes[6].match.called: found an empty list, expected a pattern or a list "
                    "of them"
                ),
                (
                    '10: routes[7].match.header.A: found "~(", expected a pattern, but it is no '
                    "regular expression: missing ), unterminated subpattern at position 0"
                ),
                (
                    '11: routes[8].match.source: found "loopbak", which is no source, expected a '
                    'known one (did you mean "loopback"?)'
                ),
                (
                    '12: default_destinations: found "d", which is no destination, expected one of '
                    "a, b"
                ),
            ],
        )

    def test_no_sources(self) -> None:
        """Where there is nothing to name, no name is suggested."""
        self.assertEqual(
            mistakes("sources: []\nroutes: [{name: a, match: {source: x}, refuse: 403}]\n"),
            [
                "1: sources: found an empty list, expected one source at least",
                (
                    '2: routes[0].match.source: found "x", which is no source, expected none, '
                    "as there are none"
                ),
            ],
        )

    def test_order(self) -> None:
        """Names come once, and nothing stands behind a route that takes every call."""
        self.assertEqual(
            mistakes(
                self.destinations + "routes:\n"
                "  - {name: one, destinations: a}\n"
                "  - {name: one, match: {called: '2'}, destinations: a}\n"
            ),
            [
                (
                    '4: routes[1]: found a route behind "one", which takes every call, expected '
                    "that one last"
                ),
                '4: routes[1].name: found "one" a second time, expected another name',
            ],
        )

    def test_broken_destination(self) -> None:
        """A route to a destination that is broken is not called mistaken too."""
        found = mistakes(
            "destinations: {a: {url: 'http://a'}}\nroutes: [{name: one, destinations: a}]\n"
        )
        self.assertEqual(len(found), 1)
        self.assertIn("destinations.a.url", found[0])


class ExamplesTests(SynchronousTestCase):
    """The configurations that are shipped."""

    etc = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "etc")

    def text(self) -> str:
        with open(os.path.join(self.etc, "siprec.yaml"), encoding="utf-8") as file:
            return file.read()

    def test_defaults(self) -> None:
        """The annotated configuration shows the defaults, and nothing else."""
        self.assertEqual(load(os.path.join(self.etc, "siprec.yaml")), Configuration())

    def test_demo(self) -> None:
        """The demonstration's configuration is good, and stays on this machine."""
        configuration = load(os.path.join(self.etc, "demo.yaml"))
        self.assertEqual(
            {listener.address for listener in configuration.sip.listeners}, {"127.0.0.1"}
        )

    def uncommented(self) -> str:
        """The annotated configuration with everything in it that is off."""
        lines = []
        for line in self.text().splitlines():
            bare = line.lstrip()
            if bare.startswith("##"):
                lines.append("")
            elif bare.startswith("#"):
                lines.append(line.replace("#", "", 1))
            else:
                lines.append(line)
        return "\n".join(lines)

    def test_examples(self) -> None:
        """What is off in it is good too, but for the files and secrets of its examples."""
        for mistake in mistakes(self.uncommented(), "/no/such"):
            self.assertTrue(
                mistake.endswith("that exists") or "which is not set" in mistake, mistake
            )

    def test_defaults_of_destinations(self) -> None:
        """What it says of a destination's defaults is so."""
        examples = (
            "headers",
            "bearer",
            "hmac",
            "basic",
            "tls",
            "url",
            "failover",
            "proxy",
            "proxy_basic",
        )
        lines = self.uncommented().splitlines()
        start = lines.index("destinations:") + 2
        end = lines.index("  speech-b:")
        kept = [line for line in lines[start:end] if line.startswith("    ") and line[4] != " "]
        keys = [line for line in kept if line.strip().partition(":")[0] not in examples]
        self.assertGreater(len(keys), 15)
        [one] = parse("destinations:\n  a:\n    url: ws://a\n" + "\n".join(keys)).destinations
        self.assertEqual(one, Destination("a", "ws://a"))

    def test_every_key(self) -> None:
        """Every key of the schema is in it."""
        import yaml

        from twisted_siprec.config import delivery, services, signalling_schema, tenants
        from twisted_siprec.config.loading import SECTIONS

        document = yaml.safe_load(self.uncommented())
        for name, reader in SECTIONS.items():
            keys = getattr(reader, "keys", None)
            if keys is not None:
                self.assertEqual(set(document[name]), set(keys), name)
        for name in ("timers", "limits", "connections"):
            reader = signalling_schema.SIP_SECTION.keys[name]
            self.assertEqual(set(document["sip"][name]), set(reader.keys), name)
        self.assertEqual(
            {key for each in document["sip"]["listeners"] for key in each},
            set(signalling_schema.LISTENER.keys),
        )
        self.assertEqual(set(document["sources"][0]), set(signalling_schema.SOURCE.keys))
        self.assertEqual(
            set(document["destinations"]["speech"]) | {"basic"}, set(delivery.DESTINATION_KEYS)
        )
        self.assertEqual(
            set(document) - set(SECTIONS),
            {"destinations", "routes", "default_destinations", "tenants"},
        )
        self.assertEqual(set(document["webhooks"][0]), set(services.WEBHOOK.keys))
        self.assertEqual(set(document["routes"][2]["lookup"]), set(services.LOOKUP.keys))
        self.assertEqual(set(document["tenants"][0]), set(tenants.tenant_section({}, ()).keys))
        sales = document["routes"][1]["match"]
        self.assertEqual(
            set(sales), {"called", "calling", "request_uri", "source", "header", "metadata"}
        )
