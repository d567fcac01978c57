"""
A consumer of recorded calls: a WebSocket server for the native protocol that
writes what it hears to WAV files and what it is told to JSON lines, and checks
that the server keeps its promise.

It runs from the command line (``siprec-consumer``) and within a process, where
it can be killed and brought back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IStreamServerEndpoint
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOFactory

from . import wav
from .consumer_files import ConsumerFiles, plain, session_of
from .recstream import FRAMED, PLAIN, ConsumerConnection, ConsumerSettings
from .stream_record import Heard, StreamRecord, Text

CLOSE_WITHIN_S = 5
"After stop and our bye, a server closes."


class ConsumerError(Exception):
    """The consumer cannot run as it was asked to."""


@dataclass(frozen=True, slots=True)
class ConsumerOptions:
    """What a consumer is and where its files go."""

    listen: str = "ws://127.0.0.1:0"
    directory: Path | None = None
    "None to write nothing."
    framing: str = "any"
    "any (framed where it is offered), framed or plain."
    settings: ConsumerSettings = field(default_factory=ConsumerSettings)
    slow_ms: int = 0
    "Pause this long after each message: a consumer that cannot keep up."
    join: bool = False
    "Join the channels of a recording session that come apart in one file; of L16 only."


@dataclass(slots=True)
class Finish:
    """A recording session whose streams have all ended."""

    recording_session_id: str
    records: list[StreamRecord]
    files: list[Path]

    @property
    def violations(self) -> list[str]:
        """What the server did against the protocol or the promise."""
        return [violation for record in self.records for violation in record.violations]


class Consumer:
    """
    A consumer that listens.

    :param happened: takes a line for a person, for each thing that happens.
    :ivar finished: fires with the first :class:`Finish`.
    :ivar records: all streams, by their id.
    :ivar close_codes: of the connections that the servers closed, in order.
    """

    def __init__(
        self,
        reactor: Any,
        options: ConsumerOptions | None = None,
        tls: CertificateOptions | None = None,
        happened: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._reactor = reactor
        self.options = options or ConsumerOptions()
        self._tls = tls
        self._happened = happened
        self._port: IListeningPort | None = None
        self._port_number: int | None = None
        self._connections: set[_ServerProtocol] = set()
        self._files = ConsumerFiles(self.options.directory)
        self.records: dict[str, StreamRecord] = {}
        self.headers: list[dict[str, str]] = []
        self.close_codes: list[int] = []
        self.finishes: list[Finish] = []
        self.finished: Deferred[Finish] = Deferred()

    # --- coming and going ------------------------------------------------------

    def listen(self) -> Deferred[int]:
        """Listen; fires with the port."""
        parts = urlsplit(self.options.listen)
        host = parts.hostname or "127.0.0.1"
        number = self._port_number or parts.port or 0
        kind = TCP6ServerEndpoint if ":" in host else TCP4ServerEndpoint
        endpoint: IStreamServerEndpoint = kind(self._reactor, number, interface=host)
        factory: Any = _ServerFactory(self)
        if parts.scheme == "wss":
            if self._tls is None:
                raise ConsumerError("wss:// needs a certificate and its key")
            factory = TLSMemoryBIOFactory(self._tls, False, factory)
        listening: Deferred[Any] = endpoint.listen(factory)
        return listening.addCallback(self._listening)

    @property
    def port(self) -> int:
        """The port, once it listens."""
        if self._port_number is None:
            raise ConsumerError("it does not listen yet")
        return self._port_number

    @property
    def url(self) -> str:
        """Where a server is to connect."""
        parts = urlsplit(self.options.listen)
        host = parts.hostname or "127.0.0.1"
        return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/"

    @property
    def violations(self) -> list[str]:
        """What any server did against the protocol or the promise."""
        return [violation for record in self.records.values() for violation in record.violations]

    def kill(self) -> Deferred[None]:
        """Drop all connections at once, with what is under way in them, and the port."""
        port, self._port = self._port, None
        stopping = maybeDeferred(lambda: None if port is None else port.stopListening())
        for connection in list(self._connections):
            connection.kill()
        return stopping.addCallback(lambda _: None)

    def restart(self) -> Deferred[int]:
        """Listen on the same port again, with what was known of all streams."""
        return self.listen()

    def stop(self) -> Deferred[None]:
        """End for good: what was written can be read."""
        return self.kill().addCallback(lambda _: self._close_files())

    def _listening(self, port: IListeningPort) -> int:
        self._port = port
        self._port_number = int(cast(Any, port.getHost()).port)
        return self._port_number

    def say(self, kind: str, **body: object) -> None:
        """Say this to all servers whose streams have begun: a mark, a pause, a drain."""
        for connection in self._connections:
            connection.say(kind, **body)

    # --- what connections tell ---------------------------------------------------

    def connected(self, connection: _ServerProtocol, headers: dict[str, str]) -> None:
        """A server is there."""
        self._connections.add(connection)
        self.headers.append(headers)

    def disconnected(self, connection: _ServerProtocol) -> None:
        """It is gone."""
        self._connections.discard(connection)
        record = connection.record
        if record is not None:
            self._happened(f"{_short(record)}: disconnected")
        if record is not None and connection.stopped:
            self._ended(record)

    def heard(self, record: StreamRecord, audio: Heard) -> None:
        """New audio."""
        self._files.heard(record, audio)

    def told(self, record: StreamRecord, text: Text) -> None:
        """A text."""
        kind = text.get("type")
        self._files.told(record, text)
        if kind in ("start", "resume", "stop", "gap", "dtmf", "error"):
            self._happened(f"{_short(record)}: {_line(text, record)}")

    def _ended(self, record: StreamRecord) -> None:
        """A stream has stopped: its recording session may have, too."""
        session = session_of(record)
        streams = [other for other in self.records.values() if session_of(other) == session]
        if any(stream.stop is None for stream in streams):
            return
        if len(streams) < _expected(record):
            return
        if any(finish.recording_session_id == session for finish in self.finishes):
            return
        files = [self._files.close(stream) for stream in streams]
        paths = [path for path in files if path is not None]
        linear = all(stream.media.get("encoding") == "L16" for stream in streams)
        if self.options.join and linear and len(paths) > 1:
            joined = paths[0].with_name(f"{plain(session)}.wav")
            wav.join(sorted(paths), joined)
            paths.append(joined)
        finish = Finish(session, streams, paths)
        self.finishes.append(finish)
        for violation in finish.violations:
            self._happened(f"VIOLATION {violation}")
        if not self.finished.called:
            self.finished.callback(finish)

    def _close_files(self) -> None:
        for record in self.records.values():
            self._files.close(record)


class _ServerProtocol(WebSocketServerProtocol):
    """One connection from a server."""

    factory: _ServerFactory

    def __init__(self, consumer: Consumer) -> None:
        super().__init__()
        self._consumer = consumer
        self._reading: ConsumerConnection | None = None
        self._closing: IDelayedCall | None = None
        "Until when a server has to close that was told bye."

    @property
    def record(self) -> StreamRecord | None:
        """The stream on it, once it has begun."""
        return None if self._reading is None else self._reading.record

    @property
    def stopped(self) -> bool:
        """``stop`` came on it."""
        return self._reading is not None and self._reading.stopped

    def onConnect(self, request: Any) -> str | None:
        """Choose the subprotocol."""
        framing = self._consumer.options.framing
        wanted = {"framed": (FRAMED,), "plain": (PLAIN,)}.get(framing, (FRAMED, PLAIN))
        chosen = next((name for name in wanted if name in request.protocols), None)
        self._reading = ConsumerConnection(
            self._consumer.records,
            chosen == FRAMED,
            self._consumer.options.settings,
            self._consumer.heard,
            self._consumer.told,
        )
        self._consumer.connected(self, dict(request.headers))
        return chosen

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A message from the server."""
        if self._reading is None:
            return
        message = payload if isBinary else payload.decode("utf-8")
        for reply in self._reading.received(message):
            self._answer(reply)
        if self._reading.stopped:
            self._expect_close()
        elif self._consumer.options.slow_ms:
            transport = cast(Any, self.transport)
            transport.pauseProducing()
            self._consumer._reactor.callLater(self._consumer.options.slow_ms / 1000, self._wake)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """It is over."""
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        if self._reading is not None:
            code = None if self.closedByMe else self.remoteCloseCode
            self._reading.closed(code)
            self._consumer.close_codes += [] if code is None else [code]
        self._consumer.disconnected(self)

    def kill(self) -> None:
        """Vanish without a word."""
        self.closedByMe = True
        self.dropConnection(abort=True)

    def say(self, kind: str, **body: object) -> None:
        """A text of the consumer's own accord, once the stream has begun."""
        if self._reading is not None and self.record is not None:
            self._answer(self._reading.say(kind, **body))

    def _answer(self, text: str) -> None:
        self.sendMessage(text.encode("utf-8"), False)  # type: ignore[no-untyped-call]  # Autobahn

    def _expect_close(self) -> None:
        if self._closing is None:
            reactor = self._consumer._reactor
            self._closing = reactor.callLater(CLOSE_WITHIN_S, self._not_closed)

    def _not_closed(self) -> None:
        if self.record is not None:
            self.record.violated(f"not closed within {CLOSE_WITHIN_S} s of bye")
        self.sendClose(1000)

    def _wake(self) -> None:
        if self in self._consumer._connections:
            cast(Any, self.transport).resumeProducing()


class _ServerFactory(WebSocketServerFactory):
    noisy = False

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(reactor=consumer._reactor)  # type: ignore[no-untyped-call]  # Autobahn
        # Autobahn's timers run on a reactor of its own choosing; a trial needs none of them.
        self.setProtocolOptions(  # type: ignore[no-untyped-call]  # Autobahn
            openHandshakeTimeout=0, closeHandshakeTimeout=0
        )
        self._consumer = consumer

    def buildProtocol(  # type: ignore[override]  # its factory is set below
        self, addr: object
    ) -> _ServerProtocol:
        connection = _ServerProtocol(self._consumer)
        connection.factory = self
        return connection


def _expected(record: StreamRecord) -> int:
    """How many streams the recording session has: one for each channel where they come apart."""
    if record.media.get("layout") != "separate":
        return 1
    siprec = record.start.get("siprec")
    streams = siprec.get("streams") if isinstance(siprec, dict) else None
    return max(1, len(streams)) if isinstance(streams, list) else 1


def _short(record: StreamRecord) -> str:
    return record.stream_id[:8]


def _line(text: Text, record: StreamRecord) -> str:
    """A text in words."""
    kind, body = text["type"], text["data"]
    if kind in ("start", "resume"):
        media = record.media
        return (
            f"{kind} attempt {body.get('attempt')}: {media.get('encoding')} "
            f"{media.get('sampleRate')} Hz, {media.get('channels')} channels {media.get('layout')}"
        )
    if kind == "stop":
        return (
            f"stop {body.get('reason')}: {record.delivered} samples delivered, "
            f"{record.missing} missing, {record.repeated} repeated"
        )
    if kind == "gap":
        return f"gap {body.get('reason')} at {body.get('pos')}: {body.get('samples')} samples"
    return f"{kind} {json.dumps(body)}"


def main() -> None:
    """The command ``siprec-consumer``; its options are in a module of their own."""
    from .consumer_options import main as run

    run()


if __name__ == "__main__":
    main()
