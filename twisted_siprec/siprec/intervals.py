"""
The spans in which something held: a participant was in a communication session,
a session was in the recording. Both may come back (:rfc:`7865#section-6.4`, 6.6).
"""

from __future__ import annotations

from .document import Interval

Intervals = tuple[Interval, ...]
"In the order in which they were told; only the last may go on."

MAX_INTERVALS = 16
"Of one participant in one session; the oldest are forgotten first."


def extended(known: Intervals, told: Interval, now_text: str) -> Intervals:
    """
    What is known with what an association says. One with a beginning that is
    known is said again; one without any is about the last, unless that is over
    and nothing says that it ended: then it began again.
    """
    if not known:
        return (told,)
    *earlier, last = known
    if told.begins is not None:
        for number, each in enumerate(known):
            if each.begins == told.begins:
                return (*known[:number], told, *known[number + 1 :])
        before = known if last.ends is not None else tuple(earlier)
        return (*before, told)[-MAX_INTERVALS:]
    if told.ends is not None or last.ends is None:
        return (*earlier, Interval(last.begins, told.ends))
    return (*known, Interval(now_text))[-MAX_INTERVALS:]


def ended(known: Intervals, at: str) -> Intervals:
    """With the last one over."""
    return tuple(each if each.ends is not None else Interval(each.begins, at) for each in known)


def end_of(known: Intervals) -> str | None:
    """When it was over; None while it goes on, or where nothing is known."""
    return known[-1].ends if known else None


def beginning_of(known: Intervals) -> str | None:
    """When it began first."""
    return next((each.begins for each in known if each.begins), None)
