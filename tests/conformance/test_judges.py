"""
Software of others as the judge of our dialects: what it receives for a living, it
must be able to receive from us.

``pip install -e '.[test,conformance]'`` brings the judges; those in JavaScript are
looked for in the ``node_modules`` that SIPREC_NODE_MODULES names. What is not
there is skipped, and says so; with ``SIPREC_JUDGES=all``, those in Python must be.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.dialects.support import Exchange, audio, destination, started
from twisted_siprec.bridge.delivery_states import Disconnect, Finished, Output, Send
from twisted_siprec.dialects import dialect
from twisted_siprec.dialects.foreign import Foreign, Request, Secrets
from twisted_siprec.report import DeliveryStatistics

NODE_MODULES = os.environ.get("SIPREC_NODE_MODULES", "")


def judge(module: str) -> Any:
    """A module of a judge, or the reason why there is none."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if os.environ.get("SIPREC_JUDGES") == "all":
            raise
        pytest.skip(f"no judge: {error}")


def sent(outputs: list[Output]) -> list[str | bytes]:
    """What went out."""
    return [output.message for output in outputs if isinstance(output, Send)]


def call(protocol: str, chunks: int = 5, **values: object) -> list[str | bytes]:
    """All that a consumer of a call gets that need not answer."""
    exchange = Exchange(started(destination(protocol, **values)))
    samples = exchange.start.sample_rate // 10
    messages = sent(exchange.connect())
    for number in range(chunks):
        messages += sent(exchange.carry(number * samples, samples))
    messages += sent(exchange.do("dtmf 5 0"))
    return messages + sent(exchange.do("stop call_ended"))


class TwilioTests(SynchronousTestCase):
    """Twilio's own library, and a simulator of Twilio."""

    def test_signature(self) -> None:
        """Twilio's validator takes our signatures, and no others."""
        validator = judge("twilio.request_validator").RequestValidator("12345")
        url = "wss://ai.example.com/media"
        spoken = dialect(destination("twilio"))
        assert isinstance(spoken, Foreign)
        request = Request(url, "ai.example.com:443", "/media", 1, "n")
        [(_, signature)] = spoken.proof(request, Secrets(key="12345"))
        self.assertTrue(validator.validate(url, {}, signature))
        self.assertFalse(validator.validate(url + "x", {}, signature))

    def test_trace(self) -> None:
        """Message by message what an independent sender makes of the same call."""
        protocol = judge("streamdouble.protocol")
        ours = [json.loads(message) for message in call("twilio")]
        identity = protocol.StreamIdentity(
            stream_sid=ours[1]["streamSid"],
            account_sid=ours[1]["start"]["accountSid"],
            call_sid=ours[1]["start"]["callSid"],
        )
        encoder = protocol.MediaStreamEncoder(identity)
        parameters = ours[1]["start"]["customParameters"]
        theirs = [
            encoder.connected(),
            encoder.start(tracks=["inbound", "outbound"], custom_parameters=parameters),
        ]
        for _ in range(25):
            theirs.append(encoder.media(b"\x11" * 160, track="inbound"))
            theirs.append(encoder.media(b"\x22" * 160, track="outbound"))
        theirs += [encoder.dtmf("5"), encoder.stop()]
        for own, other in zip(ours, theirs, strict=True):
            self.assertEqual(own, other)


class PipecatTests(SynchronousTestCase):
    """The serializers of a framework that is fed by all of these."""

    def heard(
        self, made: Callable[[], Any], messages: list[str | bytes]
    ) -> tuple[bytes, list[str]]:
        """The audio and the digits that a serializer finds in messages."""
        frames = judge("pipecat.frames.frames")

        async def listen() -> tuple[bytes, list[str]]:
            serializer = made()
            await serializer.setup(frames.StartFrame(audio_in_sample_rate=8000))
            octets, digits = b"", []
            for message in messages:
                frame = await serializer.deserialize(message)
                if isinstance(frame, frames.InputAudioRawFrame):
                    octets += frame.audio
                elif isinstance(frame, frames.InputDTMFFrame):
                    digits.append(frame.button.value)
            return octets, digits

        return asyncio.run(listen())

    def check(
        self, module: str, name: str, protocol: str, arguments: dict[str, object], **values: object
    ) -> None:
        """A second of audio of one party arrives, at 8 kHz and 16 bits, and so does a digit."""
        kind = getattr(judge(f"pipecat.serializers.{module}"), name)
        octets, digits = self.heard(lambda: kind(**arguments), call(protocol, 10, **values))
        self.assertEqual(len(octets), 16_000)
        self.assertEqual(digits, ["5"])

    def test_twilio(self) -> None:
        """Twilio's."""
        arguments = {"stream_sid": "MZ", "params": self.silent("twilio", "Twilio")}
        self.check("twilio", "TwilioFrameSerializer", "twilio", arguments, tracks="inbound")

    def test_telnyx(self) -> None:
        """Telnyx's."""
        arguments = {
            "stream_id": "s",
            "outbound_encoding": "PCMU",
            "inbound_encoding": "PCMU",
            "params": self.silent("telnyx", "Telnyx"),
        }
        self.check("telnyx", "TelnyxFrameSerializer", "telnyx", arguments, tracks="inbound")

    def test_exotel(self) -> None:
        """Exotel's."""
        self.check("exotel", "ExotelFrameSerializer", "exotel", {"stream_sid": "s"})

    def test_plivo(self) -> None:
        """Plivo's."""
        arguments = {"stream_id": "s", "params": self.silent("plivo", "Plivo")}
        self.check("plivo", "PlivoFrameSerializer", "plivo", arguments, tracks="inbound")

    def test_vonage(self) -> None:
        """Vonage's."""
        module = judge("pipecat.serializers.vonage")
        parameters = module.VonageFrameSerializer.InputParams(vonage_sample_rate=8000)
        arguments = {"params": parameters}
        self.check("vonage", "VonageFrameSerializer", "vonage", arguments, rate=8000)

    def silent(self, module: str, name: str) -> object:
        """Parameters with which the platform is not called back."""
        kind = getattr(judge(f"pipecat.serializers.{module}"), f"{name}FrameSerializer")
        return kind.InputParams(auto_hang_up=False)

    def test_audiohook(self) -> None:
        """Genesys's, which answers: opened, pong and closed are its own."""
        genesys, frames = judge("pipecat.serializers.genesys"), judge("pipecat.frames.frames")
        exchange = Exchange(started(destination("audiohook", dtmf="true")))

        async def converse() -> tuple[int, list[str], list[Output]]:
            serializer = genesys.GenesysAudioHookSerializer()
            await serializer.setup(frames.StartFrame(audio_in_sample_rate=8000))
            octets, kinds, done = 0, [], []

            async def hear(outputs: list[Output]) -> None:
                nonlocal octets
                done.extend(outputs)
                for message in sent(outputs):
                    if isinstance(message, str):
                        kinds.append(json.loads(message)["type"])
                    frame = await serializer.deserialize(message)
                    if isinstance(frame, frames.InputAudioRawFrame):
                        octets += len(frame.audio)
                    elif isinstance(frame, frames.OutputTransportMessageUrgentFrame):
                        await hear(exchange.hear(json.dumps(frame.message)))

            await hear(exchange.connect())
            for number in range(5):
                await hear(exchange.carry(number * 1600, 1600))
            for _ in range(3):
                await hear(exchange.pass_time(exchange.now + 1.5))
            await hear(exchange.do("gap 8000 800"))
            await hear(exchange.do("pause 8800"))
            await hear(exchange.do("resume 16000 7200"))
            await hear(exchange.carry(16000, 1600))
            await hear(exchange.do("dtmf 5 0"))
            await hear(exchange.do("stop call_ended"))
            await hear(exchange.do("closed"))
            return octets, kinds, done

        octets, kinds, done = asyncio.run(converse())
        # It takes the external channel alone.
        self.assertEqual(octets, 6 * 1600 * 2)
        self.assertEqual(
            kinds,
            ["open", "ping", "ping", "discarded", "paused", "resumed", "dtmf", "close"],
        )
        self.assertIn(Disconnect(1000, "call_ended"), done)
        self.assertTrue(self.account(done).complete)

    def account(self, outputs: list[Output]) -> DeliveryStatistics:
        """The one account."""
        [finished] = [output for output in outputs if isinstance(output, Finished)]
        return finished.statistics


class SiphonTests(SynchronousTestCase):
    """siphon's own parser."""

    def test_control(self) -> None:
        """Each text is one that it knows, and says there what we said here."""
        protocol = judge("pipecat_siphon.protocol")
        texts = [text for text in call("siphon") if isinstance(text, str)]
        start, dtmf, stop = (protocol.parse_control(text) for text in texts)
        self.assertEqual((start.media.sample_rate, start.media.channels), (8000, 2))
        self.assertEqual(start.media.endianness.value, "little")
        self.assertEqual(start.tracks, ("caller", "callee"))
        self.assertEqual((dtmf.digit, dtmf.track, dtmf.duration_ms), ("5", "caller", 160))
        self.assertEqual(stop.reason, "call_ended")


class AzureTests(SynchronousTestCase):
    """Microsoft's own parser."""

    SCRIPT = """
        const { StreamingData } = require("@azure/communication-call-automation");
        const lines = require("fs").readFileSync(0, "utf8").trim().split("\\n");
        console.log(JSON.stringify(lines.map((line) => StreamingData.parse(line))));
    """

    def test_parse(self) -> None:
        """Each message is one that it knows, with all that we said in it."""
        package = os.path.join(NODE_MODULES, "@azure", "communication-call-automation")
        node = shutil.which("node")
        if node is None or not NODE_MODULES or not os.path.isdir(package):
            pytest.skip("no judge: @azure/communication-call-automation (SIPREC_NODE_MODULES)")
        texts = [text for text in call("azure", 1) if isinstance(text, str)]
        done = subprocess.run(
            [node, "-e", self.SCRIPT],
            input="\n".join(texts),
            env={**os.environ, "NODE_PATH": NODE_MODULES},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        metadata, first, second, *_, dtmf = json.loads(done.stdout)
        self.assertEqual(metadata["sampleRate"], 16000)
        self.assertEqual(metadata["channels"], 1)
        self.assertEqual(first["participant"]["phoneNumber"], "+15550100")
        self.assertEqual(second["participant"]["phoneNumber"], "2001")
        self.assertFalse(first["isSilent"])
        self.assertEqual(base64.b64decode(first["data"]), b"\x11\x00" * 320)
        self.assertEqual(dtmf["data"], "5")


def test_audio_is_as_the_judges_expect() -> None:
    """The call of these tests says what it should."""
    start = started(destination("twilio"))
    assert audio(start, 0, 2).payload == b"\x11\x22\x11\x22"
