"""
What we answer to those who want to know who we are.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.sip.authorization import authorized
from twisted_siprec.sip.digest import Credentials
from twisted_siprec.sip.message import Headers, Request, Response

SECRETS = {"src": ("recorder", "ours"), "proxy": ("other", "theirs")}


def request(*fields: tuple[str, str]) -> Request:
    """A BYE of ours."""
    return Request(Headers(fields), method="BYE", uri_text="sip:src@192.0.2.10")


def response(status: int, *fields: tuple[str, str]) -> Response:
    """A response with these fields."""
    return Response(Headers(fields), status=status, reason="")


def answered(asked: Response, *before: tuple[str, str]) -> list[tuple[str, str, str, str]] | None:
    """By field: the realm, the user and the algorithm of the credentials."""
    fields = authorized(request(*before), asked, SECRETS.get, lambda digits: "c" * digits)
    if fields is None:
        return None
    found = [(name, Credentials.parse(value)) for name, value in fields]
    return [(name, each.realm, each.user, each.algorithm.value) for name, each in found if each]


SHA_256 = ("WWW-Authenticate", 'Digest realm="src", nonce="1", algorithm=SHA-256, qop="auth"')
MD5 = ("WWW-Authenticate", 'Digest realm="src", nonce="1", algorithm=MD5, qop="auth"')
UNKNOWN = ("WWW-Authenticate", 'Digest realm="src", nonce="1", algorithm=SHA3-512, qop="auth"')
PROXY = ("Proxy-Authenticate", 'Digest realm="proxy", nonce="2", qop="auth"')
STRANGE = ("WWW-Authenticate", 'Digest realm="strange", nonce="3", qop="auth"')
GIVEN = (
    "Authorization",
    'Digest username="recorder", realm="src", nonce="0", uri="a", response="0"',
)


class AuthorizedTests(SynchronousTestCase):
    """Of what is asked, what we can answer."""

    def test_topmost(self) -> None:
        """The topmost challenge of a realm that is understood is answered, and no other."""
        self.assertEqual(
            answered(response(401, UNKNOWN, SHA_256, MD5)),
            [("Authorization", "src", "recorder", "SHA-256")],
        )
        self.assertEqual(
            answered(response(401, MD5, SHA_256)), [("Authorization", "src", "recorder", "MD5")]
        )

    def test_realms(self) -> None:
        """Realms that we know nothing of are left out."""
        self.assertEqual(
            answered(response(401, STRANGE, MD5)), [("Authorization", "src", "recorder", "MD5")]
        )
        self.assertIsNone(answered(response(401, STRANGE)))

    def test_proxy(self) -> None:
        """A proxy is answered as one, and what the peer was told before is kept."""
        self.assertEqual(
            answered(response(407, PROXY, MD5), GIVEN),
            [
                ("Authorization", "src", "recorder", "MD5"),
                ("Proxy-Authorization", "proxy", "other", "MD5"),
            ],
        )

    def test_not_accepted(self) -> None:
        """Credentials that were not accepted are not sent again, unless the nonce is stale."""
        self.assertIsNone(answered(response(401, MD5), GIVEN))
        stale = (MD5[0], MD5[1] + ", stale=true")
        self.assertEqual(
            answered(response(401, stale), GIVEN), [("Authorization", "src", "recorder", "MD5")]
        )

    def test_nothing_asked(self) -> None:
        """A 401 without a challenge, and other responses, are not answered."""
        self.assertIsNone(answered(response(401)))
        self.assertIsNone(answered(response(401, PROXY)))
        self.assertIsNone(answered(response(403, MD5)))
        insists = (MD5[0], 'Digest realm="src", nonce="1", qop="other"')
        self.assertIsNone(answered(response(401, insists)))

    @settings(max_examples=100, deadline=None)
    @given(st.sampled_from([401, 407]), st.lists(st.text(max_size=40), max_size=3))
    def test_anything(self, status: int, values: list[str]) -> None:
        """Whatever comes, nothing is raised."""
        name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
        answered(response(status, *((name, f"Digest realm=src, nonce=n, {v}") for v in values)))
