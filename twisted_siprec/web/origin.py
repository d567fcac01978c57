"""
Whether a browser comes from our own page. One that was led here by somebody else's
page says so in Origin (:rfc:`6454#section-7`), and one that was made to believe that
somebody else's name is this address (DNS rebinding) says so in Host.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Origins:
    """The names that we go by."""

    names: frozenset[str] = frozenset()
    "In lower case. Any name is ours where there are none, unless we are on loopback."
    loopback: bool = False
    "We listen where no name of anybody else's leads."

    @classmethod
    def of(cls, hosts: tuple[str, ...], address: str) -> Origins:
        """Those of the configuration."""
        names = frozenset(host.lower().rstrip(".") for host in hosts)
        return cls(names, ipaddress.ip_address(address).is_loopback)

    def knows(self, host: str | None) -> bool:
        """
        Whether Host is one of ours. An IP address always is: there is no name in it that
        could mean another address a moment later.
        """
        if host is None or not (self.names or self.loopback):
            return True
        name = _name(f"//{host}")
        return name is not None and (self._ours(name) or _is_address(name))

    def own(self, origin: str | None, host: str | None) -> bool:
        """
        Whether a request that changes something is from our own page, or from no browser.
        The port counts, but for our configured names, as a proxy may stand before us.
        """
        if origin is None:
            return True
        scheme, _, place = origin.partition("://")
        name = _name(f"//{place}") if scheme in ("http", "https") else None
        if name is None:
            return False
        return name in self.names or (host is not None and place.lower() == host.lower())

    def _ours(self, name: str) -> bool:
        return name in self.names or name == "localhost" or name.endswith(".localhost")


def _name(place: str) -> str | None:
    try:
        name = urlsplit(place).hostname
    except ValueError:
        return None
    return name.rstrip(".") or None if name else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
