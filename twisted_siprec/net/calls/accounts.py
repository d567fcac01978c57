"""
The account of a delivery in the words that webhooks and call records share.
"""

from __future__ import annotations

from ...dialects.bodies import Body
from ...report import DeliveryStatistics


def delivery(account: DeliveryStatistics) -> Body:
    """What a destination got of a call."""
    body: Body = {"destination": account.destination, "streamId": account.stream_id}
    if account.channel is not None:
        body["channel"] = account.channel
    return body | {
        "complete": account.complete,
        "samples": account.final_position,
        "delivered": account.delivered,
        "missing": account.missing,
        "gapsMs": dict(account.gaps_ms),
        "reconnects": account.reconnects,
    }
