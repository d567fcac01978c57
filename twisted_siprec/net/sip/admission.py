"""
Who may talk to us: SRCs are known by the network that they send from, by the
names in their certificates, or by both; and they may have to authenticate.

Network and names are asked for before anything is parsed, so that a stranger
learns nothing, not even that there is a SIP server.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ...config.model import Digest, Source, Unknown
from ...errors import RemoteError
from ...sip.authentication import Authentication
from ...sip.digest import Credentials
from ...sip.events import Flow, Transport
from ...sip.message import Request
from ...sip.nonces import Nonces
from .users import Users

_WINDOW_S = 60.0

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _hex_token(digits: int) -> str:
    return secrets.token_hex((digits + 1) // 2)[:digits]


class Admission:
    """
    Decides by the sources of the configuration. A source that names networks
    and identities wants one of each. The first source that fits is the sender's.

    :param clock: tells when a stranger may be named in the log again.
    :param remembered: of how many senders the decision is kept.
    :param named_per_minute: how many strangers are named in the log in a minute;
        the rest are counted in one line.
    :param token: random hexadecimal digits.
    """

    _log = Logger()

    def __init__(
        self,
        sources: Sequence[Source],
        unknown: Unknown,
        clock: IReactorTime,
        remembered: int = 4_096,
        named_per_minute: int = 20,
        token: Callable[[int], str] = _hex_token,
    ) -> None:
        self._sources = tuple(sources)
        self._identities = {source.name: _identities(source.identities) for source in self._sources}
        self._unknown = unknown
        self._clock = clock
        self._remembered = remembered
        self._named_per_minute = named_per_minute
        self._authentications = {
            source.name: _authentication(source.name, source.digest, token)
            for source in self._sources
            if source.digest is not None
        }
        self._decisions: OrderedDict[tuple[str, tuple[str, ...]], Source | None] = OrderedDict()
        self._window_began = clock.seconds()
        self._named: set[str] = set()
        self._unnamed = 0
        self.refused = 0
        "Messages and connections that were met with silence."

    def source(self, address: str, identities: tuple[str, ...] = ()) -> Source | None:
        """
        The source that a sender belongs to, be it allowed or not; None for a stranger.

        :param identities: the names in its verified certificate.
        """
        key = (address, identities)
        if key in self._decisions:
            self._decisions.move_to_end(key)
            return self._decisions[key]
        names = _identities(identities)
        fitting = (
            source
            for source in self._of_network(address)
            if not source.identities or self._identities[source.name] & names
        )
        source = next(fitting, None)
        self._decisions[key] = source
        if len(self._decisions) > self._remembered:
            self._decisions.popitem(last=False)
        return source

    def source_of(self, flow: Flow) -> Source | None:
        """The source of what comes on a flow."""
        return self.source(flow.remote[0], flow.identities)

    def allows(self, address: str, identities: tuple[str, ...] = ()) -> bool:
        """Whether calls are taken from a sender."""
        source = self.source(address, identities)
        return source is not None and source.allow

    def expects(self, flow: Flow) -> bool:
        """
        Whether to begin TLS on a connection: False for silence. Who it is may
        turn out by the certificate only; then :meth:`admit` decides.
        """
        if flow.transport is not Transport.TLS:
            return self.admit(flow)
        if self._may_become_known(flow.remote[0]):
            return True
        return self.admit(flow)

    def admit(self, flow: Flow) -> bool:
        """Whether to read on what comes on a flow; False for silence."""
        source = self.source_of(flow)
        if source is not None and source.allow:
            return True
        if source is None:
            self._name(flow)
        if self._unknown is Unknown.FORBIDDEN:
            return True
        self.refused += 1
        return False

    def presented(self, flow: Flow) -> Flow:
        """The flow with our address as its source reaches us."""
        source = self.source_of(flow)
        if source is None or source.advertise is None:
            return flow
        return replace(flow, advertised=(source.advertise, flow.advertised[1]))

    def check(self, request: Request, flow: Flow, now: float) -> Credentials | None:
        """
        The gate of the SIP core. Raises :class:`~twisted_siprec.errors.RemoteError`:
        403 for a stranger, 401 for who has to authenticate first.
        """
        source = self.source_of(flow)
        if source is None or not source.allow:
            raise RemoteError(403, "Forbidden")
        authentication = self._authentications.get(source.name)
        return authentication.check(request, now) if authentication is not None else None

    def _may_become_known(self, address: str) -> bool:
        """An allowed source of this network wants a name that is not known yet."""
        for source in self._of_network(address):
            if source.identities:
                if source.allow:
                    return True
            else:
                return source.allow
        return False

    def _of_network(self, address: str) -> list[Source]:
        """The sources that take what comes from an address, in their order."""
        parsed = _parsed(address)
        if parsed is None:
            return []
        return [
            source
            for source in self._sources
            if not source.networks or any(parsed in network for network in source.networks)
        ]

    def _name(self, flow: Flow) -> None:
        """Name a stranger in the log: once a minute, and not too many of them."""
        now = self._clock.seconds()
        if now - self._window_began >= _WINDOW_S:
            self._begin_window(now)
        address = flow.remote[0]
        if address in self._named:
            return
        if len(self._named) >= self._named_per_minute:
            self._unnamed += 1
            return
        self._named.add(address)
        self._log.warn(
            "{address} sent SIP over {transport} and is in none of the networks of `sources` "
            "in the configuration{identities}: {consequence}",
            address=address,
            transport=flow.transport.value,
            identities=_shown(flow.identities),
            consequence="answered 403" if self._unknown is Unknown.FORBIDDEN else "not answered",
        )

    def _begin_window(self, now: float) -> None:
        if self._unnamed:
            self._log.warn(
                "{count} more messages came from other addresses that are in none of the "
                "networks of `sources` in the configuration",
                count=self._unnamed,
            )
        self._window_began = now
        self._named.clear()
        self._unnamed = 0


def _authentication(name: str, digest: Digest, token: Callable[[int], str]) -> Authentication:
    nonces = Nonces(token(64), digest.nonce_s)
    return Authentication(name, digest.settings, Users(name, digest.users), nonces, token)


def _parsed(address: str) -> _Address | None:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _identities(names: tuple[str, ...]) -> frozenset[str]:
    """
    Names as they are compared: a SIP URI without a user is the domain that it
    names (:rfc:`5922#section-7.1`), and neither has a case.
    """
    bare = (name.lower().removeprefix("sip:").removeprefix("sips:") for name in names)
    return frozenset(name.rstrip(".") for name in bare)


def _shown(identities: tuple[str, ...]) -> str:
    """The names in a certificate, for the log; the peer chose them."""
    if not identities:
        return ""
    return f", nor is its certificate of theirs ({', '.join(identities)[:200]!r})"
