"""
What header fields say.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.siprec.identity import (
    Marks,
    NamedParty,
    identifiers,
    named_parties,
    passed_on,
    source_address,
)

from .support import request


def fields(*headers: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Header fields of a request."""
    return headers


class MarksTests(SynchronousTestCase):
    """Is it a recording session?"""

    def marks(self, *headers: tuple[str, str]) -> tuple[bool, bool, bool]:
        """(tag, misplaced tag, required)."""
        found = Marks.of(request(headers=headers))
        return found.src_tag, found.misplaced_tag, found.required

    def test_tags(self) -> None:
        """The tag where it belongs, and in all the places where it is found."""
        for contact, expected in (
            ("<sip:a@b>;+sip.src", (True, False)),
            ("<sip:a@b>;expires=1;+sip.src", (True, False)),
            ("<sip:a@b>;src", (False, True)),
            ("<sip:a@b>;sip.src", (False, True)),
            ("<sip:a@b;transport=tls;+sip.src>", (False, True)),
            ("<sip:a@b>;+sip-src", (False, True)),
            ("<sip:src@b>;isFocus", (False, False)),
        ):
            self.assertEqual(self.marks(("Contact", contact))[:2], expected, contact)

    def test_require(self) -> None:
        """Require is a list; Supported is not Require."""
        self.assertTrue(self.marks(("Require", "timer, SIPREC"))[2])
        self.assertFalse(self.marks(("Supported", "siprec"))[2])

    def test_verdicts(self) -> None:
        """Both marks are the standard, any of them enough for us."""
        for tag, required, standard, any_ in (
            (True, True, True, True),
            (True, False, False, True),
            (False, True, False, True),
            (False, False, False, False),
        ):
            marks = Marks(tag, False, required)
            self.assertEqual((marks.standard, marks.any), (standard, any_))

    def test_warnings(self) -> None:
        """What is missing is named."""
        self.assertEqual([c for c, _ in Marks(True, False, True).warnings], [])
        self.assertEqual(
            [c for c, _ in Marks(False, False, False).warnings],
            ["sip-no-src-tag", "sip-no-require-siprec"],
        )
        self.assertEqual(
            [c for c, _ in Marks(False, True, True).warnings], ["sip-src-tag-misplaced"]
        )


class PartyTests(SynchronousTestCase):
    """Parties without metadata."""

    def test_cisco(self) -> None:
        """One field a party, with the m-lines by index; else by their order."""
        found = named_parties(
            request(
                headers=fields(
                    (
                        "X-Cisco-Recording-Participant",
                        '"Ann" <sip:1@example.com>;media-index="0, 2"',
                    ),
                    ("X-Cisco-Recording-Participant", "sip:2@example.com"),
                    ("X-Cisco-Recording-Participant", "<broken"),
                )
            )
        )
        self.assertEqual(
            found,
            (
                NamedParty("party-1", "sip:1@example.com", "Ann", (0, 2)),
                NamedParty("party-2", "sip:2@example.com", None, (1,)),
            ),
        )

    def test_built_in_bridge(self) -> None:
        """CUCM says in From which end of the call it records."""
        near = fields(("From", "<sip:a@b;x-nearend;x-nearendaddr=8000;x-farendaddr=9>;tag=1"))
        far = fields(("From", "<sip:a@b;x-farend;x-refci=5;x-farendaddr=9>;tag=1"))
        nobody = fields(("From", "<sip:a@b;x-farend>;tag=1"))
        self.assertEqual(
            named_parties(request(headers=near)), (NamedParty("near-end", "8000", None, (0,)),)
        )
        self.assertEqual(
            named_parties(request(headers=far)), (NamedParty("far-end", "9", None, (0,)),)
        )
        self.assertEqual(named_parties(request(headers=nobody)), ())
        self.assertEqual(named_parties(request(headers=())), ())
        self.assertEqual(
            identifiers(request(headers=far)),
            (("farend", "true"), ("refci", "5"), ("farendaddr", "9")),
        )


class IdentifierTests(SynchronousTestCase):
    """Identifiers and what is passed on."""

    def test_identifiers(self) -> None:
        """Those of several vendors, and the UCID within User-to-User."""
        self.assertEqual(
            identifiers(
                request(
                    headers=fields(
                        ("Session-ID", "abc;remote=0"),
                        ("Cisco-Guid", "1-2-3-4"),
                        ("User-to-User", "00C801FFfa080005000600000007;encoding=hex"),
                        ("X-Genesys-CallUUID", "G"),
                        ("X-Twilio-CallSid", "CA1"),
                    )
                )
            ),
            (
                ("ucid", "00005000060000000007"),
                ("session_id", "abc;remote=0"),
                ("call_guid", "1-2-3-4"),
                ("user_to_user", "00C801FFfa080005000600000007;encoding=hex"),
                ("genesys_uuid", "G"),
                ("call_sid", "CA1"),
            ),
        )

    def test_no_ucid(self) -> None:
        """User-to-User of anybody else is only passed on."""
        found = identifiers(request(headers=fields(("User-to-User", "text"))))
        self.assertEqual(found, (("user_to_user", "text"),))

    def test_passed_on(self) -> None:
        """The fields asked for, under the names asked for, every line of them."""
        self.assertEqual(
            passed_on(
                request(headers=fields(("x-tag", "1"), ("X-TAG", "2"), ("Y", "3"))),
                ("X-Tag", "Missing"),
            ),
            (("X-Tag", "1"), ("X-Tag", "2")),
        )

    def test_source(self) -> None:
        """From, or the Contact where From has no user."""
        contact = ("Contact", "<sip:c@h>")
        for headers, expected in (
            ((("From", "<sip:a@h>;tag=1"), contact), "sip:a@h"),
            ((("From", "<sip:h>;tag=1"), contact), "sip:c@h"),
            ((("From", "<sip:h>;tag=1"),), "sip:h"),
            ((contact,), "sip:c@h"),
            ((), None),
        ):
            self.assertEqual(source_address(request(headers=headers)), expected)
