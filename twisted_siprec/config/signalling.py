"""
The signalling side of the configuration: listeners, and the sources that may call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network

from ..plan import Secret
from ..sdp.crypto import Secrecy
from ..sip.authentication import DigestSettings
from ..sip.digest import Algorithm
from ..sip.events import Limits, Reuse, Timers, Transport, UserAgentSettings

Network = IPv4Network | IPv6Network
"The networks that a source sends from."


class ClientCertificates(Enum):
    """Whether a peer of a TLS listener must show a certificate (:rfc:`7866#section-12.1`)."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class ServerTLS:
    """The certificates of a TLS listener; all PEM files, by absolute names."""

    certificate: str
    key: str
    client_authorities: str | None = None
    client_certificates: ClientCertificates = ClientCertificates.OFF


@dataclass(frozen=True, slots=True)
class Listener:
    """An address on which SIP is taken."""

    transport: Transport
    address: str = "0.0.0.0"
    port: int = 5060
    "0 for any free one, in trials."
    advertise: tuple[str, int | None] | None = None
    "Host and port for Via and Contact, where peers reach the listener under others."
    tls: ServerTLS | None = None


@dataclass(frozen=True, slots=True)
class Connections:
    """How many TCP and TLS connections there may be, and how idle."""

    total: int = 2_000
    per_source: int = 200
    idle_s: float = 3_600.0
    message_s: float = 30.0
    "How long a message may take from its first octet to its last."


@dataclass(frozen=True, slots=True)
class PeerCredentials:
    """What we show to peers that ask us for credentials within a call."""

    user: str
    password: Secret
    realm: str | None = None
    "None for any."


@dataclass(frozen=True, slots=True)
class SIP:
    """The signalling side."""

    listeners: tuple[Listener, ...] = (Listener(Transport.UDP), Listener(Transport.TCP))
    server: str = UserAgentSettings().server
    contact_user: str = UserAgentSettings().contact_user
    session_expires_s: int = 0
    min_se_s: int = 90
    reuse_flow: Reuse = Reuse.ALWAYS
    domains: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    credentials: tuple[PeerCredentials, ...] = ()
    trace: bool = False
    timers: Timers = field(default_factory=Timers)
    limits: Limits = field(default_factory=Limits)
    connections: Connections = field(default_factory=Connections)

    @property
    def user_agent(self) -> UserAgentSettings:
        """The settings of the SIP core."""
        return UserAgentSettings(
            server=self.server,
            contact_user=self.contact_user,
            timers=self.timers,
            limits=self.limits,
            session_expires_s=self.session_expires_s,
            min_se_s=self.min_se_s,
            reuse_flow=self.reuse_flow,
            domains=tuple(domain.lower() for domain in self.domains),
            users=self.users,
            trace=self.trace,
        )


class NonSIPREC(Enum):
    """What becomes of an INVITE that is no recording session (:rfc:`7866#section-6.1.1`)."""

    ACCEPT = "accept"
    REFUSE = "refuse"


class Unknown(Enum):
    """What a peer gets that no source names."""

    SILENCE = "silence"
    FORBIDDEN = "403"


@dataclass(frozen=True, slots=True)
class DigestUsers:
    """Who may authenticate: the users of a file, or each with a secret kept elsewhere."""

    file: str | None = None
    secrets: tuple[tuple[str, Secret], ...] = ()


@dataclass(frozen=True, slots=True)
class Digest:
    """How the SRCs of a source authenticate (:rfc:`8760`)."""

    users: DigestUsers
    realm: str = "siprec"
    algorithms: tuple[Algorithm, ...] = DigestSettings("siprec").algorithms
    userhash: bool = False
    nonce_s: float = 300.0
    "How long a nonce may be used."

    @property
    def settings(self) -> DigestSettings:
        """The settings of the SIP core."""
        return DigestSettings(self.realm, self.algorithms, self.userhash)


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """How many calls one source may have; 0 for no limit besides that of all."""

    calls: int = 0
    calls_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Source:
    """
    One or several SRCs that may send us calls, known by the networks that they
    send from, by the names in their certificates, or by both at once.
    """

    name: str
    networks: tuple[Network, ...] = ()
    "None for any, where there are identities."
    allow: bool = True
    strict: bool = False
    non_siprec: NonSIPREC = NonSIPREC.REFUSE
    identities: tuple[str, ...] = ()
    "Names of which the peer's verified certificate has to have one; none for no matter."
    advertise: str | None = None
    "Our address as these SRCs reach it, for SIP and media; None for that of all."
    limits: SourceLimits = field(default_factory=SourceLimits)
    digest: Digest | None = None
    srtp: Secrecy | None = None
    "None for what ``media.srtp`` says."
    dtls: Secrecy | None = None
    "None for what ``media.dtls`` says."
    mask_dtmf: bool | None = None
    "None for what ``media.mask_dtmf`` says."
    pause_src: bool | None = None
    "None for what ``media.pause_src`` says."
    join: bool = False
    "Two dialogs with half a call each are delivered as one."


LOOPBACK = Source("loopback", (ip_network("127.0.0.0/8"), ip_network("::1/128")))
"The only source there is while none is configured."
