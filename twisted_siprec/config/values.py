"""
Readers of what the operator names: addresses, networks, files, URLs, secrets and
patterns, each checked as far as that is possible before anything runs.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from ..plan import Secret
from ..sip.accounts import LONGEST_USERS_FILE, Accounts
from .document import Place, shown
from .mistakes import Unreadable
from .model import Network
from .readers import Reader, Section, Text

_HOST = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\.?"
)


def is_address(text: str) -> bool:
    """Whether it is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_host(text: str) -> bool:
    """Whether it is an IP address or a host name; a name of digits alone is a broken address."""
    if is_address(text):
        return True
    last_label = text.rstrip(".").rpartition(".")[2]
    return _HOST.fullmatch(text) is not None and not last_label.isdigit()


@dataclass(frozen=True, slots=True)
class IPAddress:
    """An IP address, in its usual form."""

    wildcard: bool = True
    "0.0.0.0 and :: may be given."

    def read(self, place: Place) -> str:
        expected = "an IP address" if self.wildcard else "an IP address that peers can reach"
        try:
            address = ipaddress.ip_address(place.scalar(expected))
        except ValueError:
            raise place.fail(expected) from None
        if address.is_unspecified and not self.wildcard:
            raise place.fail(expected)
        return str(address)


@dataclass(frozen=True, slots=True)
class NetworkOf:
    """A network as ``ADDRESS/BITS``, or a single address."""

    def read(self, place: Place) -> Network:
        text = place.scalar("a network such as 192.0.2.0/24, or an address")
        try:
            return ipaddress.ip_network(text)
        except ValueError:
            pass
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise place.fail("a network such as 192.0.2.0/24, or an address") from None
        raise place.fail(f"{meant}, as that is the network of this address")


@dataclass(frozen=True, slots=True)
class HostAndPort:
    """``HOST:PORT``, or ``[IPv6]:PORT``; the port may be left out where that is allowed."""

    port_optional: bool = False
    address_only: bool = False

    def read(self, place: Place) -> tuple[str, int | None]:
        host = "ADDRESS" if self.address_only else "HOST"
        expected = f"{host} or {host}:PORT" if self.port_optional else f"{host}:PORT"
        text = place.scalar(expected)
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", text)
        name, port = (text, None) if is_address(text) else ("", None)
        if match is not None:
            name, port = match[1] or match[2], match[3]
        good = is_address(name) if self.address_only else is_host(name)
        if not good or (port is None and not self.port_optional):
            raise place.fail(expected)
        if port is None:
            return name, None
        if not 0 < int(port) <= 65_535:
            raise place.fail("a port from 1 to 65535", shown(port))
        return name, int(port)


@dataclass(frozen=True, slots=True)
class ReadableFile:
    """A file that is there and may be read. It gives the absolute name."""

    what: str = "a file"

    def read(self, place: Place) -> str:
        path = os.path.abspath(place.document.path(place.scalar(f"the name of {self.what}")))
        if not os.path.exists(path):
            raise place.fail(f"{self.what} that exists", shown(path))
        if not os.path.isfile(path):
            raise place.fail(self.what, f"{shown(path)}, which is no file")
        if not os.access(path, os.R_OK):
            raise place.fail(f"{self.what} that this user may read", shown(path))
        return path


@dataclass(frozen=True, slots=True)
class HostName:
    """A host name or an IP address."""

    def read(self, place: Place) -> str:
        text = place.scalar("a host name or an IP address")
        if not is_host(text):
            raise place.fail("a host name or an IP address")
        return text


@dataclass(frozen=True, slots=True)
class UsersFile:
    """A file of users and their secrets, as :mod:`twisted_siprec.sip.accounts` has it."""

    def read(self, place: Place) -> str:
        path = ReadableFile("a file of users").read(place)
        try:
            with open(path, encoding="utf-8") as file:
                users = Accounts.parse(file.read(LONGEST_USERS_FILE))
        except (OSError, ValueError) as error:
            # What stands in the file must not get into the log.
            reason = "no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            raise place.fail("a file of users", f"{shown(path)} ({reason})") from None
        if not len(users):
            raise place.fail("a file of users", f"{shown(path)}, which has none")
        return path


@dataclass(frozen=True, slots=True)
class Authorities:
    """A PEM file of certificate authorities."""

    def read(self, place: Place) -> str:
        path = ReadableFile("a PEM file of certificate authorities").read(place)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise place.fail(
                "a PEM file of certificate authorities", f"{shown(path)} ({_reason(error)})"
            ) from None
        return path


def check_certificate(place: Place, key: str, certificate: str, private_key: str) -> None:
    """Note where a certificate and its private key cannot be used, or are no pair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # The password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(certificate, private_key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        found = f"{shown(certificate)} with {shown(private_key)} ({_reason(error)})"
        expected = "a PEM certificate and its own private key without a passphrase"
        place.document.note(f"{place.key}.{key}", f"found {found}, expected {expected}")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return str(reason or "not readable as PEM").replace("_", " ").lower()


@dataclass(frozen=True, slots=True)
class SecretOf:
    """``{file: NAME}`` or ``{environment: NAME}``; never the secret itself."""

    def read(self, place: Place) -> Secret:
        expected = "{file: NAME} or {environment: NAME}"
        if not place.is_mapping:
            # What stands here may be the secret: it must not get into the log.
            raise place.fail(expected, "a secret in the text" if not place.empty else None)
        keys: dict[str, Reader[str]] = {
            "file": ReadableFile("a file with the secret"),
            "environment": Text(),
        }
        secret = Section(Secret, keys).read(place)
        if (secret.file is None) == (secret.environment is None):
            raise place.fail(expected, "both" if secret.file else "neither")
        name = secret.environment
        if name is not None and not place.document.environment.get(name):
            place.document.note(
                f"{place.key}.environment",
                f"found {shown(name)}, which is not set, expected a variable of the environment",
            )
            raise Unreadable
        return secret


@dataclass(frozen=True, slots=True)
class URL:
    """Where a destination is: ``ws://``, ``wss://`` or ``file:``."""

    def read(self, place: Place) -> str:
        expected = "ws://HOST…, wss://HOST… or file:DIRECTORY"
        text = place.scalar(expected)
        if re.search(r"[\s\x00-\x1f\x7f]", text) and not text.startswith("file:"):
            raise place.fail("a URL without blanks")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise place.fail(expected) from None
        if parts.scheme == "file":
            return self._directory(place, text)
        if parts.scheme not in ("ws", "wss") or not is_host(parts.hostname or ""):
            raise place.fail(expected, _without_password(parts, text))
        if parts.username is not None or parts.password is not None:
            raise place.fail("a URL without them: use basic", "a user or a password in the URL")
        if parts.fragment:
            raise place.fail("a URL without a fragment")
        if port == 0:
            raise place.fail("a port from 1 to 65535", '"0"')
        return text

    def _directory(self, place: Place, text: str) -> str:
        name = re.sub(r"^//(?=/)", "", text.removeprefix("file:"))
        if not name or name.startswith("//") or "\x00" in name:
            raise place.fail("file:DIRECTORY")
        if os.path.exists(name) and not os.path.isdir(name):
            raise place.fail("a directory after file:", f"{shown(name)}, which is none")
        return f"file:{name}"


def _without_password(parts: SplitResult, text: str) -> str:
    return "a URL with a password" if parts.password else shown(text)
