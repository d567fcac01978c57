"""
How many files may be open: each RTP and RTCP port is one.
"""

from __future__ import annotations

import resource

from twisted.logger import Logger

from .config.model import Configuration

SPARE_DESCRIPTORS = 256
"Files, connections and threads besides the RTP ports."


def raise_descriptor_limit(configuration: Configuration, log: Logger) -> None:
    """Each RTP and RTCP port takes a descriptor: ask for as many as there are ports."""
    first, last = configuration.media.ports
    calls = configuration.limits.calls
    wanted = min(last - first + 1, calls * configuration.media.max_streams * 2)
    wanted += SPARE_DESCRIPTORS + 2 * calls
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    except (OSError, ValueError):
        granted = soft
    if granted < wanted:
        log.warn(
            "only {granted} files may be open, {wanted} would be needed for {calls} calls on all "
            "of media.ports: raise the limit (LimitNOFILE= of systemd, ulimit -n)",
            granted=granted,
            wanted=wanted,
            calls=calls,
        )
