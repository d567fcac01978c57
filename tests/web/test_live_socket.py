"""
The WebSocket of the live page, from its handshake on, in memory.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import TOKEN, FakeServer, Notes, audio, connection, make_gate, start
from twisted_siprec.config.model import AccessToken, Role, Tenant, WebConfiguration
from twisted_siprec.plan import Secret
from twisted_siprec.web.api import API
from twisted_siprec.web.feed import Feed
from twisted_siprec.web.gate import Visitor
from twisted_siprec.web.live_socket import LivePlace, live_resource
from twisted_siprec.web.metrics import Metrics
from twisted_siprec.web.origin import Origins
from twisted_siprec.web.records import CallRecords
from twisted_siprec.web.site import Root, make_site

HANDSHAKE = (
    b"GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Transport(StringTransport):
    """One that can be aborted, and takes a producer as a real one does."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True

    def loseConnection(self) -> None:
        self.aborted = True


class LiveSocketTests(SynchronousTestCase):
    """A page's connection."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = FakeServer()
        records = CallRecords(lambda: 1_000.0)
        self.server.watch(records.happened)
        metrics = Metrics(self.server)
        api = API(self.server, records, metrics, lambda: 1_000.0)
        feed = Feed(self.clock, lambda: 1_000.0, api, records, api.state)
        self.patch(
            os,
            "environ",
            {"TOKEN": "secret", "EAR": "ear", "ACME": "a", "ACME_EAR": "ae", "ANN": "ann"},
        )
        acme = Tenant(
            "acme", token=Secret(environment="ACME"), listen_token=Secret(environment="ACME_EAR")
        )
        both = (Role.VIEW, Role.LISTEN)
        web = WebConfiguration(
            token=Secret(environment="TOKEN"),
            listen_token=Secret(environment="EAR"),
            tokens=(AccessToken("ann", both, Secret(environment="ANN")),),
        )
        self.notes = Notes()
        self.gate = gate = make_gate(web, (acme,), self.clock, self.notes)

        def whose(id: str) -> str | None:
            record = records.find(id)
            return record.tenant if record is not None else None

        place = LivePlace(self.clock, gate, feed, self.server.tap, whose, 1_000)
        live, origins = live_resource(place, "test"), Origins(loopback=True)
        root = Root(api, gate, lambda operation, status: None, live, origins)
        self.protocol, _ = connection(make_site(root, 10, 1_000, Clock()))
        self.transport = Transport()
        self.protocol.transport = None
        self.protocol.makeConnection(self.transport)
        self.read = 0
        self.protocol.dataReceived(HANDSHAKE)
        head, _, rest = self.transport.value().partition(b"\r\n\r\n")
        self.assertIn(b"101 Switching Protocols", head)
        self.read = len(head) + 4
        self.assertEqual(rest, b"")

    def send(self, message: Any, opcode: int = TEXT) -> None:
        """A masked frame from the browser."""
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        long = len(payload) > 125
        length = b"\xfe" + struct.pack("!H", len(payload)) if long else bytes([128 | len(payload)])
        self.protocol.dataReceived(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload)

    def frames(self) -> list[tuple[int, bytes]]:
        """What came since the last time, by opcode."""
        octets = self.transport.value()[self.read :]
        self.read += len(octets)
        frames = []
        while octets:
            opcode, length, start = octets[0] & 15, octets[1], 2
            if length == 126:
                length, start = struct.unpack("!H", octets[2:4])[0], 4
            frames.append((opcode, octets[start : start + length]))
            octets = octets[start + length :]
        return frames

    def messages(self) -> list[Any]:
        """The JSON messages among them."""
        return [json.loads(payload) for opcode, payload in self.frames() if opcode == TEXT]

    def greet(self, token: str = TOKEN) -> list[Any]:
        self.send({"type": "hello", "token": token})
        return self.messages()

    def leave(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def close_code(self) -> int | None:
        """The code of the close frame among what came."""
        for opcode, payload in self.frames():
            if opcode == CLOSE:
                return int(struct.unpack("!H", payload[:2])[0])
        return None

    def test_hello(self) -> None:
        """With the token a page is welcome, and sees the calls at once and every second."""
        self.server.begin()
        welcome, calls = self.greet()
        self.assertEqual(
            welcome,
            {
                "type": "welcome",
                "listen": True,
                "tenant": None,
                "name": "web.token",
                "roles": ["metrics", "steer", "view"],
            },
        )
        self.assertEqual((calls["type"], calls["changed"][0]["id"]), ("calls", "3f2a"))
        self.clock.pump([0.1] * 10)
        self.assertEqual([each["type"] for each in self.messages()], ["calls"])

    def test_wrong_token(self) -> None:
        """Without the right token, as the first message, it sees nothing and is closed."""
        for message in (
            {"type": "hello", "token": "wrong"},
            {"type": "hello", "token": 5},
            {"type": "hello"},
            {"type": "follow", "token": "secret", "id": "3f2a"},
        ):
            self.setUp()
            self.server.begin()
            self.send(message)
            self.assertEqual(self.close_code(), 4401, message)
            self.leave()

    def test_locked_out(self) -> None:
        """After too many wrong tokens the address is told to wait, whatever it shows."""
        for _ in range(10):
            self.gate.admit(Role.VIEW, "wrong", Visitor("192.168.1.1"), "look")
        self.send({"type": "hello", "token": "secret"})
        self.assertEqual(self.close_code(), 4429)

    def test_no_role(self) -> None:
        """A token that may only listen opens no page."""
        self.send({"type": "hello", "token": "ear"})
        self.assertEqual(self.close_code(), 4401)

    def test_foreign_page(self) -> None:
        """A page of others, or a name of others, opens no WebSocket."""
        for head in (b"Host: localhost\r\nOrigin: https://evil.example", b"Host: evil.example"):
            protocol, transport = connection(self.protocol.factory)
            protocol.dataReceived(HANDSHAKE.replace(b"Host: localhost", head))
            self.assertIn(transport.value().split()[1], (b"403", b"421"))

    def test_no_hello(self) -> None:
        """A page that says nothing is closed, politely and then for good."""
        self.clock.advance(5)
        self.assertEqual(self.close_code(), 4401)
        self.clock.advance(5)
        self.assertTrue(self.transport.aborted)

    def test_nonsense(self) -> None:
        """What is no message of ours ends the connection."""
        for nonsense in (b"x", b"[]", b"{}", b'{"type":5}', b"[" * 500):
            self.setUp()
            self.send(nonsense)
            self.assertEqual(self.close_code(), 4400, nonsense)
            self.leave()
        self.setUp()
        self.send(b"{}", BINARY)
        self.assertEqual(self.close_code(), 4400)

    def test_too_long(self) -> None:
        """A message that is longer than allowed ends the connection before it is read."""
        self.send(b'{"type":"hello","token":"' + b"x" * 1_000 + b'"}')
        self.assertTrue(self.transport.aborted)

    def test_follow(self) -> None:
        """A page follows a call, and none; anything else is not understood."""
        self.server.begin()
        self.greet()
        self.send({"type": "follow", "id": "3f2a"})
        [call] = self.messages()
        self.assertEqual(call["call"]["call_id"], "c1@sbc")
        self.send({"type": "follow", "id": None})
        self.assertEqual(self.messages(), [])
        for odd in ({"type": "follow", "id": 5}, {"type": "dance"}):
            self.send(odd)
            self.assertEqual(self.messages(), [{"type": "refused", "detail": "not understood"}])

    def hear(self) -> None:
        """The consumers of the call get some audio."""
        for _, tap in list(self.server.taps):
            tap(start(), audio(100, -200))

    def follow(self) -> None:
        self.server.begin()
        self.greet()
        self.send({"type": "follow", "id": "3f2a"})
        self.frames()

    def test_meter(self) -> None:
        """A page sees the levels of the call that it follows, until it looks elsewhere."""
        self.follow()
        self.send({"type": "meter", "on": True})
        self.send({"type": "meter", "on": True})
        self.assertEqual([id for id, _ in self.server.taps], ["3f2a"])
        self.hear()
        [levels] = self.messages()
        self.assertEqual((levels["type"], levels["peaks"]), ("levels", [[100], [200]]))
        self.send({"type": "meter", "on": False})
        self.assertEqual(self.server.taps, [])
        self.send({"type": "meter", "on": True})
        self.send({"type": "follow", "id": None})
        self.assertEqual(self.server.taps, [])
        self.send({"type": "meter", "on": True})
        self.assertEqual(self.messages(), [{"type": "refused", "detail": "not understood"}])

    def test_listen(self) -> None:
        """With the token for it a page hears the call, until it wants to hear no more."""
        self.follow()
        self.send({"type": "listen", "on": True, "token": "ear"})
        self.assertEqual(self.messages(), [{"type": "listening", "on": True}])
        self.hear()
        self.assertEqual([opcode for opcode, _ in self.frames()], [TEXT, BINARY])
        self.send({"type": "listen", "on": False})
        self.assertEqual(self.messages(), [{"type": "listening", "on": False}])
        self.hear()
        self.assertEqual([opcode for opcode, _ in self.frames()], [TEXT])

    def test_listen_refused(self) -> None:
        """The token for operating, another one, or none, is not enough to hear a call."""
        self.follow()
        for token in ("secret", "wrong", None, 5):
            self.send({"type": "listen", "on": True, "token": token})
            [refused] = self.messages()
            self.assertEqual(refused["type"], "refused")
        self.hear()
        self.assertEqual((self.server.taps, self.frames()), ([], []))

    def test_listen_by_own(self) -> None:
        """A page whose own token is one for listening needs no other; it is told so."""
        self.server.begin()
        welcome, _ = self.greet("ann")
        self.assertEqual(
            (welcome["name"], welcome["roles"]), ("ann", ["listen", "metrics", "view"])
        )
        self.send({"type": "follow", "id": "3f2a"})
        self.send({"type": "listen", "on": True, "token": None})
        self.assertEqual(self.messages()[-1], {"type": "listening", "on": True})
        self.hear()
        self.assertEqual([opcode for opcode, _ in self.frames()], [TEXT, BINARY])

    def test_listen_noted(self) -> None:
        """Who came, who heard which call until when, and who was not let in, is noted."""
        self.follow()
        self.send({"type": "listen", "on": True, "token": "wrong"})
        self.send({"type": "listen", "on": True, "token": "secret"})
        self.send({"type": "listen", "on": True, "token": "ae"})
        self.send({"type": "listen", "on": True, "token": "ear"})
        self.send({"type": "listen", "on": False})
        self.send({"type": "listen", "on": True, "token": "ear"})
        self.leave()
        self.assertEqual(
            self.notes.lines,
            [
                ("web.token", "page", "look", "", "done"),
                ("anybody", "page", "listen", "3f2a", "wrong token"),
                ("web.token", "page", "listen", "3f2a", "refused: not listen"),
                (
                    "tenants.acme.listen_token",
                    "page",
                    "listen",
                    "3f2a",
                    "refused: another tenant's",
                ),
                ("web.listen_token", "page", "listen", "3f2a", "begun"),
                ("web.listen_token", "page", "listen", "3f2a", "ended"),
                ("web.listen_token", "page", "listen", "3f2a", "begun"),
                ("web.listen_token", "page", "listen", "3f2a", "ended"),
            ],
        )

    def pinged(self) -> None:
        """The page is asked whether it is there, and it is."""
        self.send(b"", PONG)
        self.clock.advance(20)

    def test_withdrawn(self) -> None:
        """A page whose token holds no more is closed at the next ping."""
        self.greet()
        self.pinged()
        self.assertIsNone(self.close_code())
        os.environ["TOKEN"] = "newer"
        self.pinged()
        self.assertEqual(self.close_code(), 4401)

    def test_listening_withdrawn(self) -> None:
        """Who hears by a token that holds no more hears no more, and goes on looking."""
        self.follow()
        self.send({"type": "listen", "on": True, "token": "ear"})
        os.environ["EAR"] = "newer"
        self.frames()
        self.pinged()
        self.assertEqual(
            self.messages()[-2:],
            [
                {"type": "listening", "on": False},
                {"type": "refused", "detail": "the token for listening holds no more"},
            ],
        )
        self.hear()
        self.assertEqual([opcode for opcode, _ in self.frames()], [TEXT])
        self.assertEqual(self.notes.lines[-1][-1], "ended")

    def test_listen_slow(self) -> None:
        """A connection that takes no more misses what it cannot take."""
        self.follow()
        self.send({"type": "listen", "on": True, "token": "ear"})
        self.frames()
        self.transport.producer.pauseProducing()
        self.hear()
        self.assertEqual(self.frames(), [])

    def test_listen_gone(self) -> None:
        """A page that is gone hears no more."""
        self.follow()
        self.send({"type": "listen", "on": True, "token": "ear"})
        self.leave()
        self.assertEqual(self.server.taps, [])

    def test_gone(self) -> None:
        """A page that is gone leaves no timer."""
        self.greet()
        self.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ping(self) -> None:
        """A page that answers pings stays, one that does not is dropped."""
        self.greet()
        for _ in range(3):
            self.clock.advance(20)
            [payload] = [payload for opcode, payload in self.frames() if opcode == PING]
            self.send(payload, PONG)
        self.assertFalse(self.transport.aborted)
        self.clock.advance(20)
        self.clock.advance(20)
        self.assertTrue(self.transport.aborted)

    def test_slow(self) -> None:
        """While the connection takes no more, nothing is sent."""
        self.greet()
        self.transport.producer.pauseProducing()
        self.clock.pump([0.1] * 10)
        self.assertEqual(self.frames(), [])
        self.transport.producer.resumeProducing()
        self.clock.pump([0.1] * 10)
        self.assertEqual(len(self.messages()), 1)

    def test_no_websocket(self) -> None:
        """Where no WebSocket is asked for, none is opened."""
        protocol, transport = connection(self.protocol.factory)
        protocol.dataReceived(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertNotIn(b"101", transport.value().split(b"\r\n")[0])
