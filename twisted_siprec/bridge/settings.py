"""
What can be set in the media plane, with its limits.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """Times, sizes and limits of reception and playout."""

    first_port: int = 20_000
    "Even; the range that RTP and RTCP ports are taken from, both ends included."
    last_port: int = 29_999
    port_cooldown_s: float = 30.0
    "How long a port rests before its next use: packets of the last call may still come."
    receive_buffer_octets: int = 1024 * 1024
    "SO_RCVBUF of an RTP socket; the kernel may give less."
    max_datagram_octets: int = 2048
    max_bridges: int = 5_000
    max_streams: int = 16
    "Of one bridge."
    max_pending_packets: int = 512
    "Of one stream, placed and not played yet."
    max_drain: int = 512
    "Datagrams taken from one socket at a time."
    max_batch_packets: int = 4096
    "Datagrams taken from the sockets of all steady bridges at a time; 0 for one by one."
    max_catch_up: int = 50
    "Chunks that a bridge emits at a time after a stall; the rest follows in the next slot."

    slot_ms: int = 10
    spread_slots: int = 3
    "Over how many slots the chunks of bridges that start together are spread."
    slot_bridges: int = 64
    "Up to so many share a slot before they are spread: what comes together costs less."
    poll_ms: int = 20
    """
    How often the sockets of a bridge are looked at that waits for its first packet: at
    first; less and less often later, once a chunk at least.
    """
    jitter_ms: int = 60
    "How long after its end a chunk is played, for packets to come."
    jitter_max_ms: int = 250
    "How long it may wait at most, where packets are seen to come later."
    start_timeout_s: float = 2.0
    "Without any packet, the clock of a bridge starts after this."
    quiet_ms: int = 60
    "A span without packets up to this is not worth a gap."
    conceal: bool = True
    "What was lost is replaced by what was heard before it, for 60 ms."
    mask_margin_ms: int = 40
    "How much audio is silenced before and after a key press, where presses are."
    reanchor_s: float = 1.0
    "A source whose timestamps leave its arrivals by more begins anew."
    late_s: float = 0.5
    "A source of which every packet is late for this long begins anew."
    drift_window_s: float = 5.0
    drift_tolerance_ms: int = 2
    "How far a source's clock may run away before its audio follows."
    silent_after_s: float = 10.0
    "An active stream without packets for this long is reported."
    relatch_after_s: float = 2.0
    "Another address is heard after the latched one was silent for this long."
    expect_signalled_source: bool = False
    "Only RTP from the host that the SDP names is heard."

    handshake_timeout_s: float = 10.0
    "How long a DTLS handshake may take, and may be waited for until that is told."
    max_handshakes: int = 200
    "DTLS handshakes under way at a time; who comes later has to come again."

    sync_every_s: float = 5.0
    rtcp_interval_s: float = 5.0
    "The mean; 0 for no RTCP of ours."
    close_timeout_s: float = 30.0
    "How long a closing bridge waits for its consumers."
    chunk_ms: int = 100
    "Of a bridge without destinations."

    def __post_init__(self) -> None:
        if not 0 < self.first_port < self.last_port <= 65_535:
            raise ValueError("media ports: the range is empty")
        if self.slot_ms < 1 or self.jitter_ms < 0 or self.chunk_ms < 1 or self.mask_margin_ms < 0:
            raise ValueError("media: slot, jitter and chunk are not possible")
