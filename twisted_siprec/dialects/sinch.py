"""
Sinch Voice Stream: ``connect``, which the consumer answers as one does a call;
then linear samples of one voice, 20 ms in a message.
"""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from .base import Capabilities, Farewell, Ready, Rejected, Reply, StreamStart
from .foreign import ANSWERED
from .raw import Preambled
from .terms import ALONE, Option, Terms
from .texts import Fields, word, written


class SinchDialect(Preambled):
    """The one of the raw dialects that waits for an answer."""

    name = "sinch"
    whole_frames = True
    TERMS = Terms(
        layouts=ALONE,
        rates=(8000, 16000, 24000),
        options={"application": Option("an application's key", r"[A-Za-z0-9-]{1,64}")},
    )

    def opened(self, subprotocol: str | None) -> Capabilities:
        """Nothing is sent before the answer; and nothing is said after the end."""
        return Capabilities(
            waits_for_ready=ANSWERED.waits_for_ready,
            announces_gaps=False,
            sends_again=False,
            hangs_up=True,
        )

    def preamble(self, start: StreamStart, attempt: int) -> str | None:
        """``connect``; what is known of the call are its headers."""
        known = start.description
        attributes = {
            "siprecSession": known.recording_session_id,
            "sipCallId": known.call_id,
            "caller": known.caller,
            "called": known.called,
            "channel": None if start.track is None else str(start.track),
            **dict(known.extensions),
        }
        return written(
            {
                "command": "connect",
                "version": 1,
                "callId": str(uuid5(NAMESPACE_URL, start.stream_id)),
                "applicationKey": self.options.get("application", ""),
                "codec": "PCM",
                "sampleRate": start.sample_rate,
                "callHeaders": [
                    {"key": key, "value": value}
                    for key, value in attributes.items()
                    if value is not None
                ],
            }
        )

    def answered(self, fields: Fields) -> list[Reply]:
        """``answer``, or one of the ways not to."""
        command = word(fields, "command")
        match command:
            case "answer":
                return [Ready()]
            case "busy":
                return [Rejected(command, word(fields, "reason"), 5_000)]
            case "reject":
                return [Rejected(command, word(fields, "reason"))]
            case "hangup":
                return [Farewell(command)]
            case "clear" | "heartbeat":
                return []
        return super().answered(fields)
