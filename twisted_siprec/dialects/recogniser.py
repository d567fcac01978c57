"""
What the dialects of speech recognisers share: parameters in the URL, a word when
there is nothing to hear, and times that are made ours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from ..plan import Destination
from .base import (
    Audio,
    Capabilities,
    ChannelStart,
    Event,
    Message,
    Odd,
    Rearranged,
    Reply,
    Respond,
    ResumePoint,
    StreamStart,
)
from .foreign import Foreign
from .octets import refolded
from .texts import Fields, parsed
from .transcripts import Heard

LISTENED_TO = Capabilities(announces_gaps=False, sends_again=False)
"Streamed to at once; after our last word it closes."

Parameters = list[tuple[str, str]]


def with_parameters(url: str, parameters: Parameters) -> str:
    """A URL with parameters; what the operator wrote in it stands."""
    if not parameters:
        return url
    parts = urlsplit(url)
    written = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    added = [
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in parameters
        if name not in written
    ]
    query = "&".join([*([parts.query] if parts.query else []), *added])
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, parts.fragment))


class Recogniser(Foreign, ABC):
    """A consumer that says what was said."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._now = 0.0
        self._quiet_at: float | None = None
        self._width = 0
        "How many channels this connection was told of."
        self._start: StreamStart | None = None
        self.stopping = False

    # --- what each does in its own way -----------------------------------------------

    quiet_after_s: float | None = None
    "After so long without audio, :meth:`alive` is said."

    def parameters(self, start: StreamStart) -> Parameters:
        """What is added to the URL."""
        return []

    def alive(self) -> Message | None:
        """That there is nothing to be heard, and more will come."""
        return None

    def greeting(self, start: StreamStart) -> list[Message]:
        """The first messages."""
        return []

    @abstractmethod
    def heard(self, fields: Fields) -> list[Reply]:
        """What a message means."""

    # --- the dialect --------------------------------------------------------------------

    def url(self, url: str, start: StreamStart) -> str:
        """The format of what comes is in the URL, so it holds for the connection."""
        if self._start is not None:
            start = self._start
        self._width = start.width
        return with_parameters(url, self.parameters(start))

    def opened(self, subprotocol: str | None) -> Capabilities:
        """It needs no time to be ready."""
        return LISTENED_TO

    def start(self, start: StreamStart, resume: ResumePoint) -> list[Message]:
        """Another connection is another hearing: its time begins at 0."""
        self._start = start
        self._width = self._width or start.width
        self.time = Heard(start.sample_rate)
        self.stopping = False
        self._wait()
        return self.greeting(start)

    def audio(self, audio: Audio, frame: int, replay: bool) -> list[Message]:
        """The samples. An empty message would be the end for some."""
        if not audio.samples:
            return []
        self._wait()
        self.time.add(audio.position, audio.samples)
        return self.spoken(self._fitting(audio))

    def _fitting(self, audio: Audio) -> Audio:
        """As many channels as were told, though there may be others by now."""
        start = self._start
        if start is None or start.width == self._width:
            return audio
        payload = refolded(audio.payload, start.width, self._width, start.encoding)
        return replace(audio, payload=payload)

    def spoken(self, audio: Audio) -> list[Message]:
        """Audio in messages."""
        return [audio.payload]

    def event(self, event: Event, position: int) -> list[Message]:
        """Recognisers want to hear, not to be told."""
        if isinstance(event, Rearranged) and self._start is not None:
            self._start = replace(self._start, channels=event.channels)
        return []

    def channel(self, index: int = 0) -> ChannelStart | None:
        """Whose a channel is; None where it is everybody's."""
        start = self._start
        if start is None or (start.width == 1 and len(start.channels) > 1):
            return None
        return start.channels[index] if 0 <= index < len(start.channels) else None

    def received(self, message: Message) -> list[Reply]:
        """A JSON object."""
        fields = parsed(message)
        return [fields] if isinstance(fields, Odd) else self.heard(fields)

    # --- time ------------------------------------------------------------------------------

    def _wait(self) -> None:
        after_s = self.quiet_after_s
        self._quiet_at = None if after_s is None else self._now + after_s

    def tell_time(self, now: float) -> None:
        """For the silence."""
        self._now = now

    def next_deadline(self) -> float | None:
        """When it has been silent for too long."""
        return None if self.stopping else self._quiet_at

    def expire(self, now: float) -> list[Reply]:
        """We are still here."""
        self._now = now
        self._wait()
        alive = self.alive()
        return [] if alive is None else [Respond(alive)]
