"""
Every parser of what peers send: nothing makes one raise, and what it read, written and
read again, is the same. Those that have such a test beside their other ones are SDP,
metadata, RTP, RTCP, DTLS records and the texts of consumers.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.sip.conversation import flow
from twisted_siprec.errors import RemoteError
from twisted_siprec.rtp.dtls_records import is_dtls
from twisted_siprec.rtp.header import is_rtcp
from twisted_siprec.rtp.header import parse as parse_rtp
from twisted_siprec.sdp.crypto import Crypto, without_keys
from twisted_siprec.sdp.dtls import fingerprint_of, fingerprint_text
from twisted_siprec.simulator.recstream import ConsumerConnection, ConsumerSettings
from twisted_siprec.sip.digest import Challenge, Credentials
from twisted_siprec.sip.message import Headers, Request
from twisted_siprec.sip.responses import destination_of, response_to
from twisted_siprec.sip.server_transaction import transaction_key
from twisted_siprec.sip.session_timer import agree, seconds_of
from twisted_siprec.sip.values import Address, parse_uri, parse_via, split
from twisted_siprec.siprec.content import Content
from twisted_siprec.siprec.identity import Marks, identifiers, named_parties, source_address
from twisted_siprec.siprec.keys import key_press
from twisted_siprec.siprec.multipart import FieldValue
from twisted_siprec.siprec.times import rfc3339, sip_date

FEW = settings(max_examples=150, deadline=None)

TEXT = st.text('<>";,:=@[]%?\\ +-*/.sip0129azAZ\t\x00é\ud800', max_size=40) | st.text(max_size=20)
ADDRESS = st.builds(
    "{}<sip:{}@{}>{}".format,
    st.sampled_from(["", '"a b" ', "x "]),
    st.text("ab2;", min_size=1, max_size=5),
    st.sampled_from(["h", "h:5060", "[::1]", "[::1]:1", "1.2.3.4", "a_b"]),
    st.sampled_from(["", ";tag=1", ";+sip.src", ";a;b=c", ";tag"]),
)


@pytest.mark.parametrize(
    "parse",
    [
        Address.parse,
        parse_uri,
        parse_via,
        Challenge.parse,
        Credentials.parse,
        Crypto.parse,
        FieldValue.parse,
        fingerprint_of,
        rfc3339,
        seconds_of,
        sip_date,
        lambda text: split(text, ","),
        lambda text: key_press(text.encode("utf-8", "replace")),
        lambda text: without_keys(text.encode("utf-8", "replace")),
    ],
)
def test_any_text(parse: Callable[[str], object]) -> None:
    """No text makes it raise."""

    @FEW
    @given(TEXT)
    def holds(text: str) -> None:
        parse(text)

    holds()


@FEW
@given(ADDRESS)
def test_uri(text: str) -> None:
    """A URI that was read and is written is read as the same."""
    address = Address.parse(text)
    assert address is not None
    if address.uri is not None:
        assert parse_uri(str(address.uri)) == address.uri


@FEW
@given(
    st.sampled_from(["UDP", "TCP", "tls", "X"]),
    st.sampled_from(["h", "h:5060", "[::1]:1", "1.2.3.4"]),
    st.sampled_from(["", ";rport", ";branch=z9hG4bK1;rport=1", ";received=192.0.2.1", ";a;b=c"]),
)
def test_via(transport: str, host: str, rest: str) -> None:
    """A Via that was read and is written is read as the same."""
    via = parse_via(f"SIP/2.0/{transport} {host}{rest}")
    assert via is not None
    assert parse_via(str(via)) == via


@FEW
@given(TEXT)
def test_time(text: str) -> None:
    """A time that was brought into form is in form."""
    once, _ = rfc3339(text)
    if once is not None:
        assert rfc3339(once)[0] == once


@FEW
@given(st.binary(min_size=32, max_size=32))
def test_fingerprint(octets: bytes) -> None:
    """A fingerprint that was read is written as it was."""
    text = "sha-256 " + ":".join(f"{octet:02X}" for octet in octets)
    read = fingerprint_of(text)
    assert read is not None
    assert fingerprint_text(read) == text


FIELDS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("Via", "v", "From", "To", "Call-ID", "CSeq", "Contact", "Record-Route", "Date"),
                *("Session-Expires", "Min-SE", "Supported", "Require", "Content-Type", "Expires"),
                *("P-Asserted-Identity", "Remote-Party-ID", "User-to-User", "Session-ID"),
                *("Cisco-Guid", "Content-Length", "Authorization", "Timestamp"),
            ]
        ),
        TEXT | ADDRESS | st.sampled_from(["", ",", "SIP/2.0/UDP h;branch=z9hG4bK1", "1 INVITE"]),
    ),
    max_size=8,
)


@settings(max_examples=400, deadline=None)
@given(FIELDS)
@example([("Via", ""), ("Via", "SIP/2.0/UDP h;branch=z9hG4bK1")])
@example([("Via", ","), ("v", "SIP/2.0/UDP h")])
def test_any_fields(fields: list[tuple[str, str]]) -> None:
    """Whatever stands in the header fields, they can be looked at, and answered."""
    request = Request(Headers(fields), method="INVITE", uri_text="sip:srs@h")
    if transaction_key(request) is not None:
        response_to(request, flow(), 200, "OK", local_tag="t")
    destination_of(request, flow())
    Marks.of(request)
    named_parties(request)
    identifiers(request)
    source_address(request)
    try:
        agree(request, proposal_s=1800, least_s=90)
    except RemoteError as error:
        assert error.status == 422


@FEW
@given(st.binary(max_size=60), st.none() | TEXT, st.booleans())
@example(b"--b\r\n\r\n", "multipart/mixed;boundary=b", True)
def test_any_body(body: bytes, content_type: str | None, strict: bool) -> None:
    """Any body of any type is read, or refused with 415."""
    try:
        Content.read(body, content_type, strict=strict)
    except RemoteError as error:
        assert error.status == 415


@FEW
@given(st.binary(max_size=40))
def test_demultiplexing(datagram: bytes) -> None:
    """What is of DTLS is taken out first, and is no RTP (:rfc:`7983#section-7`)."""
    is_rtcp(datagram)
    assert not (is_dtls(datagram) and parse_rtp(datagram) is not None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 1 << 40) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["pos", "samples", "reason", "filled", "media", "channels", "name"])
            | st.sampled_from(["attempt", "lastAckedFrame", "gaps", "finalPos", "sampleRate"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
TEXTS = st.builds(
    lambda kind, seq, body: json.dumps({"type": kind, "streamId": "s", "seq": seq, "data": body}),
    st.sampled_from(["start", "resume", "gap", "format", "metadata", "sync", "mark", "stop", "x"]),
    JSON,
    st.dictionaries(st.sampled_from(["media", "pos", "samples", "reason", "name"]), JSON),
)


@settings(max_examples=300, deadline=None)
@given(st.booleans(), st.lists(TEXTS | st.binary(max_size=40) | st.text(max_size=10), max_size=6))
def test_consumer(framed: bool, messages: list[str | bytes]) -> None:
    """The consumer that judges others takes whatever comes, and says what was wrong with it."""
    connection = ConsumerConnection({}, framed, ConsumerSettings())
    for message in messages:
        connection.received(message)
