"""
The sockets of the user agent, all in memory.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.defer import succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import StringTransport
from twisted.names.dns import Record_SRV, RRHeader
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.sip.conversation import tokens
from tests.sip_fakes import Names, UDPMemoryReactor, UDPPort
from twisted_siprec.config.model import Connections
from twisted_siprec.net.sip.locate import Locator
from twisted_siprec.net.sip.transport import SIPTransport
from twisted_siprec.sip.events import (
    Acknowledged,
    Answered,
    Discarded,
    Ended,
    Flow,
    Invited,
    Output,
    Refused,
    Reuse,
    Traced,
    Transport,
    UserAgentSettings,
)
from twisted_siprec.sip.uas import UserAgentServer


def request(
    method: str,
    sequence: int,
    *,
    via: str = "UDP 192.0.2.10",
    contact: str = "sip:src@192.0.2.10",
    to_tag: str = "",
    call_id: str = "1",
    extra: str = "",
) -> bytes:
    """A request of an SRC."""
    tag = f";tag={to_tag}" if to_tag else ""
    return (
        f"{method} sip:srs@198.51.100.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/{via};branch=z9hG4bK{call_id}{method}{sequence}\r\n"
        "From: <sip:src@example.com>;tag=src\r\n"
        f"To: <sip:srs@example.com>{tag}\r\n"
        f"Call-ID: {call_id}\r\n"
        f"CSeq: {sequence} {method}\r\n"
        "Max-Forwards: 70\r\n"
        f"Contact: <{contact}>\r\n"
        f"{extra}"
        "Content-Length: 0\r\n\r\n"
    ).encode()


class ClosableTransport(StringTransport):
    """A TCP connection in memory that tells its protocol when it is closed."""

    def abortConnection(self) -> None:
        """Cut it."""
        super().abortConnection()
        self.loseConnection()


class SIPTransportTests(SynchronousTestCase):
    """Listeners, connections, and the way of messages."""

    def setUp(self) -> None:
        """A user agent on a reactor in memory."""
        self.reactor = UDPMemoryReactor()
        self.events: list[Output] = []
        self.refuse: set[str] = set()
        self.admitted: list[Flow] = []
        numbers = tokens()
        core = UserAgentServer(UserAgentSettings(), lambda digits: f"{next(numbers):0{digits}x}")
        self.transport = SIPTransport(
            self.reactor,
            core,
            self.events.append,
            admit=self.admit,
            connections=Connections(total=3, per_source=2, idle_s=100, message_s=10),
        )

    def admit(self, flow: Flow) -> bool:
        """All but some."""
        self.admitted.append(flow)
        return flow.remote[0] not in self.refuse

    def datagram(self, octets: bytes, host: str = "192.0.2.10", port: int = 5060) -> UDPPort:
        """A datagram comes to the first UDP listener."""
        protocol, bound = self.reactor.udp[0]
        protocol.datagramReceived(octets, (host, port))
        return bound

    def connect(self, listener: int = 0, host: str = "192.0.2.10") -> tuple[Any, Any]:
        """A peer connects; its protocol is None where it is refused."""
        factory = self.reactor.tcpServers[listener][1]
        peer = IPv4Address("TCP", host, 49152)
        protocol = factory.buildProtocol(peer)
        wire = ClosableTransport(IPv4Address("TCP", "198.51.100.1", 5060), peer)
        if protocol is not None:
            protocol.makeConnection(wire)
        return protocol, wire

    def kinds(self) -> list[type]:
        """The classes of the events since the last time."""
        kinds = [type(event) for event in self.events]
        self.events.clear()
        return kinds

    def accept(self) -> str:
        """Answer the last INVITE; its dialog."""
        invited = next(event for event in self.events if isinstance(event, Invited))
        self.transport.accept(invited.transaction, body=b"v=0\r\n")
        self.events.clear()
        return invited.dialog

    def call(self) -> str:
        """A call over UDP from 192.0.2.10; its dialog."""
        self.datagram(request("INVITE", 1, extra="Allow: UPDATE\r\n"))
        dialog = self.accept()
        self.datagram(request("ACK", 1, to_tag=dialog))
        self.assertEqual(self.kinds(), [Acknowledged])
        self.reactor.udp[0][1].written.clear()
        return dialog

    # --- UDP ------------------------------------------------------------

    def test_udp_call(self) -> None:
        """A call over UDP; answers come from the listener, to where the request was from."""
        listener = self.transport.listen_udp("198.51.100.1", 0, ("srs.example.com", None))
        self.assertEqual(listener.local, ("198.51.100.1", 40_000))
        self.assertEqual(listener.advertised, ("srs.example.com", 40_000))
        bound = self.datagram(request("INVITE", 1))
        self.assertEqual(bound.max_packet_size, 65_535)
        dialog = self.accept()
        octets, address = bound.written.pop()
        self.assertTrue(octets.startswith(b"SIP/2.0 200 OK\r\n"))
        self.assertIn(b"<sip:srs@srs.example.com:40000;transport=udp>;+sip.srs", octets)
        self.assertEqual(address, ("192.0.2.10", 5060))
        self.datagram(request("ACK", 1, to_tag=dialog))
        self.datagram(request("BYE", 2, to_tag=dialog))
        self.assertEqual(self.kinds(), [Acknowledged, Ended])
        self.assertTrue(bound.written.pop()[0].startswith(b"SIP/2.0 200 OK\r\n"))

    def test_timers_run(self) -> None:
        """The 200 is sent again by the clock."""
        self.transport.listen_udp("198.51.100.1", 5060)
        bound = self.datagram(request("INVITE", 1))
        self.accept()
        self.reactor.advance(0.5)
        self.assertEqual(len(bound.written), 2)

    def test_not_admitted(self) -> None:
        """A stranger's datagram is not even parsed, hears nothing, and is counted."""
        self.transport.listen_udp("198.51.100.1", 5060)
        self.refuse = {"203.0.113.9"}
        bound = self.datagram(request("INVITE", 1), "203.0.113.9")
        self.assertEqual((bound.written, self.kinds()), ([], [Discarded]))
        self.assertEqual(self.admitted[0].remote, ("203.0.113.9", 5060))

    def test_udp_request(self) -> None:
        """Our BYE goes out by the listener, to the Contact."""
        self.transport.listen_udp("198.51.100.1", 5060)
        dialog = self.call()
        self.assertEqual(self.transport.send_bye(dialog), "c1")
        self.assertEqual(self.kinds(), [Ended])
        (octets, address) = self.reactor.udp[0][1].written.pop()
        self.assertTrue(octets.startswith(b"BYE sip:src@192.0.2.10 SIP/2.0\r\n"))
        self.assertEqual(address, ("192.0.2.10", 5060))

    def test_udp_request_not_taken(self) -> None:
        """A datagram that the system refuses is a request that failed."""
        self.transport.listen_udp("198.51.100.1", 5060)
        dialog = self.call()
        self.reactor.udp[0][1].error = OSError("no route")
        self.transport.send_update(dialog)
        self.assertEqual(
            [(event.method, event.status) for event in self.events if isinstance(event, Answered)],
            [("UPDATE", 503)],
        )

    def test_host_name(self) -> None:
        """A host name is looked up, and the request keeps to what was found."""
        self.call_from_a_name({"src.example.com": "192.0.2.77"})
        self.assertEqual(self.reactor.udp[0][1].written[0][1], ("192.0.2.77", 5070))
        self.reactor.nameResolver = Names({})
        self.reactor.advance(0.5)
        again = [address for _, address in self.reactor.udp[0][1].written]
        self.assertEqual(again, [("192.0.2.77", 5070)] * 2)

    def test_unknown_name(self) -> None:
        """A host name that leads nowhere is a request that failed."""
        self.call_from_a_name({})
        self.assertEqual(self.kinds(), [Ended, Answered])

    def call_from_a_name(self, names: dict[str, str]) -> None:
        """A call whose Contact is a host name, which we end."""
        self.transport.listen_udp("198.51.100.1", 5060)
        self.reactor.nameResolver = Names(names)
        core = self.transport._core
        core._settings = core._client._settings = UserAgentSettings(reuse_flow=Reuse.NEVER)
        self.datagram(request("INVITE", 1, contact="sip:src@src.example.com:5070"))
        dialog = self.accept()
        self.datagram(request("ACK", 1, to_tag=dialog))
        self.reactor.udp[0][1].written.clear()
        self.events.clear()
        self.transport.send_bye(dialog)

    # --- streams ------------------------------------------------------------

    def test_tcp_call(self) -> None:
        """A call over TCP in pieces; answers and our BYE use the connection."""
        self.transport.listen_tcp("198.51.100.1", 5060)
        protocol, wire = self.connect()
        for octet in request("INVITE", 1, via="TCP 192.0.2.10"):
            protocol.dataReceived(bytes([octet]))
        dialog = self.accept()
        self.assertTrue(wire.value().startswith(b"SIP/2.0 200 OK\r\n"))
        protocol.dataReceived(request("ACK", 1, via="TCP 192.0.2.10", to_tag=dialog))
        wire.clear()
        self.transport.send_bye(dialog)
        self.assertTrue(wire.value().startswith(b"BYE sip:src@192.0.2.10 SIP/2.0\r\n"))

    def test_all_addresses(self) -> None:
        """A listener on all addresses shows each peer the one that it reached."""
        self.transport.listen_tcp("0.0.0.0", 5060)
        self.reactor.tcpServers[0][1].advertised = ("0.0.0.0", 5060)
        protocol, wire = self.connect()
        protocol.dataReceived(request("OPTIONS", 1, via="TCP 192.0.2.10"))
        self.assertIn(b"<sip:srs@198.51.100.1:5060;transport=tcp>", wire.value())

    def test_ping(self) -> None:
        """A double CRLF is answered with one."""
        self.transport.listen_tcp("198.51.100.1", 5060)
        protocol, wire = self.connect()
        protocol.dataReceived(b"\r\n\r\n")
        self.assertEqual(wire.value(), b"\r\n")

    def test_garbage(self) -> None:
        """What is no SIP closes the connection, by force where the peer holds it open."""
        self.transport.listen_tcp("198.51.100.1", 5060)
        protocol, wire = self.connect()
        protocol.dataReceived(b"GET / HTTP/1.1\r\n")
        self.assertEqual(self.kinds(), [Discarded])
        self.assertTrue(wire.disconnecting)
        protocol.dataReceived(request("OPTIONS", 1))
        self.assertEqual(self.kinds(), [])
        self.reactor.advance(5)
        self.assertTrue(wire.disconnected or wire.disconnecting)

    def test_no_content_length(self) -> None:
        """A message without Content-Length is answered 400 before the connection is closed."""
        self.transport.listen_tcp("198.51.100.1", 5060)
        protocol, wire = self.connect()
        octets = request("OPTIONS", 1).replace(b"Content-Length: 0\r\n", b"")
        protocol.dataReceived(octets)
        self.assertEqual(self.kinds(), [Refused])
        self.assertTrue(wire.value().startswith(b"SIP/2.0 400 "))
        self.assertTrue(wire.disconnecting)

    def test_limits(self) -> None:
        """Connections per peer, and in all; a closed one makes room."""
        self.transport.listen_tcp("198.51.100.1", 5060)
        first, _ = self.connect()
        self.connect()
        self.assertIsNone(self.connect()[0])
        self.connect(host="192.0.2.11")
        self.assertIsNone(self.connect(host="192.0.2.12")[0])
        self.assertEqual(self.transport.connections, 3)
        first.connectionLost(connectionDone)
        self.assertIsNotNone(self.connect()[0])

    def test_slow_message(self) -> None:
        """A message that takes too long cuts the connection; line ends are none."""
        self.transport.listen_tcp("198.51.100.1", 5060)
        protocol, wire = self.connect()
        protocol.dataReceived(b"\r\n")
        self.reactor.advance(11)
        self.assertFalse(wire.disconnecting)
        protocol.dataReceived(b"INVITE sip:x")
        self.reactor.advance(5)
        protocol.dataReceived(b"yz")
        self.reactor.advance(5)
        self.assertTrue(wire.disconnecting)

    def test_each_message_has_its_time(self) -> None:
        """A second message that begins at once has the whole time too."""
        self.transport.listen_tcp("198.51.100.1", 5060)
        protocol, wire = self.connect()
        protocol.dataReceived(request("OPTIONS", 1)[:50])
        self.reactor.advance(9)
        protocol.dataReceived(request("OPTIONS", 1)[50:] + b"OPTI")
        self.reactor.advance(9)
        self.assertFalse(wire.disconnecting)

    def test_idle(self) -> None:
        """An idle connection is closed; a ping keeps it."""
        self.transport.listen_tcp("198.51.100.1", 5060)
        protocol, wire = self.connect()
        self.reactor.advance(99)
        protocol.dataReceived(b"\r\n\r\n")
        self.reactor.advance(99)
        self.assertFalse(wire.disconnecting)
        self.reactor.advance(1)
        self.assertTrue(wire.disconnecting)
        protocol.connectionLost(connectionDone)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stranger_connects(self) -> None:
        """A stranger's connection is cut before anything is read."""
        self.transport.listen_tcp("198.51.100.1", 5060)
        self.refuse = {"203.0.113.9"}
        protocol, wire = self.connect(host="203.0.113.9")
        self.assertTrue(wire.disconnecting)
        protocol.dataReceived(request("OPTIONS", 1))
        protocol.connectionLost(connectionDone)
        self.assertEqual((wire.value(), self.kinds()), (b"", [Discarded]))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_back_pressure(self) -> None:
        """While the peer does not read, nothing is read from it."""
        self.transport.listen_tcp("198.51.100.1", 5060)
        _, wire = self.connect()
        wire.producer.pauseProducing()
        self.assertEqual(wire.producerState, "paused")
        wire.producer.resumeProducing()
        self.assertEqual(wire.producerState, "producing")
        wire.producer.stopProducing()

    # --- connections of ours ------------------------------------------------------------

    def lost_call(self) -> str:
        """A call over TCP whose connection is gone."""
        self.transport.listen_tcp("198.51.100.1", 5060, ("srs.example.com", 5060))
        protocol, _ = self.connect()
        contact = "sip:src@192.0.2.10:5070;transport=tcp"
        protocol.dataReceived(request("INVITE", 1, via="TCP 192.0.2.10", contact=contact))
        dialog = self.accept()
        protocol.dataReceived(request("ACK", 1, via="TCP 192.0.2.10", to_tag=dialog))
        protocol.connectionLost(connectionDone)
        self.events.clear()
        return dialog

    def attempt(self) -> tuple[str, int, Any]:
        """The one connection that we try: where to, and its factory."""
        self.reactor.advance(0)
        host, port, factory, _, _ = self.reactor.tcpClients.pop()
        return host, port, factory

    def test_new_connection(self) -> None:
        """Where the connection is gone, a request makes one, and the next uses it."""
        dialog = self.lost_call()
        self.transport.send_update(dialog)
        host, port, factory = self.attempt()
        self.assertEqual((host, port), ("192.0.2.10", 5070))
        protocol = factory.buildProtocol(IPv4Address("TCP", host, port))
        wire = ClosableTransport(
            IPv4Address("TCP", "198.51.100.1", 1), IPv4Address("TCP", host, port)
        )
        protocol.makeConnection(wire)
        self.assertTrue(wire.value().startswith(b"UPDATE "))
        self.assertIn(b"Via: SIP/2.0/TCP srs.example.com:5060;", wire.value())
        wire.clear()
        self.transport.send_bye(dialog)
        self.assertTrue(wire.value().startswith(b"BYE "))
        self.assertEqual(self.reactor.tcpClients, [])

    def test_no_connection(self) -> None:
        """A connection that fails is a request that failed, and the next tries again."""
        dialog = self.lost_call()
        self.transport.send_update(dialog)
        _, _, factory = self.attempt()
        factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
        self.reactor.advance(1)
        self.assertEqual(self.kinds(), [Answered])
        self.transport.send_update(dialog)
        self.attempt()

    def test_response_on_new_connection(self) -> None:
        """A response whose connection broke goes by a new one to the port of the Via."""
        self.transport.listen_tcp("198.51.100.1", 5060)
        protocol, _ = self.connect()
        protocol.dataReceived(request("INVITE", 1, via="TCP 192.0.2.10:5080"))
        protocol.connectionLost(connectionDone)
        self.accept()
        self.assertEqual(self.attempt()[:2], ("192.0.2.10", 5080))

    def test_stop(self) -> None:
        """Everything is closed, and no timer is left."""
        self.transport.listen_udp("198.51.100.1", 5060)
        self.transport.listen_tcp("198.51.100.1", 5060)
        protocol, wire = self.connect()
        self.call()
        self.successResultOf(self.transport.stop())
        self.assertTrue(self.reactor.udp[0][1].stopped)
        self.assertTrue(wire.disconnecting)
        protocol.connectionLost(connectionDone)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    # --- the rest of the interface ------------------------------------------------------------

    def test_wrappers(self) -> None:
        """Refusing, re-inviting, draining, tracing: as the user agent has them."""
        self.transport.listen_udp("198.51.100.1", 5060)
        dialog = self.call()
        self.assertTrue(self.transport.peer_allows(dialog, "UPDATE"))
        self.assertEqual(self.transport.send_invite(dialog, body=b"v=0\r\n"), "c1")
        self.transport.drain(7)
        bound = self.datagram(request("INVITE", 1, call_id="2"))
        self.assertIn(b"Retry-After: 7\r\n", bound.written[-1][0])
        self.transport.drain(None)
        self.datagram(request("INVITE", 1, call_id="3"))
        invited = self.events[-1]
        assert isinstance(invited, Invited)
        self.transport.refuse(invited.transaction, 480, "Later", (("Retry-After", "9"),))
        self.assertTrue(bound.written[-1][0].startswith(b"SIP/2.0 480 Later\r\n"))
        self.events.clear()
        self.transport.trace(True)
        self.datagram(request("OPTIONS", 1, call_id="4"))
        self.assertEqual(self.kinds(), [Traced, Traced])
        self.assertEqual(Transport.UDP, self.admitted[0].transport)


class CertifiedTransport(ClosableTransport):
    """A TLS connection in memory, whose peer showed a certificate."""

    def getPeerCertificate(self) -> None:
        """None that names anybody."""


class AdmittedByCertificateTests(SynchronousTestCase):
    """TLS connections: taken by address, kept by what the certificate says."""

    def setUp(self) -> None:
        self.reactor = UDPMemoryReactor()
        self.events: list[Output] = []
        self.known = True
        self.transport = SIPTransport(
            self.reactor,
            UserAgentServer(UserAgentSettings(), lambda digits: "0" * digits),
            self.events.append,
            admit=lambda flow: self.known,
            expect=lambda flow: flow.remote[0] == "192.0.2.10",
            present=lambda flow: replace(flow, advertised=("203.0.113.5", 5061)),
        )
        self.transport.listen_tls("198.51.100.1", 5061, None, None)  # type: ignore[arg-type] # no TLS here

    def connect(self, host: str) -> tuple[Any, CertifiedTransport]:
        """A peer connects and goes through its handshake."""
        protocol, wire = self.begin(host)
        if not wire.disconnecting:
            protocol.handshakeCompleted()
        return protocol, wire

    def begin(self, host: str) -> tuple[Any, CertifiedTransport]:
        """A peer connects."""
        factory = self.reactor.sslServers[0][1]
        peer = IPv4Address("TCP", host, 49152)
        protocol = factory.buildProtocol(peer)
        wire = CertifiedTransport(IPv4Address("TCP", "198.51.100.1", 5061), peer)
        protocol.makeConnection(wire)
        return protocol, wire

    def test_kept(self) -> None:
        """Who is known by the certificate is served, at our address as that peer has it."""
        protocol, wire = self.connect("192.0.2.10")
        protocol.dataReceived(request("INVITE", 1, via="TLS 192.0.2.10"))
        [invited] = self.events
        assert isinstance(invited, Invited)
        self.transport.accept(invited.transaction)
        self.assertIn(b"Contact: <sip:srs@203.0.113.5:5061;transport=tls>", wire.value())

    def test_dropped(self) -> None:
        """Who is not is cut off without a word, and does not count any longer."""
        self.known = False
        _, wire = self.connect("192.0.2.10")
        self.assertTrue(wire.disconnecting)
        self.assertEqual(wire.value(), b"")
        self.assertEqual([event.reason for event in self.events], ["unknown source"])  # type: ignore[union-attr]

    def test_handshake_failed(self) -> None:
        """A handshake that comes to nothing is told, with the reason, and counted; often, once."""
        for number in range(5):
            protocol, _ = self.begin("192.0.2.10")
            error = SSL.Error([("SSL routines", "", "peer did not return a certificate")])
            protocol.connectionLost(Failure(error))
            self.assertEqual(len(self.events), number + 1)
        self.assertEqual({event.reason for event in self.events}, {"TLS handshake failed"})  # type: ignore[union-attr]
        self.assertEqual(self.transport.connections, 0)
        protocol, _ = self.connect("192.0.2.10")
        protocol.connectionLost(Failure(SSL.Error([])))
        self.assertEqual(len(self.events), 5)

    def test_not_expected(self) -> None:
        """Nobody shakes hands with who is not expected."""
        _, wire = self.connect("192.0.2.11")
        self.assertTrue(wire.disconnecting)
        self.assertEqual(self.transport.connections, 0)


def branch(octets: bytes) -> str:
    """That of the topmost Via."""
    found = re.search(rb";branch=([^;\r]+)", octets)
    assert found is not None
    return found[1].decode()


class ServersTests(SynchronousTestCase):
    """Requests of ours to host names."""

    def setUp(self) -> None:
        self.reactor = UDPMemoryReactor()
        self.reactor.nameResolver = Names({"one.example.com": "192.0.2.21", "two": "192.0.2.22"})
        self.events: list[Output] = []
        numbers = tokens()
        core = UserAgentServer(
            UserAgentSettings(reuse_flow=Reuse.NEVER), lambda digits: f"{next(numbers):0{digits}x}"
        )
        servers = [Record_SRV(1, 0, 5071, b"one.example.com"), Record_SRV(2, 0, 5072, b"two")]
        found = [RRHeader(b"", each.TYPE, payload=each) for each in servers]
        self.transport = SIPTransport(
            self.reactor,
            core,
            self.events.append,
            locator=Locator(lambda name: succeed((found, [], [])), lambda: 0.0),
        )
        self.transport.listen_udp("198.51.100.1", 5060)

    def bye(self, contact: str, end: bool = True) -> None:
        """A call from there, which we end unless a test does something else."""
        protocol, _ = self.reactor.udp[0]
        here = ("192.0.2.10", 5060)
        protocol.datagramReceived(request("INVITE", 1, contact=contact), here)
        invited = self.events[0]
        assert isinstance(invited, Invited)
        self.transport.accept(invited.transaction)
        protocol.datagramReceived(request("ACK", 1, to_tag=invited.dialog), here)
        self.dialog = invited.dialog
        if end:
            self.transport.send_bye(invited.dialog)

    def test_datagram(self) -> None:
        """A datagram goes to the first server, at its port."""
        self.bye("sip:src@src.example.com")
        octets, address = self.reactor.udp[0][1].written[-1]
        self.assertTrue(octets.startswith(b"BYE sip:src@src.example.com SIP/2.0"))
        self.assertEqual(address, ("192.0.2.21", 5071))

    def written(self) -> list[tuple[str, tuple[str, int]]]:
        """The branch of each datagram since the BYE began, and where it went."""
        sent = [each for each in self.reactor.udp[0][1].written if each[0].startswith(b"BYE ")]
        return [(branch(octets), address) for octets, address in sent]

    def answered(self) -> list[int]:
        """What became of the BYE."""
        return [event.status for event in self.events if isinstance(event, Answered)]

    def answer(self, status: str) -> None:
        """The server answers the last BYE."""
        octets, address = self.reactor.udp[0][1].written[-1]
        response = octets.replace(octets.split(b"\r\n")[0], f"SIP/2.0 {status}".encode())
        self.reactor.udp[0][0].datagramReceived(response, address)

    def test_silent_server(self) -> None:
        """A server that does not answer is given up for the next, in a new transaction."""
        self.bye("sip:src@src.example.com")
        self.reactor.pump([0.5] * 63)
        first = self.written()
        self.assertEqual({address for _, address in first}, {("192.0.2.21", 5071)})
        self.assertEqual(len({name for name, _ in first}), 1)
        self.reactor.pump([0.5] * 3)
        (name, address) = self.written()[len(first)]
        self.assertEqual(address, ("192.0.2.22", 5072))
        self.assertNotEqual(name, first[0][0])
        self.assertEqual(self.answered(), [])
        self.answer("200 OK")
        self.assertEqual(self.answered(), [200])

    def test_server_out_of_service(self) -> None:
        """503 sends us to the next server; where there is none, it is the answer."""
        self.bye("sip:src@src.example.com")
        self.answer("503 Service Unavailable")
        self.assertEqual([address[1] for _, address in self.written()], [5071, 5072])
        self.answer("503 Service Unavailable")
        self.assertEqual(len(self.written()), 2)
        self.assertEqual(self.answered(), [503])

    def test_other_refusals(self) -> None:
        """Any other answer of a server is the answer of them all."""
        self.bye("sip:src@src.example.com")
        self.answer("481 Call/Transaction Does Not Exist")
        self.assertEqual(len(self.written()), 1)
        self.assertEqual(self.answered(), [481])

    def test_ack(self) -> None:
        """The ACK of a re-INVITE goes to the server that answered, and to no other."""
        self.bye("sip:src@src.example.com", end=False)
        self.transport.send_invite(self.dialog, body=b"v=0\r\n")
        self.answer("503 Service Unavailable")
        self.answer("200 OK")
        sent = [(o.split(b" ")[0], a[1]) for o, a in self.reactor.udp[0][1].written[1:]]
        self.assertEqual(
            sent, [(b"INVITE", 5071), (b"ACK", 5071), (b"INVITE", 5072), (b"ACK", 5072)]
        )

    def test_server_without_address(self) -> None:
        """A server whose own name leads nowhere is passed over."""
        self.reactor.nameResolver = Names({"two": "192.0.2.22"})
        self.bye("sip:src@src.example.com")
        self.assertEqual([address[1] for _, address in self.written()], [5072])

    def test_next_server(self) -> None:
        """Where one server takes no connection, the next one is tried."""
        self.bye("sip:src@src.example.com;transport=tcp")
        host, port, factory, *_ = self.reactor.tcpClients[0]
        self.assertEqual((host, port), ("192.0.2.21", 5071))
        connector = self.reactor.connectors[0]
        factory.clientConnectionFailed(connector, Failure(ConnectionRefusedError()))
        self.reactor.advance(1)
        host, port, *_ = self.reactor.tcpClients[1]
        self.assertEqual((host, port), ("192.0.2.22", 5072))

    def test_no_server(self) -> None:
        """Where none does, the request has failed."""
        self.bye("sip:src@src.example.com;transport=tcp")
        for number in range(2):
            factory = self.reactor.tcpClients[number][2]
            connector = self.reactor.connectors[number]
            factory.clientConnectionFailed(connector, Failure(ConnectionRefusedError()))
            self.reactor.advance(1)
        answered = [event for event in self.events if isinstance(event, Answered)]
        self.assertEqual([event.status for event in answered], [503])
