"""
DTLS beside RTP on one port: how the two are told apart (:rfc:`7983`), and the
records that a datagram is made of (:rfc:`6347#section-4.1`).

::

                    +----------------+
                    |        [0..3] -+--> STUN
                    |      [20..63] -+--> DTLS
     first octet -> |      [64..79] -+--> TURN
                    |    [128..191] -+--> RTP, RTCP
                    +----------------+

     record: type (1) | version (2) | epoch (2) | number (6) | octets (2) | fragment
"""

from __future__ import annotations

HEADER_OCTETS = 13
_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE = 20, 21, 22
_CLIENT_HELLO = 1


def is_dtls(datagram: bytes) -> bool:
    """Whether it is DTLS, and nothing of RTP or RTCP (:rfc:`7983#section-7`)."""
    return len(datagram) > 0 and 20 <= datagram[0] <= 63


def is_client_hello(datagram: bytes) -> bool:
    """Whether it begins a handshake: a ClientHello that nothing protects yet."""
    return (
        len(datagram) > HEADER_OCTETS
        and datagram[0] == _HANDSHAKE
        and datagram[3:5] == b"\0\0"
        and datagram[HEADER_OCTETS] == _CLIENT_HELLO
    )


def records(octets: bytes) -> list[bytes]:
    """One record after another; what is too short to be one is left out."""
    found: list[bytes] = []
    start = 0
    while start + HEADER_OCTETS <= len(octets):
        end = start + HEADER_OCTETS + int.from_bytes(octets[start + 11 : start + 13], "big")
        if end > len(octets):
            break
        found.append(octets[start:end])
        start = end
    return found


def admissible(datagram: bytes) -> bytes:
    """
    The whole records of a datagram but for those that no handshake has: application
    data that nothing protects. OpenSSL would end the handshake for one of them,
    which anybody can send (:rfc:`6347#section-4.1.2.7`).
    """
    return b"".join(
        record
        for record in records(datagram)
        if record[3:5] != b"\0\0" or record[0] in (_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE)
    )


def datagrams(octets: bytes, most: int) -> list[bytes]:
    """
    A flight as it is sent: as many whole records in a datagram as there is room
    for, since a record may not be divided (:rfc:`6347#section-4.1.1`).
    """
    made: list[bytes] = []
    for record in records(octets):
        if made and len(made[-1]) + len(record) <= most:
            made[-1] += record
        else:
            made.append(record)
    return made
