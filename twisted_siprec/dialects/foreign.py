"""
What the dialects of others have in common: none of them resumes, and each has
only a few words for what the native protocol can say.

The methods here say nothing; a dialect overrides those that it has words for.
Some dialects sign their handshake in their own way or put their parameters in
the URL, and some must say something for no reason but time. The native protocol
needs none of these, so they are no part of :class:`~.base.Dialect`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..plan import Destination
from .base import (
    Audio,
    Capabilities,
    Event,
    Message,
    Reply,
    ResumePoint,
    Said,
    Stop,
    StreamStart,
)
from .texts import written

Headers = tuple[tuple[str, str], ...]

ONE_WAY = Capabilities(announces_gaps=False, sends_again=False, hangs_up=True)
"Streamed to at once, and never waited for."
ANSWERED = Capabilities(waits_for_ready=True, announces_gaps=False, sends_again=False)
"It says when it is ready, and when it has done."


class UnusableSecret(Exception):
    """A secret of a destination is not of the form that its dialect signs with."""


@dataclass(frozen=True, slots=True)
class Request:
    """A handshake as it will be sent, for those who sign it."""

    url: str
    authority: str
    "The Host header field, port included."
    target: str
    "Path and query."
    posix_s: int
    nonce: str
    "Unguessable, and another each time."


@dataclass(frozen=True, slots=True)
class Secrets:
    """What proves who we are, as it is at this attempt."""

    token: str | None = field(default=None, repr=False)
    "What ``bearer`` of the destination refers to."
    key: str | None = field(default=None, repr=False)
    "What ``hmac`` of the destination refers to."


class Foreign:
    """
    A dialect that is not ours, from the sender's side. It can do all of
    :class:`~.base.Dialect`, and is asked for some things more.
    """

    name = ""
    subprotocols: tuple[str, ...] = ()

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self.options: Mapping[str, str] = dict(destination.options)

    # --- the handshake ----------------------------------------------------------------

    def url(self, url: str, start: StreamStart) -> str:
        """Where a connection goes: the destination's URL, with what the dialect adds to it."""
        return url

    def headers(self, start: StreamStart) -> Headers:
        """Header fields that are no proof of anything. Called once for each attempt."""
        return ()

    def proof(self, request: Request, secrets: Secrets) -> Headers:
        """
        Header fields that prove who we are. Called after :meth:`headers`.

        :raises UnusableSecret: where nothing can be signed with the key.
        """
        return () if secrets.token is None else (("Authorization", f"Bearer {secrets.token}"),)

    def opened(self, subprotocol: str | None) -> Capabilities:
        """The connection is up."""
        return ONE_WAY

    # --- what is said -----------------------------------------------------------------

    def start(self, start: StreamStart, resume: ResumePoint) -> list[Message]:
        """The first messages of a connection."""
        return []

    def audio(self, audio: Audio, frame: int, replay: bool) -> list[Message]:
        """Audio in messages."""
        return [audio.payload] if audio.payload else []

    def event(self, event: Event, position: int) -> list[Message]:
        """An event in messages."""
        return []

    def mark(self, name: str, position: int) -> list[Message]:
        """The echo of a mark."""
        return []

    def error(self, code: str, message: str, fatal: bool) -> list[Message]:
        """What went wrong between us and the consumer."""
        return []

    def stop(self, stop: Stop) -> list[Message]:
        """The last messages of the stream."""
        return []

    # --- what is heard ----------------------------------------------------------------

    def received(self, message: Message) -> list[Reply]:
        """What the consumer said. Never raises, whatever it is."""
        return []

    def told(self, kind: str, fields: object) -> Said:
        """What is of no shape that we know, under the dialect's own name for it."""
        return Said(f"{self.name}.{kind}", written(fields))

    # --- time -------------------------------------------------------------------------

    def tell_time(self, now: float) -> None:
        """It is now so late. Called before anything else that happens on a connection."""

    def next_deadline(self) -> float | None:
        """When :meth:`expire` has something to say, while there is a connection."""
        return None

    def expire(self, now: float) -> list[Reply]:
        """What is to be done for no reason but time."""
        return []
