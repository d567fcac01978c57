"""
The console over SSH, from a client's handshake to a word and its answer, in memory.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import FingerprintFormats, Key
from twisted.conch.ssh.session import packRequest_pty_req
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, Logger, formatEvent
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import ManholeConfiguration
from twisted_siprec.manhole.server import (
    AuthorizedKeys,
    HostKeyError,
    ManholeService,
    OperatorTerminal,
    host_key,
    make_factory,
)
from twisted_siprec.net.audit import Actor, Audit
from twisted_siprec.net.calls.calls import CallSummary, Value


class FakeRecorder:
    """A recording server with one call."""

    def __init__(self) -> None:
        self.hung_up: list[str] = []
        self.writers: list[Callable[[str], None]] = []

    def calls(self) -> Sequence[CallSummary]:
        return [CallSummary("3f2a", "c1@sbc", "recording", 61)]

    def call(self, id: str) -> Mapping[str, Value]:
        return {"id": id}

    def hang_up(self, id: str) -> bool:
        self.hung_up.append(id)
        return True

    def drain(self) -> None:
        """Not asked for here."""

    def statistics(self) -> Mapping[str, Value]:
        return {}

    def trace(self, pattern: str, write: Callable[[str], None]) -> Callable[[], None]:
        self.writers.append(write)
        return lambda: self.writers.remove(write)


class OperatorChannel(SSHChannel):
    """The client's side of a terminal."""

    name = b"session"

    def __init__(self) -> None:
        super().__init__(localWindow=65536, localMaxPacket=32768)
        self.screen = b""

    def channelOpen(self, specificData: bytes) -> None:
        pty = packRequest_pty_req(b"xterm", (24, 80, 0, 0), b"")
        self.conn.sendRequest(self, b"pty-req", pty)
        self.conn.sendRequest(self, b"shell", b"")

    def dataReceived(self, data: bytes) -> None:
        self.screen += data


class OperatorConnection(SSHConnection):
    """Opens a terminal as soon as it may."""

    def __init__(self) -> None:
        super().__init__()
        self.terminal = OperatorChannel()

    def serviceStarted(self) -> None:
        self.openChannel(self.terminal)


class OperatorAuth(SSHUserAuthClient):
    """Logs in by one key."""

    def __init__(self, key: Key, connection: SSHConnection) -> None:
        super().__init__(b"anyone", connection)
        self._key = key

    def getPublicKey(self) -> Key | None:
        key, self._offered = (None, True) if getattr(self, "_offered", False) else (self._key, True)
        return key.public() if key is not None else None

    def getPrivateKey(self) -> Deferred[Key]:
        return succeed(self._key)

    def getPassword(self, prompt: bytes | None = None) -> None:
        return None


class OperatorClient(SSHClientTransport):
    """An SSH client that trusts the server."""

    def __init__(self, key: Key) -> None:
        self.operator = OperatorConnection()
        self._key = key

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Deferred[int]:
        self.host_key = hostKey
        return succeed(1)

    def connectionSecure(self) -> None:
        self.requestService(OperatorAuth(self._key, self.operator))


def new_key() -> Key:
    """A key pair."""
    return Key(Ed25519PrivateKey.generate())


class SSHTests(SynchronousTestCase):
    """Logging in, and what is at the prompt."""

    def setUp(self) -> None:
        self.key = new_key()
        self.keys_path = self.mktemp()
        self.authorize(self.key)
        self.recorder = FakeRecorder()
        self.settings = ManholeConfiguration(
            enabled=True, authorized_keys=self.keys_path, host_key=self.mktemp()
        )
        self.notes: list[tuple[Actor, str, str]] = []
        audit = Audit(lambda: 0.0)
        self.patch(audit, "note", lambda *words: self.notes.append(words))
        self.factory = make_factory(self.settings, self.recorder, audit=audit)
        self.factory.startFactory()
        self.addCleanup(self.factory.stopFactory)

    def authorize(self, *keys: Key) -> None:
        with open(self.keys_path, "wb") as file:
            for key in keys:
                file.write(key.public().toString("OPENSSH") + b" operator\n")

    def connect(self, key: Key) -> tuple[OperatorClient, IOPump]:
        client = OperatorClient(key)
        server = self.factory.buildProtocol(None)
        pump = connect(
            server, FakeTransport(server, True), client, FakeTransport(client, False), clock=None
        )
        pump.flush()
        self.addCleanup(pump.flush)
        self.addCleanup(client.transport.loseConnection)
        return client, pump

    def type(self, client: OperatorClient, pump: IOPump, line: bytes) -> bytes:
        client.operator.terminal.screen = b""
        client.operator.terminal.write(line + b"\r")
        pump.flush()
        return client.operator.terminal.screen

    def test_words(self) -> None:
        """A key of the file opens a prompt that knows the vocabulary."""
        client, pump = self.connect(self.key)
        self.assertIn(b"hangup(", client.operator.terminal.screen)
        self.assertIn(b"3f2a  recording  61", self.type(client, pump, b"calls()"))
        self.assertIn(b"3f2a is being ended", self.type(client, pump, b'hangup("3f")'))
        self.assertEqual(self.recorder.hung_up, ["3f2a"])

    def test_audit(self) -> None:
        """Who logs in, each line that they type, and that they go, is noted by their key."""
        client, pump = self.connect(self.key)
        self.type(client, pump, b'hangup("3f2")')
        self.type(client, pump, b"  ")
        client.transport.loseConnection()
        pump.flush()
        fingerprint = self.key.fingerprint(FingerprintFormats.SHA256_BASE64)
        self.assertEqual(
            [(actor.name, actor.by, *what) for actor, *what in self.notes],
            [
                (f"operator SHA256:{fingerprint}", "console", "log in", ""),
                (f"operator SHA256:{fingerprint}", "console", "type", 'hangup("3f2")'),
                (f"operator SHA256:{fingerprint}", "console", "log out", ""),
            ],
        )

    def test_host_key(self) -> None:
        """The server shows the key that it has made."""
        client, _ = self.connect(self.key)
        self.assertEqual(client.host_key, Key.fromFile(self.settings.host_key).public().blob())

    def test_strange_key(self) -> None:
        """Another key opens nothing."""
        client, _ = self.connect(new_key())
        self.assertEqual(client.operator.terminal.screen, b"")
        self.assertEqual(self.flushed_names(), [])

    def flushed_names(self) -> list[str]:
        """The errors that Conch logs of a refused login, which are expected."""
        return [type(each.value).__name__ for each in self.flushLoggedErrors()][1:]

    def test_withdrawn_key(self) -> None:
        """A key taken out of the file is refused from then on."""
        self.authorize(new_key())
        client, _ = self.connect(self.key)
        self.assertEqual(client.operator.terminal.screen, b"")
        self.flushLoggedErrors()

    def test_passwords(self) -> None:
        """Public keys are the only way in."""
        self.assertEqual(
            [interface.__name__ for interface in self.factory.portal.listCredentialsInterfaces()],
            ["ISSHPrivateKey"],
        )

    def test_trace(self) -> None:
        """Traced messages appear at once, without what would steer the terminal, until the end."""
        client, pump = self.connect(self.key)
        self.type(client, pump, b'trace("2001")')
        [write] = self.recorder.writers
        write("BYE sip:x\x1b]0;evil")
        pump.flush()
        self.assertIn(b"BYE sip:x?]0;evil", client.operator.terminal.screen)
        client.transport.loseConnection()
        pump.flush()
        self.assertEqual(self.recorder.writers, [])

    def test_end_of_input(self) -> None:
        """Where nothing more will be typed, the terminal is closed, and no trace left on."""
        client, pump = self.connect(self.key)
        self.type(client, pump, b'trace("2001")')
        client.operator.sendEOF(client.operator.terminal)
        pump.flush()
        self.assertEqual(self.recorder.writers, [])

    def test_window(self) -> None:
        """A window that changes its size does no harm."""
        client, pump = self.connect(self.key)
        terminal = client.operator.terminal
        terminal.conn.sendRequest(terminal, b"window-change", b"\0\0\0\x50\0\0\0\x18" + b"\0" * 8)
        pump.flush()
        self.assertIn(b"no counters", self.type(client, pump, b"stats()"))


class AuthorizedKeysTests(SynchronousTestCase):
    """The file of public keys."""

    def test_unreadable(self) -> None:
        """A file that is not there lets nobody in, and is named in the log."""
        events: list[LogEvent] = []
        self.patch(AuthorizedKeys, "_log", Logger("keys", observer=events.append))
        self.assertEqual(list(AuthorizedKeys("/no/such").getAuthorizedKeys(b"x")), [])
        self.assertIn("/no/such cannot be read, nobody can log in", formatEvent(events[0]))


class HostKeyTests(SynchronousTestCase):
    """The server's own key."""

    def test_made(self) -> None:
        """It is made once, for its owner only, and kept."""
        path = self.mktemp()
        first = host_key(path)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(host_key(path).public(), first.public())

    def test_unusable(self) -> None:
        """A file that holds no key, or cannot be made, is told by its name."""
        path = self.mktemp()
        with open(path, "w") as file:
            file.write("x")
        error = self.assertRaises(HostKeyError, host_key, path)
        self.assertIn(f"{path} cannot be read as a private key", str(error))
        error = self.assertRaises(HostKeyError, host_key, "/no/such/key")
        self.assertEqual(str(error), "/no/such/key cannot be made: No such file or directory")


class ManholeServiceTests(SynchronousTestCase):
    """When it listens."""

    def service(self, address: str) -> tuple[ManholeService, MemoryReactorClock, str]:
        reactor = MemoryReactorClock()
        path = self.mktemp()
        settings = ManholeConfiguration(True, (address, 6022), None, path)
        return ManholeService(settings, FakeRecorder(), reactor), reactor, path

    def test_starts(self) -> None:
        """Nothing is opened or made before it starts; then it listens where it was told."""
        for address in ("127.0.0.1", "::1"):
            service, reactor, path = self.service(address)
            self.assertFalse(os.path.exists(path))
            self.assertEqual(reactor.tcpServers, [])
            service.privilegedStartService()
            service.startService()
            self.assertTrue(os.path.exists(path))
            [(port, _, _, interface)] = reactor.tcpServers
            self.assertEqual((port, interface), (6022, address))
            self.successResultOf(service.stopService())

    def test_terminal(self) -> None:
        """The prompt knows the words, and the recorder itself."""
        terminal = OperatorTerminal(FakeRecorder())
        assert terminal.namespace is not None
        self.assertEqual(
            sorted(terminal.namespace),
            [
                *("call", "calls", "copy", "drain", "drop", "hangup", "help"),
                *("log_sip", "recorder", "stats", "trace", "uncopy"),
            ],
        )
