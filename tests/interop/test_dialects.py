"""Dialects over real sockets of this machine, from the outlet to a server that listens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from pathlib import Path
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.dialects.support import audio, destination, started
from twisted_siprec.net.delivery.outlets import OutletFactory
from twisted_siprec.plan import EndReason, Secret
from twisted_siprec.report import ConsumerSaid, Report


class Server(WebSocketServerProtocol):
    """Keeps what it hears, and lets the test answer."""

    def onConnect(self, request: Any) -> Any:
        self.factory.requests.append(request)
        offered = request.protocols
        return (offered[0] if offered else None), {}

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.factory.heard.append(payload if isBinary else payload.decode())
        self.factory.answer(self, payload, isBinary)

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:
        if not self.factory.closed.called:
            self.factory.closed.callback(code)

    def say(self, **fields: object) -> None:
        self.sendMessage(json.dumps(fields).encode())


class DialectTestCase(TestCase):
    """A server of the test's and an outlet to it."""

    timeout = 20

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.reports: list[Report] = []
        self.factory: Any = WebSocketServerFactory()
        self.factory.protocol = Server
        self.factory.requests, self.factory.heard = [], []
        self.factory.answer = self.answer
        self.factory.closed = Deferred()
        self.port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(self.port.stopListening)

    def answer(self, server: Server, payload: bytes, binary: bool) -> None:
        """What the server says to a message."""

    def secret(self, name: str, value: str) -> Secret:
        path = self.directory / name
        path.write_text(value)
        return Secret(file=str(path))

    async def deliver(self, protocol: str, path: str, frames: int, **values: Any) -> Any:
        """Carry chunks of 100 ms to it, and end."""
        from dataclasses import replace

        credentials = {key: values.pop(key) for key in ("bearer", "hmac") if key in values}
        wanted = replace(
            destination(protocol, **values),
            url=f"ws://127.0.0.1:{self.port.getHost().port}{path}",
            **credentials,
        )
        start = started(wanted)
        samples = start.sample_rate // 10
        factory = OutletFactory(reactor, lambda: 0.5, lambda: secrets.token_urlsafe(24))
        outlet = factory.open(start, self.reports.append)
        for number in range(frames):
            outlet.carry(audio(start, number * samples, samples))
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        statistics = await outlet.stop(EndReason.CALL_ENDED, frames * 100, ())
        await self.factory.closed
        return statistics


class TwilioTests(DialectTestCase):
    """Twilio Media Streams."""

    async def test_call(self) -> None:
        """All comes, in sequence, and the signature is of the URL that was called."""
        key = self.secret("token", "12345")
        statistics = await self.deliver("twilio", "/media", 5, hmac=key)
        self.assertEqual((statistics.delivered, statistics.complete), (4000, True))
        url = f"ws://127.0.0.1:{self.port.getHost().port}/media"
        expected = base64.b64encode(hmac.digest(b"12345", url.encode(), hashlib.sha1)).decode()
        self.assertEqual(self.factory.requests[0].headers["x-twilio-signature"], expected)
        heard = [json.loads(text) for text in self.factory.heard]
        self.assertEqual([heard[0]["event"], heard[-1]["event"]], ["connected", "stop"])
        numbers = [int(message["sequenceNumber"]) for message in heard[1:]]
        self.assertEqual(numbers, list(range(1, 53)))
        self.assertEqual(await self.factory.closed, 1000)


class AudioHookTests(DialectTestCase):
    """AudioHook, with a server that counts."""

    sequence = 0

    def say(self, server: Server, kind: str, session: str, heard: int, **parameters: Any) -> None:
        self.sequence += 1
        server.say(
            version="2",
            type=kind,
            id=session,
            seq=self.sequence,
            clientseq=heard,
            parameters=parameters,
        )

    def answer(self, server: Server, payload: bytes, binary: bool) -> None:
        """Opened, an event, pong and closed."""
        if binary:
            return
        said = json.loads(payload)
        session, number = said["id"], said["seq"]
        match said["type"]:
            case "open":
                self.say(server, "opened", session, number, media=said["parameters"]["media"][:1])
                entity = {"type": "hint", "data": {"text": "smile"}}
                self.say(server, "event", session, number, entities=[entity])
            case "ping":
                self.say(server, "pong", session, number)
            case "close":
                self.say(server, "closed", session, number)

    async def test_call(self) -> None:
        """Signed over what was really sent; all audio between opened and close."""
        secret = base64.b64encode(b"0123456789abcdef").decode()
        statistics = await self.deliver(
            "audiohook",
            "/hook?x=1",
            5,
            bearer=self.secret("key", "SGVsbG8="),
            hmac=self.secret("secret", secret),
        )
        self.assertEqual((statistics.delivered, statistics.complete), (4000, True))
        self.check_signature(self.factory.requests[0], b"0123456789abcdef")
        texts = [json.loads(text) for text in self.factory.heard if isinstance(text, str)]
        self.assertEqual([texts[0]["type"], texts[-1]["type"]], ["open", "close"])
        self.assertEqual([text["seq"] for text in texts], list(range(1, len(texts) + 1)))
        self.assertEqual(texts[-1]["position"], "PT0.5S")
        octets = b"".join(heard for heard in self.factory.heard if isinstance(heard, bytes))
        self.assertEqual(octets, b"\x11\x22" * 4000)
        self.assertIn(
            ConsumerSaid(
                "30b0e395-84d3-4570-ac13-9a62d8f514c0",
                "sink",
                "audiohook.hint",
                '{"text":"smile"}',
            ),
            self.reports,
        )

    def check_signature(self, request: Any, key: bytes) -> None:
        """As a server does it: from the fields of the request."""
        covered = re.fullmatch(r"sig1=(\((.*?)\).*)", request.headers["signature-input"])
        assert covered is not None
        values = {"@request-target": "/hook?x=1", "@authority": request.headers["host"]}
        names = [name.strip('"') for name in covered[2].split()]
        lines = [f'"{name}": {values.get(name) or request.headers[name]}' for name in names]
        text = "\n".join([*lines, f'"@signature-params": {covered[1]}'])
        digest = base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()
        self.assertEqual(request.headers["signature"], f"sig1=:{digest}:")


class DeepgramTests(DialectTestCase):
    """A recogniser that is told by the URL."""

    def answer(self, server: Server, payload: bytes, binary: bool) -> None:
        """A result at the end, then the metadata."""
        if payload == b'{"type":"CloseStream"}':
            alternatives = [{"transcript": "hello", "confidence": 0.9}]
            server.say(
                type="Results",
                channel_index=[1, 2],
                start=0.1,
                duration=0.2,
                is_final=True,
                channel={"alternatives": alternatives},
            )
            server.say(type="Metadata", duration=0.5)

    async def test_call(self) -> None:
        """The parameters arrive, and so does the transcript."""
        token = self.secret("key", "t0ken")
        await self.deliver("deepgram", "/v1/listen", 5, bearer=token, model="nova-3")
        request = self.factory.requests[0]
        self.assertEqual(request.headers["authorization"], "Token t0ken")
        self.assertEqual(request.params["channels"], ["2"])
        self.assertEqual(request.params["multichannel"], ["true"])
        self.assertEqual(request.params["model"], ["nova-3"])
        said = [each for each in self.reports if isinstance(each, ConsumerSaid)]
        self.assertEqual(
            said[0].payload,
            '{"text":"hello","final":true,"startMs":100,"endMs":300,"confidence":0.9,'
            '"channel":1,"participantId":"p2","role":"callee"}',
        )


class SubprotocolTests(DialectTestCase):
    """A server that is asked for a subprotocol."""

    async def test_jambonz(self) -> None:
        """It is offered, and may be selected; the preamble comes before the samples."""
        statistics = await self.deliver("jambonz", "/", 2)
        self.assertEqual(self.factory.requests[0].protocols, ["audio.drachtio.org"])
        self.assertEqual(json.loads(self.factory.heard[0])["mixType"], "stereo")
        self.assertEqual({len(frame) for frame in self.factory.heard[1:]}, {640})
        self.assertTrue(statistics.complete)
