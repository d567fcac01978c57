"""
Calls as JSON: what the API answers and what the live page shows. Times are RFC
3339 in UTC, spans are in seconds unless the name says otherwise, and names are
in snake case, as in the configuration.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ..net.traces.shelf import Kept
from ..participants import Description
from ..report import DeliveryStatistics, StreamStatistics
from ..rtp.quality import loss, mos
from .ladder import Rung
from .records import CallRecord, Moment

Body = dict[str, Any]
"A JSON object."


def timestamp(at: float | None) -> str | None:
    """POSIX seconds as RFC 3339."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def summary(record: CallRecord, streams: tuple[StreamStatistics, ...], now: float) -> Body:
    """A call on one line."""
    known = record.description
    scores = [score for stream in streams if (score := mos(stream)) is not None]
    return {
        "id": record.id,
        "call_id": record.call_id,
        "state": record.state,
        "source": record.source,
        "tenant": record.tenant or None,
        "calling": known.caller if known else None,
        "called": known.called if known else None,
        "offered_at": timestamp(record.offered_at),
        "ended_at": timestamp(record.ended_at),
        "seconds": round((record.ended_at or now) - record.offered_at, 3),
        "result": record.result,
        "destinations": [
            {"name": name, "state": record.links.get(name, "connecting")}
            for name in record.destinations
        ],
        "codecs": sorted({stream.codec for stream in streams if stream.codec}),
        "loss": round(max(map(loss, streams), default=0.0), 5),
        "jitter_ms": max((stream.max_jitter_ms for stream in streams), default=0.0),
        "mos": min(scores, default=None),
        "warnings": len(known.warnings) if known else 0,
    }


def call(
    record: CallRecord,
    streams: tuple[StreamStatistics, ...],
    now: float,
    packets: str | None = None,
) -> Body:
    """All about a call but its SIP messages and its metadata as received."""
    known = record.description
    closed = record.closed
    return {
        **summary(record, streams, now),
        "answered_after_s": record.answered_after_s,
        "refusal": {"status": record.refusal[0], "reason": record.refusal[1]}
        if record.refusal
        else None,
        "duration_ms": closed.duration_ms if closed else None,
        "channels": [
            {
                "index": channel.index,
                "streams": list(channel.streams),
                "participant_id": channel.participant_id,
                "role": channel.role,
                "label": channel.label,
            }
            for channel in (record.plan.channels if record.plan else ())
        ],
        "description": description(known) if known else None,
        "streams": [stream(each) for each in streams],
        "deliveries": [delivery(each) for each in (closed.deliveries if closed else ())],
        "warning_list": [{"code": c, "text": t} for c, t in (known.warnings if known else ())],
        "moments": [moment(each) for each in record.moments],
        "moments_forgotten": record.moments_forgotten,
        "sip_messages": len(record.ladder.rungs),
        "has_metadata": record.xml is not None,
        "has_waveform": record.waveform is not None,
        "packets": packets,
    }


def packets(kept: Kept) -> Body:
    """The file of a call's packets."""
    return {
        "id": kept.id,
        "path": kept.path,
        "octets": kept.octets,
        "ended_at": timestamp(kept.ended_at),
    }


def description(known: Description) -> Body:
    """What was understood of the metadata and the INVITE."""
    return {
        "src": known.src,
        "request_uri": known.request_uri,
        "revision": known.revision,
        "mode": known.mode,
        "sessions": [
            {
                "id": each.id,
                "group_id": each.group_id,
                "sip_session_ids": list(each.sip_session_ids),
                "start_time": each.start_time,
                "stop_time": each.stop_time,
            }
            for each in known.sessions
        ],
        "participants": [
            {
                "id": each.id,
                "aor": each.aor,
                "name": each.name,
                "joined_at": each.joined_at,
                "left_at": each.left_at,
            }
            for each in known.participants
        ],
        "streams": [
            {
                "id": each.id,
                "label": each.label,
                "sent_by": list(each.sent_by),
                "received_by": list(each.received_by),
            }
            for each in known.streams
        ],
        "extensions": [{"name": n, "value": v} for n, v in known.extensions],
        "headers": [{"name": n, "value": v} for n, v in known.headers],
    }


def stream(statistics: StreamStatistics) -> Body:
    """What came on a stream."""
    return {
        "index": statistics.index,
        "label": statistics.label,
        "codec": statistics.codec,
        "ssrc": statistics.ssrc,
        "packets": statistics.packets,
        "octets": statistics.octets,
        "lost": statistics.lost,
        "late": statistics.late,
        "duplicate": statistics.duplicate,
        "reordered": statistics.reordered,
        "discarded": statistics.discarded,
        "silent_ms": statistics.silent_ms,
        "max_jitter_ms": statistics.max_jitter_ms,
        "codec_changes": statistics.codec_changes,
        "ssrc_changes": statistics.ssrc_changes,
        "loss": round(loss(statistics), 5),
        "mos": mos(statistics),
        "rtt_ms": statistics.rtt_ms,
    }


def delivery(statistics: DeliveryStatistics) -> Body:
    """What a consumer stream got; positions in samples per channel."""
    return {
        "destination": statistics.destination,
        "stream_id": statistics.stream_id,
        "channel": statistics.channel,
        "final_position": statistics.final_position,
        "delivered": statistics.delivered,
        "missing": statistics.missing,
        "frames": statistics.frames,
        "octets": statistics.octets,
        "gaps_ms": dict(statistics.gaps_ms),
        "reconnects": statistics.reconnects,
        "replayed_frames": statistics.replayed_frames,
        "acknowledged_frame": statistics.acknowledged_frame,
        "complete": statistics.complete,
    }


def moment(happened: Moment) -> Body:
    """Something that happened in a call."""
    return {
        "at": timestamp(happened.at),
        "kind": happened.kind,
        "text": happened.text,
        "destination": happened.destination,
        "payload": happened.payload,
    }


def rung(message: Rung) -> Body:
    """A SIP message."""
    return {
        "at": timestamp(message.at),
        "outgoing": message.outgoing,
        "peer": message.peer,
        "summary": message.summary,
        "text": message.text,
    }


def octets(body: Body) -> bytes:
    """The JSON text. What cannot be said in it (a lone surrogate, a NaN) is no reason to fail."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode("ascii")
