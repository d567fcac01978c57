"""
The packets of many calls, for bench/load.c to send: any codec, protected or not,
with losses, key presses and silent parties.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from twisted_siprec.plan import Codec, SRTPKey, SRTPKeys
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.rtp.srtp import SRTP

_NUMBER = Struct("=I")
_PRESS_EVERY, _PRESS_PACKETS = 250, 10
"A key is pressed for 200 ms every five seconds."


@dataclass(frozen=True)
class Sent:
    """What a codec sends in 20 ms."""

    codec: Codec
    ticks: int
    octets: int


CODECS = {
    "PCMU": Sent(Codec(0, "PCMU", 8000), 160, 160),
    "PCMA": Sent(Codec(8, "PCMA", 8000), 160, 160),
    "G722": Sent(Codec(9, "G722", 8000), 160, 160),
    "L16": Sent(Codec(96, "L16", 16000), 320, 640),
}
EVENT = Codec(101, "TELEPHONE-EVENT", 8000)
KEY_OCTETS = {"AES_CM_128_HMAC_SHA1_80": 30, "AEAD_AES_128_GCM": 28}


@dataclass(frozen=True)
class Scene:
    """What goes on in all calls alike."""

    codec: str = "PCMU"
    suite: str | None = None
    loss: float = 0.0
    keys: bool = False
    "Somebody presses a key now and then, on every stream."
    silent: bool = False
    "The second party of each call sends nothing after the first second."

    @property
    def crypto(self) -> SRTPKeys | None:
        """The keys of all streams."""
        if self.suite is None:
            return None
        key = SRTPKey(self.suite, bytes(range(KEY_OCTETS[self.suite])))
        return SRTPKeys((key,), key)

    def write(self, path: Path, streams: int, seconds: float) -> None:
        """All packets of all streams, those of a time one after the other."""
        sent, crypto = CODECS[self.codec], self.crypto
        record = _NUMBER.size + 12 + sent.octets + 16
        senders = [SRTP(crypto) if crypto is not None else None for _ in range(streams)]
        chance = random.Random(1)
        with path.open("wb") as file:
            file.write(_NUMBER.pack(record))
            for number in range(int(seconds * 50)):
                for stream, sender in enumerate(senders):
                    packet = self._packet(sent, stream, number)
                    octets = sender.protect(packet) if sender is not None else packet
                    silent = self.silent and stream % 2 == 1 and number > 50
                    if silent or chance.random() < self.loss:
                        octets = b""
                    file.write((_NUMBER.pack(len(octets)) + octets).ljust(record, b"\0"))

    def _packet(self, sent: Sent, stream: int, number: int) -> bytes:
        at = (number + 17 * stream) % _PRESS_EVERY
        timestamp = number * sent.ticks
        if self.keys and at < _PRESS_PACKETS + 2:
            # The last packet is sent three times (RFC 4733 section 2.5.1.4).
            lasts = min(at + 1, _PRESS_PACKETS) * sent.ticks
            ended = 0x80 if at + 1 >= _PRESS_PACKETS else 0
            payload = bytes([5, ended | 10]) + lasts.to_bytes(2, "big")
            began = timestamp - at * sent.ticks
            return bytes(
                RTPPacket(101, at == 0, number, began & 0xFFFFFFFF, 0x10000 + stream, payload)
            )
        first = number * sent.octets * 7 + stream * 13
        payload = bytes((first + 7 * octet) & 0xFF for octet in range(256)) * 3
        return bytes(
            RTPPacket(
                sent.codec.payload_type,
                number == 0,
                number,
                timestamp,
                0x10000 + stream,
                payload[: sent.octets],
            )
        )
