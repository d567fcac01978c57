"""
What is on its way out: WebSocket frames of our own making, written as directly as
the transport allows.

Autobahn does the handshake, the control frames and all that comes in. Its
way out costs a message of audio more than all that comes before it, in JSON
too, so messages are framed here (:rfc:`6455#section-5.2`), masked by one operation of
numpy. A frame is handed to the socket at once where nothing else is on its way;
that is half of what the detour over the reactor costs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import Struct
from typing import Any

import numpy as np
from twisted.internet import tcp

TEXT = 0x81
"FIN, and the opcode of a text message."
BINARY = 0x82
"FIN, and the opcode of a binary message."
MASKED = 0x80
_SHORT = Struct(">BB")
_MEDIUM = Struct(">BBH")
_LONG = Struct(">BBQ")
_POOL_OCTETS = 4096


class Masks:
    """
    Masks that no one can foretell (:rfc:`6455#section-5.3`), read from the
    system's source a few hundred at a time. A mask of zeros would be none.
    """

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._entropy = entropy
        self._pool = b""
        self._at = 0

    def next(self) -> bytes:
        """Four octets, not all of them zero."""
        while True:
            if self._at >= len(self._pool):
                self._pool, self._at = self._entropy(_POOL_OCTETS), 0
            mask = self._pool[self._at : self._at + 4]
            self._at += 4
            if mask != b"\0\0\0\0":
                return mask


class Volley:
    """
    The audio of one slot, sent together: masked by one operation, and written one
    right after the other, while the code that does it and the consumers that get
    it are awake. Outside of a slot everything is written at once.
    """

    def __init__(self, masks: Masks | None = None) -> None:
        self._masks = masks if masks is not None else Masks()
        self._held: list[tuple[Any, bytes]] = []
        self._holding = False

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is sent within goes out at the end of it."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
            self.flush()

    def send(self, transport: Any, payload: bytes) -> None:
        """One binary message."""
        if self._holding:
            self._held.append((transport, payload))
        else:
            write_now(transport, binary_frame(payload, self._masks.next()))

    def say(self, transport: Any, octets: bytes) -> None:
        """One text message, at once, after all that is held."""
        self.flush()
        write_now(transport, frame(TEXT, octets, self._masks.next()))

    def flush(self) -> None:
        """All that is held goes out, in order: before a text, and before an end."""
        held, self._held = self._held, []
        alike: dict[int, list[tuple[Any, bytes]]] = {}
        for transport, payload in held:
            alike.setdefault(len(payload), []).append((transport, payload))
        if len(alike) > 1 and len({id(transport) for transport, _ in held}) < len(held):
            # Two messages for one consumer, of different lengths: keep their order.
            for transport, payload in held:
                write_now(transport, binary_frame(payload, self._masks.next()))
            return
        for group in alike.values():
            self._write_alike(group)

    def _write_alike(self, group: list[tuple[Any, bytes]]) -> None:
        """Messages of one length."""
        length = len(group[0][1])
        if length % 4 or len(group) == 1:
            for transport, payload in group:
                write_now(transport, binary_frame(payload, self._masks.next()))
            return
        masks = [self._masks.next() for _ in group]
        words = np.frombuffer(b"".join(payload for _, payload in group), np.uint32)
        by_row = words.reshape(len(group), -1) ^ np.frombuffer(b"".join(masks), np.uint32)[:, None]
        head, masked = _header(BINARY, length), by_row.tobytes()
        for number, (transport, _) in enumerate(group):
            body = masked[number * length : (number + 1) * length]
            write_now(transport, b"".join((head, masks[number], body)))


def _header(first: int, length: int) -> bytes:
    """All of a frame before its mask."""
    if length < 126:
        return _SHORT.pack(first, MASKED | length)
    if length < 65_536:
        return _MEDIUM.pack(first, MASKED | 126, length)
    return _LONG.pack(first, MASKED | 127, length)


def binary_frame(payload: bytes, mask: bytes) -> bytes:
    """One binary message as one masked frame."""
    return frame(BINARY, payload, mask)


def frame(first: int, payload: bytes, mask: bytes) -> bytes:
    """One message as one masked frame: its first octet, and the rest."""
    length = len(payload)
    spare = -length % 4
    words = np.frombuffer(payload + bytes(spare) if spare else payload, np.uint32)
    masked = (words ^ np.frombuffer(mask, np.uint32)).tobytes()
    return b"".join((_header(first, length), mask, masked[:length] if spare else masked))


def write_now(transport: Any, octets: bytes) -> None:
    """
    Write to a transport, past its buffer where that is empty and there is no
    TLS. Order is kept: what the socket does not take at once, and everything
    while something waits, goes by ``transport.write``, which also finds out
    about a connection that is broken.
    """
    if (
        isinstance(transport, tcp.Connection)
        and transport.connected
        and not transport.disconnecting
        # Twisted's own, and the one thing here that is not its public interface:
        # test_frames notices where it changes.
        and not transport.dataBuffer
        and not transport._tempDataBuffer
    ):
        try:
            sent = transport.socket.send(octets)
        except OSError:
            sent = 0
        if sent == len(octets):
            return
        octets = octets[sent:]
    transport.write(octets)
