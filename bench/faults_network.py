"""
A network of namespaces (Linux, root) in which a consumer lives behind a router that
can be told to drop every packet, without a word to either side::

    server ── veth ── router ── veth ── consumer
    .1              .2    .5              .6

Nothing of the machine's own network changes but for one interface and its route,
which go with the namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess


class NoNetwork(Exception):
    """Network namespaces cannot be made here."""


class CutNetwork:
    """
    The way to one consumer, which can be cut.

    :param number: from 0 to 255; two at a time on a machine need two numbers.
    :raises NoNetwork: where it cannot be made, with the reason.
    """

    def __init__(self, number: int) -> None:
        mark = f"{os.getpid() % 100_000:x}{number:02x}"
        self._router, self._inner = f"srs-r{mark}", f"srs-c{mark}"
        self._outside = f"srs{mark}"
        self._net = f"198.18.{number}"
        self.address = f"{self._net}.6"
        "The consumer's."
        if shutil.which("ip") is None:
            raise NoNetwork("there is no ip command (iproute2)")
        if os.geteuid() != 0:
            raise NoNetwork("network namespaces need root")
        try:
            self._make()
        except NoNetwork:
            self.remove()
            raise

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with that is to run where the consumer is."""
        return ("ip", "netns", "exec", self._inner)

    def cut(self) -> None:
        """From now on the router drops all packets, both ways."""
        self._forward(False)

    def mend(self) -> None:
        """It passes them on again."""
        self._forward(True)

    def remove(self) -> None:
        """Nothing is left of it."""
        for name in (self._router, self._inner):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)

    def _make(self) -> None:
        router, inner, outside, net = self._router, self._inner, self._outside, self._net
        for command in (
            f"netns add {router}",
            f"netns add {inner}",
            f"link add {outside} type veth peer name west netns {router}",
            f"-n {router} link add east type veth peer name eth0 netns {inner}",
            f"address add {net}.1/30 dev {outside}",
            f"-n {router} address add {net}.2/30 dev west",
            f"-n {router} address add {net}.5/30 dev east",
            f"-n {inner} address add {net}.6/30 dev eth0",
            f"link set {outside} up",
            f"-n {router} link set west up",
            f"-n {router} link set east up",
            f"-n {inner} link set lo up",
            f"-n {inner} link set eth0 up",
            f"-n {inner} route add default via {net}.5",
            f"route add {net}.4/30 via {net}.2",
        ):
            self._run("ip", *command.split())
        self.mend()

    def _forward(self, passing: bool) -> None:
        switch = f"net.ipv4.ip_forward={int(passing)}"
        self._run("ip", "netns", "exec", self._router, "sysctl", "-qw", switch)

    @staticmethod
    def _run(*command: str) -> None:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise NoNetwork(str(error)) from error
        if done.returncode:
            raise NoNetwork(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
