"""
The audit log: who did what, or listened to whom, from where and when. A line each in
the server's log under a name of its own, and as JSON in a file where one is configured.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from twisted.logger import Logger

LONGEST_WORD = 1_000
"Characters of each text; the rest is cut."

LOG = Logger("twisted_siprec.audit")
"Not an attribute of the class, by which it would be called."


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who does something."""

    name: str
    "Of the token or of the key, as the configuration has it; never the token itself."
    address: str
    by: str
    "api, page or console."
    tenant: str | None = None
    agent: str = ""
    "What the program calls itself, which is nothing to rely on."


class Audit:
    """
    The audit log. The file is opened for each line: an operator who moves it away
    finds a new one in its place at the next line, and no signal is needed.

    :param wall: the wall clock in POSIX seconds.
    :param path: the file; None for the log alone.
    :param log: the server's log.
    """

    def __init__(
        self, wall: Callable[[], float], path: str | None = None, log: Logger = LOG
    ) -> None:
        self._log = log
        self._wall = wall
        self._path = path
        self._failing = False

    def note(self, actor: Actor, did: str, subject: str = "", outcome: str = "done") -> None:
        """
        Somebody did something, or tried to.

        :param subject: what it was done to: the id of a call, mostly.
        :param outcome: what became of it.
        """
        fields = {
            "who": actor.name,
            "tenant": actor.tenant,
            "address": actor.address,
            "by": actor.by,
            "agent": actor.agent,
            "did": did,
            "subject": subject,
            "outcome": outcome,
        }
        fields = {name: text and text[:LONGEST_WORD] for name, text in fields.items()}
        deed = f"{fields['did']} {fields['subject']}".strip()
        self._log.info("{who} at {address} ({by}): {deed}: {outcome}", deed=deed, **fields)
        if self._path is not None:
            moment = datetime.fromtimestamp(self._wall(), UTC)
            time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._append(self._path, json.dumps({"time": time, **fields}) + "\n")

    def _append(self, path: str, line: str) -> None:
        # Not to wait for the reader of a pipe that somebody put in the file's place.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            descriptor = os.open(path, flags, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                octets = line.encode("ascii")
                # In one go, so that lines of several processes do not mix.
                if file.write(octets) != len(octets):
                    raise OSError("a line was cut: the disk is full")
        except OSError as error:
            if not self._failing:
                self._log.error(
                    "{path} cannot be written, what is done is in this log only: {error}",
                    path=path,
                    error=error,
                )
            self._failing = True
        else:
            self._failing = False
