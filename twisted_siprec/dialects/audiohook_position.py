"""
The position of an AudioHook session: how long its time line is by now, whether
it was sent, discarded or paused.
"""

from __future__ import annotations

from .bodies import Body

RATE = 8000
BY_US = "src"
BY_SERVER = "consumer"


def seconds(samples: int) -> str:
    """A duration in the one form that AudioHook takes: seconds."""
    text = f"{samples / RATE:.3f}".rstrip("0").rstrip(".")
    return f"PT{text}S"


class Position:
    """
    Where a session is. Positions of the stream come in, durations of the session
    go out: it begins at 0 where the audio of its connection begins.

    :param held: the SRC had paused the call before the session began.
    """

    def __init__(self, held: bool = False) -> None:
        self.held = held
        self._origin: int | None = None
        self._cursor = 0
        self._paused_at: int | None = None
        self._pausers: set[str] = set()

    @property
    def origin(self) -> int:
        """Where the session began on the stream."""
        return self._origin or 0

    @property
    def now(self) -> str:
        """The position."""
        return seconds(self._cursor - self.origin)

    def begin(self, position: int) -> None:
        """The first that is heard of the stream says where the session begins."""
        if self._origin is None:
            self._origin = self._cursor = position
            if self._paused_at is not None:
                self._paused_at = position

    def move(self, position: int) -> None:
        """All before this is sent, or is told otherwise."""
        self._cursor = position

    def missing(self, position: int, samples: int) -> Body | None:
        """A span that is not sent; in a pause it is told at its end."""
        self._cursor = position + samples
        if self._paused_at is not None or not samples:
            return None
        return {"start": seconds(position - self.origin), "discarded": seconds(samples)}

    # --- pauses ------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Nothing may be sent."""
        return self._paused_at is not None

    def paused_by(self, whom: str) -> bool:
        """Whether it is for one of the two sides to end the pause."""
        return whom in self._pausers

    def pause(self, by: str) -> bool:
        """True where it was not paused yet."""
        if by != BY_SERVER:
            self.held, by = True, BY_US
        self._pausers.add(by)
        if self._paused_at is not None:
            return False
        self._paused_at = self._cursor
        return True

    def resume(self, by: str) -> Body | None:
        """How long it was, where nobody else wants the pause to last."""
        if by != BY_SERVER:
            self.held, by = False, BY_US
        self._pausers.discard(by)
        if self._paused_at is None or self._pausers:
            return None
        start, self._paused_at = self._paused_at, None
        return {
            "start": seconds(start - self.origin),
            "discarded": seconds(self._cursor - start),
        }
