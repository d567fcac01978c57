"""
SIP messages that are nearly right: those of the corpora under tests/, each changed in
one to four places by a seeded generator.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

TESTS = Path(__file__).parent.parent / "tests"
METHODS = (b"INVITE", b"ACK", b"BYE", b"CANCEL", b"OPTIONS", b"UPDATE", b"INFO", b"PRACK", b"REFER")
NUMBERS = (b"0", b"-1", b"1", b"65536", b"2147483648", b"18446744073709551616", b"9" * 40, b"1e9")
PIECES = (
    *(b"\x00", b"\xff\xfe", b"\xc3\x28", b"\r\n", b"\n\n", b"\r", b"\t", b" ", b'"', b"<", b">"),
    *(b";", b",", b":", b"=", b"@", b"%00", b"%", b"\\", b"[::", b"]", b"--", b"a" * 300),
    *(b"{call_id}", b"{}", b"%s%n", b"../../etc/passwd", b"<!DOCTYPE x [<!ENTITY y 'z'>]>&y;"),
    *(b"Content-Length: 5\r\n", b"Require: x\r\n", b"Via: SIP/2.0/UDP h\r\n", b"l:0\r\n"),
    *(b"m=audio 1 RTP/AVP 0\r\n", b"a=label:1\r\n", b"c=IN IP6 ::1\r\n", b"a=crypto:1 x\r\n"),
)
FIELDS = (
    b"Via: SIP/2.0/UDP 127.0.0.2:5060;rport;branch=z9hG4bK0\r\nFrom: <sip:f@example.com>;tag=f\r\n"
    b"To: <sip:srs@example.com>\r\nCall-ID: f\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n"
    b"Contact: <sip:f@127.0.0.2>;+sip.src\r\n"
)

_LENGTH = re.compile(rb"(?im)^(?:Content-Length|l)[ \t]*:[^\r\n]*")
_BRANCH = re.compile(rb"(?i)branch=[^;,\r\n]*")
_CALL_ID = re.compile(rb"(?im)^(Call-ID|i)[ \t]*:[^\r\n]*")
_FROM = re.compile(rb"(?im)^(From|f)[ \t]*:[^\r\n]*")
_TO = re.compile(rb"(?im)^(To|t)[ \t]*:[^\r\n]*")
_VIA = re.compile(rb"(?im)^(?:Via|v)[ \t]*:[^\r\n]*")
_SEQUENCE = re.compile(rb"(?im)^CSeq[ \t]*:[ \t]*(\d+)[ \t]+INVITE\r$")
_NUMBER = re.compile(rb"\d+")


@dataclass(frozen=True, slots=True)
class DialogNames:
    """What a request within a dialog has of it; whole lines."""

    from_: bytes
    to: bytes
    call_id: bytes

    @classmethod
    def of(cls, response: bytes) -> DialogNames | None:
        """The dialog that a 200 to an INVITE makes."""
        found = [pattern.search(response) for pattern in (_FROM, _TO, _CALL_ID)]
        if not response.startswith(b"SIP/2.0 200") or None in found or b"+sip.srs" not in response:
            return None
        return cls(*(match[0] for match in found if match is not None))


def acknowledgement(response: bytes) -> bytes | None:
    """The ACK to a final response to an INVITE."""
    found = [pattern.search(response) for pattern in (_VIA, _FROM, _TO, _CALL_ID)]
    sequence = _SEQUENCE.search(response)
    if response[8:9] < b"2" or None in found or sequence is None:
        return None
    lines = [match[0] for match in found if match is not None]
    lines = [b"ACK sip:srs@127.0.0.1 SIP/2.0", *lines, b"CSeq: " + sequence[1] + b" ACK"]
    return b"\r\n".join((*lines, b"Max-Forwards: 70", b"Content-Length: 0", b"", b""))


def corpus() -> list[bytes]:
    """The messages that we know, right ones and wrong ones, with CRLF."""
    messages = [path.read_bytes().split(b"\n", 2)[2] for path in _files("torture", "sip")]
    messages += [path.read_bytes() for path in _files("siprec/bodies", "txt")]
    for path in (*_files("conversations", "txt"), *_files("conversations/vendors", "txt")):
        messages += _requests(path.read_bytes())
    return [message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for message in messages]


def _files(directory: str, suffix: str) -> list[Path]:
    return sorted((TESTS / directory).glob(f"*.{suffix}"))


def _requests(conversation: bytes) -> list[bytes]:
    """The messages of a conversation; where it leaves fields to its runner, with some."""
    found: list[bytes] = []
    blocks = re.findall(rb"(?m)(?:^> ?.*\n)+", conversation)
    for block in blocks:
        message = re.sub(rb"(?m)^> ?", b"", block)
        first, _, rest = message.partition(b"\n")
        method = first.split(b" ")[0]
        if method not in METHODS and not first.startswith(b"SIP/2.0"):
            continue
        if b"SIP/2.0" not in first:
            first = method + b" sip:srs@example.com SIP/2.0"
        if not _CALL_ID.search(message):
            rest = FIELDS.replace(b"{method}", method) + rest
        for name, value in ((b"{here}", b"127.0.0.2"), (b"{tag}", b"t"), (b"{length}", b"0")):
            rest = rest.replace(name, value)
        found.append(first + b"\n" + rest)
    return found


class Mutations:
    """Messages without end; the same ones for the same seed and the same dialogs."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._corpus = corpus()
        self._count = 0
        self.dialogs: deque[DialogNames] = deque(maxlen=32)
        "Those that are up, as far as is known: some requests are made theirs."
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self._flipped,
            self._cut,
            self._inserted,
            self._repeated,
            self._numbered,
            self._without_line,
            self._lines_swapped,
            self._spliced,
            self._truncated,
        )

    def message(self) -> bytes:
        """The next one."""
        random = self._random
        message = random.choice(self._corpus)
        if random.random() < 0.9:
            message = self._of_its_own(message)
        if self.dialogs and random.random() < 0.3:
            message = self._within(message, random.choice(self.dialogs))
        for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
            message = random.choice(self._ways)(message)
        return _measured(message) if random.random() < 0.8 else message

    def _of_its_own(self, message: bytes) -> bytes:
        """No copy of an earlier one: another transaction, another call."""
        self._count += 1
        message = _BRANCH.sub(b"rport;branch=z9hG4bK%d" % self._count, message, count=1)
        own = b"Call-ID: fuzz-%d" % self._count
        return _CALL_ID.sub(lambda _: own, message, count=1)

    def _within(self, message: bytes, dialog: DialogNames) -> bytes:
        sequence = b"CSeq: %d " % self._random.randrange(1, 1 << 31)
        message = re.sub(rb"(?im)^CSeq[ \t]*:[ \t]*\d+[ \t]*", sequence, message, count=1)
        for pattern, line in (
            (_FROM, dialog.from_),
            (_TO, dialog.to),
            (_CALL_ID, dialog.call_id),
        ):
            message = pattern.sub(lambda _, line=line: line, message, count=1)
        return message

    def _place(self, message: bytes) -> int:
        return self._random.randrange(len(message) + 1)

    def _flipped(self, message: bytes) -> bytes:
        if not message:
            return message
        at = self._random.randrange(len(message))
        return (
            message[:at] + bytes([message[at] ^ 1 << self._random.randrange(8)]) + message[at + 1 :]
        )

    def _cut(self, message: bytes) -> bytes:
        at = self._place(message)
        return message[:at] + message[at + self._random.randrange(1, 40) :]

    def _inserted(self, message: bytes) -> bytes:
        at = self._place(message)
        return message[:at] + self._random.choice(PIECES) + message[at:]

    def _repeated(self, message: bytes) -> bytes:
        at = self._place(message)
        piece = message[at : at + self._random.randrange(1, 200)]
        return message[:at] + piece * self._random.choice((2, 2, 3, 20)) + message[at:]

    def _numbered(self, message: bytes) -> bytes:
        found = list(_NUMBER.finditer(message))
        if not found:
            return message
        match = self._random.choice(found)
        return message[: match.start()] + self._random.choice(NUMBERS) + message[match.end() :]

    def _without_line(self, message: bytes) -> bytes:
        lines = message.split(b"\r\n")
        del lines[self._random.randrange(len(lines))]
        return b"\r\n".join(lines)

    def _lines_swapped(self, message: bytes) -> bytes:
        lines = message.split(b"\r\n")
        one, other = (self._random.randrange(len(lines)) for _ in range(2))
        lines[one], lines[other] = lines[other], lines[one]
        return b"\r\n".join(lines)

    def _spliced(self, message: bytes) -> bytes:
        other = self._random.choice(self._corpus)
        return message[: self._place(message)] + other[self._place(other) :]

    def _truncated(self, message: bytes) -> bytes:
        return message[: self._place(message)]


def _measured(message: bytes) -> bytes:
    """With the Content-Length that its body has, so that the body is read."""
    head, found, body = message.partition(b"\r\n\r\n")
    if not found:
        return message
    length = b"Content-Length: %d" % len(body)
    if _LENGTH.search(head):
        head = _LENGTH.sub(length, head, count=1)
    else:
        head += b"\r\n" + length
    return head + found + body
