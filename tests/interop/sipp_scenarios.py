"""
What SIPp does wrong on purpose: scenarios in a few words each, and the XML that SIPp reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

SDP = """\
v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 41000 RTP/AVP {formats}
a=label:1
a=sendonly
"""


@dataclass(frozen=True, slots=True)
class Send:
    """A request; what is not said of it is right."""

    method: str = "INVITE"
    body: str = ""
    content_type: str = "application/sdp"
    length: str = "[len]"
    cseq: str = ""
    branch: str = "[branch]"
    to: str = "<sip:srs@[remote_ip]:[remote_port]>[peer_tag_param]"
    fields: str = ""

    def __str__(self) -> str:
        head = (
            f"{self.method} sip:srs@[remote_ip]:[remote_port] SIP/2.0\n"
            f"Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch={self.branch}\n"
            f"From: <sip:sbc@[local_ip]>;tag=[pid]SIPp[call_number]\nTo: {self.to}\n"
            f"Call-ID: [call_id]\nCSeq: {self.cseq or f'1 {self.method}'}\nMax-Forwards: 70\n"
            "Contact: <sip:sbc@[local_ip]:[local_port];transport=[transport]>;+sip.src\n"
            f"Require: siprec\n{self.fields}"
        )
        kind = f"Content-Type: {self.content_type}\n" if self.body else ""
        text = f"{head}{kind}Content-Length: {self.length}\n\n{self.body}"
        return f"<send><![CDATA[\n{text}\n]]></send>"


@dataclass(frozen=True, slots=True)
class Expect:
    """A response, and to which of our methods."""

    status: int
    method: str = "INVITE"

    def __str__(self) -> str:
        trying = '<recv response="100" optional="true"/>\n' if self.method == "INVITE" else ""
        return f'{trying}<recv response="{self.status}"/>'


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing may come meanwhile."""

    milliseconds: int

    def __str__(self) -> str:
        return f'<pause milliseconds="{self.milliseconds}"/>'


Step = Send | Expect | Pause

GOOD = SDP.format(formats="0")
ACK = Send("ACK")
BYE = Send("BYE", cseq="2 BYE")
ENDED = (ACK, BYE, Expect(200, "BYE"))
MULTIPART = "multipart/mixed;boundary=b"


def refused(request: Send, status: int) -> tuple[Step, ...]:
    """A request that gets an error; the ACK where it is an INVITE."""
    if request.method != "INVITE":
        return (request, Expect(status, request.method))
    return (request, Expect(status), Send("ACK", branch="[branch-3]"), Pause(700))


SCENARIOS: dict[str, tuple[Step, ...]] = {
    "no common codec": refused(Send(body=SDP.format(formats="77")), 488),
    "a body of another kind": refused(Send(body="hello", content_type="text/plain"), 415),
    "an unknown extension": refused(Send(body=GOOD, fields="Require: no-such-thing\n"), 420),
    "a session that is too short": refused(
        Send(body=GOOD, fields="Supported: timer\nSession-Expires: 30\nMin-SE: 30\n"), 422
    ),
    "a length that is none": refused(Send("OPTIONS", length="many"), 400),
    "a method that nobody knows": refused(Send("FOOBAR"), 501),
    "a method that we do not serve": refused(Send("SUBSCRIBE"), 405),
    "a BYE of no dialog": refused(
        Send("BYE", to="<sip:srs@[remote_ip]:[remote_port]>;tag=none"), 481
    ),
    "a CANCEL of nothing": refused(Send("CANCEL"), 481),
    "MIME with another boundary": (
        Send(body=f"--c\nContent-Type: application/sdp\n\n{GOOD}--c--\n", content_type=MULTIPART),
        Expect(200),
        *ENDED,
    ),
    "MIME without an end": (
        Send(
            body=f"--b\nContent-Type: application/sdp\n\n{GOOD}--b\nContent-Type: "
            "application/rs-metadata+xml\n\n<recording><participant",
            content_type=MULTIPART,
        ),
        Expect(200),
        *ENDED,
    ),
    "a CANCEL that comes too late": (
        Send(body=GOOD),
        Expect(200),
        Send("CANCEL", branch="[branch-3]", to="<sip:srs@[remote_ip]:[remote_port]>"),
        Expect(200, "CANCEL"),
        *ENDED,
    ),
    "a BYE before the ACK": (
        Send(body=GOOD),
        Expect(200),
        BYE,
        Expect(200, "BYE"),
        # The 200 to the INVITE is sent no more: another one would be unexpected.
        Pause(1500),
    ),
    "an offer within the call that cannot be taken": (
        Send(body=GOOD),
        Expect(200),
        ACK,
        Send(body=SDP.format(formats="77"), cseq="2 INVITE"),
        Expect(488),
        Send("ACK", branch="[branch-3]", cseq="2 ACK"),
        Send("BYE", cseq="3 BYE"),
        Expect(200, "BYE"),
    ),
}


def xml(name: str) -> str:
    """The scenario as SIPp reads it."""
    steps = "\n".join(str(step) for step in SCENARIOS[name])
    return f'<?xml version="1.0"?>\n<scenario name={quoteattr(name)}>\n{steps}\n</scenario>\n'
