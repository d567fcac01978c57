"""
What the header fields of an INVITE say about the call that is recorded, and
whether it is a recording session at all (:rfc:`7866#section-6`).

Not every recorder dialect has metadata. Cisco's network-based recording names
the parties in ``X-Cisco-Recording-Participant``, CUCM in parameters of From; and
many SRCs repeat identifiers by which users find their calls again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..sip.message import Request
from ..sip.values import Address
from .extensions import Extension, merged
from .leniency import Oddity, warning

MAX_HEADER_LENGTH = 2_048

_IDENTIFIERS = (
    ("Session-ID", "session_id"),
    ("Cisco-Guid", "call_guid"),
    ("User-to-User", "user_to_user"),
    ("X-Genesys-CallUUID", "genesys_uuid"),
    ("X-Avaya-UCID", "ucid"),
    ("X-Twilio-CallSid", "call_sid"),
    ("X-Call-Sid", "call_sid"),
    ("Av-Global-Session-ID", "global_session_id"),
    ("X-BroadWorks-Correlation-Info", "tracking_id"),
)

_MEDIA_INDEX = re.compile(r'media-index\s*=\s*"?([0-9 ,]{1,64})"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NamedParty:
    """A party that a header field names, and the m-lines on which it speaks."""

    id: str
    aor: str
    name: str | None = None
    media: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Marks:
    """What marks a request as one of a recording session."""

    src_tag: bool
    "+sip.src after the Contact's address, as the standard has it."
    misplaced_tag: bool
    "The same elsewhere: within the brackets, or without its plus."
    required: bool
    "Require: siprec."

    @classmethod
    def of(cls, request: Request) -> Marks:
        """Those of a request."""
        contacts = [Address.parse(text) for text in request.headers.get_all("Contact")]
        return cls(
            any("+sip.src" in each.parameters for each in contacts if each),
            any(_misplaced(each) for each in contacts if each),
            "siprec" in request.headers.tokens("Require"),
        )

    @property
    def standard(self) -> bool:
        """Both marks that :rfc:`7866#section-6.2` asks for."""
        return self.src_tag and self.required

    @property
    def any(self) -> bool:
        """At least one, however misspelt."""
        return self.src_tag or self.misplaced_tag or self.required

    @property
    def warnings(self) -> tuple[Oddity, ...]:
        """What is missing or misplaced."""
        found: list[Oddity] = []
        if not self.src_tag:
            code = "sip-src-tag-misplaced" if self.misplaced_tag else "sip-no-src-tag"
            found.append(warning(code))
        if not self.required:
            found.append(warning("sip-no-require-siprec"))
        return tuple(found)


def named_parties(request: Request) -> tuple[NamedParty, ...]:
    """The parties that header fields name, in order."""
    values = request.headers.get_all("X-Cisco-Recording-Participant")[:8]
    found: list[NamedParty] = []
    for number, value in enumerate(values):
        address = Address.parse(value)
        if address is not None:
            match = _MEDIA_INDEX.search(value)
            words = re.findall(r"[0-9]{1,3}", match[1]) if match else []
            media = tuple(int(word) for word in words) or (number,)
            name = address.name or None
            found.append(NamedParty(f"party-{number + 1}", address.uri_text, name, media))
    return tuple(found) or _built_in_bridge(request)


def _built_in_bridge(request: Request) -> tuple[NamedParty, ...]:
    """CUCM has one dialog for each end of a call; From says which end this is."""
    parameters = dict(_from_parameters(request))
    for end in ("near", "far"):
        if f"x-{end}end" in parameters:
            number = parameters.get(f"x-{end}endaddr") or parameters.get(f"x-{end}enddevicename")
            if number:
                return (NamedParty(f"{end}-end", number, None, (0,)),)
    return ()


def identifiers(request: Request) -> tuple[Extension, ...]:
    """Identifiers under the names that those of metadata have."""
    found: list[Extension] = []
    for header, name in _IDENTIFIERS:
        value = request.headers.get(header)
        if value:
            found.append((name, value[:MAX_HEADER_LENGTH]))
    ucid = decoded_ucid(request.headers.get("User-to-User") or "")
    if ucid:
        found.insert(0, ("ucid", ucid))
    for name, value in _from_parameters(request):
        found.append((name.removeprefix("x-").replace("-", "_"), value or "true"))
    return merged(found)


def passed_on(request: Request, names: tuple[str, ...]) -> tuple[Extension, ...]:
    """The header fields that the configuration asks for, as they came, bounded."""
    return tuple(
        (name, value[:MAX_HEADER_LENGTH])
        for name in names
        for value in request.headers.lines(name)[:8]
    )


def source_address(request: Request) -> str | None:
    """The SRC: From, or the Contact where From has no user part."""
    sender, contact = request.from_, request.contact
    if sender is not None and (sender.uri is None or sender.uri.user or contact is None):
        return sender.uri_text
    return contact.uri_text if contact is not None else None


def _misplaced(contact: Address) -> bool:
    tags = {"sip.src", "src", "+sip-src"}
    if tags & set(contact.parameters):
        return True
    written = {part.partition("=")[0].lower() for part in contact.uri_text.split(";")[1:]}
    return bool({"+sip.src", *tags} & written)


def _from_parameters(request: Request) -> list[tuple[str, str]]:
    sender = request.from_
    if sender is None:
        return []
    parts = sender.uri_text.partition("?")[0].split(";")[1:]
    pairs = [part.partition("=") for part in parts[:32]]
    return [
        (name.strip().lower(), value.strip()[:256])
        for name, _, value in pairs
        if name.strip().lower().startswith("x-")
    ]


def decoded_ucid(user_to_user: str) -> str | None:
    """
    Avaya's call identifier within User-to-User, in decimal: element FA of eight
    octets, which are a node, a sequence number and a time.
    """
    match = re.match(r"\s*(?:00|04)?(?:[0-9A-F]{2})*?FA08([0-9A-F]{16})", user_to_user.upper())
    if match is None:
        return None
    digits = match[1]
    node, sequence, time = int(digits[:4], 16), int(digits[4:8], 16), int(digits[8:], 16)
    return f"{node:05d}{sequence:05d}{time:010d}"
