"""
The manifests for Kubernetes: they say what the server has, and agree with one another.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import load
from twisted_siprec.config.model import Configuration
from twisted_siprec.recording_service import FLUSH_S
from twisted_siprec.sip.events import Transport
from twisted_siprec.web import ctl
from twisted_siprec.web.routes import find

DIRECTORY = Path(__file__).parents[1] / "etc" / "kubernetes"


def manifest(name: str) -> Any:
    """One file."""
    return yaml.safe_load((DIRECTORY / name).read_text())


class ManifestTests(SynchronousTestCase):
    """The files as they are."""

    def setUp(self) -> None:
        self.stateful = manifest("statefulset.yaml")
        self.pod = self.stateful["spec"]["template"]["spec"]
        [self.container] = self.pod["containers"]
        self.text = (DIRECTORY / "siprec.yaml").read_text()

    def configuration(self) -> Configuration:
        """What the pods are configured with, with the secrets somewhere."""
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "web-token").write_text("secret")
        path = directory / "siprec.yaml"
        assert self.mount("secret") in self.text
        path.write_text(self.text.replace(self.mount("secret"), str(directory.resolve())))
        return load(str(path))

    def mount(self, name: str) -> str:
        """Where a volume is in the container."""
        [path] = [
            each["mountPath"] for each in self.container["volumeMounts"] if each["name"] == name
        ]
        return str(path)

    def test_kinds(self) -> None:
        """Every file of kustomization.yaml is there, and no other one."""
        kustomization = manifest("kustomization.yaml")
        [generated] = kustomization["configMapGenerator"]
        named = {*kustomization["resources"], *generated["files"], "kustomization.yaml"}
        self.assertEqual(named, {path.name for path in DIRECTORY.iterdir()})
        kinds = {name: manifest(name)["kind"] for name in kustomization["resources"]}
        self.assertEqual(
            kinds,
            {
                "statefulset.yaml": "StatefulSet",
                "service.yaml": "Service",
                "disruption.yaml": "PodDisruptionBudget",
            },
        )

    def test_labels(self) -> None:
        """Service, budget, set and the rule against two on a node mean the same pods."""
        labels = self.stateful["spec"]["template"]["metadata"]["labels"]
        [apart] = self.pod["affinity"]["podAntiAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]
        for selector in (
            self.stateful["spec"]["selector"]["matchLabels"],
            manifest("service.yaml")["spec"]["selector"],
            manifest("disruption.yaml")["spec"]["selector"]["matchLabels"],
            apart["labelSelector"]["matchLabels"],
        ):
            self.assertEqual(selector, labels)
        service = manifest("service.yaml")
        self.assertEqual(service["metadata"]["name"], self.stateful["spec"]["serviceName"])

    def test_probes(self) -> None:
        """They ask paths that there are, where the web listener is, without a token."""
        web = self.configuration().web
        self.assertTrue(web.enabled)
        for probe, operation in (("livenessProbe", "health"), ("readinessProbe", "readiness")):
            asked = self.container[probe]["httpGet"]
            route = find("GET", asked["path"]).route
            assert route is not None
            self.assertEqual(route.operation, operation)
            self.assertEqual((asked["host"], asked["port"]), (web.address, web.port))

    def test_ports(self) -> None:
        """Container and Service have the ports that are listened on."""
        listened = {
            (each.transport.value.upper(), each.port) for each in self.configuration().sip.listeners
        }
        contained = {(each["protocol"], each["containerPort"]) for each in self.container["ports"]}
        served = {
            (each["protocol"], each["port"]) for each in manifest("service.yaml")["spec"]["ports"]
        }
        self.assertEqual(contained, listened)
        self.assertEqual(served, listened)
        self.assertIn((Transport.TCP.value.upper(), 5060), listened)
        self.assertIs(self.pod["hostNetwork"], True)

    def test_patient(self) -> None:
        """The grace period is longer than the pause, the drain and the last delivery."""
        grace_s = self.pod["terminationGracePeriodSeconds"]
        *_, pause_s = self.container["lifecycle"]["preStop"]["exec"]["command"][-1].split()
        drain_s = self.configuration().stopping.drain_s
        self.assertGreater(grace_s, drain_s + FLUSH_S + int(pause_s))

    def test_drains(self) -> None:
        """preStop runs a command of siprecctl that there is, with a token that it can read."""
        shell, _, line = self.container["lifecycle"]["preStop"]["exec"]["command"]
        self.assertEqual((shell, line.partition(" && ")[0]), ("sh", "siprecctl drain"))
        options = ctl.Options()
        options.parseOptions(["drain"])
        self.assertRaises(usage.UsageError, ctl.Options().parseOptions, ["drained"])
        [variable] = self.container["env"]
        self.assertEqual(variable["name"], "SIPREC_TOKEN_FILE")
        self.assertIn(f"token: {{file: {variable['value']}}}", self.text)
        self.assertTrue(variable["value"].startswith(self.mount("secret")))

    def test_configuration(self) -> None:
        """The server reads its configuration where the ConfigMap is."""
        self.assertEqual(
            self.container["args"], ["--config", f"{self.mount('configuration')}/siprec.yaml"]
        )
        volumes = {each["name"]: each for each in self.pod["volumes"]}
        [generated] = manifest("kustomization.yaml")["configMapGenerator"]
        self.assertEqual(volumes["configuration"]["configMap"]["name"], generated["name"])
        mounted = {each["name"] for each in self.container["volumeMounts"]}
        claims = {
            each["metadata"]["name"] for each in self.stateful["spec"]["volumeClaimTemplates"]
        }
        self.assertEqual(mounted, {*volumes, *claims})
        mounts = sorted(each["mountPath"] for each in self.container["volumeMounts"])
        # Nothing can be mounted within a ConfigMap, which is read-only.
        for inner in mounts:
            for outer in mounts:
                self.assertFalse(inner.startswith(outer + "/"), inner)

    def test_rights(self) -> None:
        """No root, nothing to gain, nothing to write but what is mounted."""
        self.assertIs(self.pod["securityContext"]["runAsNonRoot"], True)
        self.assertIs(self.pod["automountServiceAccountToken"], False)
        rights = self.container["securityContext"]
        self.assertIs(rights["readOnlyRootFilesystem"], True)
        self.assertIs(rights["allowPrivilegeEscalation"], False)
        self.assertEqual(rights["capabilities"], {"drop": ["ALL"]})
        user = self.pod["securityContext"]["runAsUser"]
        image = (DIRECTORY.parent / "docker" / "Dockerfile").read_text()
        self.assertIn(f"\nUSER {user}:{user}\n", image)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="not installed: kubectl")
class BuiltTests(SynchronousTestCase):
    """What kubectl makes of them."""

    def test_built(self) -> None:
        """The four objects, in one namespace, and the image with its version."""
        done = subprocess.run(
            ["kubectl", "kustomize", str(DIRECTORY)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        objects = {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}
        self.assertEqual(
            set(objects), {"ConfigMap", "Service", "StatefulSet", "PodDisruptionBudget"}
        )
        self.assertEqual({each["metadata"]["namespace"] for each in objects.values()}, {"siprec"})
        [container] = objects["StatefulSet"]["spec"]["template"]["spec"]["containers"]
        self.assertRegex(container["image"], r"^siprec:\d")
        self.assertEqual(
            objects["ConfigMap"]["data"]["siprec.yaml"], (DIRECTORY / "siprec.yaml").read_text()
        )
