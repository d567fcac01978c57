"""
``siprec-consumer``: the command line of the simulated consumer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    TLSVersion,
    trustRootFromCertificates,
)
from twisted.internet.task import react
from twisted.python import usage

from .consumer import Consumer, ConsumerError, ConsumerOptions, Finish
from .recstream import ConsumerSettings

_BEGIN = b"-----BEGIN CERTIFICATE-----"


class Options(usage.Options):
    """The options of ``siprec-consumer``."""

    synopsis = "siprec-consumer [options]"
    longdesc = (
        "Takes recorded calls by WebSocket (recstream.v1), writes a WAV file and the "
        "events of each stream, and checks that nothing is missing that was not named."
    )
    optParameters = [
        ["listen", "l", "ws://127.0.0.1:9000", "Where to listen: ws:// or wss://, host and port."],
        ["certificate", None, None, "For wss://: our certificate chain, PEM."],
        [
            "key",
            None,
            None,
            "For wss://: its private key; in the certificate's file if not given.",
        ],
        ["directory", "d", "consumed", "Where the WAV files and the events go."],
        ["framing", None, "any", "any, framed or plain: the subprotocol to select."],
        ["ack-ms", None, None, "Acknowledge each time so many milliseconds came.", int],
        ["window-ms", None, None, "Take no more than so much unacknowledged audio.", int],
        ["start-at", None, "buffered", "buffered or live: where to begin."],
        ["slow-ms", None, 0, "Wait so long after each message, as a slow consumer does.", int],
        ["reject", None, None, "Refuse every stream, with this code."],
    ]
    optFlags = [
        ["once", None, "Exit after the first recording session."],
        ["check", None, "Exit with 1 if the server broke the protocol or its promise."],
        ["join", None, "Join the channels that come on connections of their own in one file."],
        ["quiet", "q", "Say nothing of what happens."],
    ]

    def postOptions(self) -> None:
        """What cannot be meant is refused before anything is opened."""
        if self["framing"] not in ("any", "framed", "plain"):
            raise usage.UsageError("--framing is any, framed or plain")
        if self["start-at"] not in ("buffered", "live"):
            raise usage.UsageError("--start-at is buffered or live")
        if not str(self["listen"]).startswith(("ws://", "wss://")):
            raise usage.UsageError("--listen is a URL like ws://127.0.0.1:9000")
        if str(self["listen"]).startswith("wss://") and self["certificate"] is None:
            raise usage.UsageError("wss:// needs --certificate")
        for name in ("ack-ms", "window-ms", "slow-ms"):
            if self[name] is not None and self[name] < 0:
                raise usage.UsageError(f"--{name} is not negative")

    def consumer_options(self) -> ConsumerOptions:
        """The same, for a consumer."""
        settings = ConsumerSettings(
            ack_every_ms=self["ack-ms"],
            window_ms=self["window-ms"],
            start_at=self["start-at"],
            reject=self["reject"],
        )
        return ConsumerOptions(
            listen=self["listen"],
            directory=Path(self["directory"]),
            framing=self["framing"],
            settings=settings,
            slow_ms=self["slow-ms"],
            join=bool(self["join"]),
        )

    def tls(self) -> CertificateOptions | None:
        """The server's side of TLS, where a certificate is given."""
        if self["certificate"] is None:
            return None
        return server_tls(Path(self["certificate"]), Path(self["key"] or self["certificate"]))


def server_tls(certificate: Path, key: Path, authorities: Path | None = None) -> CertificateOptions:
    """
    TLS for a consumer.

    :param authorities: who vouches for the servers that may connect; None to
        take any.
    :raises ConsumerError: where a file is missing or is not what it should be.
    """
    try:
        own, *chain = _certificates(certificate)
        private = crypto.load_privatekey(crypto.FILETYPE_PEM, key.read_bytes())
        trust = None
        if authorities is not None:
            known = [Certificate(authority) for authority in _certificates(authorities)]
            trust = trustRootFromCertificates(known)
        return CertificateOptions(
            privateKey=private,
            certificate=own,
            extraCertChain=chain,
            trustRoot=trust,
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )
    except (OSError, ValueError, SSL.Error, crypto.Error) as error:
        raise ConsumerError(f"{certificate}, {key}: {error}") from error


def _certificates(path: Path) -> list[crypto.X509]:
    blocks = path.read_bytes().split(_BEGIN)[1:]
    if not blocks:
        raise ValueError("no certificate in it")
    return [crypto.load_certificate(crypto.FILETYPE_PEM, _BEGIN + block) for block in blocks]


def _ending(finish: Finish, out: TextIO) -> None:
    """Say where the files are."""
    for path in finish.files:
        out.write(f"{path}\n")
    out.flush()


def _verdict(consumer: Consumer, out: TextIO) -> int:
    """The exit code of a check: 1 where any server broke the protocol or its promise."""
    violations = consumer.violations
    for violation in violations:
        out.write(f"violation: {violation}\n")
    if not violations:
        out.write("checked: the protocol was kept, and all was delivered or named\n")
    out.flush()
    return 1 if violations else 0


async def _run(reactor: Any, options: Options, out: TextIO, running: list[Consumer]) -> None:
    def happened(line: str) -> None:
        if not options["quiet"]:
            out.write(f"{line}\n")
            out.flush()

    try:
        consumer = Consumer(reactor, options.consumer_options(), options.tls(), happened)
        await consumer.listen()
    except (ConsumerError, CannotListenError) as error:
        sys.stderr.write(f"siprec-consumer: {error}\n")
        raise SystemExit(1) from error
    running.append(consumer)
    happened(f"listening on {consumer.url}")
    reactor.addSystemEventTrigger("before", "shutdown", consumer.stop)
    finish = await consumer.finished
    if options["once"]:
        _ending(finish, out)
        return
    await Deferred()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until interrupted, or with ``--once`` until the first call has been taken."""
    options = Options()  # type: ignore[no-untyped-call]  # Twisted
    try:
        words = list(sys.argv[1:] if arguments is None else arguments)
        options.parseOptions(words)  # type: ignore[no-untyped-call]  # Twisted
    except usage.UsageError as error:
        sys.stderr.write(f"siprec-consumer: {error}\n")
        raise SystemExit(2) from error
    running: list[Consumer] = []
    try:
        react(lambda reactor: Deferred.fromCoroutine(_run(reactor, options, sys.stdout, running)))
    except SystemExit as ended:
        # After a signal too: what was done wrong until then is known.
        if options["check"] and running and not ended.code:
            raise SystemExit(_verdict(running[0], sys.stdout)) from None
        raise


if __name__ == "__main__":
    main()
