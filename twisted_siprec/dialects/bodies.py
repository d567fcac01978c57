"""
What is known of a recorded call, as JSON: the bodies that the native protocol's
``start``, ``metadata``, ``format`` and ``stop`` share with the embedded
destination's files.

Absent values are left out rather than sent as null, so that a consumer's
``in`` and its ``get`` agree.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ..participants import CommunicationSession, Description, MediaStream, Participant, SessionGroup
from ..plan import Encoding
from ..report import StreamStatistics
from .base import ChannelStart, Gap, StreamStart

Body = dict[str, object]
"A JSON object."


def timestamp(posix_seconds: float) -> str:
    """A wall-clock time as :rfc:`3339` writes it, in UTC with microseconds."""
    moment = datetime.fromtimestamp(posix_seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def media(start: StreamStart) -> Body:
    """How the audio is carried: ``media`` of ``start`` and of ``format``."""
    body: Body = {"encoding": start.encoding.value}
    if start.encoding is Encoding.L16:
        body["endianness"] = "little"
    body.update(
        sampleRate=start.sample_rate,
        channels=start.width,
        layout=start.destination.layout.value,
        chunkMs=start.destination.chunk_ms,
    )
    return body


def channels(starts: tuple[ChannelStart, ...]) -> list[Body]:
    """Who is heard on each channel, in the order of the interleaved samples."""
    return [
        _known(
            index=channel.plan.index,
            participantId=channel.plan.participant_id,
            role=channel.plan.role,
            label=channel.plan.label,
            content=channel.plan.content,
            codec=channel.codec,
            ssrc=channel.ssrc,
        )
        for channel in starts
    ]


def description(known: Description) -> Body:
    """The metadata of :rfc:`7865`, flattened: ``siprec`` of ``start`` and of ``metadata``."""
    body = _known(
        recordingSessionId=known.recording_session_id,
        sipCallId=known.call_id,
        src=known.src,
        caller=known.caller,
        called=known.called,
        requestUri=known.request_uri,
        startTime=known.start_time,
        stopTime=known.stop_time,
        stitch=known.stitch,
    )
    if len(known.stitch_keys) > 1:
        body["stitchKeys"] = list(known.stitch_keys)
    if known.groups:
        body["groups"] = [_group(group) for group in known.groups]
    body["sessions"] = [_session(session) for session in known.sessions]
    body["participants"] = [_participant(participant) for participant in known.participants]
    body["streams"] = [_stream(stream) for stream in known.streams]
    body["extensions"] = dict(known.extensions)
    body["headers"] = dict(known.headers)
    if known.warnings:
        body["warnings"] = [{"code": code, "text": text} for code, text in known.warnings]
    return body


def statistics(stream: StreamStatistics) -> Body:
    """What came on one channel: an entry of ``channels`` in ``stop`` and ``stats``."""
    body = _known(index=stream.index, label=stream.label, codec=stream.codec, ssrc=stream.ssrc)
    body.update(
        packets=stream.packets,
        lost=stream.lost,
        late=stream.late,
        duplicate=stream.duplicate,
        reordered=stream.reordered,
        concealedMs=stream.concealed_ms,
        silentMs=stream.silent_ms,
        jitterMs=round(stream.jitter_ms, 3),
        maxJitterMs=round(stream.max_jitter_ms, 3),
        codecChanges=stream.codec_changes,
    )
    body.update(_known(mos=stream.mos, rttMs=stream.rtt_ms))
    if stream.contributors:
        body["contributors"] = list(stream.contributors)
    return body


def gap(span: Gap) -> Body:
    """A span without audio of its own: the body of ``gap``."""
    return {
        "pos": span.position,
        "samples": span.samples,
        "channels": list(span.channels),
        "reason": span.reason,
        "filled": span.filled,
    }


def mode(known: Description) -> str:
    """``delta`` where the SRC sent a partial update, else ``snapshot``."""
    return "delta" if known.mode == "delta" else "snapshot"


def _group(group: SessionGroup) -> Body:
    body = _known(id=group.id, startTime=group.began_at, stopTime=group.ended_at)
    if group.extensions:
        body["extensions"] = dict(group.extensions)
    return body


def _session(session: CommunicationSession) -> Body:
    body = _known(
        id=session.id,
        groupId=session.group_id,
        sipSessionId=session.sip_session_ids[0] if session.sip_session_ids else None,
        startTime=session.start_time,
        stopTime=session.stop_time,
    )
    if len(session.sip_session_ids) > 1:
        body["sipSessionIds"] = list(session.sip_session_ids)
    if session.recorded:
        body["recorded"] = [
            _known(startTime=span.began_at, stopTime=span.ended_at) for span in session.recorded
        ]
    if session.reasons:
        body["reasons"] = [
            _known(protocol=protocol, cause=cause, text=text)
            for protocol, cause, text in session.reasons
        ]
    return body


def _participant(participant: Participant) -> Body:
    body = _known(
        id=participant.id,
        aor=participant.aor,
        name=participant.name,
        joinedAt=participant.joined_at,
        leftAt=participant.left_at,
    )
    if participant.session_ids:
        body["sessionIds"] = list(participant.session_ids)
    if participant.extensions:
        body["extensions"] = dict(participant.extensions)
    if participant.stays:
        body["stays"] = [
            _known(sessionId=stay.session_id, joinedAt=stay.joined_at, leftAt=stay.left_at)
            for stay in participant.stays
        ]
    return body


def _stream(stream: MediaStream) -> Body:
    body = _known(id=stream.id, label=stream.label, sessionId=stream.session_id)
    body["sentBy"] = list(stream.sent_by)
    body["receivedBy"] = list(stream.received_by)
    return body


def _known(**fields: str | float | None) -> Body:
    return {name: value for name, value in fields.items() if value is not None}


__all__ = [
    "Body",
    "channels",
    "description",
    "gap",
    "media",
    "mode",
    "statistics",
    "timestamp",
]
