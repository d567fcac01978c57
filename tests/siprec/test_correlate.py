"""
Who is heard on which channel.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.sdp.description import Media
from twisted_siprec.sdp.negotiation import NegotiatedStream
from twisted_siprec.siprec.correlate import Correlation, correlate
from twisted_siprec.siprec.identity import NamedParty
from twisted_siprec.siprec.metadata import read_metadata
from twisted_siprec.siprec.state import MetadataState


def streams(*labels: str | None) -> tuple[NegotiatedStream, ...]:
    """Accepted m-lines with these labels."""
    media = Media("audio", 4000, "RTP/AVP", ("0",))
    return tuple(NegotiatedStream(n, media, label=label) for n, label in enumerate(labels))


def known(*elements: str) -> MetadataState:
    """The state after these elements."""
    inner = "".join(elements)
    state, _ = MetadataState().apply(
        read_metadata(
            f'<recording xmlns="urn:ietf:params:xml:ns:recording:1">{inner}</recording>'.encode()
        ),
        "2026-01-02T15:00:00Z",
    )
    return state


def participant(identity: str, *sends: str, aor: str = "", more: str = "") -> str:
    """A participant who sends these streams."""
    sent = "".join(f"<send>{each}</send>" for each in sends)
    association = (
        f'<participantstreamassoc participant_id="{identity}">{sent}</participantstreamassoc>'
    )
    name = f'<nameID aor="{aor}"/>' if aor else ""
    element = f'<participant participant_id="{identity}">{name}{more}</participant>'
    return element + (association if sends else "")


def stream(identity: str, label: str = "", mode: str = "") -> str:
    """A stream."""
    inner = f"<label>{label}</label>" * bool(label) + f"<mode>{mode}</mode>" * bool(mode)
    return f'<stream stream_id="{identity}">{inner}</stream>'


def told(result: Correlation) -> list[tuple[str | None, str | None]]:
    """(participant, role) of each channel."""
    return [(each.participant_id, each.role) for each in result.channels]


def codes(result: Correlation) -> list[str]:
    """The codes of the warnings."""
    return [code for code, _ in result.warnings]


TWO = (participant("a", "s1"), participant("b", "s2"), stream("s1", "1"), stream("s2", "2"))


class LabelTests(SynchronousTestCase):
    """From m-lines to the streams of the metadata."""

    def test_by_label(self) -> None:
        """Labels count, not the order."""
        result = correlate(streams("2", "1"), known(*TWO))
        self.assertEqual(told(result), [("b", "callee"), ("a", "caller")])
        self.assertEqual(codes(result), [])

    def test_case(self) -> None:
        """Labels that differ in case are different (RFC 4574 section 4)."""
        metadata = known(
            participant("a", "s1"), participant("b", "s2"), stream("s1", "x"), stream("s2", "X")
        )
        self.assertEqual(
            told(correlate(streams("X", "x"), metadata)), [("b", "callee"), ("a", "caller")]
        )

    def test_by_order(self) -> None:
        """A label that is missing or unknown gives way to the order of what is left."""
        result = correlate(streams(None, "1"), known(*TWO))
        self.assertEqual(told(result), [("b", "callee"), ("a", "caller")])
        self.assertEqual(codes(result), ["label-missing"])
        result = correlate(streams("x", "y"), known(*TWO))
        self.assertEqual(told(result), [("a", "caller"), ("b", "callee")])
        self.assertEqual(codes(result), ["label-unmatched", "label-unmatched"])

    def test_twice(self) -> None:
        """Of two m-lines with one label the second gets what is left."""
        result = correlate(streams("2", "2"), known(*TWO))
        self.assertEqual(told(result), [("b", "callee"), ("a", "caller")])

    def test_more_than_the_metadata(self) -> None:
        """An m-line without a partner is recorded all the same."""
        result = correlate(streams("1", "2", "3"), known(*TWO))
        self.assertEqual(told(result), [("a", "caller"), ("b", "callee"), (None, None)])
        self.assertEqual(codes(result), ["speaker-unknown"])

    def test_fewer_than_the_metadata(self) -> None:
        """A stream that no m-line carries is nobody's channel."""
        result = correlate(streams("2"), known(*TWO))
        self.assertEqual(told(result), [("b", "callee")])


class SpeakerTests(SynchronousTestCase):
    """Who sends a stream."""

    def test_mixed(self) -> None:
        """A stream of several, or one that says so, is nobody's in particular."""
        both = known(participant("a", "s1"), participant("b", "s1"), stream("s1", "1"))
        mode = known(participant("a"), stream("s1", "1", "mixed"))
        self.assertEqual(told(correlate(streams("1"), both)), [(None, None)])
        self.assertEqual(told(correlate(streams("1"), mode)), [(None, None)])

    def test_conference(self) -> None:
        """Eight streams, eight parties, two roles."""
        elements = [participant(f"p{n}", f"s{n}") + stream(f"s{n}", str(n)) for n in range(8)]
        result = correlate(streams(*map(str, range(8))), known(*elements))
        self.assertEqual(
            told(result),
            [("p0", "caller"), ("p1", "callee"), *((f"p{n}", None) for n in range(2, 8))],
        )

    def test_no_associations(self) -> None:
        """Without any, as many parties as streams go by their order."""
        metadata = known(participant("a"), participant("b"), stream("s1", "1"), stream("s2", "2"))
        result = correlate(streams("1", "2"), metadata)
        self.assertEqual(told(result), [("a", "caller"), ("b", "callee")])
        self.assertEqual(codes(result), ["speaker-by-order"])

    def test_one_left_over(self) -> None:
        """The party whose stream is not told has the stream whose party is not told."""
        metadata = known(
            participant("a", "s1"), participant("b"), stream("s1", "1"), stream("s2", "2")
        )
        self.assertEqual(
            told(correlate(streams("1", "2"), metadata)), [("a", "caller"), ("b", "callee")]
        )

    def test_too_many_parties(self) -> None:
        """Three parties on two streams are not guessed at; roles are by place."""
        metadata = known(participant("a"), participant("b"), participant("c"), stream("s1", "1"))
        result = correlate(streams("1", "2"), metadata)
        self.assertEqual(told(result), [(None, "caller"), (None, "callee")])
        self.assertEqual(codes(result), ["speaker-unknown"])

    def test_nothing_known(self) -> None:
        """Without metadata the first m-line is the caller's; one alone is nobody's."""
        self.assertEqual(
            told(correlate(streams("1", "2"), MetadataState())),
            [(None, "caller"), (None, "callee")],
        )
        self.assertEqual(told(correlate(streams("1"), MetadataState())), [(None, None)])
        self.assertEqual(told(correlate((), MetadataState())), [])

    def test_named_by_headers(self) -> None:
        """Parties from header fields speak on the m-lines that they name."""
        named = (NamedParty("x", "sip:x", None, (1, 7)), NamedParty("y", "sip:y", None, (0,)))
        result = correlate(streams(None, None), MetadataState(), named)
        self.assertEqual(told(result), [("y", "callee"), ("x", "caller")])
        self.assertEqual(codes(result), ["headers-by-order"])
        self.assertEqual((result.parties.caller_aor, result.parties.called_aor), ("sip:x", "sip:y"))

    def test_metadata_over_headers(self) -> None:
        """Where there is metadata, header fields say nothing."""
        named = (NamedParty("x", "sip:x", None, (0,)), NamedParty("y", "sip:y", None, (1,)))
        self.assertEqual(
            told(correlate(streams("1", "2"), known(*TWO), named)),
            [("a", "caller"), ("b", "callee")],
        )


class RoleTests(SynchronousTestCase):
    """Who called whom."""

    def test_caller_orig(self) -> None:
        """Oracle's flag says it."""
        metadata = known(
            participant("a", "s1", more='<callerOrig xmlns="urn:x">false</callerOrig>'),
            participant("b", "s2", more='<callerOrig xmlns="urn:x">true</callerOrig>'),
            stream("s1", "1"),
            stream("s2", "2"),
        )
        self.assertEqual(
            told(correlate(streams("1", "2"), metadata)), [("a", "callee"), ("b", "caller")]
        )

    def test_numbers(self) -> None:
        """A calling or called number names the party whose address it is."""
        parties = (
            participant("a", "s1", aor="sip:+1-555-0100@example.com;user=phone"),
            participant("b", "s2", aor="tel:5550101"),
            stream("s1", "1"),
            stream("s2", "2"),
        )
        for extension in (
            '<callingPartyNumber xmlns="urn:x">tel:+15550101</callingPartyNumber>',
            '<calledPartyNumber xmlns="urn:x">sip:15550100@other.example.com</calledPartyNumber>',
            '<fromhdr xmlns="urn:x">&lt;sip:5550101@x&gt;;tag=1</fromhdr>',
        ):
            result = correlate(streams("1", "2"), known(*parties, extension))
            self.assertEqual(told(result), [("a", "callee"), ("b", "caller")], extension)

    def test_short_numbers(self) -> None:
        """A short number is not the end of a long one."""
        metadata = known(
            participant("a", "s1", aor="sip:100@x"),
            participant("b", "s2", aor="sip:5550100@x"),
            stream("s1", "1"),
            stream("s2", "2"),
            '<calledPartyNumber xmlns="urn:x">100</calledPartyNumber>',
        )
        self.assertEqual(
            told(correlate(streams("1", "2"), metadata)), [("a", "callee"), ("b", "caller")]
        )

    def test_transfer(self) -> None:
        """Who takes a leg over has its role; the other party keeps its own."""
        before = correlate(streams("1", "2"), known(*TWO))
        after = known(participant("b", "s2"), participant("c", "s1"), *TWO[2:])
        result = correlate(streams("1", "2"), after, (), before)
        self.assertEqual(told(result), [("c", "caller"), ("b", "callee")])
        self.assertEqual((result.parties.caller, result.parties.called), ("c", "b"))

    def test_swapped_labels(self) -> None:
        """Labels count for one message: when they swap, party and role go with them."""
        before = correlate(streams("1", "2"), known(*TWO))
        result = correlate(streams("2", "1"), known(*TWO), (), before)
        self.assertEqual(told(result), [("b", "callee"), ("a", "caller")])

    def test_stays_without_metadata(self) -> None:
        """A stream keeps its role when another one closes."""
        before = correlate(streams("1", "2"), MetadataState())
        result = correlate(streams("1", "2")[1:], MetadataState(), (), before)
        self.assertEqual(told(result), [(None, "callee")])

    def test_moved(self) -> None:
        """A caller who is heard on the other stream now takes the role along."""
        before = correlate(streams("1", "2"), known(*TWO))
        after = known(participant("a", "s2"), *TWO[2:])
        result = correlate(streams("1", "2"), after, (), before)
        self.assertEqual(told(result), [(None, "callee"), ("a", "caller")])

    def test_caller_left(self) -> None:
        """A flag of one who has left says nothing any more."""
        flag = '<callerOrig xmlns="urn:x">true</callerOrig>'
        there = known(participant("a", "s1", more=flag), *TWO[1:])
        gone, _ = there.apply(
            read_metadata(
                b'<recording xmlns="urn:ietf:params:xml:ns:recording:1">'
                b'<participant participant_id="b"/><participant participant_id="c"/></recording>'
            ),
            "now",
        )
        self.assertEqual(correlate(streams("1", "2"), there).parties.caller, "a")
        self.assertEqual(correlate(streams("1", "2"), gone).parties.caller, "b")
