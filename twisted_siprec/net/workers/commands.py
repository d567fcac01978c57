"""
What signalling and a worker say to each other, by AMP. It is call control only:
audio never crosses.
"""

from __future__ import annotations

from typing import Any

from twisted.protocols.amp import Argument, Command, Unicode

from ...wire import dumps, loads
from ..media.media import NoPorts

PIECE_OCTETS = 60_000
"Of one value of AMP, which allows 65,535."
MAX_PIECES = 64


class Value(Argument):
    """A frozen value of any class, in as many pieces as it takes."""

    def toBox(
        self, name: bytes, strings: dict[bytes, bytes], objects: dict[str, Any], proto: object
    ) -> None:
        octets = dumps(objects[name.decode()])
        pieces = [octets[at : at + PIECE_OCTETS] for at in range(0, len(octets), PIECE_OCTETS)]
        if len(pieces) > MAX_PIECES:
            raise ValueError(f"{len(octets)} octets are too much for a worker")
        strings[name] = b"%d" % len(pieces)
        for number, piece in enumerate(pieces):
            strings[b"%s-%d" % (name, number)] = piece

    def fromBox(
        self, name: bytes, strings: dict[bytes, bytes], objects: dict[str, Any], proto: object
    ) -> None:
        count = int(strings.pop(name))
        octets = b"".join(strings.pop(b"%s-%d" % (name, number)) for number in range(count))
        objects[name.decode()] = loads(octets)


_VALUE = (b"value", Value())  # type: ignore[no-untyped-call]  # Twisted


class Ask(Command):
    """A request of signalling: configure, open, update, redirect or close, and its answer."""

    arguments = [(b"verb", Unicode()), _VALUE]
    response = [_VALUE]
    errors = {NoPorts: b"NO_PORTS"}


class Tell(Command):
    """What a worker tells by itself: a report of the media plane, or its figures."""

    arguments = [_VALUE]
    requiresAnswer = False
