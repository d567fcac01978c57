"""
The WebSocket application protocols that consumers speak.

A dialect is made for one consumer stream. To add one, write a class with the
methods of :class:`~.base.Dialect` and name it in :data:`DIALECTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import LocalError
from ..plan import Destination
from .audiohook import AudioHookDialect
from .base import Dialect
from .native import RecstreamDialect
from .terms import NATIVE, Terms
from .twilio import TwilioDialect
from .twilio_kin import KIN

_FOREIGN = (TwilioDialect, *KIN, AudioHookDialect)

DIALECTS: Mapping[str, Callable[[Destination], Dialect]] = {
    RecstreamDialect.name: RecstreamDialect,
    **{spoken.name: spoken for spoken in _FOREIGN},
}
"What ``protocol`` of a destination may be, and what makes the dialect of a stream."

TERMS: Mapping[str, Terms] = {
    RecstreamDialect.name: NATIVE,
    **{spoken.name: spoken.TERMS for spoken in _FOREIGN},
}
"What each of them asks of its destination."


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


__all__ = ["DIALECTS", "TERMS", "Dialect", "RecstreamDialect", "Terms", "dialect"]
