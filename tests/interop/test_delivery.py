"""Delivery over real sockets of this machine: ws and wss, consumers that die and come back."""

from __future__ import annotations

import secrets
import wave
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet import reactor
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from twisted_siprec.dialects.base import Audio, ChannelStart, StreamStart
from twisted_siprec.net.delivery.outlets import OutletFactory
from twisted_siprec.net.media.outlet import Outlet
from twisted_siprec.participants import Description
from twisted_siprec.plan import ChannelPlan, ClientTLS, Destination, Encoding, EndReason, Secret
from twisted_siprec.report import LinkDown, Report
from twisted_siprec.simulator.consumer import Consumer, ConsumerOptions, Finish
from twisted_siprec.simulator.consumer_options import server_tls
from twisted_siprec.simulator.recstream import ConsumerSettings

RATE = 8000
CHUNK = 160


def samples(position: int, count: int) -> bytes:
    """Two channels whose samples say where they belong."""
    positions = range(position, position + count)
    return b"".join((p % 65536).to_bytes(2, "little") * 2 for p in positions)


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A certificate of our own for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(exist_ok=True)
    certificate_path, key_path = directory / f"{name}.pem", directory / f"{name}.key"
    certificate_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_path, key_path


class DeliveryTestCase(TestCase):
    """A consumer and a server's outlet, in this process, over loopback."""

    timeout = 20

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.reports: list[Report] = []
        self.consumers: list[Consumer] = []
        self.outlets: list[Outlet] = []

    async def tearDown(self) -> None:
        for outlet in self.outlets:
            outlet.stop(EndReason.SHUTDOWN, 0, ())
        for consumer in self.consumers:
            await consumer.stop()
        # Connections that are closed on both sides are gone at the next turn or so.
        await deferLater(reactor, 0.05)  # type: ignore[arg-type]

    async def consumer(self, tls: CertificateOptions | None = None, **options: Any) -> Consumer:
        """A consumer that listens."""
        listen = "ws://127.0.0.1:0" if tls is None else "wss://127.0.0.1:0"
        chosen = ConsumerOptions(listen=listen, directory=self.directory, **options)
        consumer = Consumer(reactor, chosen, tls)
        self.consumers.append(consumer)
        await consumer.listen()
        return consumer

    def outlet(self, url: str, **destination: Any) -> Outlet:
        """A stereo stream to it."""
        factory = OutletFactory(reactor, lambda: 0.5, lambda: secrets.token_hex(8))
        start = StreamStart(
            secrets.token_hex(8),
            "b1",
            1_767_366_000.0,
            Encoding.L16,
            RATE,
            (ChannelStart(ChannelPlan(0, (0,))), ChannelStart(ChannelPlan(1, (1,)))),
            Destination("analytics", url, **destination),
            Description("b1", "call@src"),
        )
        outlet = factory.open(start, self.reports.append)
        self.outlets.append(outlet)
        return outlet

    async def speak(self, outlet: Outlet, first: int, chunks: int) -> None:
        """Carry chunks, twice as fast as real time."""
        for number in range(first, first + chunks):
            position = number * CHUNK
            outlet.carry(Audio(position, CHUNK, samples(position, CHUNK)))
            await deferLater(reactor, CHUNK / RATE / 2)  # type: ignore[arg-type]

    def check(self, finish: Finish, chunks: int) -> None:
        """All came, as it was, and the protocol was kept."""
        self.assertEqual(finish.violations, [])
        with wave.open(str(finish.files[0]), "rb") as file:
            octets = file.readframes(file.getnframes())
        self.assertEqual(octets, samples(0, chunks * CHUNK))


class ConsumerTests(DeliveryTestCase):
    """What a consumer gets."""

    async def test_framed(self) -> None:
        """Framed, acknowledged each 100 ms: all of it, and an account that says so."""
        consumer = await self.consumer(settings=ConsumerSettings(ack_every_ms=100))
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 25)
        statistics = await outlet.stop(EndReason.CALL_ENDED, 500, ())
        self.check(await consumer.finished, 25)
        self.assertEqual((statistics.delivered, statistics.missing), (4000, 0))
        self.assertEqual(statistics.acknowledged_frame, 24)

    async def test_plain(self) -> None:
        """Plain, the same."""
        consumer = await self.consumer(framing="plain")
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 25)
        statistics = await outlet.stop(EndReason.CALL_ENDED, 500, ())
        self.check(await consumer.finished, 25)
        self.assertTrue(statistics.complete)

    async def test_killed_and_restarted(self) -> None:
        """A framed consumer that dies in the middle gets what it lacks when it is back."""
        await self.killed("framed")

    async def test_plain_killed_and_restarted(self) -> None:
        """A plain one gets the ring again; what it had it can tell by its position."""
        await self.killed("plain")

    async def killed(self, framing: str) -> None:
        """Kill it after 20 chunks, bring it back after 10 more."""
        consumer = await self.consumer(framing=framing)
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 20)
        await consumer.kill()
        await self.speak(outlet, 20, 10)
        await consumer.restart()
        await self.speak(outlet, 30, 10)
        statistics = await outlet.stop(EndReason.CALL_ENDED, 800, ())
        self.check(await consumer.finished, 40)
        self.assertEqual(statistics.reconnects, 1)
        self.assertGreater(statistics.replayed_frames if framing == "plain" else 1, 0)
        self.assertEqual((statistics.delivered, statistics.missing), (6400, 0))

    async def test_not_there_at_first(self) -> None:
        """What is heard before the consumer listens is kept for it."""
        consumer = await self.consumer()
        await consumer.kill()
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 10)
        await consumer.restart()
        statistics = await outlet.stop(EndReason.CALL_ENDED, 200, ())
        self.check(await consumer.finished, 10)
        self.assertTrue(statistics.complete)

    async def test_slow(self) -> None:
        """A consumer that reads slowly has each sample delivered or named."""
        consumer = await self.consumer(slow_ms=20)
        outlet = self.outlet(consumer.url, replay_ms=1000, backlog_ms=200)
        for number in range(500):
            position = number * CHUNK * 10
            outlet.carry(Audio(position, CHUNK * 10, samples(position, CHUNK * 10)))
        statistics = await outlet.stop(EndReason.CALL_ENDED, 1000, ())
        finish = await consumer.finished
        self.assertEqual(finish.violations, [])
        self.assertEqual(statistics.final_position, 500 * CHUNK * 10)
        self.assertEqual(statistics.final_position, statistics.delivered + statistics.missing)

    async def test_rejected(self) -> None:
        """A consumer that takes nothing is not asked again."""
        consumer = await self.consumer(settings=ConsumerSettings(reject="busy"))
        outlet = self.outlet(consumer.url)
        await self.speak(outlet, 0, 5)
        statistics = await outlet.stop(EndReason.CALL_ENDED, 100, ())
        self.assertEqual(statistics.missing, 5 * CHUNK)
        self.assertFalse(statistics.complete)
        self.assertEqual(len(consumer.headers), 1)


class TLSTests(DeliveryTestCase):
    """wss, verified."""

    async def test_verified(self) -> None:
        """A consumer whose certificate our authority vouches for; the token goes with it."""
        certificate_path, key_path = certificate(self.directory, "consumer")
        token = self.directory / "token"
        token.write_text("t0ken")
        consumer = await self.consumer(server_tls(certificate_path, key_path))
        outlet = self.outlet(
            consumer.url,
            tls=ClientTLS(authorities=str(certificate_path)),
            bearer=Secret(file=str(token)),
        )
        await self.speak(outlet, 0, 10)
        await outlet.stop(EndReason.CALL_ENDED, 200, ())
        self.check(await consumer.finished, 10)
        self.assertEqual(consumer.headers[0]["authorization"], "Bearer t0ken")

    async def test_not_verified(self) -> None:
        """A stranger gets nothing, and signalling hears why."""
        certificate_path, key_path = certificate(self.directory, "consumer")
        consumer = await self.consumer(server_tls(certificate_path, key_path))
        outlet = self.outlet(consumer.url, linger_s=0.2)
        await self.speak(outlet, 0, 5)
        statistics = await outlet.stop(EndReason.CALL_ENDED, 100, ())
        self.assertEqual((statistics.delivered, statistics.missing), (0, 5 * CHUNK))
        downs = [report for report in self.reports if isinstance(report, LinkDown)]
        self.assertIn("certificate verify failed", downs[0].reason)
        self.assertEqual(consumer.records, {})

    async def test_verification_off(self) -> None:
        """verify: false takes whoever answers."""
        certificate_path, key_path = certificate(self.directory, "consumer")
        consumer = await self.consumer(server_tls(certificate_path, key_path))
        outlet = self.outlet(consumer.url, tls=ClientTLS(verify=False))
        await self.speak(outlet, 0, 5)
        await outlet.stop(EndReason.CALL_ENDED, 100, ())
        self.check(await consumer.finished, 5)

    async def test_our_certificate(self) -> None:
        """A consumer that wants to know who we are sees our certificate."""
        certificate_path, key_path = certificate(self.directory, "consumer")
        ours, our_key = certificate(self.directory, "recorder")
        demanding = server_tls(certificate_path, key_path, authorities=ours)
        consumer = await self.consumer(demanding)
        tls = ClientTLS(authorities=str(certificate_path), certificate=str(ours), key=str(our_key))
        outlet = self.outlet(consumer.url, tls=tls)
        await self.speak(outlet, 0, 5)
        await outlet.stop(EndReason.CALL_ENDED, 100, ())
        self.check(await consumer.finished, 5)

    async def test_a_missing_certificate(self) -> None:
        """A file that is not there is told by its name, and tried again."""
        consumer = await self.consumer()
        url = consumer.url.replace("ws://", "wss://")
        missing = str(self.directory / "nowhere.pem")
        outlet = self.outlet(url, tls=ClientTLS(authorities=missing), linger_s=0.1)
        await outlet.stop(EndReason.CALL_ENDED, 0, ())
        downs = [report for report in self.reports if isinstance(report, LinkDown)]
        self.assertIn("nowhere.pem", downs[0].reason)


class FileTests(DeliveryTestCase):
    """The embedded destination, with real threads."""

    async def test_a_call(self) -> None:
        """The file holds what was said."""
        directory = self.directory / "recordings"
        outlet = self.outlet(f"file:{directory}")
        await self.speak(outlet, 0, 25)
        statistics = await outlet.stop(EndReason.CALL_ENDED, 500, ())
        self.assertTrue(statistics.complete)
        (path,) = directory.glob("*.wav")
        with wave.open(str(path), "rb") as file:
            self.assertEqual(file.readframes(file.getnframes()), samples(0, 4000))
