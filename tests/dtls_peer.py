"""A peer of DTLS for the tests: the other end of an association, in memory."""

from __future__ import annotations

from functools import cache

from twisted_siprec.net.media.association import Association, DTLSContext
from twisted_siprec.net.media.dtls_identity import DTLSIdentity, make_identity
from twisted_siprec.plan import Address, Fingerprint

SRC: Address = ("192.0.2.1", 4000)
SRS: Address = ("198.51.100.1", 20_000)


@cache
def identity(name: str) -> DTLSIdentity:
    """One for each name; making one takes a while."""
    return make_identity()


@cache
def context(name: str) -> DTLSContext:
    """The same."""
    return DTLSContext(identity(name))


class Peer:
    """One end, and what it sent that nobody has got yet."""

    def __init__(
        self,
        name: str,
        expects: str,
        *,
        begins: bool,
        remote: Address = ("", 0),
        fingerprints: tuple[Fingerprint, ...] | None = None,
    ) -> None:
        self.sent: list[bytes] = []
        self.association = Association(
            context(name),
            fingerprints or (identity(expects).fingerprint,),
            lambda octets, _: self.sent.append(octets),
            begins=not begins,
            remote=remote,
        )
        if begins:
            self.association.begin()

    def take(self) -> list[bytes]:
        """What it sent since the last time."""
        sent, self.sent = self.sent, []
        return sent


def shake(client: Peer, server: Peer, rounds: int = 6) -> None:
    """Carry everything between the two, as long as anything goes."""
    for _ in range(rounds):
        for octets in client.take():
            server.association.receive(octets, SRC)
        for octets in server.take():
            client.association.receive(octets, SRS)
