"""
Who is let in by credentials, and what others are asked.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.sip.conversation import tokens
from twisted_siprec.errors import RemoteError
from twisted_siprec.sip.accounts import Accounts
from twisted_siprec.sip.authentication import Authentication, DigestSettings
from twisted_siprec.sip.digest import Algorithm, Challenge, Credentials, answer
from twisted_siprec.sip.message import Headers, Request
from twisted_siprec.sip.nonces import Nonces

URI = "sip:srs@198.51.100.1"


def request(method: str = "OPTIONS", *credentials: Credentials | str, body: bytes = b"") -> Request:
    """A request with these credentials."""
    fields = [("Authorization", str(each)) for each in credentials]
    return Request(Headers(fields), body=body, method=method, uri_text=URI)


class AuthenticationTests(SynchronousTestCase):
    """One source that authenticates."""

    def setUp(self) -> None:
        self.accounts = Accounts.parse("sbc:secret\nother:more")
        self.make(DigestSettings("srs"))

    def make(self, digest: DigestSettings) -> None:
        numbers = tokens()
        self.authentication = Authentication(
            "source",
            digest,
            lambda: self.accounts,
            Nonces("key"),
            lambda digits: f"{next(numbers):0{digits}x}",
        )

    def refusal(self, refused: Request, now: float = 1.0) -> RemoteError:
        with self.assertRaises(RemoteError) as caught:
            self.authentication.check(refused, now)
        self.assertEqual(caught.exception.status, 401)
        return caught.exception

    def challenges(self, refused: Request | None = None) -> list[Challenge]:
        headers = self.refusal(refused or request()).headers
        self.assertEqual({name for name, _ in headers}, {"WWW-Authenticate"})
        found = [Challenge.parse(value) for _, value in headers]
        return [each for each in found if each is not None]

    def answer(
        self,
        challenge: Challenge,
        user: str = "sbc",
        secret: str = "secret",  # noqa: S107
        method: str = "OPTIONS",
        body: bytes = b"",
        count: int = 1,
    ) -> Credentials:
        given = answer(challenge, user, secret, method, URI, body, cnonce="c", count=count)
        assert given is not None
        return given

    def test_challenges(self) -> None:
        """One for each algorithm, the best first, always with a qop, on one nonce."""
        best, other = self.challenges()
        self.assertEqual((best.algorithm, other.algorithm), (Algorithm.SHA_256, Algorithm.MD5))
        self.assertEqual({best.qop, other.qop}, {("auth",)})
        self.assertEqual(best.nonce, other.nonce)
        self.assertFalse(best.userhash or best.stale)

    def test_both_algorithms(self) -> None:
        """Either of them lets in, and the credentials are told."""
        for count, challenge in enumerate(self.challenges(), 1):
            given = self.answer(challenge, count=count)
            self.assertEqual(self.authentication.check(request("OPTIONS", given), 1.0), given)

    def test_never(self) -> None:
        """ACK and CANCEL are not asked."""
        self.assertIsNone(self.authentication.check(request("ACK"), 1.0))
        self.assertIsNone(self.authentication.check(request("CANCEL"), 1.0))

    def test_algorithm_not_offered(self) -> None:
        """What was not offered is not accepted, be it right: nor are session variants."""
        self.make(DigestSettings("srs", (Algorithm.SHA_256,)))
        [challenge] = self.challenges()
        for algorithm, session in ((Algorithm.MD5, False), (Algorithm.SHA_256, True)):
            asked = Challenge("srs", challenge.nonce, algorithm, session, ("auth",))
            reason = self.refusal(request("OPTIONS", self.answer(asked))).reason
            self.assertEqual(reason, "Credentials Not Accepted")

    def test_another_request(self) -> None:
        """An answer is good for its method alone."""
        given = self.answer(self.challenges()[0])
        self.assertEqual(self.refusal(request("BYE", given)).reason, "Credentials Not Accepted")

    def test_protected_body(self) -> None:
        """auth-int is taken, and does protect the body."""
        nonce = self.challenges()[0].nonce
        asked = Challenge("srs", nonce, Algorithm.SHA_256, qop=("auth-int",))
        given = self.answer(asked, method="UPDATE", body=b"v=0")
        self.refusal(request("UPDATE", given, body=b"v=1"))
        self.assertEqual(
            self.authentication.check(request("UPDATE", given, body=b"v=0"), 1.0), given
        )

    def test_without_qop(self) -> None:
        """A client that knows no qop gets in once with a nonce."""
        asked = Challenge("srs", self.challenges()[0].nonce)
        given = self.answer(asked)
        self.assertEqual(self.authentication.check(request("OPTIONS", given), 1.0), given)
        again = self.refusal(request("OPTIONS", given))
        self.assertEqual(again.reason, "Stale Nonce")

    def test_userhash(self) -> None:
        """A hidden name is found, whether or not that was announced."""
        self.make(DigestSettings("srs", userhash=True))
        best, _ = self.challenges()
        self.assertTrue(best.userhash)
        given = self.answer(best, "other", "more")
        self.assertEqual(len(given.user), 64)
        self.assertEqual(self.authentication.check(request("OPTIONS", given), 1.0), given)
        unknown = self.answer(best, "nobody", "more")
        self.refusal(request("OPTIONS", unknown))

    def test_several(self) -> None:
        """Among credentials for other realms and by other users, the good ones count."""
        best, _ = self.challenges()
        given = self.answer(best)
        foreign = self.answer(Challenge("else", "n", qop=("auth",)))
        wrong = self.answer(best, secret="wrong")
        found = self.authentication.check(
            request("INFO", "Bearer x", foreign, wrong, self.answer(best, method="INFO")), 1.0
        )
        assert found is not None
        self.assertEqual(found.user, "sbc")
        self.assertNotEqual(found.response, given.response)

    def test_bounded(self) -> None:
        """Of very many credentials only the first are looked at."""
        best, _ = self.challenges()
        wrong = [self.answer(best, secret=f"wrong {number}") for number in range(8)]
        self.refusal(request("OPTIONS", *wrong, self.answer(best)))

    def test_unknown_user_with_dummy(self) -> None:
        """What is worked out for a user who is not there lets nobody in."""
        best, _ = self.challenges()
        for secret in ("source", ""):
            given = answer(best, "", secret, "OPTIONS", URI, cnonce="c")
            assert given is not None
            self.refusal(request("OPTIONS", given))

    def test_changed_secret(self) -> None:
        """The users are asked for at each request: a new secret holds at once."""
        best, _ = self.challenges()
        self.accounts = Accounts.parse("sbc:rotated")
        self.refusal(request("OPTIONS", self.answer(best)))
        given = self.answer(best, secret="rotated")
        self.assertEqual(self.authentication.check(request("OPTIONS", given), 1.0), given)

    def test_hashes_only(self) -> None:
        """Where the users of a file have MD5 only, SHA-256 is not offered."""
        self.accounts = Accounts.parse(f"sbc:srs:{Algorithm.MD5.ha1('sbc', 'srs', 'secret')}")
        [challenge] = self.challenges()
        given = self.answer(challenge)
        self.assertEqual(self.authentication.check(request("OPTIONS", given), 1.0), given)

    def test_another_process(self) -> None:
        """Who was right with a nonce of the server before its restart is told stale."""
        best, _ = self.challenges()
        given = self.answer(Challenge("srs", "of before", best.algorithm, qop=("auth",)))
        refusal = self.refusal(request("OPTIONS", given))
        self.assertEqual(refusal.reason, "Stale Nonce")
        self.assertTrue(all("stale=true" in value for _, value in refusal.headers))
