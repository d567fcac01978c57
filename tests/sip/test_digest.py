"""
Digest by the examples of the standards, and the fields that carry it.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.sip.digest import Algorithm, Challenge, Credentials, answer

HTTP = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
API = (
    'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
    'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
    'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
)
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


def challenge(text: str) -> Challenge:
    """A challenge that is one."""
    found = Challenge.parse(text)
    assert found is not None
    return found


def credentials(text: str) -> Credentials:
    """Credentials that are some."""
    found = Credentials.parse(text)
    assert found is not None
    return found


class VectorTests(SynchronousTestCase):
    """The examples of :rfc:`7616#section-3.9`, and of the standard before."""

    def respond(self, algorithm: str) -> str:
        given = answer(
            challenge(HTTP.format(algorithm=algorithm)),
            "Mufasa",
            "Circle of Life",
            "GET",
            "/dir/index.html",
            cnonce=CNONCE,
        )
        assert given is not None
        return given.response

    def test_md5(self) -> None:
        """The example by MD5."""
        self.assertEqual(self.respond("MD5"), "8ca523f5e9506fed4657c9700eebdbec")

    def test_sha_256(self) -> None:
        """The example by SHA-256."""
        self.assertEqual(
            self.respond("SHA-256"),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        )

    def test_userhash(self) -> None:
        """
        The example by SHA-512-256 with a hidden name, as the erratum to it has
        it (the RFC cut a SHA-512 short instead).
        """
        given = answer(
            challenge(API),
            "Jäsøn Doe",
            "Secret, or not?",
            "GET",
            "/doe.json",
            cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        )
        assert given is not None
        self.assertEqual(
            (given.user, given.response, given.userhash),
            (
                "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b",
                "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
                True,
            ),
        )

    def test_without_qop(self) -> None:
        """The example of :rfc:`2069#section-2.4`, as its erratum has it: no count, no cnonce."""
        given = answer(
            Challenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093"),
            "Mufasa",
            "CircleOfLife",
            "GET",
            "/dir/index.html",
            cnonce="unused",
        )
        assert given is not None
        self.assertEqual(given.response, "1949323746fe6a43ef61f9606e7febea")
        self.assertNotIn("nc=", str(given))

    def test_protected_body(self) -> None:
        """auth-int digests the body too: that of no body is the digest of nothing."""
        asked = Challenge("r", "n", Algorithm.SHA_256, qop=("auth-int",))
        given = answer(asked, "u", "s", "OPTIONS", "sip:a", cnonce="c")
        assert given is not None
        digest = Algorithm.SHA_256.digest
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        a1, a2 = digest("u:r:s"), digest(f"OPTIONS:sip:a:{empty}")
        self.assertEqual(given.response, digest(f"{a1}:n:00000001:c:auth-int:{a2}"))
        self.assertNotEqual(given.expected(a1, "OPTIONS", b"body"), given.response)

    def test_session_variant(self) -> None:
        """MD5-sess digests the nonces into HA1."""
        asked = Challenge("r", "n", Algorithm.MD5, session=True, qop=("auth",))
        given = answer(asked, "u", "s", "BYE", "sip:a", cnonce="c", count=2)
        assert given is not None
        digest = Algorithm.MD5.digest
        ha1 = digest(f"{digest('u:r:s')}:n:c")
        self.assertEqual(given.response, digest(f"{ha1}:n:00000002:c:auth:{digest('BYE:sip:a')}"))
        self.assertIn("algorithm=MD5-sess", str(given))

    def test_unknown_protection(self) -> None:
        """A challenge that insists on what is not known is not answered."""
        self.assertIsNone(
            answer(Challenge("r", "n", qop=("other",)), "u", "s", "BYE", "sip:a", cnonce="c")
        )


class FieldTests(SynchronousTestCase):
    """WWW-Authenticate and Authorization as text."""

    def test_challenge(self) -> None:
        """Names in any case, blanks, unknown parameters, and quotes or none."""
        self.assertEqual(
            challenge(
                'DIGEST  Realm="a, \\"b\\"",NONCE = n1 , algorithm="sha-256-SESS", qop=AUTH,'
                ' stale=TRUE, domain="sip:x,y", opaque=""'
            ),
            Challenge('a, "b"', "n1", Algorithm.SHA_256, True, ("auth",), "", True),
        )

    def test_no_challenge(self) -> None:
        """Other schemes and algorithms, and challenges that lack something."""
        for text in (
            "",
            "Digest",
            'Basic realm="a"',
            'Digest realm="a"',
            'Digest nonce="a"',
            'Digest realm="a", nonce="b", algorithm=SHA3-256',
        ):
            self.assertIsNone(Challenge.parse(text), text)

    def test_credentials(self) -> None:
        """What clients send, with an unquoted uri and a quoted qop, nc and algorithm too."""
        self.assertEqual(
            credentials(
                'Digest username="sb\\\\c", realm="r", nonce="n", uri=sip:a@b, '
                'response="ABC", algorithm="MD5", qop="auth", nc="0000000a", cnonce="c"'
            ),
            Credentials("sb\\c", "r", "n", "sip:a@b", "abc", qop="auth", count=10, cnonce="c"),
        )

    def test_extended_name(self) -> None:
        """A name outside of ASCII may come by username* (the example of the RFC)."""
        text = "Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, realm=r, nonce=n, uri=u, response=r"
        self.assertEqual(credentials(text).user, "Jäsøn Doe")

    def test_no_credentials(self) -> None:
        """What is missing, or is no count, or another protection."""
        good = 'Digest username="u", realm="r", nonce="n", uri="sip:a", response="0"'
        self.assertEqual(credentials(good).count, 0)
        for text in (
            "Basic dTpz",
            good.replace("username", "user"),
            good.replace("response", "answer"),
            good + ", qop=auth",
            good + ", qop=auth, nc=00000000",
            good + ", qop=auth, nc=0x1",
            good + ", qop=auth, nc=123456789",
            good + ", qop=auth, nc=-1",
            good + ", qop=other, nc=00000001",
            good + ", algorithm=MD4",
            good.replace("username=", "username*=latin-1''"),
        ):
            self.assertIsNone(Credentials.parse(text), text)

    @settings(max_examples=60, deadline=None)
    @given(TEXT, TEXT, st.sampled_from(Algorithm), st.booleans(), st.booleans())
    def test_challenge_round_trip(
        self, realm: str, nonce: str, algorithm: Algorithm, stale: bool, userhash: bool
    ) -> None:
        """A challenge of ours is read as what it is."""
        made = Challenge(realm, nonce, algorithm, qop=("auth",), stale=stale, userhash=userhash)
        self.assertEqual(Challenge.parse(str(made)), made)

    @settings(max_examples=60, deadline=None)
    @given(TEXT, TEXT, TEXT, st.sampled_from(Algorithm), st.integers(1, 2**32 - 1))
    def test_credentials_round_trip(
        self, user: str, realm: str, cnonce: str, algorithm: Algorithm, count: int
    ) -> None:
        """So are credentials."""
        made = Credentials(
            user, realm, "n", "sip:a", "0", algorithm, qop="auth", count=count, cnonce=cnonce
        )
        self.assertEqual(Credentials.parse(str(made)), made)

    @settings(max_examples=100, deadline=None)
    @given(st.text(max_size=60))
    def test_anything(self, text: str) -> None:
        """Whatever comes, nothing is raised."""
        Challenge.parse(f"Digest {text}")
        Credentials.parse(f"Digest realm=r, nonce=n, uri=u, response=x, username=u, {text}")
