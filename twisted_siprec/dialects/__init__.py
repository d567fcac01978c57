"""
The WebSocket application protocols that consumers speak.

A dialect is made for one consumer stream. To add one, write a class with the
methods of :class:`~.base.Dialect` and name it in :data:`DIALECTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import LocalError
from ..plan import Destination
from .base import Dialect
from .native import RecstreamDialect

DIALECTS: Mapping[str, Callable[[Destination], Dialect]] = {
    RecstreamDialect.name: RecstreamDialect,
}
"What ``protocol`` of a destination may be, and what makes the dialect of a stream."


def dialect(destination: Destination) -> Dialect:
    """
    The dialect that a destination speaks, for one consumer stream.

    :raises LocalError: for a protocol of another name; the configuration is
        checked against :data:`DIALECTS` before it comes here.
    """
    make = DIALECTS.get(destination.protocol)
    if make is None:
        raise LocalError(f"no dialect of the name {destination.protocol!r}")
    return make(destination)


__all__ = ["DIALECTS", "Dialect", "RecstreamDialect", "dialect"]
