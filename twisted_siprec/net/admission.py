"""
Who may talk to us: SRCs are known by the network that they send from.

This is asked before anything is parsed, so that a stranger learns nothing, not
even that there is a SIP server.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..config.model import Network, Source, Unknown
from ..sip.events import Flow

_WINDOW_S = 60.0


class Admission:
    """
    Decides by the sources of the configuration. The first source that has the
    sender's address in one of its networks is the sender's.

    :param clock: tells when a stranger may be named in the log again.
    :param remembered: of how many addresses the decision is kept.
    :param named_per_minute: how many strangers are named in the log in a minute;
        the rest are counted in one line.
    """

    _log = Logger()

    def __init__(
        self,
        sources: Sequence[Source],
        unknown: Unknown,
        clock: IReactorTime,
        remembered: int = 4_096,
        named_per_minute: int = 20,
    ) -> None:
        self._networks: tuple[tuple[Network, Source], ...] = tuple(
            (network, source) for source in sources for network in source.networks
        )
        self._unknown = unknown
        self._clock = clock
        self._remembered = remembered
        self._named_per_minute = named_per_minute
        self._decisions: OrderedDict[str, Source | None] = OrderedDict()
        self._window_began = clock.seconds()
        self._named: set[str] = set()
        self._unnamed = 0
        self.refused = 0
        "Messages and connections that were met with silence."

    def source(self, address: str) -> Source | None:
        """The source that an address belongs to, be it allowed or not; None for a stranger."""
        if address in self._decisions:
            self._decisions.move_to_end(address)
            return self._decisions[address]
        source = self._look_up(address)
        self._decisions[address] = source
        if len(self._decisions) > self._remembered:
            self._decisions.popitem(last=False)
        return source

    def allows(self, address: str) -> bool:
        """Whether calls are taken from an address."""
        source = self.source(address)
        return source is not None and source.allow

    def admit(self, flow: Flow) -> bool:
        """Whether to read on what comes on a flow; False for silence."""
        address = flow.remote[0]
        if self.allows(address):
            return True
        if self.source(address) is None:
            self._name(address, flow.transport.value)
        if self._unknown is Unknown.FORBIDDEN:
            return True
        self.refused += 1
        return False

    def _look_up(self, address: str) -> Source | None:
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return None
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return next((source for network, source in self._networks if parsed in network), None)

    def _name(self, address: str, transport: str) -> None:
        """Name a stranger in the log: once a minute, and not too many of them."""
        now = self._clock.seconds()
        if now - self._window_began >= _WINDOW_S:
            self._begin_window(now)
        if address in self._named:
            return
        if len(self._named) >= self._named_per_minute:
            self._unnamed += 1
            return
        self._named.add(address)
        self._log.warn(
            "{address} sent SIP over {transport} and is in none of the networks of `sources` "
            "in the configuration: {consequence}",
            address=address,
            transport=transport,
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
