"""
The WebSocket application protocols that consumers speak.

A dialect is made for one consumer stream. To add one, write a class with the
methods of :class:`~.base.Dialect` and name it in :data:`DIALECTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import LocalError
from ..plan import Destination
from .assemblyai import AssemblyAIDialect
from .audiocodes import AudioCodesDialect
from .audiohook import AudioHookDialect
from .azure import AzureDialect
from .base import Dialect
from .deepgram import DeepgramDialect
from .native import RecstreamDialect
from .openai import OpenAIDialect
from .raw import FreeSWITCHDialect, JambonzDialect, RawDialect
from .raw_platforms import AsteriskDialect, SiphonDialect, VonageDialect
from .sinch import SinchDialect
from .terms import NATIVE, Terms
from .twilio import TwilioDialect
from .twilio_kin import ExotelDialect, PlivoDialect, TelnyxDialect, WavixDialect
from .vosk import VoskDialect

_FOREIGN = (
    TwilioDialect,
    TelnyxDialect,
    ExotelDialect,
    PlivoDialect,
    WavixDialect,
    AudioHookDialect,
    RawDialect,
    JambonzDialect,
    FreeSWITCHDialect,
    VonageDialect,
    AsteriskDialect,
    SiphonDialect,
    DeepgramDialect,
    AssemblyAIDialect,
    VoskDialect,
    OpenAIDialect,
    AzureDialect,
    AudioCodesDialect,
    SinchDialect,
)

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
