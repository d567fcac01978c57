"""
What the user agent wants done, in order, until the shell fetches it.
"""

from __future__ import annotations

from .events import Address, Flow, Hop, Output, Respond, Send, Traced, Transport
from .message import Request, Response


class Outbox:
    """The outputs of one user agent, and the trace of what it sends."""

    def __init__(self, trace: bool) -> None:
        self.trace = trace
        self._outputs: list[Output] = []

    def tell(self, output: Output) -> None:
        """An output that is no message."""
        self._outputs.append(output)

    def drain(self) -> list[Output]:
        """All outputs since the last time."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def received(self, message: Request | Response, octets: bytes, flow: Flow) -> None:
        """A message came."""
        if self.trace:
            self.tell(Traced(False, flow, flow.remote, octets, message.call_id, message.start_line))

    def respond(self, flow: Flow, destination: Address, octets: bytes) -> None:
        """Send a response, or a keep-alive's answer."""
        self.tell(Respond(flow, destination, octets))
        if self.trace:
            self._trace(flow, destination if not flow.transport.reliable else flow.remote, octets)

    def send(self, hop: Hop, transaction: str, octets: bytes) -> None:
        """Send a request of ours."""
        self.tell(Send(hop, transaction, octets))
        if self.trace:
            self._trace(hop.flow, (hop.host, hop.port or 0), octets, hop.transport)

    def _trace(
        self,
        flow: Flow | None,
        address: Address,
        octets: bytes,
        transport: Transport | None = None,
    ) -> None:
        head = octets.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").split("\r\n")
        call_id = next((line[9:] for line in head if line.startswith("Call-ID: ")), None)
        self.tell(Traced(True, flow, address, octets, call_id, head[0], transport))
