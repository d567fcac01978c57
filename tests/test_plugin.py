"""
The plugin, as twistd finds it after each kind of installation.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig

import pytest
import setuptools
from twisted.application.service import IServiceMaker
from twisted.plugin import IPlugin, getPlugins
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_siprec import tap

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class PluginTests(SynchronousTestCase):
    """What twistd asks of a plugin."""

    def test_one_maker(self) -> None:
        """There is one ServiceMaker called siprec, and it leads to the options."""
        makers = [each for each in getPlugins(IServiceMaker) if each.tapname == "siprec"]
        self.assertEqual(len(makers), 1)
        [maker] = makers
        self.assertTrue(verifyObject(IPlugin, maker))
        self.assertTrue(verifyObject(IServiceMaker, maker))
        self.assertIs(maker.options, tap.Options)

    def test_no_packages(self) -> None:
        """Nothing of ours makes a package of twisted or twisted.plugins."""
        for directory in ("twisted", os.path.join("twisted", "plugins")):
            self.assertFalse(os.path.exists(os.path.join(ROOT, directory, "__init__.py")))


@pytest.mark.interop
class InstallationTests(SynchronousTestCase):
    """Ordinary and editable installations, each in an environment of its own."""

    def setUp(self) -> None:
        self.directory = os.path.abspath(self.mktemp())
        self.tree = os.path.join(self.directory, "tree")
        ignored = shutil.ignore_patterns(
            "__pycache__", "*.egg-info", "dropin.cache", "*.wav", "build"
        )
        for name in ("twisted_siprec", "twisted"):
            shutil.copytree(os.path.join(ROOT, name), os.path.join(self.tree, name), ignore=ignored)
        for name in ("setup.cfg", "pyproject.toml", "README.rst", "LICENSE"):
            source = os.path.join(ROOT, name)
            target = os.path.join(self.tree, name)
            shutil.copy(source, target) if os.path.exists(source) else open(target, "w").close()
        self.site = os.path.join(self.directory, "site")
        os.mkdir(self.site)

    def run_python(self, code: str) -> str:
        """
        What Python prints with the installation, and without any other that is in
        the environment of these tests: -S reads none of its .pth files, and
        addsitedir reads those of the installation, as a real one's are read.
        """
        libraries = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
        start = f"import site, sys; site.addsitedir({self.site!r}); sys.path += {libraries}\n"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        finished = subprocess.run(
            [sys.executable, "-S", "-c", start + code],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return finished.stdout + finished.stderr

    def install(self, *options: str) -> None:
        # setuptools makes wheels without help since 70.1; an older one is fetched anew.
        modern = tuple(int(part) for part in setuptools.__version__.split(".")[:2]) >= (70, 1)
        build = ("--no-build-isolation", "--no-index") if modern else ()
        finished = subprocess.run(
            [
                sys.executable,
                *("-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--target", self.site, *build, *options),
            ],
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertEqual(finished.returncode, 0, finished.stderr)

    def check(self) -> None:
        twistd = "from twisted.scripts.twistd import run; sys.argv[1:] = {}; run()"
        helped = self.run_python(twistd.format(["--help"]))
        self.assertIn("A SIPREC recording server", helped)
        checked = self.run_python(twistd.format(["siprec", "--check"]))
        self.assertIn("the default configuration is good", checked)
        self.assertFalse(os.path.exists(os.path.join(self.directory, "twistd.pid")))
        where = self.run_python("import twisted; print(twisted.__file__, twisted.__version__)")
        self.assertIn(os.path.join("twisted", "__init__.py"), where)
        self.assertNotIn(self.directory, where)

    def test_ordinary(self) -> None:
        """After an ordinary installation twistd knows siprec, and twisted is unharmed."""
        self.install(self.tree)
        found = self.run_python("import twisted_siprec; print(twisted_siprec.__file__)")
        self.assertTrue(found.startswith(self.site), found)
        self.check()

    def test_editable(self) -> None:
        """After an editable installation twistd knows siprec, and twisted is unharmed."""
        self.install("--editable", self.tree)
        found = self.run_python("import twisted_siprec; print(twisted_siprec.__file__)")
        self.assertTrue(found.startswith(self.tree), found)
        self.check()
