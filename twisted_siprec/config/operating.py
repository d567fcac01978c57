"""
What operators and servers of others have of the server: the log, the console, the
web listener, webhooks and call records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ..plan import ClientTLS, Secret


@dataclass(frozen=True, slots=True)
class ManholeConfiguration:
    """The operator's console over SSH."""

    enabled: bool = False
    listen: tuple[str, int] = ("127.0.0.1", 6022)
    authorized_keys: str | None = None
    host_key: str = "manhole_host_key"
    "Made at the first start where it is missing; relative to the working directory."


@dataclass(frozen=True, slots=True)
class AuditConfiguration:
    """What operators did, and whom they listened to."""

    file: str | None = None
    "One JSON object a line, besides the log; relative to the working directory."


class Role(Enum):
    """What a token of the web listener lets somebody do."""

    METRICS = "metrics"
    "Numbers for Prometheus, in which nobody is named."
    VIEW = "view"
    "Look at calls, their SIP messages and their metadata; and metrics."
    STEER = "steer"
    "End, pause and copy calls, drop streams, drain, trace; and view."
    LISTEN = "listen"
    "Hear calls; it includes nothing else."


@dataclass(frozen=True, slots=True)
class HashedToken:
    """A token of which we know the hash alone: whoever reads it here cannot use it."""

    hash: str = field(repr=False)
    "``sha256$`` and 64 hexadecimal digits, as ``siprecctl token`` makes them."


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token of the web listener with a name, by which the audit log knows its holder."""

    name: str
    roles: tuple[Role, ...]
    token: Secret | HashedToken
    tenant: str = ""
    "It is for the calls of this one only; empty for all."


@dataclass(frozen=True, slots=True)
class WebConfiguration:
    """The web listener: metrics, health, the API and the live page."""

    enabled: bool = False
    address: str = "127.0.0.1"
    port: int = 8080
    "0 for any free one, in trials."
    token: Secret | HashedToken | None = None
    "Views and steers. There is no listener without one, or one of :attr:`tokens`."
    listen_token: Secret | HashedToken | None = None
    "What listening to a call wants to see besides."
    tokens: tuple[AccessToken, ...] = ()
    "Further ones, each with a name and roles."
    hosts: tuple[str, ...] = ()
    "Names by which browsers may come; empty for any, and on loopback for none but localhost."
    wrong_tokens: int = 10
    "So many from one address within :attr:`lockout_s`, and it is locked out; 0 for never."
    lockout_s: float = 60.0
    requests_per_second: float = 50.0
    "By one token, twice as many at a burst; 0 for no limit."
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
    waveform_calls: int = 100
    "At once, of which the waveform is kept from the beginning; 0 for none."


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
"What webhooks are told where nothing was chosen."

WEBHOOK_CHOICES = (*WEBHOOK_EVENTS, "consumer.said")
"All that they can be told: what consumers hear in calls, to those only who ask for it."


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
    tenant: str = ""
    "It is told of the calls of this one only; empty for all."


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
