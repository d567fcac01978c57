"""
The configuration as the rest of the program sees it: values with their defaults.

``etc/siprec.yaml`` says of each what it means to an operator. What the SIP core,
the router or a destination takes is kept in their own types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network

from ..audio.codec import NAMES, SUPPORTED
from ..bridge.settings import MediaSettings
from ..plan import ClientTLS, Destination, Secret
from ..routing.rules import Router, Rule
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
    mask_dtmf: bool | None = None
    "None for what ``media.mask_dtmf`` says."
    pause_src: bool | None = None
    "None for what ``media.pause_src`` says."


LOOPBACK = Source("loopback", (ip_network("127.0.0.0/8"), ip_network("::1/128")))
"The only source there is while none is configured."


@dataclass(frozen=True, slots=True)
class MediaConfiguration:
    """The receiving side of the media."""

    address: str = "0.0.0.0"
    advertise: str | None = None
    "The address in our SDP; None for the one that the SRC is reached from."
    ports: tuple[int, int] = (16_384, 32_767)
    "An even first and an odd last port; each stream takes two."
    codecs: tuple[str, ...] = NAMES
    srtp: Secrecy = Secrecy.ALLOW
    dtmf: bool = True
    mask_dtmf: bool = False
    "The audio is silenced while a key is pressed."
    mask_margin_ms: int = MediaSettings().mask_margin_ms
    conceal: bool = MediaSettings().conceal
    jitter_ms: int = MediaSettings().jitter_ms
    start_timeout_s: float = MediaSettings().start_timeout_s
    silent_after_s: float = MediaSettings().silent_after_s
    end_after_silence_s: float = 0.0
    "0 to leave silent calls alone."
    cooldown_s: float = MediaSettings().port_cooldown_s
    receive_buffer_octets: int = MediaSettings().receive_buffer_octets
    relatch_after_s: float = MediaSettings().relatch_after_s
    expect_signalled_source: bool = False
    max_streams: int = 8
    "Of one call."
    pause_src: bool = False
    "SRCs are asked to send nothing while the operator pauses."

    @property
    def codec_names(self) -> frozenset[str]:
        """The names of all formats that an answer may hold: only what can be decoded here."""
        usable = frozenset(self.codecs) & SUPPORTED
        return usable | {"CN"} | ({"TELEPHONE-EVENT"} if self.dtmf else set())

    @property
    def missing_codecs(self) -> tuple[str, ...]:
        """Those that are configured and cannot be decoded here."""
        return tuple(name for name in self.codecs if name not in SUPPORTED)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How many calls are taken, and how fast; more are refused with 503."""

    calls: int = 1_000
    calls_per_second: float = 100.0
    "0 for no such limit."
    retry_after_s: int = 5
    lateness_ms: int = 500
    "How late the event loop may be before new calls are refused; 0 for no such limit."


@dataclass(frozen=True, slots=True)
class Stopping:
    """What happens to calls in progress when the server is told to stop."""

    drain_s: float = 30.0
    retry_after_s: int = 30


@dataclass(frozen=True, slots=True)
class SpoolConfiguration:
    """Where what waits for consumers is kept, beyond the memory and beyond this process."""

    directory: str | None = None
    "None for no spool."
    max_mb: int = 1_024
    max_age_s: float = 86_400.0
    "After the call; what could not be delivered until then is given up."
    batch_ms: int = 200
    key: Secret | None = None
    "What it is encrypted with; None to write it as it is."


@dataclass(frozen=True, slots=True)
class ManholeConfiguration:
    """The operator's console over SSH."""

    enabled: bool = False
    listen: tuple[str, int] = ("127.0.0.1", 6022)
    authorized_keys: str | None = None
    host_key: str = "manhole_host_key"
    "Made at the first start where it is missing; relative to the working directory."


@dataclass(frozen=True, slots=True)
class WebConfiguration:
    """The web listener: metrics, health, the API and the live page."""

    enabled: bool = False
    address: str = "127.0.0.1"
    port: int = 8080
    "0 for any free one, in trials."
    token: Secret | None = None
    "What everything but health wants to see. There is no listener without one."
    listen_token: Secret | None = None
    "What listening to a call wants to see besides; nobody can listen without one."
    certificate: str | None = None
    "Our certificate chain, PEM, for https and wss."
    key: str | None = None
    connections: int = 200
    request_octets: int = 65_536
    "Of a request's body; of a WebSocket message."
    history_calls: int = 500
    "Ended calls that are kept in memory."
    moments_per_call: int = 500
    "Events of one call that are kept."
    trace_octets_per_call: int = 65_536
    "SIP messages of one call that are kept, for the ladder; 0 for none."


WEBHOOK_EVENTS = (
    "call.started",
    "call.updated",
    "call.ended",
    "call.failed",
    "stream.silent",
    "stream.heard",
    "destination.down",
    "destination.up",
)
"All that webhooks can be told."


@dataclass(frozen=True, slots=True)
class Webhook:
    """A server of others that is told what happens to calls."""

    name: str
    url: str
    events: tuple[str, ...] = WEBHOOK_EVENTS
    secret: Secret | None = None
    "What each request is signed with."
    bearer: Secret | None = None
    headers: tuple[tuple[str, str], ...] = ()
    tls: ClientTLS = field(default_factory=ClientTLS)
    timeout_s: float = 10.0
    backoff_initial_s: float = 1.0
    backoff_max_s: float = 300.0
    keep_s: float = 86_400.0
    "An event that could not be delivered for so long is given up."
    connections: int = 4


@dataclass(frozen=True, slots=True)
class WebhookStore:
    """The queue of all webhooks."""

    file: str = "webhooks.sqlite"
    "Relative to the working directory."
    max_events: int = 100_000
    "For one webhook."
    max_dead: int = 1_000
    max_unwritten_octets: int = 16_777_216
    "In memory, while the file cannot be written."
    stop_s: float = 5.0
    "At the end of the server, how long what is due may take to be sent."


RECORD_FIELDS = ("caller", "called", "src", "request_uri", "participants", "identifiers")
"The fields of a call record that may say who somebody is."


@dataclass(frozen=True, slots=True)
class RecordsConfiguration:
    """The call records."""

    database: str | None = None
    "sqlite:FILE or postgresql://…; None for no records."
    keep_days: int = 90
    "0 for ever."
    hide: tuple[str, ...] = ()
    "Fields that are left out."
    hash: tuple[str, ...] = ()
    "Fields of which a keyed hash is kept."
    hash_key: Secret | None = None
    node: str = ""
    "What this server is called in the records; the host's name where empty."


class Level(Enum):
    """The least urgent events that are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class LogConfiguration:
    """What the log looks like."""

    json: bool = False
    level: Level = Level.INFO


RECORDINGS = Destination(name="recordings", url="file:./recordings")
"The embedded destination, which takes all calls while none is configured."


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that ``twistd siprec`` is told. Without arguments: what it does out of the box."""

    sip: SIP = field(default_factory=SIP)
    sources: tuple[Source, ...] = (LOOPBACK,)
    unknown_sources: Unknown = Unknown.SILENCE
    media: MediaConfiguration = field(default_factory=MediaConfiguration)
    destinations: tuple[Destination, ...] = (RECORDINGS,)
    routes: tuple[Rule, ...] = ()
    default_destinations: tuple[Destination, ...] = (RECORDINGS,)
    limits: CallLimits = field(default_factory=CallLimits)
    stopping: Stopping = field(default_factory=Stopping)
    pass_headers: tuple[str, ...] = ()
    hide: frozenset[str] = frozenset()
    "What of the metadata is not passed on, by its names in :mod:`~twisted_siprec.siprec.hidden`."
    spool: SpoolConfiguration = field(default_factory=SpoolConfiguration)
    manhole: ManholeConfiguration = field(default_factory=ManholeConfiguration)
    web: WebConfiguration = field(default_factory=WebConfiguration)
    webhooks: tuple[Webhook, ...] = ()
    webhook_queue: WebhookStore = field(default_factory=WebhookStore)
    records: RecordsConfiguration = field(default_factory=RecordsConfiguration)
    log: LogConfiguration = field(default_factory=LogConfiguration)
    workers: int | str = 0
    "Processes of the media plane: 0 for none but this one, or auto."

    @property
    def router(self) -> Router:
        """The routes and their default."""
        return Router(self.routes, self.default_destinations)

    @property
    def media_settings(self) -> MediaSettings:
        """
        The settings of the media plane. A bridge may outlive its call while the
        last of it is delivered, so there is room for more of them than for calls.
        """
        media = self.media
        return MediaSettings(
            first_port=media.ports[0],
            last_port=media.ports[1],
            port_cooldown_s=media.cooldown_s,
            receive_buffer_octets=media.receive_buffer_octets,
            max_bridges=2 * self.limits.calls,
            max_streams=media.max_streams,
            jitter_ms=media.jitter_ms,
            start_timeout_s=media.start_timeout_s,
            silent_after_s=media.silent_after_s,
            relatch_after_s=media.relatch_after_s,
            expect_signalled_source=media.expect_signalled_source,
            conceal=media.conceal,
            mask_margin_ms=media.mask_margin_ms,
        )
