"""
Which texts a consumer that comes back has already: those need not be told again.

Texts are replayed in their places amid the audio, each with a new ``seq``. A
framed consumer that resumes says in ``lastSeq`` which it had last. Its ``ack``
would not do: that is the ``seq`` of ``resume`` itself, before which some were lost.
"""

from __future__ import annotations

from collections import OrderedDict

from .base import Event, Gap


class Told:
    """
    The latest texts of a stream that the consumer has, or that are on their way to
    it on this connection, with the ``seq`` of each.

    :param most: so many are remembered; older ones may be told again.
    """

    def __init__(self, most: int = 512) -> None:
        self._most = most
        self._told: OrderedDict[Gap | int, tuple[Event, int]] = OrderedDict()

    def __contains__(self, event: Event) -> bool:
        return _key(event) in self._told

    def add(self, event: Event, sequence: int) -> None:
        """It was told."""
        self._told[_key(event)] = (event, sequence)
        if len(self._told) > self._most:
            self._told.popitem(last=False)

    def keep(self, through: int) -> None:
        """The consumer has none but those up to this ``seq``: what came after died on its way."""
        while self._told and next(reversed(self._told.values()))[1] > through:
            self._told.popitem()


def _key(event: Event) -> Gap | int:
    """
    What is replayed is the same object, and two key presses are two, however alike.
    Gaps alone are made anew; no two of them cover the same samples.
    """
    return event if isinstance(event, Gap) and event.filled == "none" else id(event)
