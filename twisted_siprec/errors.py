"""
The two kinds of error: ours and the peer's.
"""

from __future__ import annotations


class LocalError(Exception):
    """
    Our own mistake: a method called in a state that does not allow it, a value
    that cannot be sent. It propagates to whoever called.
    """


class RemoteError(Exception):
    """
    The peer's mistake. Raised where it is noticed, caught once at the boundary
    of the core, where it becomes a response.

    :param status: the SIP status to answer with.
    :param reason: what was wrong, in words for the log and for the reason
        phrase or the Warning header.
    :param headers: header fields that the status asks for, such as Allow with
        405 or Unsupported with 420.
    """

    def __init__(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.headers = headers
