"""
The participants of a recording: who they are, what they hear and say, and when
they came and left (:rfc:`7865#section-6.5` to 6.8).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace

from ..participants import Participant, Stay
from .document import Document, Interval, ParticipantElement, SessionElement
from .extensions import merged
from .intervals import Intervals, beginning_of, end_of, ended, extended

MAX_ELEMENTS = 256
"Participants, communication sessions and streams that are kept, those of the past included."
MAX_MEMBERSHIPS = 32
"Communication sessions of one participant that are kept; the first are forgotten first."


@dataclass(frozen=True, slots=True)
class Party:
    """A participant, and what it does."""

    element: ParticipantElement
    memberships: Mapping[str, Intervals] = field(default_factory=dict)
    "By communication session: when it was there."
    sends: tuple[str, ...] = ()
    receives: tuple[str, ...] = ()
    associated: bool = False
    "An association said what it sends, if only nothing."
    left_at: str | None = None

    @property
    def id(self) -> str:
        """Its identifier."""
        return self.element.id

    @property
    def aor(self) -> str | None:
        """Its first address."""
        return next((aor for aor, _ in self.element.names if aor), None)

    @property
    def joined_at(self) -> str | None:
        """When it joined its first communication session."""
        times = [beginning_of(each) for each in self.memberships.values()]
        return min((each for each in times if each), default=None)

    @property
    def joined_last_at(self) -> str | None:
        """When it came the last time."""
        times = [each[-1].begins for each in self.memberships.values()]
        return max((each for each in times if each), default=None)

    @property
    def described(self) -> Participant:
        """As consumers are told of it."""
        first, *further = self.element.names or ((None, None),)
        others = tuple(("aor", aor) for aor, _ in further if aor)
        return Participant(
            self.id,
            first[0],
            first[1],
            tuple(self.memberships),
            self.joined_at,
            self.left_at,
            merged(self.element.extensions, others),
            self._stays,
        )

    @property
    def _stays(self) -> tuple[Stay, ...]:
        if all(len(each) == 1 for each in self.memberships.values()):
            return ()
        return tuple(
            Stay(session_id, each.begins, each.ends)
            for session_id, intervals in self.memberships.items()
            for each in intervals
        )


class Roll:
    """The participants after a document."""

    def __init__(
        self,
        before: Mapping[str, Party],
        document: Document,
        sessions: Mapping[str, SessionElement],
    ) -> None:
        self._document = document
        self._sessions = sessions
        self._parties = dict(before)
        self._named = {each.id for each in document.participants}

    def after(self, now_text: str) -> dict[str, Party]:
        """All of them, those who left included."""
        if not self._document.partial:
            self._forget(now_text)
        for element in self._document.participants:
            self._take(element)
        self._join(now_text)
        self._speak()
        for party in list(self._parties.values()):
            if party.id in self._named or self._document.partial:
                left_at = self._leaving(party)
                if left_at is not None:
                    party = replace(party, sends=(), receives=())
                self._parties[party.id] = replace(party, left_at=left_at)
        return _bounded(self._parties)

    def _forget(self, now_text: str) -> None:
        """
        A complete snapshot says everything anew; who is not in it has left. One
        that says of nobody which streams they send says nothing about that.
        """
        silent = not self._document.speeches and bool(self._document.streams)
        streams = {each.key for each in self._document.streams}
        for party in list(self._parties.values()):
            if party.id not in self._named:
                left_at = party.left_at or self._leaving(party) or now_text
                memberships = {
                    session_id: ended(each, left_at)
                    for session_id, each in party.memberships.items()
                }
                fresh = replace(
                    party, sends=(), receives=(), left_at=left_at, memberships=memberships
                )
            elif silent:
                fresh = replace(
                    party,
                    sends=tuple(each for each in party.sends if each in streams),
                    receives=tuple(each for each in party.receives if each in streams),
                )
            else:
                fresh = replace(party, sends=(), receives=())
            self._parties[party.id] = fresh

    def _take(self, element: ParticipantElement) -> None:
        known = self._parties.get(element.id)
        if known is None:
            self._parties[element.id] = Party(element)
            return
        partial = self._document.partial
        names = element.names or (known.element.names if partial else ())
        added = merged(element.extensions, known.element.extensions if partial else ())
        self._parties[element.id] = replace(
            known, element=ParticipantElement(element.id, names, added)
        )

    def _join(self, now_text: str) -> None:
        explicit: dict[str, set[str]] = {}
        for each in self._document.memberships:
            party = self._parties.get(each.participant_id)
            if party is None and self._document.partial:
                party = Party(ParticipantElement(each.participant_id))
            if party is None:
                continue
            explicit.setdefault(party.id, set()).add(each.session_id)
            self._parties[party.id] = _member(party, each.session_id, each.interval, now_text)
        if not self._document.partial:
            for identity, session_ids in explicit.items():
                self._parties[identity] = _member_of_only(
                    self._parties[identity], session_ids, now_text
                )
        self._imply(explicit.keys(), now_text)

    def _imply(self, explicit: Set[str], now_text: str) -> None:
        """Where nothing says which session a participant is in, it is in all that go on."""
        going_on = [each.id for each in self._sessions.values() if each.stop_time is None]
        for identity in self._named - explicit:
            party = self._parties[identity]
            if party.memberships and self._document.partial:
                continue
            known = [party.memberships[each] for each in going_on if each in party.memberships]
            if any(end_of(intervals) is None for intervals in known):
                continue
            for session_id in going_on:
                party = _member(party, session_id, Interval(), now_text)
            self._parties[identity] = party

    def _speak(self) -> None:
        """Associations of one document add up; together they replace what was before."""
        said: set[str] = set()
        for each in self._document.speeches:
            party = self._parties.get(each.participant_id)
            if party is None:
                continue
            over = each.interval.ends is not None
            sends, receives = ((), ()) if over else (each.sends, each.receives)
            if party.id in said:
                sends = tuple(dict.fromkeys((*party.sends, *sends)))
                receives = tuple(dict.fromkeys((*party.receives, *receives)))
            said.add(party.id)
            self._parties[party.id] = replace(
                party, sends=sends, receives=receives, associated=True
            )

    def _leaving(self, party: Party) -> str | None:
        """When it left: it left all its sessions, or they are over (:rfc:`8068#section-3.2.3`)."""
        ends = [
            end_of(intervals) or self._session_end(session_id)
            for session_id, intervals in party.memberships.items()
        ]
        if not ends:
            return party.left_at if party.id not in self._named else None
        if not all(ends):
            return None
        return max(end for end in ends if end)

    def _session_end(self, session_id: str) -> str | None:
        session = self._sessions.get(session_id)
        return session.stop_time if session else None


def _bounded(parties: dict[str, Party]) -> dict[str, Party]:
    """Who left longest ago is forgotten first."""
    excess = len(parties) - MAX_ELEMENTS
    if excess <= 0:
        return parties
    gone = [key for key, party in parties.items() if party.left_at is not None][:excess]
    kept = [(key, party) for key, party in parties.items() if key not in gone]
    return dict(kept[:MAX_ELEMENTS])


def _member_of_only(party: Party, session_ids: Set[str], now_text: str) -> Party:
    """Gone from every other communication session."""
    memberships = {
        session_id: each if session_id in session_ids else ended(each, now_text)
        for session_id, each in party.memberships.items()
    }
    return replace(party, memberships=memberships)


def _member(party: Party, session_id: str, interval: Interval, now_text: str) -> Party:
    """With an association to a communication session."""
    intervals = extended(party.memberships.get(session_id, ()), interval, now_text)
    memberships = {**party.memberships, session_id: intervals}
    kept = dict(list(memberships.items())[-MAX_MEMBERSHIPS:])
    return replace(party, memberships=kept)
