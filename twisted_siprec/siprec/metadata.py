"""
Recording metadata as SRCs write it, read into one shape (:rfc:`7865`).

Of eleven vendor families one keeps to the schema. Elements are therefore known
by their local names in any namespace, identifiers are opaque strings by
whichever attribute they come, and what older drafts write inside ``participant``
(``send``, ``recv``, ``session``, times) becomes the association elements that
the standard has for it. The order of elements does not matter. What cannot be
read becomes a warning; nothing raises.
"""

from __future__ import annotations

from .document import (
    Document,
    GroupElement,
    Interval,
    Membership,
    ParticipantElement,
    Reason,
    SessionElement,
    Speech,
    StreamElement,
)
from .extensions import extensions_of
from .leniency import Oddity, joined, warning
from .times import rfc3339
from .tree import Element, Limits, read_xml

MAX_REASONS = 8
MAX_REASON_LENGTH = 256

NAMESPACE = "urn:ietf:params:xml:ns:recording:1"
_ROOTS = frozenset({"recording", "recording_metadata"})


def read_metadata(
    octets: bytes, charset: str | None = None, limits: Limits | None = None
) -> Document:
    """
    Read a document; never raises. One whose end is missing counts as partial, so
    that nobody is taken to have left because of it.
    """
    reading = read_xml(octets, charset, limits)
    walk = _Walk(reading.warnings)
    if reading.root is not None:
        walk.root(reading.root)
    return walk.document(reading.whole, reading.text)


class _Walk:
    """A document as far as it has been walked through."""

    def __init__(self, warnings: tuple[Oddity, ...]) -> None:
        self._warnings = warnings
        self._mode: str | None = None
        self._standard = True
        self._kinds: dict[str, str] = {}
        self._groups: list[GroupElement] = []
        self._sessions: list[SessionElement] = []
        self._participants: dict[str, ParticipantElement] = {}
        self._streams: dict[str, StreamElement] = {}
        self._session_intervals: list[tuple[str, Interval]] = []
        self._memberships: list[Membership] = []
        self._speeches: list[Speech] = []
        self._extensions: list[Element] = []

    def document(self, whole: bool, text: str) -> Document:
        """What was found."""
        return Document(
            partial=self._mode == "partial" or not whole,
            groups=tuple(self._groups),
            sessions=tuple(self._sessions),
            participants=tuple(self._participants.values()),
            streams=tuple(self._streams.values()),
            session_intervals=tuple(self._session_intervals),
            memberships=tuple(self._memberships),
            speeches=tuple(self._speeches),
            extensions=extensions_of(self._extensions),
            text=text,
            warnings=self._warnings,
        )

    def root(self, root: Element) -> None:
        """Walk through all of it."""
        if root.key not in _ROOTS:
            self._warn("metadata-root", root.name)
        elif root.namespace != NAMESPACE:
            self._standard = False
            self._warn("metadata-namespace", root.namespace)
        self._children(root)
        if self._mode not in (None, "complete", "partial"):
            self._warn("metadata-data-mode", self._mode or "")

    def _children(self, parent: Element) -> None:
        for child in parent.children:
            match child.key:
                case "datamode":
                    self._mode = child.text.strip().lower()
                case "recording":
                    # BroadWorks: an element beside the others, or around them.
                    self._children(child)
                case "requestor" | "type":
                    pass
                case "group":
                    self._group(child)
                case "session":
                    self._session(child)
                case "participant":
                    self._participant(child)
                case "stream":
                    self._stream(child)
                case "sessionrecordingassoc":
                    self._session_recording(child)
                case "participantsessionassoc":
                    self._participant_session(child)
                case "participantstreamassoc":
                    self._participant_stream(child)
                case _:
                    self._extensions.append(child)

    def _group(self, element: Element) -> None:
        identity = self._identity(element, "group_id")
        if identity:
            others = _others(element, "associate-time", "disassociate-time")
            # What a group says besides is about the call as a whole.
            self._extensions += others
            self._groups.append(
                GroupElement(identity, self._interval(element), extensions_of(others))
            )

    def _session(self, element: Element) -> None:
        identity = self._identity(element, "session_id")
        if not identity or not self._claims(identity, "session"):
            return
        self._extensions += _others(element, *_SESSION_CHILDREN)
        times = self._interval(element)
        self._sessions.append(
            SessionElement(
                identity,
                element.text_of("group-ref") or element.attribute("group", "group_id"),
                tuple(
                    " ".join(child.text.split())
                    for child in element.all("sipsessionid")
                    if child.text.strip()
                ),
                Interval(
                    self._time(element.text_of("start-time")) or times.begins,
                    self._time(element.text_of("stop-time", "end-time")) or times.ends,
                ),
                reasons=tuple(_reason(child) for child in element.all("reason"))[:MAX_REASONS],
            )
        )

    def _participant(self, element: Element) -> None:
        identity = self._identity(element, "participant_id")
        if not identity or not self._claims(identity, "participant"):
            return
        again = self._participants.get(identity)
        if again is not None:
            self._warn("metadata-id-reused", identity)
        found = ParticipantElement(
            identity, _names(element), extensions_of(_others(element, *_PARTICIPANT_CHILDREN))
        )
        self._participants.setdefault(identity, found)
        self._inline_associations(element, identity)

    def _inline_associations(self, element: Element, identity: str) -> None:
        """What drafts before the standard write inside the participant."""
        session_id = element.attribute("session", "session_id") or element.text_of("session")
        interval = self._interval(element)
        if session_id:
            self._memberships.append(Membership(identity, session_id, interval))
        if element.first("send", "recv"):
            self._warn("metadata-dialect", "send and recv inside participant")
            self._speeches.append(
                Speech(identity, _references(element, "send"), _references(element, "recv"))
            )

    def _stream(self, element: Element) -> None:
        identity = self._identity(element, "stream_id", optional=True) or ""
        label = element.text_of("label")
        key = identity or (f"label {label}" if label else "")
        if not key or (identity and not self._claims(identity, "stream")):
            return
        if key in self._streams:
            self._warn("metadata-id-reused", key)
            return
        mixed = (element.text_of("mode") or "").lower() == "mixed"
        session_id = element.attribute("session_id", "session")
        self._streams[key] = StreamElement(key, identity, label, session_id, mixed)
        self._extensions += _others(element, *_STREAM_CHILDREN)

    def _session_recording(self, element: Element) -> None:
        session_id = element.attribute("session_id", "session", "id")
        if session_id:
            self._session_intervals.append((session_id, self._interval(element)))
        self._extensions += _others(element, *_ASSOCIATION_CHILDREN)

    def _participant_session(self, element: Element) -> None:
        participant_id = _named(element, "participant")
        session_id = _named(element, "session")
        if participant_id and session_id:
            self._memberships.append(
                Membership(participant_id, session_id, self._interval(element))
            )
        self._extensions += _others(element, *_ASSOCIATION_CHILDREN)

    def _participant_stream(self, element: Element) -> None:
        participant_id = _named(element, "participant")
        if participant_id:
            self._speeches.append(
                Speech(
                    participant_id,
                    _references(element, "send", "stream"),
                    _references(element, "recv"),
                    self._interval(element),
                )
            )
        self._extensions += _others(element, "send", "recv", *_ASSOCIATION_CHILDREN)

    def _identity(self, element: Element, name: str, optional: bool = False) -> str | None:
        identity = element.attribute(name)
        if identity is None:
            identity = element.attribute("id")
            if identity is not None:
                self._warn("metadata-dialect", f"id instead of {name}")
            else:
                self._warn("metadata-id-missing", element.name)
        return identity

    def _claims(self, identity: str, kind: str) -> bool:
        """
        One identifier is one element (:rfc:`7865#section-6.10`). Drafts before it
        count participants and streams alike from 1, and mean no harm.
        """
        if self._kinds.setdefault(identity, kind) == kind:
            return True
        self._warn("metadata-id-reused" if self._standard else "metadata-id-shared", identity)
        return not self._standard

    def _interval(self, element: Element) -> Interval:
        return Interval(
            self._time(element.text_of("associate-time")),
            self._time(element.text_of("disassociate-time")),
        )

    def _time(self, text: str | None) -> str | None:
        time, odd = rfc3339(text)
        if odd is not None:
            self._warn(odd, text or "")
        return time

    def _warn(self, code: str, detail: str) -> None:
        # One of a kind is enough: a document may be wrong a thousand times.
        if all(code != known for known, _ in self._warnings):
            self._warnings = joined(self._warnings, (warning(code, detail),))


_SESSION_CHILDREN = (
    "sipsessionid",
    "reason",
    "group-ref",
    "start-time",
    "stop-time",
    "end-time",
    "associate-time",
    "disassociate-time",
)
_PARTICIPANT_CHILDREN = (
    "nameid",
    "aor",
    "name",
    "send",
    "recv",
    "session",
    "associate-time",
    "disassociate-time",
)
_ASSOCIATION_CHILDREN = (
    "participant",
    "session",
    "stream",
    "associate-time",
    "disassociate-time",
)
_STREAM_CHILDREN = ("label", "mode", "associate-time", "disassociate-time")


def _others(element: Element, *known: str) -> list[Element]:
    return [child for child in element.children if child.key not in known]


def _reason(element: Element) -> Reason:
    """Why the session is over, as a Reason header field has it (:rfc:`3326`)."""
    text = " ".join(element.text.split())[:MAX_REASON_LENGTH]
    return element.attribute("protocol") or "SIP", element.attribute("cause"), text or None


def _named(element: Element, kind: str) -> str | None:
    return (
        element.attribute(f"{kind}_id", kind)
        or element.text_of(kind)
        or (element.attribute("id") if kind == "participant" else None)
    )


def _references(element: Element, *keys: str) -> tuple[str, ...]:
    """Streams named by text, or by an ``id`` child as BroadWorks has it."""
    words: list[str] = []
    for child in element.all(*keys):
        inner = [each.text.strip() for each in child.all("id")]
        words += inner or [child.text.strip() or child.attribute("id", "stream_id") or ""]
    return tuple(dict.fromkeys(word for word in words if word))


def _names(element: Element) -> tuple[tuple[str | None, str | None], ...]:
    found = [(_aor(each.attribute("aor")), _name(each)) for each in element.all("nameid")]
    found += [(_aor(each.text), _name(element)) for each in element.all("aor")]
    if not found:
        found = [(None, _name(element))]
    return tuple(pair for pair in found if any(pair))


def _aor(text: str | None) -> str | None:
    """An address of record: what stands between angle brackets, if any do."""
    aor = (text or "").strip()
    if "<" in aor:
        aor = aor.partition("<")[2].partition(">")[0].strip()
    return aor or None


def _name(element: Element) -> str | None:
    """A display name without the quotes that some gateways leave around it."""
    name = " ".join((element.text_of("name") or "").split())
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = name[1:-1].strip()
    return name or None
