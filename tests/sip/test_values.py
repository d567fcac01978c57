"""
Addresses, URIs, Via and parameters, as peers really write them.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from sipmessage import URI, Parameters
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.sip.values import (
    Address,
    bracketed,
    parameters,
    parse_uri,
    parse_via,
    scheme_of,
    split,
    unquoted,
    uri_parameter,
)


class SplitTests(SynchronousTestCase):
    """Lists and parameters are taken apart where the grammar says so."""

    def test_plain(self) -> None:
        """Blanks around the parts go, and empty parts too."""
        self.assertEqual(split(" a, b ,,c ", ","), ["a", "b", "c"])

    def test_quotes_and_brackets(self) -> None:
        """Separators within quotes and angle brackets separate nothing."""
        self.assertEqual(
            split('"a, \\", b" <sip:x;y,z>;q="1;2", <sip:c>', ","),
            ['"a, \\", b" <sip:x;y,z>;q="1;2"', "<sip:c>"],
        )

    def test_unquoted(self) -> None:
        """Escaped characters of a quoted string are themselves."""
        self.assertEqual(unquoted('"J \\\\\\" R"'), 'J \\" R')
        self.assertEqual(unquoted('"'), '"')


class ParametersTests(SynchronousTestCase):
    """Header parameters."""

    def test_names_in_lower_case(self) -> None:
        """Names are compared without regard to case; a flag has no value."""
        self.assertEqual(
            parameters(';TAG=aB; +sip.src ;x = "a;b"'),
            Parameters(**{"tag": "aB", "+sip.src": None, "x": "a;b"}),
        )

    def test_first_counts(self) -> None:
        """A second parameter of the same name does not replace the first."""
        self.assertEqual(parameters(";tag=1;tag=2;;"), Parameters(tag="1"))

    def test_self(self) -> None:
        """A parameter with the name of a Python argument is no fault."""
        self.assertEqual(parameters(";self=1;a=2"), Parameters(a="2"))


class URITests(SynchronousTestCase):
    """URIs."""

    def test_sip(self) -> None:
        """User, host, port and parameters; the scheme in any case."""
        self.assertEqual(
            parse_uri("SIP:alice:pw@example.com:5070;transport=tcp?Subject=x"),
            URI(
                scheme="sip",
                user="alice",
                password="pw",
                host="example.com",
                port=5070,
                parameters=Parameters(transport="tcp"),
            ),
        )

    def test_ipv6(self) -> None:
        """An IPv6 reference keeps its brackets."""
        uri = parse_uri("sips:[2001:db8::9]:5061;lr")
        assert uri is not None
        self.assertEqual((uri.scheme, uri.host, uri.port), ("sips", "[2001:db8::9]", 5061))
        self.assertEqual(uri_parameter(uri, "lr"), "")

    def test_lenient(self) -> None:
        """Host names with underscores, and parameters that the grammar lacks, are understood."""
        uri = parse_uri("sip:u@h_1.example.com:5060;+sip.src;x=a{b}")
        assert uri is not None
        self.assertEqual((uri.user, uri.host, uri.port), ("u", "h_1.example.com", 5060))
        self.assertEqual(uri_parameter(uri, "x"), "a{b}")

    def test_parameter_case(self) -> None:
        """A URI parameter is found by its name in any case."""
        uri = parse_uri("sip:example.com;Transport=TLS")
        assert uri is not None
        self.assertEqual(uri_parameter(uri, "transport"), "TLS")
        self.assertIsNone(uri_parameter(uri, "lr"))

    def test_none(self) -> None:
        """Other schemes, no scheme, blanks and ports that are none give None."""
        for text in ("isbn:123", "*", "", "sip:a b", "sip:h:99999", "sip:h_x:99999", "sip:"):
            self.assertIsNone(parse_uri(text), text)

    def test_tel(self) -> None:
        """A tel URI has its number for a user and no host."""
        uri = parse_uri("tel:+1-555-0100")
        assert uri is not None
        self.assertEqual((uri.scheme, uri.user, uri.host), ("tel", "+1-555-0100", ""))

    def test_scheme(self) -> None:
        """The scheme of any URI, known or not."""
        self.assertEqual(scheme_of(" Soap.BEEP://x"), "soap.beep")
        self.assertIsNone(scheme_of("no scheme"))


class AddressTests(SynchronousTestCase):
    """To, From, Contact, Route."""

    def test_name_addr(self) -> None:
        """A quoted display name with an escaped quote and a bracket in it."""
        address = Address.parse('"A \\"<B\\"" <sip:c@d;x=1>;tag=7')
        assert address is not None
        self.assertEqual(
            (address.name, address.uri_text, address.tag), ('A "<B"', "sip:c@d;x=1", "7")
        )

    def test_addr_spec(self) -> None:
        """Without brackets all parameters are the header's."""
        address = Address.parse("sip:c@d;tag=7")
        assert address is not None
        self.assertEqual((address.uri_text, address.tag, address.name), ("sip:c@d", "7", ""))

    def test_feature_tag_inside(self) -> None:
        """+sip.src within the brackets is a parameter of the URI."""
        address = Address.parse("<sip:c@d:5060;transport=udp;+sip.src>")
        assert address is not None and address.uri is not None
        self.assertEqual(uri_parameter(address.uri, "+sip.src"), "")
        self.assertNotIn("+sip.src", address.parameters)

    def test_unknown_scheme(self) -> None:
        """A URI that we do not know is kept as text."""
        address = Address.parse("<isbn:2983792873>;tag=7")
        assert address is not None
        self.assertEqual(
            (address.uri_text, address.uri, address.tag), ("isbn:2983792873", None, "7")
        )

    def test_no_address(self) -> None:
        """Nothing, empty brackets and a bracket that does not close are no address."""
        for text in ("", "<>", "x <sip:a", ";tag=1"):
            self.assertIsNone(Address.parse(text), text)

    @given(st.text(max_size=60))
    @settings(max_examples=200, deadline=None)
    def test_any_text(self, text: str) -> None:
        """No text makes the parser raise."""
        Address.parse(text)
        parse_via(text)
        parse_uri(text)


class ViaTests(SynchronousTestCase):
    """Via."""

    def test_blanks(self) -> None:
        """Blanks around the slashes, names in upper case."""
        via = parse_via("SIP / 2.0 / udp  192.0.2.1 : 5062 ;Branch=z9; RPORT")
        assert via is not None
        self.assertEqual((via.transport, via.host, via.port), ("UDP", "192.0.2.1", 5062))
        self.assertEqual(via.parameters, Parameters(branch="z9", rport=None))

    def test_ipv6(self) -> None:
        """An IPv6 reference, and no port."""
        via = parse_via("SIP/2.0/TLS [2001:db8::1];branch=b;received=2001:db8::2;")
        assert via is not None
        self.assertEqual((via.host, via.port), ("[2001:db8::1]", None))
        self.assertEqual(via.parameters["received"], "2001:db8::2")

    def test_malformed(self) -> None:
        """What does not say who sent it is None."""
        for text in ("", "SIP/2.0/UDP", "SIP/1.0/UDP h", "SIP/2.0/UDP h:99999", "HTTP/2.0/UDP h"):
            self.assertIsNone(parse_via(text), text)

    def test_bracketed(self) -> None:
        """IPv6 addresses go in brackets, once."""
        self.assertEqual(bracketed("2001:db8::1"), "[2001:db8::1]")
        self.assertEqual(bracketed("[::1]"), "[::1]")
        self.assertEqual(bracketed("192.0.2.1"), "192.0.2.1")
