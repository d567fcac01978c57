"""
Azure Communication Services' audio streaming: each 20 ms of each participant with
the time of day, and whether it was silent.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

from ..plan import Destination, Encoding, Layout
from . import bodies
from .base import (
    Audio,
    ChannelStart,
    Digit,
    Event,
    Message,
    Odd,
    Rearranged,
    Redescribed,
    Reply,
    ResumePoint,
    Stop,
    StreamStart,
)
from .cutting import Cutter
from .foreign import Foreign, Headers
from .octets import apart
from .terms import SWITCH, Terms, text
from .texts import parsed, word, written


def _identity(*seed: str) -> str:
    return str(uuid5(NAMESPACE_URL, "/".join(("siprec", *seed))))


class AzureDialect(Foreign):
    """``AudioMetadata``, ``AudioData`` and ``DtmfData``; unmixed, or the mix."""

    name = "azure"
    TERMS = Terms(
        encodings=(Encoding.L16,),
        rates=(16000, 24000),
        options={"subscription": text("a subscription's identifier", 128), "dtmf": SWITCH},
    )

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._subscription = self.options.get("subscription") or _identity(destination.name)
        self._mixed = destination.layout is Layout.MONO

    def headers(self, start: StreamStart) -> Headers:
        """The call, and the connection's own name."""
        session = start.description.recording_session_id
        return (
            ("x-ms-call-connection-id", _identity(session)),
            ("x-ms-call-correlation-id", _identity(start.stream_id)),
        )

    def start(self, start: StreamStart, resume: ResumePoint) -> list[Message]:
        """``AudioMetadata``."""
        self._start = start
        self._arrange()
        metadata = {
            "subscriptionId": self._subscription,
            "encoding": "PCM",
            "sampleRate": start.sample_rate,
            "channels": 1,
            "length": self._samples * 2,
        }
        return [written({"kind": "AudioMetadata", "audioMetadata": metadata})]

    def _arrange(self) -> None:
        start = self._start
        self._samples = start.sample_rate // 50
        self._raw_ids = [self._raw_id(channel) for channel in start.channels][: start.width]
        self._cutters = [Cutter(self._samples, 2, b"\x00\x00") for _ in range(start.width)]

    def _raw_id(self, channel: ChannelStart) -> str | None:
        """A phone number is 4: and the number; anybody else is of no kind that Azure knows."""
        if self._mixed:
            return None
        plan = channel.plan
        parties = {party.id: party for party in self._start.description.participants}
        party = parties.get(plan.participant_id or "")
        aor = (party.aor if party is not None else None) or ""
        user = aor.partition(":")[2].partition("@")[0]
        if user.removeprefix("+").isdecimal() and user.isascii():
            return f"4:{user}"
        return aor or plan.participant_id or plan.role or plan.label or str(plan.index)

    def audio(self, audio: Audio, frame: int, replay: bool) -> list[Message]:
        """``AudioData``, everybody by turns."""
        parts = apart(audio.payload, self._start.width, Encoding.L16)
        cut = [
            cutter.cut(audio.position, part)
            for cutter, part in zip(self._cutters, parts, strict=True)
        ]
        return [said for frames in zip(*cut, strict=True) for said in self._spoken(frames)]

    def _spoken(self, frames: tuple[tuple[int, bytes], ...]) -> list[Message]:
        said: list[Message] = []
        for raw_id, (position, payload) in zip(self._raw_ids, frames, strict=True):
            at = self._start.started_at + position / self._start.sample_rate
            whom = "" if raw_id is None else f'"participantRawID":{written(raw_id)},'
            silent = "false" if payload.strip(b"\x00") else "true"
            said.append(
                f'{{"kind":"AudioData","audioData":{{"timestamp":"{bodies.timestamp(at)}",{whom}'
                f'"data":"{b64encode(payload).decode("ascii")}","silent":{silent}}}}}'
            )
        return said

    def event(self, event: Event, position: int) -> list[Message]:
        """``DtmfData``; and others are heard from now on."""
        match event:
            case Digit(digit) if self.options.get("dtmf") != "false":
                return [written({"kind": "DtmfData", "dtmfData": {"data": digit}})]
            case Rearranged(_, channels):
                rest = self._rest()
                self._start = replace(self._start, channels=channels)
                self._arrange()
                return rest
            case Redescribed(description):
                self._start = replace(self._start, description=description)
        return []

    def _rest(self) -> list[Message]:
        rests = [cutter.rest() for cutter in self._cutters]
        return [said for frames in zip(*rests, strict=True) for said in self._spoken(frames)]

    def stop(self, stop: Stop) -> list[Message]:
        """What is left; the end of the connection says the rest."""
        return self._rest()

    def received(self, message: Message) -> list[Reply]:
        """What should be played is for nobody; anything else is told."""
        fields = parsed(message)
        if isinstance(fields, Odd):
            return [fields]
        kind = word(fields, "kind") or word(fields, "Kind")
        if kind in ("AudioData", "StopAudio", "Mark"):
            return []
        return [self.told(kind, fields) if kind else Odd("no kind")]
