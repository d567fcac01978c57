"""
Session descriptions of a capture with addresses and ports of ours; nothing else of
them is changed, however odd it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..sip.message import Request

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|$)")
_MEDIA = re.compile(rb"(m=\S+ +)(\d+)(.*)", re.DOTALL)
_CONNECTION = re.compile(rb"(c=IN +)IP[46] +(\S+)")
_ORIGIN = re.compile(rb"(o=\S+ +\S+ +\S+ +IN +)IP[46] +\S+")
_RTCP = re.compile(rb"(a=rtcp:)\d+.*")
_HELD = re.compile(rb"[0.:]+")


class BodyError(Exception):
    """The body of a request in the capture cannot be made ours."""


def rewritten(sdp: bytes, host: str, ports: Sequence[int]) -> bytes:
    """
    A description with this address, and a port for each m-line that has one; an
    m-line of port 0 and a connection of all zeros stay what they are.
    """
    family = b"IP6 " if ":" in host else b"IP4 "
    address = family + host.encode()
    number = -1
    lines: list[bytes] = []
    for line, end in _LINE.findall(sdp):
        media = _MEDIA.fullmatch(line)
        connection = _CONNECTION.match(line)
        origin = _ORIGIN.match(line)
        if media is not None:
            number += 1
            if int(media[2]) and number < len(ports):
                line = media[1] + b"%d" % ports[number] + media[3]
        elif connection is not None and not _HELD.fullmatch(connection[2].partition(b"/")[0]):
            line = connection[1] + address
        elif origin is not None:
            line = origin[1] + address
        elif _RTCP.match(line) and 0 <= number < len(ports):
            line = b"a=rtcp:%d" % (ports[number] + 1)
        elif line.startswith((b"a=candidate:", b"a=remote-candidates:")):
            continue
        lines.append(line + end)
    return b"".join(lines)


def body_of(request: Request, sdp: bytes | None, host: str, ports: Sequence[int]) -> bytes:
    """
    The body of a request with its description rewritten.

    Raises :exc:`BodyError`.
    """
    if sdp is None:
        return request.body
    at = request.body.find(sdp)
    if at < 0:
        raise BodyError("its SDP is encoded (base64, say) and cannot be rewritten")
    return request.body[:at] + rewritten(sdp, host, ports) + request.body[at + len(sdp) :]
