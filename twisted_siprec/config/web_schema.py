"""
The schema of the web listener, of its tokens, and of the audit log.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ..plan import Secret
from .document import Place, shown
from .names import NAME
from .operating import AccessToken, AuditConfiguration, HashedToken, Role, WebConfiguration
from .readers import Flag, ListOf, Number, Section, Text, Whole, choice_of
from .values import HostName, IPAddress, ReadableFile, SecretOf, check_certificate

HASH = Text("sha256$ and 64 hexadecimal digits (siprecctl token)", r"sha256\$[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class TokenOf:
    """``{file: NAME}``, ``{environment: NAME}`` or ``{hash: sha256$…}``."""

    def read(self, place: Place) -> Secret | HashedToken:
        expected = "{file: NAME}, {environment: NAME} or {hash: sha256$…}"
        if not place.is_mapping:
            # What stands here may be the token: it must not get into the log.
            raise place.fail(expected, "a secret in the text" if not place.empty else None)
        members = place.members(expected)
        if "hash" not in members:
            return SecretOf().read(place)
        if len(members) > 1:
            raise place.fail(expected, "several of them")
        text = members["hash"].scalar(HASH.expected)
        if not text.startswith("sha256$"):
            # The token itself, perhaps.
            raise members["hash"].fail(HASH.expected, "something else")
        return HashedToken(HASH.read(members["hash"]))


TOKEN = Section(
    AccessToken,
    {
        "name": NAME,
        "roles": ListOf(choice_of(Role), lone=True, distinct=True, some=True),
        "token": TokenOf(),
        "tenant": NAME,
    },
    required=("name", "roles", "token"),
)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Tokens with names of their own."""

    def read(self, place: Place) -> tuple[AccessToken, ...]:
        tokens = ListOf(TOKEN).read(place)
        names = [each.name for each in tokens]
        for index, name in enumerate(names):
            if name in names[:index]:
                place.document.note(
                    f"{place.key}[{index}].name",
                    f"found {shown(name)} a second time, expected another",
                )
        return tokens


def _web(certificate: str | None = None, key: str | None = None, **values: Any) -> WebConfiguration:
    """The web listener; the key is in the certificate's file where it is not given."""
    return WebConfiguration(certificate=certificate, key=key or certificate, **values)


def _check_web(web: WebConfiguration, place: Place) -> None:
    if web.enabled and web.token is None and not web.tokens:
        place.fail("the key token, as enabled is true", "none")
    if web.certificate is not None and web.key is not None:
        check_certificate(place, "certificate", web.certificate, web.key)
    elif web.key is not None:
        place.fail("the key certificate, as there is a key", "none")


WEB = Section(
    _web,
    {
        "enabled": Flag(),
        "address": IPAddress(),
        "port": Whole(0, 65_535),
        "token": TokenOf(),
        "listen_token": TokenOf(),
        "tokens": _Tokens(),
        "hosts": ListOf(HostName(), longest=100, lone=True, distinct=True),
        "wrong_tokens": Whole(0, 1_000_000),
        "lockout_s": Number(1, 86_400, "seconds"),
        "requests_per_second": Number(0, 100_000, "requests"),
        "certificate": ReadableFile("a PEM certificate"),
        "key": ReadableFile("a PEM private key"),
        "connections": Whole(1, 10_000),
        "request_octets": Whole(1_024, 1_048_576, "octets"),
        "history_calls": Whole(0, 100_000),
        "moments_per_call": Whole(10, 10_000),
        "trace_octets_per_call": Whole(0, 16_777_216, "octets"),
        "waveform_calls": Whole(0, 10_000),
    },
    check=_check_web,
)


@dataclass(frozen=True, slots=True)
class _LogFile:
    """A file that is written: a pipe that nobody reads would hold the server up."""

    def read(self, place: Place) -> str:
        name = Text("the name of a file", longest=4_096).read(place)
        if os.path.exists(name) and not os.path.isfile(name):
            raise place.fail("a file, or a name that nothing has", f"{shown(name)}, which is none")
        return name


AUDIT = Section(AuditConfiguration, {"file": _LogFile()})
