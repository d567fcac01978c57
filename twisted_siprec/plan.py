"""
What signalling asks of the media plane. What it answers is in :mod:`.report`.

These values and those are all that crosses between the two (a worker process may
lie in between), so they are frozen, made of plain types, and know nothing of SIP
messages, sockets or arrays.

Times named ``…_at`` are POSIX seconds of the wall clock. Positions and lengths
are in samples per channel unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .participants import Description

Address = tuple[str, int]


class Encoding(StrEnum):
    """How samples are carried to a consumer."""

    L16 = "L16"
    "16-bit signed linear, little-endian."
    PCMU = "PCMU"
    PCMA = "PCMA"


class Layout(StrEnum):
    """How the channels of a call are carried to a consumer."""

    INTERLEAVED = "interleaved"
    "One connection, the samples of all channels interleaved."
    SEPARATE = "separate"
    "One connection for each channel."
    MONO = "mono"
    "One connection with the mix of all channels."


class EndReason(StrEnum):
    """Why a recording session ended, in the words of the native protocol's ``stop``."""

    CALL_ENDED = "call_ended"
    NO_MEDIA = "no_media"
    SRC_LOST = "src_lost"
    OPERATOR = "operator"
    CONSUMER_BYE = "consumer_bye"
    SHUTDOWN = "shutdown"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Codec:
    """One format of an m-line: a payload type and what it means (:rfc:`8866#section-6.6`)."""

    payload_type: int
    name: str
    "The encoding name in upper case (PCMU, G722, L16, TELEPHONE-EVENT, CN)."
    clock_rate: int
    "RTP clock in Hz. For G722 8000, though its audio is at 16 kHz (:rfc:`3551#section-4.5.2`)."
    channels: int = 1
    parameters: str = ""
    "The value of a=fmtp, as offered."

    def parameter(self, name: str) -> str | None:
        """
        The value of one of its parameters, in lower case; empty for one that is
        only named, None for one that is not.
        """
        for parameter in self.parameters.lower().split(";"):
            found, _, value = parameter.partition("=")
            if found.strip() == name:
                return value.strip()
        return None


@dataclass(frozen=True, slots=True)
class SRTPKey:
    """A master key of SRTP (:rfc:`3711`). Its repr does not show it, and so no log does."""

    suite: str
    "The crypto suite: AES_CM_128_HMAC_SHA1_80, …"
    octets: bytes = field(repr=False)
    "Master key and master salt, one after the other."
    mki: bytes = b""
    "The master key identifier that packets bear; empty for none."
    encrypts_rtp: bool = True
    "False with UNENCRYPTED_SRTP: packets are authenticated only."
    encrypts_rtcp: bool = True


@dataclass(frozen=True, slots=True)
class SRTPKeys:
    """The keys of one stream."""

    receive: tuple[SRTPKey, ...]
    "What the SRC sends by; several only where each has an MKI of the same length."
    send: SRTPKey
    "What we send by."


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The digest of a certificate, and by what it is made (:rfc:`8122#section-5`)."""

    algorithm: str
    "sha-256, sha-384 or sha-512."
    digest: bytes


@dataclass(frozen=True, slots=True)
class DTLSPeer:
    """Whose handshake gives a stream its keys (:rfc:`5763`); another value is another one."""

    fingerprints: tuple[Fingerprint, ...]
    "All by one hash function; the peer's certificate has to have one of them."
    begins: bool = True
    "The peer begins the handshake, and not we."
    association: str = ""
    "The peer's tls-id (:rfc:`8842#section-4`)."


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One recorded m-line: what to receive and from where."""

    index: int
    "The position of the m-line in the offer: the stream's key within its bridge."
    codecs: tuple[Codec, ...]
    "Every format that we answered, in the answer's order. Any of them may arrive at any time."
    source: Address | None = None
    "Where the SRC says that its RTP comes from; None where it says nothing usable."
    label: str | None = None
    active: bool = True
    "False while the SRC has paused it (a=inactive, or c= of all zeros)."
    packet_ms: int = 20
    "The packet duration announced; packets of any other duration are taken too."
    rtcp: Address | None = None
    "Where our RTCP goes (a=rtcp, or the port after the RTP port)."
    rtcp_mux: bool = False
    "RTP and RTCP share a port (:rfc:`5761`)."
    crypto: SRTPKeys | None = None
    "None where no keys came by SDP."
    dtls: DTLSPeer | None = None
    "Who makes the keys of RTP and RTCP with us; None where nobody does."


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """One channel of the audio that a consumer receives."""

    index: int
    streams: tuple[int, ...]
    "The indexes of the streams that are summed in it, most often one."
    participant_id: str | None = None
    role: str | None = None
    "caller or callee, where it is known."
    label: str | None = None
    content: str | None = None
    "What the stream is for, as ``a=content`` of its m-line has it (:rfc:`4796`)."


@dataclass(frozen=True, slots=True)
class Secret:
    """
    Where a secret is to be read, at each use, so that a rotated one is used at
    the next connection. The secret itself is in no plan, log or repr.
    """

    file: str | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class ClientTLS:
    """How a wss: destination is verified, and how we prove who we are."""

    verify: bool = True
    authorities: str | None = None
    "A PEM file of certificate authorities instead of the system's."
    certificate: str | None = None
    "Our certificate chain, PEM."
    key: str | None = None
    "Our private key, PEM; the certificate's file where it is not given."


@dataclass(frozen=True, slots=True)
class Destination:
    """A consumer of recorded calls, as the configuration describes it."""

    name: str
    url: str
    "ws://… or wss://…, or file:DIRECTORY for the embedded destination."
    protocol: str = "recstream"
    "The name of the dialect."
    options: tuple[tuple[str, str], ...] = ()
    "What the dialect can be told besides, by the names that it declares."
    framing: str = "any"
    "any (the consumer chooses), plain or framed: the subprotocols that we offer."
    layout: Layout = Layout.INTERLEAVED
    encoding: Encoding = Encoding.L16
    sample_rate: int | None = None
    "Hz; None for the lowest that loses nothing, 16000 as soon as one stream may be wideband."
    chunk_ms: int = 100
    headers: tuple[tuple[str, str], ...] = ()
    bearer: Secret | None = None
    basic_user: str | None = None
    basic_password: Secret | None = None
    hmac: Secret | None = None
    tls: ClientTLS = field(default_factory=ClientTLS)
    connect_timeout_s: float = 5.0
    ready_timeout_s: float = 5.0
    on_ready_timeout: str = "plain"
    "plain or fail: what a framed consumer gets that does not say ready in time."
    replay_ms: int = 30_000
    replay_bytes: int = 2 * 1024 * 1024
    max_chunk_ms: int = 500
    backlog_ms: int = 2_000
    "Past this much unsent media, chunks are merged up to max_chunk_ms."
    backoff_initial_s: float = 0.25
    backoff_max_s: float = 5.0
    close_timeout_s: float = 5.0
    linger_s: float = 10.0
    "How long an unreachable consumer is still tried after the call, before the rest is a gap."
    include_xml: bool = False
    stats_every_s: float = 0.0
    "0 for no stats messages."
    failover: tuple[Destination, ...] = ()
    "Where its streams go while it cannot be reached, in this order; alike in all that is sent."
    breaker_failures: int = 5
    "After so many failures in a row, of all calls, it is not tried for a while; 0 for never."
    breaker_open_s: float = 5.0
    "For so long; doubled each time that the next attempt fails too."
    breaker_open_max_s: float = 60.0
    max_connections: int = 0
    "Of all calls; 0 for any number."
    reconnects_per_second: float = 50.0
    "Attempts after a failure, of all calls; 0 for any number."
    proxy: Address | None = None
    "An HTTP proxy that connections go through (CONNECT)."
    proxy_user: str | None = None
    proxy_password: Secret | None = None
    spool: bool = False
    "What the replay ring does not hold is kept on disk, where there is a spool."


@dataclass(frozen=True, slots=True)
class Half:
    """What joins a dialog to another one, which may bring the other half of its call."""

    keys: tuple[str, ...]
    "As ``stitch_keys`` of a description; one that both have is enough."
    end: str | None = None
    "near or far, where the SRC says which end it records."
    scope: str = ""
    "Whose calls it is among; what has a key in common elsewhere is none of its business."


@dataclass(frozen=True, slots=True)
class BridgePlan:
    """Receive these streams, make these channels of them, deliver them there."""

    bridge: str
    "The recording session's id; also the id of the bridge."
    call_id: str
    local_address: str
    "The address that the ports are bound on."
    streams: tuple[StreamPlan, ...]
    channels: tuple[ChannelPlan, ...]
    destinations: tuple[Destination, ...]
    description: Description
    started_at: float
    paused: bool = False
    mask_dtmf: bool = False
    "The audio is silenced while a key is pressed."
    half: Half | None = None
    "None where the call has this dialog alone."
    captured: bool = False
    "Its packets are written down as they come."


@dataclass(frozen=True, slots=True)
class ParticipantEvent:
    """A participant joined, left, was held or resumed."""

    event: str
    "joined, left, held or resumed."
    participant_id: str
    at: str
    "RFC 3339."


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A DTMF digit that came by SIP INFO."""

    digit: str
    duration_ms: int
    source: str = "sip-info"


@dataclass(frozen=True, slots=True)
class BridgeUpdate:
    """
    What a bridge is from now on: the whole of it, not a difference. Streams
    that are no longer named are closed, new ones are opened.
    """

    bridge: str
    streams: tuple[StreamPlan, ...]
    channels: tuple[ChannelPlan, ...]
    description: Description
    described: bool = False
    "The description changed, so that consumers must be told."
    events: tuple[ParticipantEvent, ...] = ()
    key_presses: tuple[KeyPress, ...] = ()
    paused: bool = False
    paused_by: str = "src"


@dataclass(frozen=True, slots=True)
class Redirection:
    """
    Where a bridge goes from now on: the whole of it. A destination is known by its
    name; one that it went to before goes on as it is.
    """

    bridge: str
    destinations: tuple[Destination, ...]
