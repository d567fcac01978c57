"""
Key presses that come by INFO instead of in the media: ``application/dtmf-relay``
(Signal and Duration) and ``application/dtmf`` (the digit alone).
"""

from __future__ import annotations

import re

from ..plan import KeyPress

DTMF_TYPES = frozenset({"application/dtmf-relay", "application/dtmf", "audio/telephone-event"})

_DEFAULT_MS = 250
_MAX_MS = 60_000
_SIGNAL = re.compile(r"^\s*Signal\s*[=:]\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_DURATION = re.compile(r"^\s*Duration\s*[=:]\s*([0-9]{1,6})", re.IGNORECASE | re.MULTILINE)
_DIGIT = re.compile(r"^[0-9A-Da-d*#]$")
_BY_EVENT = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}
":rfc:`4733#section-3.2`, which some write in place of the digit."


def key_press(body: bytes) -> KeyPress | None:
    """The key of an INFO; None where it cannot be understood."""
    text = body[:512].decode("latin-1")
    signal = _SIGNAL.search(text)
    word = signal[1] if signal else text.strip()
    digit = _BY_EVENT.get(word, word).upper()
    if not _DIGIT.match(digit):
        return None
    duration = _DURATION.search(text)
    return KeyPress(digit, min(int(duration[1]), _MAX_MS) if duration else _DEFAULT_MS)
