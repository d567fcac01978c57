"""
The image: read as text, as tests have no Docker. What it copies is there, what it asks
and opens is what the server has, and nothing runs as root.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec import tap
from twisted_siprec.config import load, parse
from twisted_siprec.config.model import Configuration
from twisted_siprec.recording_service import FLUSH_S
from twisted_siprec.web.routes import find

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "etc" / "docker"
USER = "10001:10001"


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, with what follows them."""
    lines = [
        line
        for line in (DOCKER / "Dockerfile").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    found: list[list[tuple[str, str]]] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, rest))
    return found


def last(name: str) -> str:
    """What follows the one instruction of this name in the image's own stage."""
    [rest] = [rest for instruction, rest in stages()[-1] if instruction == name]
    return rest


class ImageTests(SynchronousTestCase):
    """The Dockerfile."""

    def test_stages(self) -> None:
        """It is built in one image and runs in a slim one of the same Python."""
        build, image = (stage[0][1] for stage in stages())
        self.assertEqual(build, image.replace("-slim", "") + " AS build")
        self.assertIn("-slim-", image)

    def test_copied(self) -> None:
        """What it copies exists, and is not kept from it by .dockerignore."""
        kept = (ROOT / ".dockerignore").read_text().splitlines()
        for stage in stages():
            for instruction, rest in stage:
                if instruction != "COPY" or rest.startswith("--from"):
                    continue
                for source in rest.split()[:-1]:
                    self.assertTrue((ROOT / source).exists(), source)
                    self.assertIn(f"!{source}", kept)
        self.assertIn("*", kept)

    def test_whole(self) -> None:
        """What setup.cfg names is copied."""
        names = [rest for instruction, rest in stages()[0] if instruction == "COPY"]
        copied = {word for each in names for word in each.split()[:-1]}
        self.assertLessEqual(
            {"setup.cfg", "pyproject.toml", "README.rst", "LICENSE", "twisted_siprec", "twisted"},
            copied,
        )

    def test_user(self) -> None:
        """It runs as a user by number, whom Kubernetes can see not to be root."""
        self.assertEqual(last("USER"), USER)
        order = [instruction for instruction, _ in stages()[-1]]
        self.assertNotIn("RUN", order[order.index("USER") :])

    def test_first_process(self) -> None:
        """twistd itself is the first process, with the options that there are."""
        words = json.loads(last("ENTRYPOINT"))
        self.assertEqual(words, ["twistd", "--nodaemon", "--pidfile=", "siprec"])
        path = json.loads(last("CMD"))
        self.assertEqual(path[0], "--config")
        options = tap.Options()
        text = "limits: {calls: 7}"
        name = self.mktemp()
        Path(name).write_text(text)
        options.parseOptions([path[0], name])
        self.assertEqual(options.configuration, parse(text))
        [copy] = [rest for _, rest in stages()[-1] if rest.endswith(path[1])]
        self.assertEqual(copy.split()[0], "etc/docker/siprec.yaml")

    def test_ports(self) -> None:
        """The ports that it names are those that the server takes."""
        first, final = Configuration().media.ports
        self.assertEqual(last("EXPOSE"), f"5060/udp 5060/tcp {first}-{final}/udp")

    def test_health(self) -> None:
        """It asks for readiness, where its configuration has the web listener."""
        found = re.search(r"'http://([0-9.]+):(\d+)(/\w+)'", last("HEALTHCHECK"))
        assert found is not None
        route = find("GET", found[3]).route
        assert route is not None
        self.assertEqual(route.operation, "readiness")
        self.assertEqual((found[1], int(found[2])), self.web())

    def web(self) -> tuple[str, int]:
        """Where the web listener of the image's configuration is."""
        path = str(DOCKER / "siprec.yaml")
        web = load(path, environment={"SIPREC_WEB_TOKEN": "x"}).web
        self.assertTrue(web.enabled)
        return web.address, web.port

    def test_compose(self) -> None:
        """Compose gives it what it needs, nothing more, and the time to stop."""
        [service] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"].values()
        self.assertEqual(service["build"]["dockerfile"], "etc/docker/Dockerfile")
        self.assertEqual((DOCKER / service["build"]["context"]).resolve(), ROOT)
        self.assertIs(service["read_only"], True)
        self.assertEqual(service["cap_drop"], ["ALL"])
        self.assertEqual(service["network_mode"], "host")
        self.assertIn("SIPREC_WEB_TOKEN", service["environment"])
        [volume] = service["volumes"]
        self.assertEqual(volume.partition(":")[2], json.loads(last("VOLUME"))[0])
        grace_s = int(service["stop_grace_period"].removesuffix("s"))
        self.assertGreater(grace_s, Configuration().stopping.drain_s + FLUSH_S)
