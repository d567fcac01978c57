"""
The schema of the signalling side: listeners, and the sources that may call.
"""

from __future__ import annotations

from typing import Any

from ..sdp.crypto import Secrecy
from ..sip.digest import Algorithm
from ..sip.events import Limits, Reuse, Timers, Transport
from .document import Place
from .names import NAME
from .readers import Choice, Flag, ListOf, MapOf, Number, Section, Text, Whole, choice_of
from .signalling import (
    SIP,
    ClientCertificates,
    Connections,
    Digest,
    DigestUsers,
    Listener,
    NonSIPREC,
    PeerCredentials,
    ServerTLS,
    Source,
    SourceLimits,
    Unknown,
)
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

# --- listeners ------------------------------------------------------------------------

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
# --- sources --------------------------------------------------------------------------


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
        "dtls": choice_of(Secrecy),
        "pause_src": Flag(),
        "mask_dtmf": Flag(),
        "join": Flag(),
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
