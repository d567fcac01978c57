"""ffmpeg as the sender of RTP."""

from __future__ import annotations

import socket
import subprocess


def datagrams(*arguments: str, scheme: str = "rtp", options: tuple[str, ...] = ()) -> list[bytes]:
    """All RTP that ffmpeg sends when it is started with these arguments, without its RTCP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{receiver.getsockname()[1]}?rtcpport=9"
        subprocess.run(
            ["ffmpeg", "-v", "error", "-re", *arguments, "-f", "rtp", *options, url],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=30,
        )
        receiver.setblocking(False)
        received: list[bytes] = []
        while True:
            try:
                received.append(receiver.recv(65536))
            except BlockingIOError:
                return [each for each in received if not 192 <= each[1] <= 223]
