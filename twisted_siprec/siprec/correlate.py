"""
Which party is heard on which m-line, and so on which channel.

Metadata and SDP meet at the label (:rfc:`7865#section-6.7`); where one of them
has none, or another, the order decides. A stream that is in one of them alone is
normal in the field. Whoever a stream cannot be ascribed to, it is recorded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..plan import ChannelPlan
from ..sdp.negotiation import NegotiatedStream
from .document import StreamElement
from .extensions import value_of
from .identity import NamedParty
from .leniency import Oddity, warning
from .state import MetadataState

MAX_CONTENT_LENGTH = 64

CALLER = "caller"
CALLEE = "callee"


@dataclass(frozen=True, slots=True)
class Parties:
    """Who is the caller and who is called."""

    caller: str | None = None
    "A participant's identifier."
    called: str | None = None
    caller_aor: str | None = None
    called_aor: str | None = None


@dataclass(frozen=True, slots=True)
class Correlation:
    """The channels of a call."""

    channels: tuple[ChannelPlan, ...] = ()
    parties: Parties = field(default_factory=Parties)
    roles: Mapping[int, str] = field(default_factory=dict)
    "By stream index: what a stream was once taken for, it stays."
    warnings: tuple[Oddity, ...] = ()


def correlate(
    streams: Sequence[NegotiatedStream],
    metadata: MetadataState,
    named: tuple[NamedParty, ...] = (),
    before: Correlation | None = None,
) -> Correlation:
    """
    One channel for each accepted stream, in the order of the m-lines.

    :param named: parties from header fields, for calls without metadata.
    :param before: the last result, which the roles outlive changes by.
    """
    warnings: list[Oddity] = []
    matched = _matched(streams, metadata, warnings)
    speakers = _speakers(streams, metadata, matched, warnings)
    if not metadata.parties and named:
        speakers = _speakers_of_headers(streams, named, warnings)
    parties = _parties(streams, metadata, named, speakers, before)
    roles = _roles(streams, speakers, parties, before)
    channels = tuple(
        ChannelPlan(
            index=number,
            streams=(stream.index,),
            participant_id=speakers.get(stream.index),
            role=roles.get(stream.index),
            label=stream.label,
            content=_content(stream),
        )
        for number, stream in enumerate(streams)
    )
    return Correlation(channels, parties, roles, tuple(warnings))


def _matched(
    streams: Sequence[NegotiatedStream], metadata: MetadataState, warnings: list[Oddity]
) -> dict[int, StreamElement]:
    """The stream of the metadata for each m-line: by label, else what is left by order."""
    free = list(metadata.streams.values())
    found: dict[int, StreamElement] = {}
    for stream in streams:
        same = next((each for each in free if stream.label and each.label == stream.label), None)
        if same is not None:
            found[stream.index] = same
            free.remove(same)
    for stream in streams:
        if stream.index not in found and free:
            code = "label-unmatched" if stream.label else "label-missing"
            warnings.append(warning(code, stream.label or str(stream.index)))
            found[stream.index] = free.pop(0)
    return found


def _speakers(
    streams: Sequence[NegotiatedStream],
    metadata: MetadataState,
    matched: Mapping[int, StreamElement],
    warnings: list[Oddity],
) -> dict[int, str]:
    """The one participant of each stream; a stream of several has none."""
    found: dict[int, str] = {}
    open_: list[int] = []
    for stream in streams:
        element = matched.get(stream.index)
        speaking = metadata.speakers(element.key) if element is not None else ()
        if len(speaking) == 1:
            found[stream.index] = speaking[0]
        elif not speaking and not (element is not None and element.mixed):
            open_.append(stream.index)
    spoken_for = {each for speakers in metadata.last_speakers.values() for each in speakers}
    silent = [party.id for party in metadata.present if party.id not in spoken_for]
    if len(open_) == len(silent) and len(streams) > 1:
        # As many streams without a speaker as speakers without a stream.
        if open_:
            warnings.append(warning("speaker-by-order"))
        found.update(zip(open_, silent, strict=True))
    elif open_ and metadata.parties:
        warnings.append(warning("speaker-unknown", ", ".join(map(str, open_))))
    return found


def _speakers_of_headers(
    streams: Sequence[NegotiatedStream], named: tuple[NamedParty, ...], warnings: list[Oddity]
) -> dict[int, str]:
    warnings.append(warning("headers-by-order"))
    accepted = {stream.index for stream in streams}
    return {
        index: party.id for party in reversed(named) for index in party.media if index in accepted
    }


def _parties(
    streams: Sequence[NegotiatedStream],
    metadata: MetadataState,
    named: tuple[NamedParty, ...],
    speakers: Mapping[int, str],
    before: Correlation | None,
) -> Parties:
    """
    What the metadata says outright, else what was known before, else that the
    party listed first is the caller. Who takes the place of one who left has its
    part: the dummy of some SRCs gives way to the real party.
    """
    everybody = [(party.id, party.aor) for party in metadata.present]
    if not metadata.parties:
        # One party alone, as CUCM names it, may be either.
        everybody = [(party.id, party.aor) for party in named] if len(named) > 1 else []
    addresses = dict(everybody)
    caller, called = _outright(metadata)
    if before is not None and caller is None and called is None:
        caller = before.parties.caller if before.parties.caller in addresses else None
        called = before.parties.called if before.parties.called in addresses else None
    ids = [identity for identity, _ in everybody]
    if caller is None:
        caller = next((identity for identity in ids if identity != called), None)
    if called is None:
        heard = [speakers[each.index] for each in streams if speakers.get(each.index) in addresses]
        called = next((each for each in (*heard, *ids) if each != caller), None)
    number = value_of(metadata.extensions, "calling_number")
    called_number = value_of(metadata.extensions, "called_number")
    return Parties(
        caller,
        called,
        (addresses.get(caller) if caller else None) or number,
        (addresses.get(called) if called else None) or called_number,
    )


def _outright(metadata: MetadataState) -> tuple[str | None, str | None]:
    """Caller and callee where a vendor's extension tells them."""
    caller = called = None
    calling = _digits(value_of(metadata.extensions, "calling_number", "original_from"))
    dialled = _digits(value_of(metadata.extensions, "called_number", "original_to"))
    for party in metadata.present:
        flag = value_of(party.element.extensions, "caller_orig")
        number = _digits(party.aor)
        if flag == "true" or (flag is None and _same(number, calling)):
            caller = caller or party.id
        elif flag == "false" or _same(number, dialled):
            called = called or party.id
    return caller, called


def _roles(
    streams: Sequence[NegotiatedStream],
    speakers: Mapping[int, str],
    parties: Parties,
    before: Correlation | None,
) -> dict[int, str]:
    """
    The role of each stream: its speaker's, else what it was before. Of two
    streams the one that is not the caller's is the callee's, whoever has taken
    the call over by now; where nothing is known, the first is the caller's.
    """
    now: dict[int, str] = {}
    for index, speaker in speakers.items():
        if speaker == parties.caller:
            now[index] = CALLER
        elif speaker == parties.called:
            now[index] = CALLEE
    roles = {
        index: role
        for index, role in (before.roles if before is not None else {}).items()
        if role not in now.values()
    } | now
    indexes = [stream.index for stream in streams]
    if len(indexes) == 2:
        one, other = indexes
        if one not in roles and other not in roles and not speakers:
            roles[one] = CALLER
        for index, partner in ((one, other), (other, one)):
            if index not in roles and partner in roles:
                roles[index] = CALLEE if roles[partner] == CALLER else CALLER
    return roles


def _content(stream: NegotiatedStream) -> str | None:
    return (stream.offered.value("content") or "")[:MAX_CONTENT_LENGTH] or None


def _digits(address: str | None) -> str:
    """The user part of an address or header value, bare of what is written variously."""
    text = address or ""
    if "<" in text:
        text = text.partition("<")[2].partition(">")[0]
    text = re.sub(r"^(?:sips?|tel):", "", text.strip(), flags=re.IGNORECASE)
    user = re.split(r"[@;]", text, maxsplit=1)[0]
    return re.sub(r"[\s().+-]", "", user).lower()


def _same(one: str, other: str) -> bool:
    """Equal, or one of them with its country code."""
    if not one or not other:
        return False
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= 7 and short.isdigit() and long.endswith(short))
