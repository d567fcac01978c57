"""
The configuration as the rest of the program sees it: values with their defaults.

``etc/siprec.yaml`` says of each what it means to an operator. What the SIP core,
the router or a destination takes is kept in their own types; the signalling side is
in :mod:`.signalling`, what operators have of the server in :mod:`.operating`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..audio.codec import NAMES, SUPPORTED
from ..bridge.settings import MediaSettings
from ..plan import Destination, Secret
from ..routing.rules import Router, Rule
from ..routing.tenants import Tenants
from ..sdp.crypto import Secrecy
from .operating import (
    RECORD_FIELDS,
    WEBHOOK_CHOICES,
    WEBHOOK_EVENTS,
    AccessToken,
    AuditConfiguration,
    HashedToken,
    Level,
    LogConfiguration,
    ManholeConfiguration,
    RecordsConfiguration,
    Role,
    WebConfiguration,
    Webhook,
    WebhookStore,
)
from .signalling import (
    LOOPBACK,
    SIP,
    ClientCertificates,
    Connections,
    Digest,
    DigestUsers,
    Listener,
    Network,
    NonSIPREC,
    PeerCredentials,
    ServerTLS,
    Source,
    SourceLimits,
    Unknown,
)
from .tenancy import Tenant
from .tracing import FlightRecorder, HomerConfiguration

__all__ = [
    "LOOPBACK",
    "RECORDINGS",
    "RECORD_FIELDS",
    "SIP",
    "WEBHOOK_CHOICES",
    "WEBHOOK_EVENTS",
    "AccessToken",
    "AuditConfiguration",
    "CallLimits",
    "ClientCertificates",
    "Configuration",
    "Connections",
    "Digest",
    "DigestUsers",
    "FlightRecorder",
    "HashedToken",
    "HomerConfiguration",
    "Level",
    "Listener",
    "LogConfiguration",
    "ManholeConfiguration",
    "MediaConfiguration",
    "Network",
    "NonSIPREC",
    "PeerCredentials",
    "RecordsConfiguration",
    "Role",
    "ServerTLS",
    "Source",
    "SourceLimits",
    "SpoolConfiguration",
    "Stopping",
    "Tenant",
    "Unknown",
    "WebConfiguration",
    "Webhook",
    "WebhookStore",
]


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
    dtls: Secrecy = Secrecy.ALLOW
    "Keys of SRTP that a handshake makes."
    dtls_certificate: str | None = None
    "Our certificate for these, PEM; None for one that is made at start."
    dtls_key: str | None = None
    dtmf: bool = True
    mask_dtmf: bool = False
    "The audio is silenced while a key is pressed."
    mask_margin_ms: int = MediaSettings().mask_margin_ms
    conceal: bool = MediaSettings().conceal
    jitter_ms: int = MediaSettings().jitter_ms
    jitter_max_ms: int = MediaSettings().jitter_max_ms
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
    tenants: tuple[Tenant, ...] = ()
    limits: CallLimits = field(default_factory=CallLimits)
    stopping: Stopping = field(default_factory=Stopping)
    pass_headers: tuple[str, ...] = ()
    hide: frozenset[str] = frozenset()
    "What of the metadata is not passed on, by its names in :mod:`~twisted_siprec.siprec.hidden`."
    spool: SpoolConfiguration = field(default_factory=SpoolConfiguration)
    manhole: ManholeConfiguration = field(default_factory=ManholeConfiguration)
    web: WebConfiguration = field(default_factory=WebConfiguration)
    audit: AuditConfiguration = field(default_factory=AuditConfiguration)
    webhooks: tuple[Webhook, ...] = ()
    webhook_queue: WebhookStore = field(default_factory=WebhookStore)
    records: RecordsConfiguration = field(default_factory=RecordsConfiguration)
    homer: HomerConfiguration = field(default_factory=HomerConfiguration)
    flight_recorder: FlightRecorder = field(default_factory=FlightRecorder)
    log: LogConfiguration = field(default_factory=LogConfiguration)
    workers: int | str = 0
    "Processes of the media plane: 0 for none but this one, or auto."

    @property
    def router(self) -> Router:
        """The routes and their default."""
        return Router(self.routes, self.default_destinations)

    @property
    def tenancies(self) -> Tenants:
        """Whose calls are whose, and the routes of each."""
        return Tenants(tuple(tenant.tenancy for tenant in self.tenants), self.router)

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
            jitter_max_ms=media.jitter_max_ms,
            start_timeout_s=media.start_timeout_s,
            silent_after_s=media.silent_after_s,
            relatch_after_s=media.relatch_after_s,
            expect_signalled_source=media.expect_signalled_source,
            conceal=media.conceal,
            mask_margin_ms=media.mask_margin_ms,
        )
