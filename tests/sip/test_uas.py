"""
The user agent, where a transcript would not show it.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.sip.conversation import SDP, flow, user_agent
from twisted_siprec.sip.events import (
    CloseFlow,
    Discarded,
    Invited,
    Output,
    Refused,
    Respond,
    Reuse,
    Send,
    Traced,
    Transport,
    UserAgentSettings,
)
from twisted_siprec.sip.uas import UserAgentServer


def invite(call_id: str = "1", *, via: str = "UDP 192.0.2.10", extra: str = "") -> bytes:
    """An INVITE."""
    return (
        "INVITE sip:srs@198.51.100.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/{via};branch=z9hG4bK{call_id}\r\n"
        "From: <sip:src@example.com>;tag=src\r\n"
        "To: <sip:srs@example.com>\r\n"
        f"Call-ID: {call_id}\r\n"
        "CSeq: 1 INVITE\r\n"
        "Max-Forwards: 70\r\n"
        f"{extra}"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def within(method: str, sequence: int, to_tag: str, call_id: str = "1") -> bytes:
    """A request within the dialog."""
    return (
        f"{method} sip:srs@198.51.100.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK{call_id}{method}{sequence}\r\n"
        "From: <sip:src@example.com>;tag=src\r\n"
        f"To: <sip:srs@example.com>;tag={to_tag}\r\n"
        f"Call-ID: {call_id}\r\n"
        f"CSeq: {sequence} {method}\r\n"
        "Max-Forwards: 70\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def responses(outputs: list[Output]) -> list[Respond]:
    """The responses among outputs."""
    return [output for output in outputs if isinstance(output, Respond)]


class KeepAliveTests(SynchronousTestCase):
    """What peers send to keep a way open."""

    def test_silence(self) -> None:
        """Line ends, zeros, jaK and STUN by UDP are counted and not answered."""
        agent = user_agent()
        stun = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"t" * 12
        for octets in (b"", b"\r\n\r\n", b"\0\0\0\0", b"jaK", stun):
            agent.receive(octets, flow(), 1.0)
            self.assertEqual(agent.outputs(), [Discarded("keep-alive", flow(), len(octets))])
        self.assertEqual(agent.transactions, 0)

    def test_pong(self) -> None:
        """A double CRLF on a stream is answered with one."""
        agent = user_agent()
        way = flow("tcp", "TCP")
        agent.receive(b"\r\n\r\n", way, 1.0)
        self.assertEqual(agent.outputs(), [Respond(way, way.remote, b"\r\n")])


class WayBackTests(SynchronousTestCase):
    """Where responses go."""

    def destination(self, via: str, transport: str = "UDP") -> tuple[str, int]:
        """Where the answer to an OPTIONS with this Via goes, and the Via that it bears."""
        agent = user_agent()
        way = flow("f", transport, "203.0.113.7", 40_000)
        agent.receive(invite(via=via).replace(b"INVITE", b"OPTIONS"), way, 1.0)
        (response,) = responses(agent.outputs())
        self.via = response.octets.split(b"\r\n")[1].decode()
        return response.destination

    def test_sent_by(self) -> None:
        """Without rport: to the source address, at the port of the Via or the usual one."""
        self.assertEqual(self.destination("UDP src.example.com"), ("203.0.113.7", 5060))
        self.assertIn(";received=203.0.113.7", self.via)
        self.assertEqual(self.destination("UDP 203.0.113.7:5070"), ("203.0.113.7", 5070))
        self.assertNotIn("received", self.via)

    def test_rport(self) -> None:
        """With rport: to where it came from, whatever it claims to have been received from."""
        where = self.destination("UDP 10.0.0.1:5070;rport;received=10.9.9.9")
        self.assertEqual(where, ("203.0.113.7", 40_000))
        self.assertEqual(
            self.via,
            "Via: SIP/2.0/UDP 10.0.0.1:5070;rport=40000;branch=z9hG4bK1;received=203.0.113.7",
        )

    def test_maddr(self) -> None:
        """maddr diverts to one address, not to a group, a name or all."""
        self.assertEqual(self.destination("UDP h:5070;maddr=192.0.2.99"), ("192.0.2.99", 5070))
        for maddr in ("239.1.1.1", "255.255.255.255", "0.0.0.0", "evil.example.com"):
            where = self.destination(f"UDP h:5070;maddr={maddr}")
            self.assertEqual(where, ("203.0.113.7", 5070))

    def test_stream(self) -> None:
        """For a broken connection: to the source address, at the port of the Via."""
        self.assertEqual(self.destination("TLS h", "TLS"), ("203.0.113.7", 5061))
        self.assertEqual(self.destination("TCP h:5090", "TCP"), ("203.0.113.7", 5090))


class DiscardTests(SynchronousTestCase):
    """What gets no answer."""

    def test_no_via(self) -> None:
        """A request that does not say where it is from."""
        agent = user_agent()
        agent.receive(b"OPTIONS sip:x SIP/2.0\r\n\r\n", flow(), 1.0)
        agent.receive(b"OPTIONS sip:x SIP/2.0\r\nVia: ?\r\n\r\n", flow(), 1.0)
        self.assertEqual([type(output) for output in agent.outputs()], [Discarded, Discarded])

    def test_no_via_on_a_stream(self) -> None:
        """On a stream the connection goes with it."""
        agent = user_agent()
        agent.receive(b"OPTIONS sip:x SIP/2.0\r\n\r\n", flow("t", "TCP"), 1.0)
        self.assertEqual([type(output) for output in agent.outputs()], [Discarded, CloseFlow])

    def test_stray_ack(self) -> None:
        """An ACK to nothing, and one with another CSeq than the INVITE's."""
        agent = user_agent()
        agent.receive(within("ACK", 1, "nobody"), flow(), 1.0)
        self.assertEqual(len(agent.outputs()), 1)
        agent.receive(invite(), flow(), 1.0)
        agent.accept("s1", 1.0, body=SDP)
        agent.outputs()
        agent.receive(within("ACK", 7, "0000000000000001"), flow(), 1.1)
        self.assertEqual(agent.outputs(), [])
        agent.expire(1.5)
        self.assertEqual(len(responses(agent.outputs())), 1)

    def test_stray_response(self) -> None:
        """A response to no request of ours, and one without CSeq."""
        agent = user_agent()
        for cseq in ("CSeq: 1 BYE", "X: 1"):
            octets = f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=b\r\n{cseq}\r\n\r\n"
            agent.receive(octets.encode(), flow(), 1.0)
        self.assertEqual([type(output) for output in agent.outputs()], [Discarded, Discarded])


class InterfaceTests(SynchronousTestCase):
    """The inputs of the transaction user."""

    def call(self, settings: UserAgentSettings | None = None, extra: str = "") -> UserAgentServer:
        """A user agent with one call, whose dialog is 0000000000000001."""
        agent = user_agent(settings)
        agent.receive(invite(extra=extra), flow(), 1.0)
        agent.accept("s1", 1.0, body=SDP)
        agent.receive(within("ACK", 1, "0000000000000001"), flow(), 1.0)
        agent.outputs()
        return agent

    def test_invited(self) -> None:
        """An INVITE is told with its transaction, its dialog and its way."""
        agent = user_agent()
        agent.receive(invite(), flow(), 1.0)
        (invited,) = agent.outputs()
        assert isinstance(invited, Invited)
        self.assertEqual((invited.transaction, invited.dialog), ("s1", "0000000000000001"))
        self.assertEqual(invited.flow, flow())
        self.assertEqual((agent.dialogs, agent.transactions), (1, 1))

    def test_late_answers(self) -> None:
        """Answers to what is not, or not any more, are ignored."""
        agent = self.call()
        agent.accept("s1", 2.0)
        agent.refuse("s1", 2.0, 480, "Later")
        agent.accept("s99", 2.0)
        agent.refuse("s99", 2.0, 480, "Later")
        self.assertEqual(agent.outputs(), [])

    def test_no_such_dialog(self) -> None:
        """Requests in dialogs that are not give None."""
        agent = user_agent()
        self.assertIsNone(agent.send_bye("x", 1.0))
        self.assertIsNone(agent.send_update("x", 1.0))
        self.assertIsNone(agent.send_invite("x", 1.0, body=SDP))
        self.assertFalse(agent.peer_allows("x", "BYE"))
        agent.send_failed("c9", 1.0)
        self.assertEqual(agent.outputs(), [])

    def test_peer_allows(self) -> None:
        """What the Allow lists; without one, what every peer serves."""
        agent = self.call()
        self.assertTrue(agent.peer_allows("0000000000000001", "BYE"))
        self.assertFalse(agent.peer_allows("0000000000000001", "UPDATE"))
        agent = self.call(extra="Allow: BYE, update\r\n")
        self.assertTrue(agent.peer_allows("0000000000000001", "UPDATE"))

    def test_no_contact(self) -> None:
        """Requests to a peer that sent no Contact go to where it sent from."""
        agent = self.call()
        agent.send_bye("0000000000000001", 2.0)
        (send,) = [output for output in agent.outputs() if isinstance(output, Send)]
        self.assertTrue(
            send.octets.startswith(b"BYE sip:192.0.2.10:5060;transport=udp SIP/2.0\r\n")
        )
        self.assertEqual((send.hop.host, send.hop.port), ("192.0.2.10", 5060))

    def test_other_scheme(self) -> None:
        """A Contact that is no SIP URI is not taken for one."""
        agent = self.call(extra="Contact: <tel:+15550100>\r\n")
        agent.send_bye("0000000000000001", 2.0)
        (send,) = [output for output in agent.outputs() if isinstance(output, Send)]
        self.assertTrue(send.octets.startswith(b"BYE tel:+15550100 SIP/2.0\r\n"))
        self.assertEqual((send.hop.host, send.hop.port), ("192.0.2.10", 5060))

    def test_alias(self) -> None:
        """
        By policy a connection is used for our requests only where its peer asks
        for it and has proved by TLS who it is.
        """
        contact = "sip:h.example.com:5070"
        for transport, parameters, identities, expected in (
            ("TLS", ";alias", ("h.example.com",), True),
            ("TLS", ";ALIAS;rport", ("h.example.com",), True),
            ("TLS", "", ("h.example.com",), False),
            ("TLS", ";alias", (), False),
            ("TCP", ";alias", (), False),
            ("UDP", ";alias", (), False),
        ):
            agent = user_agent(UserAgentSettings(reuse_flow=Reuse.ALIAS))
            way = flow("f", transport, "192.0.2.10", 40_000, "198.51.100.1", *identities)
            for octets in (
                invite(extra=f"Contact: <{contact}>\r\n"),
                within("ACK", 1, "0000000000000001"),
            ):
                agent.receive(octets.replace(b";branch", f"{parameters};branch".encode()), way, 1.0)
                agent.accept("s1", 1.0, body=SDP)
            agent.outputs()
            agent.send_bye("0000000000000001", 2.0)
            [send] = [output for output in agent.outputs() if isinstance(output, Send)]
            reused = send.hop.flow is way and transport != "UDP"
            self.assertEqual(reused, expected, (transport, parameters, identities))
            if transport == "UDP":
                self.assertEqual((send.hop.host, send.hop.port), ("h.example.com", 5070))

    def hop(
        self, contact: str, *, reuse: bool, transport: str = "UDP", route: str = ""
    ) -> tuple[object, ...]:
        """Where a BYE goes, given the Contact and a Record-Route."""
        agent = user_agent(UserAgentSettings(reuse_flow=Reuse.ALWAYS if reuse else Reuse.NEVER))
        way = flow("f", transport, "192.0.2.10", 40_000)
        routes = f"Record-Route: {route}\r\n" if route else ""
        agent.receive(invite(extra=f"Contact: <{contact}>\r\n{routes}"), way, 1.0)
        agent.accept("s1", 1.0, body=SDP)
        agent.receive(within("ACK", 1, "0000000000000001"), way, 1.0)
        agent.outputs()
        agent.send_bye("0000000000000001", 2.0)
        (send,) = [output for output in agent.outputs() if isinstance(output, Send)]
        hop = send.hop
        return (hop.transport.value, hop.host, hop.port, hop.flow is not None)

    def test_hops(self) -> None:
        """By the Contact, by the connection, or back to where it came from."""
        for contact, reuse, transport, expected in (
            ("sip:h.example.com:5070", False, "UDP", ("UDP", "h.example.com", 5070, True)),
            ("sip:h.example.com", True, "UDP", ("UDP", "192.0.2.10", 40_000, True)),
            ("sip:192.0.2.10:5070", True, "UDP", ("UDP", "192.0.2.10", 5070, True)),
            ("sip:h;transport=tcp", True, "UDP", ("TCP", "h", None, False)),
            ("sip:h;transport=udp", True, "TCP", ("TCP", "h", None, True)),
            ("sip:h;transport=udp", False, "TCP", ("UDP", "h", None, False)),
            ("sip:h;maddr=192.0.2.50", False, "TCP", ("TCP", "192.0.2.50", None, False)),
            ("sips:h", False, "TLS", ("TLS", "h", None, False)),
            (
                "sip:[2001:db8::1]:5080;transport=TLS",
                False,
                "UDP",
                ("TLS", "2001:db8::1", 5080, False),
            ),
        ):
            self.assertEqual(self.hop(contact, reuse=reuse, transport=transport), expected)

    def test_routes(self) -> None:
        """The first of the routes is the next hop, whether it routes loosely or strictly."""
        second = "<sip:192.0.2.61;lr>"
        for first in ("<sip:192.0.2.60:5066;lr>", "<sip:192.0.2.60:5066>"):
            self.assertEqual(
                self.hop("sip:192.0.2.10", reuse=False, route=f"{first}, {second}"),
                ("UDP", "192.0.2.60", 5066, True),
            )
        self.assertEqual(
            self.hop("sip:192.0.2.10", reuse=False, route="<sip:h;lr;transport=tcp>"),
            ("TCP", "h", None, False),
        )
        # A route that cannot be understood: back to where the last request came from.
        self.assertEqual(
            self.hop("sip:192.0.2.10", reuse=False, route="<>"), ("UDP", "192.0.2.10", 40_000, True)
        )

    def test_large_requests(self) -> None:
        """Above 1300 octets by TCP, unless the URI says UDP or a NAT is on the way."""
        for contact, expected in (
            ("sip:src@192.0.2.10", Transport.TCP),
            ("sip:src@192.0.2.10;transport=udp", Transport.UDP),
            ("sip:src@10.0.0.1", Transport.UDP),
        ):
            agent = self.call(extra=f"Contact: <{contact}>\r\n")
            agent.send_update(
                "0000000000000001", 2.0, body=b"x" * 1300, content_type="application/x"
            )
            (send,) = [output for output in agent.outputs() if isinstance(output, Send)]
            self.assertIs(send.hop.transport, expected)
            via = f"Via: SIP/2.0/{expected.value} 198.51.100.1:5060;".encode()
            self.assertIn(via, send.octets)

    def test_options_body(self) -> None:
        """OPTIONS are answered with SDP where there is one and it is accepted."""
        agent = user_agent()
        agent.options_body(SDP)
        options = invite().replace(b"INVITE", b"OPTIONS")
        agent.receive(options, flow(), 1.0)
        self.assertTrue(responses(agent.outputs())[0].octets.endswith(SDP))
        text = invite("2", extra="Accept: text/plain\r\n").replace(b"INVITE", b"OPTIONS")
        agent.receive(text, flow(), 1.0)
        self.assertTrue(responses(agent.outputs())[0].octets.endswith(b"\r\n\r\n"))

    def test_trace(self) -> None:
        """While it is on, every message is told, with its Call-ID and start line."""
        agent = user_agent(UserAgentSettings(trace=True))
        octets = invite().replace(b"INVITE", b"OPTIONS")
        agent.receive(octets, flow(), 1.0)
        came, response, went = agent.outputs()
        assert isinstance(response, Respond)
        self.assertEqual(
            came,
            Traced(
                False,
                flow(),
                ("192.0.2.10", 5060),
                octets,
                "1",
                "OPTIONS sip:srs@198.51.100.1 SIP/2.0",
            ),
        )
        self.assertEqual(
            went,
            Traced(True, flow(), ("192.0.2.10", 5060), response.octets, "1", "SIP/2.0 200 OK"),
        )
        agent.trace(False)
        agent.receive(octets, flow(), 1.0)
        self.assertEqual(len(agent.outputs()), 1)

    def test_charset(self) -> None:
        """Names in any charset come back octet by octet."""
        agent = user_agent()
        octets = invite().replace(b"From: <", b"From: J\xfcrgen <")
        agent.receive(octets, flow(), 1.0)
        agent.accept("s1", 1.0, body=SDP)
        self.assertIn(
            b"From: J\xfcrgen <sip:src@example.com>;tag=src\r\n",
            responses(agent.outputs())[0].octets,
        )

    def test_methods_not_served(self) -> None:
        """What the settings leave out of Allow gets 405."""
        agent = user_agent(UserAgentSettings(allow=("INVITE", "ACK", "BYE", "CANCEL")))
        agent.receive(invite().replace(b"INVITE", b"OPTIONS"), flow(), 1.0)
        refused = agent.outputs()[0]
        assert isinstance(refused, Refused)
        self.assertEqual(refused.status, 405)

    def test_nothing_is_left(self) -> None:
        """After a call everything is forgotten in time, and nothing is due any more."""
        agent = self.call()
        agent.receive(within("BYE", 2, "0000000000000001"), flow(), 2.0)
        while (deadline := agent.next_deadline()) is not None:
            agent.expire(deadline)
        self.assertEqual((agent.dialogs, agent.transactions), (0, 0))


class AnyOctetsTests(SynchronousTestCase):
    """Nothing makes the user agent raise."""

    @given(
        st.lists(
            st.one_of(
                st.binary(max_size=120),
                st.builds(
                    lambda method, field, value, body: (
                        invite()
                        .replace(b"INVITE", method)
                        .replace(b"Max-Forwards: 70", field + b": " + value)
                        + body
                    ),
                    st.sampled_from([b"INVITE", b"ACK", b"BYE", b"CANCEL", b"OPTIONS", b"UPDATE"]),
                    st.sampled_from(
                        [
                            b"Via",
                            b"To",
                            b"From",
                            b"CSeq",
                            b"Contact",
                            b"Session-Expires",
                            b"Content-Length",
                            b"Record-Route",
                            b"Expires",
                            b"Require",
                            b"Accept",
                        ]
                    ),
                    st.binary(max_size=40),
                    st.binary(max_size=10),
                ),
            ),
            max_size=6,
        ),
        st.sampled_from(list(Transport)),
    )
    @settings(max_examples=200, deadline=None)
    def test_any_octets(self, messages: list[bytes], transport: Transport) -> None:
        """Whatever comes, and whatever is done with it, receive and expire return."""
        agent = user_agent(UserAgentSettings(trace=True))
        way = flow("f", transport.value)
        for at, octets in enumerate(messages):
            agent.receive(octets, way, float(at))
            for output in agent.outputs():
                if isinstance(output, Invited):
                    agent.accept(output.transaction, float(at), body=SDP)
        agent.flow_lost("f", 10.0)
        for _ in range(200):
            deadline = agent.next_deadline()
            if deadline is None:
                break
            agent.expire(deadline)
        self.assertIsNone(agent.next_deadline())
        self.assertEqual((agent.dialogs, agent.transactions), (0, 0))
