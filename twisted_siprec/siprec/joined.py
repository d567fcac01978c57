"""
What is known of one call that comes in several dialogs: their descriptions as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import TypeVar

from ..participants import Description, Participant
from .extensions import merged
from .leniency import joined as without_repetition

Named = TypeVar("Named")
Names = Mapping[str, str]
"The identifiers of participants of one dialog, by those that they have in the whole call."


def joined(parts: Sequence[Description]) -> Description:
    """
    Several descriptions as one, the oldest first: its own word is what counts where
    there can be only one. What they have in common is told once.
    """
    first = parts[0]
    keys = _unique((key for part in parts for key in part.stitch_keys), lambda key: key)
    return replace(
        first,
        src=_first(part.src for part in parts),
        caller=_first(part.caller for part in parts),
        called=_first(part.called for part in parts),
        sessions=_unique((each for part in parts for each in part.sessions), lambda one: one.id),
        participants=_unique(
            (each for part in parts for each in part.participants), lambda one: one.id
        ),
        streams=_unique((each for part in parts for each in part.streams), lambda one: one.id),
        groups=_unique((each for part in parts for each in part.groups), lambda one: one.id),
        extensions=merged(*(part.extensions for part in parts)),
        headers=tuple(dict.fromkeys(each for part in parts for each in part.headers)),
        warnings=without_repetition((), tuple(each for part in parts for each in part.warnings)),
        xml=_first(part.xml for part in reversed(parts)),
        stop_time=_first(part.stop_time for part in reversed(parts)),
        stitch=_first(part.stitch for part in parts),
        stitch_keys=keys,
    )


def new_names(
    description: Description, known: Names, others: Iterable[Participant]
) -> dict[str, str]:
    """
    What the participants of a dialog are called among those of the others: as in their
    dialog, but for an identifier that is somebody else's there.

    :param known: the names that were given before; they stay.
    """
    names = dict(known)
    elsewhere = {each.id: each for each in others}
    taken = {*elsewhere, *names.values()}
    for party in description.participants:
        other = elsewhere.get(party.id)
        if party.id in names:
            continue
        if other is None or (other.aor, other.name) == (party.aor, party.name):
            names[party.id] = party.id
        else:
            free = (f"{party.id}-{number}" for number in count(2))
            names[party.id] = next(each for each in free if each not in taken)
        taken.add(names[party.id])
    return names


def renamed(description: Description, names: Names) -> Description:
    """The same with other names for the participants."""
    if all(new == old for old, new in names.items()):
        return description
    return replace(
        description,
        participants=tuple(
            replace(each, id=names.get(each.id, each.id)) for each in description.participants
        ),
        streams=tuple(
            replace(
                each,
                sent_by=tuple(names.get(id, id) for id in each.sent_by),
                received_by=tuple(names.get(id, id) for id in each.received_by),
            )
            for each in description.streams
        ),
    )


def _unique(values: Iterable[Named], key: Callable[[Named], str]) -> tuple[Named, ...]:
    found: dict[str, Named] = {}
    for value in values:
        found.setdefault(key(value), value)
    return tuple(found.values())


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)
