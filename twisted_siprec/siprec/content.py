"""
What the body of a SIP message says to us: a session description, metadata,
both, or neither (:rfc:`7866#section-9.1`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import RemoteError
from .leniency import Oddity, warning
from .multipart import FieldValue, Limits, Multipart, Part, guessed_boundary, open_part

SDP = "application/sdp"
METADATA = frozenset({"application/rs-metadata+xml", "application/rs-metadata"})
":rfc:`7865` has the first, :rfc:`7866` had the second by mistake (:rfc:`9806`)."

ACCEPT = (
    "Accept",
    "application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed",
)
RECORDING_SESSION = "recording-session"


@dataclass(frozen=True, slots=True)
class Content:
    """The parts of a body that we understand."""

    sdp: bytes | None = None
    metadata: bytes | None = None
    charset: str | None = None
    "What the Content-Type of the metadata says."
    others: tuple[Part, ...] = field(default=())
    "Parts of unknown type, passed over."
    warnings: tuple[Oddity, ...] = ()

    @classmethod
    def read(
        cls,
        body: bytes,
        content_type: str | None,
        *,
        content_encoding: str | None = None,
        disposition: str | None = None,
        strict: bool = False,
        limits: Limits | None = None,
    ) -> Content:
        """
        Read a body.

        :raises RemoteError: 415 where it is encoded, where nothing of it is
            understood, or, if ``strict``, where any part is not that has to be.
        """
        if not body.strip():
            return cls()
        if (content_encoding or "identity").strip().lower() not in ("", "identity"):
            raise RemoteError(
                415, "Content-Encoding not understood", (("Accept-Encoding", "identity"),)
            )
        whole = Part(
            FieldValue.parse(content_type or ""), FieldValue.parse(disposition or ""), body
        )
        whole, warnings = _typed(whole)
        if strict and content_type is None:
            raise RemoteError(415, "Content-Type is missing", (ACCEPT,))
        opened = open_part(whole, limits)
        content = _chosen(opened)
        if strict and any(not part.optional for part in content.others):
            raise RemoteError(415, "a required body part is not understood", (ACCEPT,))
        nothing = content.sdp is None and content.metadata is None
        if nothing and not all(part.optional for part in content.others):
            raise RemoteError(415, "the body is not understood", (ACCEPT,))
        return cls(
            content.sdp,
            content.metadata,
            content.charset,
            content.others,
            (*warnings, *content.warnings),
        )


def _chosen(opened: Multipart) -> Content:
    """The first session description and the first metadata (:rfc:`5621#section-8`)."""
    sdp: Part | None = None
    metadata: Part | None = None
    others: list[Part] = []
    warnings = list(opened.warnings)
    for leaf in opened.parts:
        part, odd = _typed(leaf)
        warnings += odd
        if part.content_type.value == SDP and part.disposition.value in ("", "session"):
            if sdp is not None:
                warnings.append(warning("multipart-several-sdp"))
            sdp = sdp or part
        elif part.content_type.value in METADATA:
            if metadata is not None:
                warnings.append(warning("multipart-several-metadata"))
            metadata = metadata or part
        else:
            others.append(part)
            if not part.optional:
                warnings.append(warning("multipart-unknown-part", part.content_type.value))
    return Content(
        sdp.body if sdp else None,
        metadata.body if metadata else None,
        metadata.content_type.parameter("charset") if metadata else None,
        tuple(others),
        tuple(warnings),
    )


def _typed(part: Part) -> tuple[Part, list[Oddity]]:
    """The part with the type that its octets show, where the type given is of no use."""
    given = part.content_type.value
    if given == SDP or given in METADATA or given.startswith("multipart/"):
        return part, []
    shown = _shown(part, given)
    if shown is None:
        return part, []
    code = "body-type-wrong" if given else "body-type-missing"
    typed = Part(
        FieldValue(shown, part.content_type.parameters),
        part.disposition,
        part.body,
        part.content_id,
    )
    return typed, [warning(code, given)]


def _shown(part: Part, given: str) -> str | None:
    start = part.body[:512].removeprefix(b"\xef\xbb\xbf").lstrip()
    generic = given in ("", "text/plain", "text/xml", "application/xml")
    if not generic and part.disposition.value != RECORDING_SESSION:
        # Of a type that we do not know, only what is marked as ours is taken.
        return None
    if start.startswith(b"v=0"):
        return SDP
    if start.startswith(b"<"):
        return "application/rs-metadata+xml"
    if start.startswith(b"--") and guessed_boundary(part.body) is not None:
        return "multipart/mixed"
    return None
