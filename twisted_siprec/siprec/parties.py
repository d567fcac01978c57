"""
The participants of a recording: who they are, what they hear and say, and when
they came and left (:rfc:`7865#section-6.5` to 6.8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..plan import Participant
from .document import Document, Interval, ParticipantElement, SessionElement
from .extensions import merged

MAX_ELEMENTS = 256
"Participants, communication sessions and streams that are kept, those of the past included."


@dataclass(frozen=True, slots=True)
class Party:
    """A participant, and what it does."""

    element: ParticipantElement
    memberships: Mapping[str, Interval] = field(default_factory=dict)
    "By communication session."
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
        times = [each.begins for each in self.memberships.values() if each.begins]
        return min(times) if times else None

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
        self._join()
        self._speak()
        for party in list(self._parties.values()):
            if party.id in self._named or self._document.partial:
                left_at = self._leaving(party, now_text)
                if left_at is not None:
                    party = replace(party, sends=(), receives=())
                self._parties[party.id] = replace(party, left_at=left_at)
        return _bounded(self._parties)

    def _forget(self, now_text: str) -> None:
        """A complete snapshot says everything anew; who is not in it has left."""
        for party in list(self._parties.values()):
            if party.id in self._named:
                # Back to nothing, but for whether its streams were ever known.
                fresh = Party(party.element, associated=party.associated, left_at=party.left_at)
            else:
                left_at = party.left_at or _last_end(party) or now_text
                fresh = replace(party, sends=(), receives=(), left_at=left_at)
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

    def _join(self) -> None:
        explicit: set[str] = set()
        for each in self._document.memberships:
            party = self._parties.get(each.participant_id)
            if party is None and self._document.partial:
                party = Party(ParticipantElement(each.participant_id))
            if party is None:
                continue
            explicit.add(party.id)
            before = party.memberships.get(each.session_id, Interval())
            begins = each.interval.begins or before.begins
            memberships = {
                **party.memberships,
                each.session_id: Interval(begins, each.interval.ends),
            }
            self._parties[party.id] = replace(party, memberships=memberships)
        self._imply(explicit)

    def _imply(self, explicit: set[str]) -> None:
        """Where nothing says which session a participant is in, it is in all that go on."""
        going_on = [each.id for each in self._sessions.values() if each.interval.ends is None]
        for identity in self._named - explicit:
            party = self._parties[identity]
            if not party.memberships:
                implied = {session_id: Interval() for session_id in going_on}
                self._parties[identity] = replace(party, memberships=implied)

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

    def _leaving(self, party: Party, now_text: str) -> str | None:
        """When it left: it left all its sessions, or they are over (:rfc:`8068#section-3.2.3`)."""
        ends = [
            interval.ends or self._session_end(session_id)
            for session_id, interval in party.memberships.items()
        ]
        if not ends:
            return party.left_at if party.id not in self._named else None
        if not all(ends):
            return None
        return party.left_at or max(end for end in ends if end) or now_text

    def _session_end(self, session_id: str) -> str | None:
        session = self._sessions.get(session_id)
        return session.interval.ends if session else None


def _bounded(parties: dict[str, Party]) -> dict[str, Party]:
    """Who left longest ago is forgotten first."""
    excess = len(parties) - MAX_ELEMENTS
    if excess <= 0:
        return parties
    gone = [key for key, party in parties.items() if party.left_at is not None][:excess]
    kept = [(key, party) for key, party in parties.items() if key not in gone]
    return dict(kept[:MAX_ELEMENTS])


def _last_end(party: Party) -> str | None:
    ends = [each.ends for each in party.memberships.values() if each.ends]
    return max(ends) if ends else None
