"""
The schema: which keys there are, and what each takes.

The tables below name every key of ``etc/siprec.yaml``; what a key means and why
one would change it is said there. Defaults are those of :mod:`~.model` and of
the types that it is made of.
"""

from __future__ import annotations

import re
from typing import Any

from ..audio.codec import NAMES
from ..sdp.crypto import Secrecy
from ..sip.digest import Algorithm
from ..sip.events import Limits, Reuse, Timers, Transport
from ..siprec.hidden import FIELDS
from .document import Place
from .model import (
    SIP,
    CallLimits,
    ClientCertificates,
    Connections,
    Digest,
    DigestUsers,
    Level,
    Listener,
    LogConfiguration,
    ManholeConfiguration,
    MediaConfiguration,
    NonSIPREC,
    PeerCredentials,
    ServerTLS,
    Source,
    SourceLimits,
    SpoolConfiguration,
    Stopping,
    Unknown,
    WebConfiguration,
)
from .readers import Choice, Flag, ListOf, MapOf, Number, Reader, Section, Text, Whole, choice_of
from .values import (
    Authorities,
    HostAndPort,
    HostName,
    IPAddress,
    NetworkOf,
    ReadableFile,
    SecretOf,
    UsersFile,
    check_certificate,
)

FIELD_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
"A header field's name (:rfc:`9110#section-5.6.2`)."

NAME = Text("a name of letters, digits, hyphens, dots and underscores", r"[A-Za-z0-9][\w.-]{0,63}")
HEADER_NAME = Text("the name of a header field", FIELD_NAME, 128)

# --- sip ----------------------------------------------------------------------------

_TLS_KEYS = ("certificate", "key", "client_authorities", "client_certificates")


def _listener(
    transport: Transport,
    address: str = "0.0.0.0",
    port: int | None = None,
    advertise: tuple[str, int | None] | None = None,
    **certificates: Any,
) -> Listener:
    """A listener; what only TLS has is kept for :func:`_check_listener` to see."""
    secure = transport is Transport.TLS
    tls = None
    if "certificate" in certificates:
        certificates.setdefault("key", certificates["certificate"])
    if secure and "certificate" in certificates:
        tls = ServerTLS(**certificates)
    if port is None:
        port = 5061 if secure else 5060
    return Listener(transport, address, port, advertise, tls)


def _check_listener(listener: Listener, place: Place) -> None:
    members = place.members("a mapping")
    given = [key for key in _TLS_KEYS if key in members and not members[key].empty]
    if listener.transport is not Transport.TLS:
        for key in given:
            members[key].fail("it with the transport tls only")
        return
    if listener.tls is None:
        place.fail("the key certificate, as the transport is tls", "none")
        return
    check_certificate(place, "certificate", listener.tls.certificate, listener.tls.key)
    if listener.tls.client_certificates is ClientCertificates.OFF:
        if listener.tls.client_authorities is not None:
            members["client_authorities"].fail("client_certificates: optional or required with it")
    elif listener.tls.client_authorities is None:
        members["client_certificates"].fail("the key client_authorities with it")


LISTENER = Section(
    _listener,
    {
        "transport": Choice({transport.value.lower(): transport for transport in Transport}),
        "address": IPAddress(),
        "port": Whole(0, 65_535),
        "advertise": HostAndPort(port_optional=True),
        "certificate": ReadableFile("a PEM certificate"),
        "key": ReadableFile("a PEM private key"),
        "client_authorities": Authorities(),
        "client_certificates": choice_of(ClientCertificates),
    },
    required=("transport",),
    check=_check_listener,
)


def _check_sip(sip: SIP, place: Place) -> None:
    if 0 < sip.session_expires_s < sip.min_se_s:
        place.document.note(
            f"{place.key}.session_expires_s",
            f'found "{sip.session_expires_s}", expected 0 or at least min_se_s ({sip.min_se_s})',
        )


SIP_SECTION = Section(
    SIP,
    {
        "listeners": ListOf(LISTENER, longest=64),
        "server": Text("a product name", r"[\x20-\x7e]+", 128),
        "contact_user": Text("the user part of a SIP URI", r"[A-Za-z0-9_.!~*'()&=+$,;?/-]+", 64),
        "session_expires_s": Whole(0, 86_400, "seconds"),
        "min_se_s": Whole(90, 86_400, "seconds"),
        "reuse_flow": Choice(
            {
                "true": Reuse.ALWAYS,
                "alias": Reuse.ALIAS,
                "false": Reuse.NEVER,
                **dict.fromkeys(("yes", "on"), Reuse.ALWAYS),
                **dict.fromkeys(("no", "off"), Reuse.NEVER),
            },
            shown=("true", "alias", "false"),
        ),
        "domains": ListOf(HostName(), lone=True),
        "users": ListOf(Text("the user part of a SIP URI", r"[^@:\s<>]+", 128), lone=True),
        "credentials": ListOf(
            Section(
                PeerCredentials,
                {"realm": Text(), "user": Text(), "password": SecretOf()},
                required=("user", "password"),
            ),
            longest=64,
        ),
        "trace": Flag(),
        "timers": Section(
            Timers,
            {
                "t1": Number(0.05, 10, "seconds"),
                "t2": Number(0.1, 60, "seconds"),
                "t4": Number(0.1, 60, "seconds"),
                "trying": Number(0, 10, "seconds"),
                "c": Number(10, 3_600, "seconds"),
            },
        ),
        "limits": Section(
            Limits,
            {
                "message_octets": Whole(4_096, 16_777_216, "octets"),
                "datagram_octets": Whole(1_500, 65_535, "octets"),
                "body_octets": Whole(4_096, 16_777_216, "octets"),
                "header_octets": Whole(2_048, 1_048_576, "octets"),
                "header_count": Whole(16, 4_096),
                "uri_octets": Whole(128, 65_536, "octets"),
                "transactions": Whole(10, 10_000_000),
                "dialogs": Whole(1, 10_000_000),
                "pending_invites": Whole(1, 10_000_000),
            },
        ),
        "connections": Section(
            Connections,
            {
                "total": Whole(1, 1_000_000),
                "per_source": Whole(1, 1_000_000),
                "idle_s": Number(10, 864_000, "seconds"),
                "message_s": Number(1, 600, "seconds"),
            },
        ),
    },
    check=_check_sip,
)

# --- sources, media, and the rest -------------------------------------------------------


class _DigestUsers:
    """The name of a file of users, or a mapping of users to their secrets."""

    def read(self, place: Place) -> DigestUsers:
        if not place.is_mapping:
            return DigestUsers(file=UsersFile().read(place))
        users = MapOf(
            lambda _, secret: SecretOf().read(secret), r"[^:\s]{1,128}", "a name without a colon"
        )
        secrets = users.read(place)
        if not secrets:
            raise place.fail("one user at least", "an empty mapping")
        return DigestUsers(secrets=secrets)


DIGEST = Section(
    Digest,
    {
        "realm": Text("a realm, such as our domain", r'[^\r\n\x00"\\]+', 128),
        "users": _DigestUsers(),
        "algorithms": ListOf(choice_of(Algorithm), distinct=True, some=True),
        "userhash": Flag(),
        "nonce_s": Number(5, 86_400, "seconds"),
    },
    required=("users",),
)


def _check_source(source: Source, place: Place) -> None:
    if not source.networks and not source.identities:
        place.fail("the key networks or identities", "none")


SOURCE = Section(
    Source,
    {
        "name": NAME,
        "networks": ListOf(NetworkOf(), lone=True),
        "identities": ListOf(
            Text("a name in a certificate, such as sbc.example.com", r"[^\s]+", 253), lone=True
        ),
        "allow": Flag(),
        "strict": Flag(),
        "non_siprec": choice_of(NonSIPREC),
        "srtp": choice_of(Secrecy),
        "pause_src": Flag(),
        "mask_dtmf": Flag(),
        "advertise": IPAddress(wildcard=False),
        "limits": Section(
            SourceLimits,
            {
                "calls": Whole(0, 1_000_000),
                "calls_per_second": Number(0, 100_000, "calls"),
            },
        ),
        "digest": DIGEST,
    },
    required=("name",),
    check=_check_source,
)
SOURCES = ListOf(SOURCE)
UNKNOWN = choice_of(Unknown)


class _PortRange:
    """``[FIRST, LAST]``: an even RTP port to begin with, an odd RTCP port to end with."""

    def read(self, place: Place) -> tuple[int, int]:
        expected = "[FIRST, LAST], the first port even and the last one odd"
        items = place.items(expected)
        if len(items) != 2:
            raise place.fail(expected, f"{len(items)} ports")
        first, last = (Whole(1_024, 65_535).read(item) for item in items)
        if first % 2 or not last % 2 or last < first:
            raise place.fail(expected, f"[{first}, {last}]")
        return first, last


MEDIA = Section(
    MediaConfiguration,
    {
        "address": IPAddress(),
        "advertise": IPAddress(wildcard=False),
        "ports": _PortRange(),
        "codecs": ListOf(Choice({name: name for name in sorted(NAMES)}), distinct=True, some=True),
        "srtp": choice_of(Secrecy),
        "dtmf": Flag(),
        "mask_dtmf": Flag(),
        "mask_margin_ms": Whole(0, 1_000, "milliseconds"),
        "conceal": Flag(),
        "jitter_ms": Whole(0, 2_000, "milliseconds"),
        "start_timeout_s": Number(0.1, 60, "seconds"),
        "silent_after_s": Number(0.5, 3_600, "seconds"),
        "end_after_silence_s": Number(0, 86_400, "seconds"),
        "cooldown_s": Number(0, 600, "seconds"),
        "receive_buffer_octets": Whole(8_192, 67_108_864, "octets"),
        "relatch_after_s": Number(0.1, 600, "seconds"),
        "expect_signalled_source": Flag(),
        "max_streams": Whole(1, 64),
        "pause_src": Flag(),
    },
)

LIMITS = Section(
    CallLimits,
    {
        "calls": Whole(1, 1_000_000),
        "calls_per_second": Number(0, 100_000, "calls"),
        "retry_after_s": Whole(0, 3_600, "seconds"),
        "lateness_ms": Whole(0, 60_000, "milliseconds"),
    },
)

STOPPING = Section(
    Stopping,
    {
        "drain_s": Number(0, 86_400, "seconds"),
        "retry_after_s": Whole(0, 86_400, "seconds"),
    },
)

PASS_HEADERS = ListOf(HEADER_NAME, longest=64, lone=True)


HIDDEN_NAME = Text(
    f"one of {', '.join(FIELDS)}, header.NAME or extension.NAME",
    "|".join((*map(re.escape, FIELDS), rf"(header|extension)\.{FIELD_NAME}")),
    140,
)


class _Hidden:
    """The names of what is not passed on; those of header fields in any case."""

    def read(self, place: Place) -> frozenset[str]:
        names = ListOf(HIDDEN_NAME, longest=64, lone=True).read(place)
        return frozenset(name.lower() for name in names)


SPOOL = Section(
    SpoolConfiguration,
    {
        "directory": Text("the name of a directory", longest=4_096),
        "max_mb": Whole(1, 10_000_000, "megabytes"),
        "max_age_s": Number(1, 31_536_000, "seconds"),
        "batch_ms": Whole(10, 10_000, "milliseconds"),
        "key": SecretOf(),
    },
)


def _check_manhole(manhole: ManholeConfiguration, place: Place) -> None:
    if manhole.enabled and manhole.authorized_keys is None:
        place.fail("the key authorized_keys, as enabled is true", "none")


MANHOLE = Section(
    ManholeConfiguration,
    {
        "enabled": Flag(),
        "listen": HostAndPort(address_only=True),
        "authorized_keys": ReadableFile("a file of public keys"),
        "host_key": Text("the name of a file", longest=4_096),
    },
    check=_check_manhole,
)


def _web(certificate: str | None = None, key: str | None = None, **values: Any) -> WebConfiguration:
    """The web listener; the key is in the certificate's file where it is not given."""
    return WebConfiguration(certificate=certificate, key=key or certificate, **values)


def _check_web(web: WebConfiguration, place: Place) -> None:
    if web.enabled and web.token is None:
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
        "token": SecretOf(),
        "listen_token": SecretOf(),
        "certificate": ReadableFile("a PEM certificate"),
        "key": ReadableFile("a PEM private key"),
        "connections": Whole(1, 10_000),
        "request_octets": Whole(1_024, 1_048_576, "octets"),
        "history_calls": Whole(0, 100_000),
        "moments_per_call": Whole(10, 10_000),
        "trace_octets_per_call": Whole(0, 16_777_216, "octets"),
    },
    check=_check_web,
)

LOG = Section(LogConfiguration, {"json": Flag(), "level": choice_of(Level)})


class _Workers:
    """How many processes the media plane has: a number, or one for each core."""

    def read(self, place: Place) -> int | str:
        expected = "a whole number from 0 to 64, or auto"
        text = place.scalar(expected)
        if text == "auto":
            return text
        if not text.isascii() or not text.isdigit() or len(text) > 2 or int(text) > 64:
            raise place.fail(expected)
        return int(text)


SECTIONS: dict[str, Reader[Any]] = {
    "sip": SIP_SECTION,
    "sources": SOURCES,
    "unknown_sources": UNKNOWN,
    "media": MEDIA,
    "limits": LIMITS,
    "stopping": STOPPING,
    "pass_headers": PASS_HEADERS,
    "hide": _Hidden(),
    "spool": SPOOL,
    "manhole": MANHOLE,
    "web": WEB,
    "log": LOG,
    "workers": _Workers(),
}
"The top-level keys that stand for themselves; see :mod:`~.delivery` for the others."
