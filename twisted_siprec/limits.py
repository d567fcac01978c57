"""
What a configuration says of limits, in the words of those who keep them.
"""

from __future__ import annotations

from .config.model import Configuration
from .net.calls.bridged import Limits
from .routing.tenants import Quota


def source_limits(configuration: Configuration) -> dict[str, tuple[int, float]]:
    """By source, the most calls at once and the rate of new ones."""
    return {
        source.name: (source.limits.calls, source.limits.calls_per_second)
        for source in configuration.sources
    }


def quotas(configuration: Configuration) -> dict[str, Quota]:
    """By tenant, how many calls it may have."""
    return {tenant.name: tenant.limits for tenant in configuration.tenants}


def server_limits(configuration: Configuration) -> Limits:
    """How the recording server treats calls besides."""
    return Limits(
        retry_after_s=configuration.stopping.retry_after_s,
        end_after_silence_s=configuration.media.end_after_silence_s,
    )
