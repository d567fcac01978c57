"""
The console over SSH: public keys only, off unless configured, on loopback unless
configured otherwise.
"""

from __future__ import annotations

import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.application.internet import StreamServerEndpointService
from twisted.conch.checkers import IAuthorizedKeysDB, SSHPublicKeyChecker, readAuthorizedKeyFile
from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.interfaces import IConchUser
from twisted.conch.manhole import ColoredManhole
from twisted.conch.manhole_ssh import ConchFactory, TerminalRealm, TerminalSession, TerminalUser
from twisted.conch.ssh.keys import BadKeyError, FingerprintFormats, Key
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTCP
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ..config.model import ManholeConfiguration
from ..net.audit import Actor, Audit
from ..net.calls.calls import Recorder
from .console import Console, Word


class HostKeyError(Exception):
    """The manhole's host key cannot be read or made; see `manhole.host_key`."""


@implementer(IAuthorizedKeysDB)
class AuthorizedKeys:
    """
    The keys of a file in the format of OpenSSH, read at each login, so that a key
    taken out of it is refused from then on. The user name does not matter.
    """

    _log = Logger()

    def __init__(self, path: str) -> None:
        self._path = path

    def getAuthorizedKeys(self, avatarId: bytes) -> Iterable[Key]:
        try:
            with open(self._path, "rb") as file:
                return list(readAuthorizedKeyFile(file))
        except OSError as error:
            self._log.error(
                "manhole: {path} cannot be read, nobody can log in: {error}",
                path=self._path,
                error=error,
            )
            return []

    def name(self, blob: bytes) -> str:
        """What an authorized key is called: its comment in the file, and its fingerprint."""
        key = Key.fromString(blob)
        print_: str = key.fingerprint(FingerprintFormats.SHA256_BASE64)
        return f"{self._comment(key)} SHA256:{print_}".strip()

    def _comment(self, key: Key) -> str:
        octets = b64encode(key.blob())
        try:
            with open(self._path, "rb") as file:
                lines = file.readlines()
        except OSError:
            return ""
        for line in lines:
            _, found, comment = line.partition(octets)
            if found:
                return comment.decode("utf-8", "replace").strip()
        return ""


class NamingChecker(SSHPublicKeyChecker):
    """
    Checks keys as Conch does, and calls whoever is let in by the key: the user name is
    of the client's choosing.
    """

    def __init__(self, keys: AuthorizedKeys) -> None:
        super().__init__(keys)
        self._keys = keys

    def requestAvatarId(self, credentials: Any) -> Deferred[bytes]:
        """The name of the key."""

        def name(user: bytes) -> bytes:
            return self._keys.name(credentials.blob).encode()

        checked: Deferred[bytes] = super().requestAvatarId(credentials)  # type: ignore[no-untyped-call]
        return checked.addCallback(name)


class Operator(TerminalUser):
    """Somebody who has logged in."""

    def __init__(self, original: object, avatarId: bytes) -> None:
        super().__init__(original, avatarId)  # type: ignore[no-untyped-call]
        self.name = avatarId.decode("utf-8", "replace")


class OperatorTerminal(ColoredManhole):
    """One operator's prompt."""

    _log = Logger()

    def __init__(
        self,
        recorder: Recorder,
        words: Sequence[Word] = (),
        note: Callable[[str, str], None] = lambda did, subject: None,
    ) -> None:
        """:param note: puts into the audit log what is done, and to what."""
        self.console = Console(recorder, self._show, words)
        self._note = note
        super().__init__(self.console.namespace)  # type: ignore[no-untyped-call]

    def connectionMade(self) -> None:
        super().connectionMade()  # type: ignore[no-untyped-call]
        self._log.info("manhole: an operator has logged in")
        self._note("log in", "")
        self._show(repr(self.console.help()))

    def connectionLost(self, reason: Failure) -> None:
        self.console.close()
        self._log.info("manhole: an operator has logged out")
        self._note("log out", "")
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def lineReceived(self, line: bytes) -> None:
        """A line was typed. It is noted before it is run: it may be the last."""
        if line.strip():
            self._note("type", line.decode("utf-8", "replace"))
        super().lineReceived(line)  # type: ignore[no-untyped-call]

    def _show(self, text: str) -> None:
        """
        Show a text above the prompt, whatever is being typed. What a peer sent
        must not steer the terminal.
        """
        shown = "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text)
        self.addOutput((shown + "\n").encode("utf-8"), True)  # type: ignore[no-untyped-call]


class OperatorSession(TerminalSession):
    """
    A terminal within an SSH connection. Conch leaves some things to be written: that
    the window may change, that no more may be typed, and that the terminal is told
    when the connection ends.
    """

    _terminal: ServerProtocol | None = None

    def openShell(self, proto: object) -> None:
        user: Any = IConchUser(self.original)
        peer = user.conn.transport.transport.getPeer()
        operator = Actor(user.name, str(getattr(peer, "host", "?")), "console")
        # A class for Conch; the method of our realm for us.
        make: Any = self.chainedProtocolFactory
        self._terminal = make(operator)
        self.transportFactory(  # type: ignore[no-untyped-call]
            proto, self._terminal, user, self.width, self.height
        )

    def windowChanged(self, newWindowSize: tuple[int, int, int, int]) -> None:
        """The terminal has another size: the next lines will see to it."""

    def eofReceived(self) -> None:
        """Nothing more will be typed."""
        if self._terminal is not None:
            self._terminal.loseConnection()

    def closed(self) -> None:
        """The channel, or the whole connection, is gone."""
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            terminal.connectionLost(Failure(ConnectionDone()))


@implementer(IRealm)
class OperatorRealm(TerminalRealm):
    """Gives everyone who is let in a prompt of their own."""

    userFactory = Operator
    sessionFactory = OperatorSession

    def __init__(self, recorder: Recorder, words: Sequence[Word], audit: Audit) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._recorder = recorder
        self._words = words
        self._audit = audit

    # A class there, of which nothing is asked but to be called.
    def chainedProtocolFactory(self, operator: Actor) -> ServerProtocol:  # type: ignore[override]
        """The terminal of one operator."""
        note = partial(self._audit.note, operator)
        return ServerProtocol(OperatorTerminal, self._recorder, self._words, note)


def make_factory(
    settings: ManholeConfiguration,
    recorder: Recorder,
    words: Sequence[Word] = (),
    audit: Audit | None = None,
) -> ConchFactory:
    """
    The SSH server. Its host key is made where it is missing.

    :param audit: where it is noted what is typed; the log alone where it is not given.
    :raises HostKeyError: where it is neither there nor can be made.
    """
    checker = NamingChecker(AuthorizedKeys(settings.authorized_keys or os.devnull))
    realm = OperatorRealm(recorder, words, audit or Audit(time.time))
    factory = ConchFactory(Portal(realm, [checker]))
    key = host_key(settings.host_key)
    # Conch's annotations say bytes and mean keys.
    factory.publicKeys = {b"ssh-ed25519": key.public()}
    factory.privateKeys = {b"ssh-ed25519": key}  # type: ignore[dict-item]
    return factory


class ManholeService(StreamServerEndpointService):
    """Listens for operators while it runs. Nothing is opened or made before it starts."""

    def __init__(
        self,
        settings: ManholeConfiguration,
        recorder: Recorder,
        reactor: IReactorTCP,
        words: Sequence[Word] = (),
        audit: Audit | None = None,
    ) -> None:
        address, port = settings.listen
        endpoint_class = TCP6ServerEndpoint if ":" in address else TCP4ServerEndpoint
        super().__init__(  # type: ignore[no-untyped-call]
            endpoint_class(reactor, port, interface=address), None
        )
        self._settings = settings
        self._recorder = recorder
        self._words = words
        self._audit = audit

    def privilegedStartService(self) -> None:
        """Make the SSH server, and listen."""
        if self.factory is None:
            self.factory = make_factory(self._settings, self._recorder, self._words, self._audit)
        super().privilegedStartService()  # type: ignore[no-untyped-call]


def host_key(path: str) -> Key:
    """
    The server's own key. Where the file is missing, a new key is put into it,
    readable by its owner only.

    :raises HostKeyError: where it can neither be read nor made.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_host_key(path)
    except OSError as error:
        raise HostKeyError(f"{path} cannot be made: {error.strerror}") from error
    key = Key(Ed25519PrivateKey.generate())
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.toString("OPENSSH"))
    return key


def _read_host_key(path: str) -> Key:
    try:
        key: Key = Key.fromFile(path)
        return key
    except (OSError, BadKeyError, ValueError) as error:
        raise HostKeyError(f"{path} cannot be read as a private key: {error}") from error
