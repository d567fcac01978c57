"""
The live page in a real browser, on a laptop and on a phone, in light and in dark,
of the real server with real calls.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from .peers import BIN, Server, free_port, needs

webdriver = pytest.importorskip("selenium.webdriver", reason="not installed: selenium")

from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402 - only where there is one
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

pytestmark = [pytest.mark.interop, needs("chromium", "chromedriver")]

TOKEN = "secret"
LAPTOP, PHONE = (1280, 800), (390, 844)


class Page:
    """The page as somebody at a keyboard has it."""

    def __init__(self, browser: Any, url: str, sip: int) -> None:
        self.browser = browser
        self.url = url
        self.sip = sip
        self._heard = 0

    def size(self, width: int, height: int) -> None:
        """A screen of so many pixels."""
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def dark(self, on: bool) -> None:
        """What the user's system prefers."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def text(self) -> str:
        """All that can be read."""
        return str(self.browser.find_element(By.TAG_NAME, "body").text)

    def find(self, selector: str) -> Any:
        """The first such element, once it is there."""
        self.until(lambda: self.browser.find_elements(By.CSS_SELECTOR, selector))
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> None:
        """Click on such an element, be it that the page draws it anew meanwhile."""
        while True:
            try:
                self.find(selector).click()
                return
            except StaleElementReferenceException:
                continue

    def until(self, holds: Callable[[], object], timeout: float = 15) -> None:
        """Wait for something to hold."""
        end = time.monotonic() + timeout
        while not holds():
            assert time.monotonic() < end, self.text()
            time.sleep(0.1)

    def until_text(self, *parts: str) -> None:
        """Wait for all of these to be read."""
        self.until(lambda: all(part in self.text() for part in parts))

    def keys(self, *keys: str) -> None:
        """Type, to whatever has the focus."""
        self.browser.switch_to.active_element.send_keys(*keys)

    def log_in(self, token: str = TOKEN) -> None:
        """Give the token, by the keyboard."""
        self.find("#token")
        self.keys(token, Keys.ENTER)

    def fits(self) -> bool:
        """Nothing makes the page wider than the screen."""
        return bool(
            self.browser.execute_script(
                "return document.documentElement.scrollWidth <= window.innerWidth"
            )
        )

    def heard(self) -> int:
        """How many messages with audio came."""
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.webSocketFrameReceived":
                self._heard += message["params"]["response"]["opcode"] == 2
        return self._heard

    def errors(self) -> list[str]:
        """What the browser complains of, the network's own words about refused requests aside."""
        return [
            entry["message"]
            for entry in self.browser.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int, int]]:
    """The server with its web listener, and two ports: of SIP and of HTTP."""
    directory = tmp_path_factory.mktemp("live")
    (directory / "token").write_text("secret\n")
    (directory / "ear").write_text("ear\n")
    (directory / "acme").write_text("of acme\n")
    (directory / "ann").write_text("of ann\n")
    sip, web = free_port(), free_port()
    configuration = f"""
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {sip}}}
media: {{address: 127.0.0.1, advertise: 127.0.0.1, ports: [46000, 46199], cooldown_s: 0}}
web:
  enabled: true
  port: {web}
  token: {{file: token}}
  listen_token: {{file: ear}}
  tokens: [{{name: ann, roles: [view, listen], token: {{file: ann}}}}]
audit: {{file: audit.jsonl}}
tenants:
  - {{name: acme, match: {{called: "2*"}}, token: {{file: acme}}}}
stopping: {{drain_s: 0}}
"""
    with Server(directory, configuration) as running:
        yield running, sip, web


@pytest.fixture
def page(server: tuple[Server, int, int]) -> Iterator[Page]:
    """A browser before the page."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        "--autoplay-policy=no-user-gesture-required",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        page = Page(browser, f"http://127.0.0.1:{server[2]}", server[1])
        page.size(*LAPTOP)
        browser.get(page.url)
        yield page
    finally:
        browser.quit()


@pytest.fixture
def call(server: tuple[Server, int, int]) -> Iterator[subprocess.Popen[bytes]]:
    """A call of three minutes, unless somebody ends it: a busy machine takes its time."""
    command = [BIN / "siprec-call", f"sip:srs@127.0.0.1:{server[1]}", "--tone", "--duration", "180"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield process
    process.terminate()
    process.wait(20)


DRAWN = """
return [...document.querySelectorAll("canvas.course")].map((each) => {
  const copy = new OffscreenCanvas(600, 40).getContext("2d", { willReadFrequently: true });
  copy.drawImage(each, 0, 0);
  return copy.getImageData(0, 0, 600, 40).data.filter((octet) => octet).length;
});
"""
"How much is drawn of the waveform of each channel."


def test_login(page: Page) -> None:
    """A wrong token shows nothing but that it is wrong; the right one shows the calls."""
    page.log_in("wrong")
    page.until_text("The token is not the right one")
    assert "Drain" not in page.text()
    page.log_in()
    page.until_text("taking calls", "Drain")


def test_call(page: Page, call: subprocess.Popen[bytes]) -> None:
    """A call comes up by itself, is opened by keyboard, paused, resumed, and ended."""
    page.log_in()
    page.until_text("recording", "+15550100@example.com", "PCMU", "0.0 %", "4.41")
    page.find("body").send_keys("j")
    page.keys(Keys.ENTER)
    page.until_text(
        "Ann Caller", "caller, channel 0", "Bob Callee", "As understood", "What was odd"
    )
    page.until_text("INVITE", "200 OK (INVITE)", "ACK", "Metadata as received", "<recording")
    page.click(".ladder summary")
    page.until_text("Content-Type: multipart/mixed")
    page.click("[data-act=pause]")
    page.until_text("paused", "Resume")
    page.click("[data-act=pause]")
    page.until_text("recording", "Pause")
    page.click("[data-act=hangup]")
    page.until_text("End this call?")
    page.keys(Keys.ENTER)
    page.until_text("operator", "Deliveries", "complete", "gaps: paused")
    assert call.wait(20) is not None
    page.keys(Keys.ESCAPE)
    page.until_text("No calls.")
    page.click("nav a[data-view=history]")
    page.find("body").send_keys("/")
    page.keys("ann operator")
    page.until_text("operator", "+15550199@example.com")
    page.keys(" nobody")
    page.until_text("Nothing is kept that fits.")
    assert page.errors() == []


def test_listening(page: Page, server: tuple[Server, int, int], call: object) -> None:
    """Levels move for everybody; the audio wants a token of its own, and is noted in the log."""
    page.log_in()
    page.click("tr.call a")
    page.until_text("Ann Caller (caller)", "-12 dB")
    page.click("[data-act=listen]")
    page.until_text("Listen to this call?")
    page.keys("secret", Keys.ENTER)
    page.until_text("this takes a token with the role listen")
    page.click("[data-act=listen]")
    page.until_text("Listen to this call?")
    page.keys("ear", Keys.ENTER)
    page.until_text("Stop listening")
    server[0].await_log("web.listen_token at 127.0.0.1 (page): listen")
    page.until(lambda: page.heard() > 10)
    page.click("[data-act=listen]")
    page.until_text("Listen live")
    assert page.errors() == []


def test_roles(page: Page, server: tuple[Server, int, int], call: object) -> None:
    """Who may look and listen sees no button that steers, and needs no other token to hear."""
    page.log_in("of ann")
    page.until_text("taking calls", "recording")
    assert "Drain" not in page.text()
    page.click("tr.call a")
    page.until_text("Ann Caller (caller)", "As understood")
    assert "Hang up" not in page.text() and "Pause" not in page.text()
    page.click("[data-act=listen]")
    page.until_text("Listen to this call?")
    page.keys(Keys.ENTER)
    page.until_text("Stop listening")
    page.until(lambda: page.heard() > 3)
    noted = [
        json.loads(line) for line in (server[0].directory / "audit.jsonl").read_text().splitlines()
    ]
    assert ("ann", "listen", "begun") in {
        (each["who"], each["did"], each["outcome"]) for each in noted
    }
    assert page.errors() == []


def test_waveform(page: Page, call: object) -> None:
    """A page that is opened late has the waveform from the beginning, and so at the end."""
    page.log_in()
    page.find("tr.call")
    time.sleep(3)
    page.click("tr.call a")
    page.until_text("Ann Caller (caller)", "-12 dB")
    page.until(lambda: min(page.browser.execute_script(DRAWN), default=0))
    page.click("[data-act=hangup]")
    page.until_text("End this call?")
    page.keys(Keys.ENTER)
    page.until_text("The call is over.")
    page.click("nav a[data-view=history]")
    page.click("tr.call a")
    page.until(lambda: len(page.browser.execute_script(DRAWN)) == 2)
    page.until(lambda: min(page.browser.execute_script(DRAWN)))
    assert page.errors() == []


def test_tenant(page: Page, server: tuple[Server, int, int], call: object) -> None:
    """A tenant sees its own calls, of which it can end one, and cannot drain the server."""
    target = f"sip:srs@127.0.0.1:{server[1]}"
    command = [BIN / "siprec-call", target, "--to", "2001", "--duration", "30"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        page.log_in()
        page.until_text("acme, loopback", "+15550199@example.com")
        page.browser.execute_script("sessionStorage.clear()")
        page.browser.refresh()
        page.log_in("of acme")
        page.until_text("2001", "calls of acme")
        assert "+15550199" not in page.text()
        assert "Drain" not in page.text()
        page.click("tr.call a")
        page.until_text("acme, loopback", "As understood")
        page.click("[data-act=hangup]")
        page.until_text("End this call?")
        page.keys(Keys.ENTER)
        page.until_text("operator")
        assert process.wait(20) is not None
        assert page.errors() == []
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_screens(page: Page, call: object, size: tuple[int, int], tmp_path: Path) -> None:
    """Every view fits the screen, and follows the system to dark and back."""
    page.size(*size)
    page.log_in()
    page.find("tr.call a")
    colours = set()
    for on in (False, True):
        page.dark(on)
        colours.add(
            page.browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        )
        assert page.fits()
        page.browser.save_screenshot(str(tmp_path / f"calls-{on}.png"))
    assert len(colours) == 2
    page.click("tr.call a")
    page.until_text("Ann Caller", "ACK")
    page.until(lambda: not page.find("canvas.course").get_attribute("hidden"))
    assert page.fits()
    page.browser.save_screenshot(str(tmp_path / "call.png"))
    page.click("nav a[data-view=history]")
    page.find("#search")
    assert page.fits()
    assert page.errors() == []


def test_nothing_from_elsewhere(page: Page) -> None:
    """Everything that the page loads comes from the server itself."""
    page.log_in()
    page.until_text("taking calls")
    loaded = page.browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert loaded
    assert all(name.startswith(page.url + "/") for name in loaded), loaded


def test_command_line(server: tuple[Server, int, int], call: object) -> None:
    """siprecctl shows the call, pauses it and ends it; health needs no token."""
    url = f"http://127.0.0.1:{server[2]}"

    def siprecctl(*arguments: str) -> subprocess.CompletedProcess[str]:
        token = str(server[0].directory / "token")
        command = [str(BIN / "siprecctl"), "--url", url, "--token-file", token, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    def calls() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(siprecctl("calls").stdout)["calls"]
        return [each for each in found if each["state"] in ("recording", "paused")]

    end = time.monotonic() + 60
    while not calls():
        assert time.monotonic() < end
        time.sleep(0.2)
    id = calls()[0]["id"]
    assert "recording" in siprecctl("--table", "calls").stdout
    assert json.loads(siprecctl("pause", id[:8]).stdout) == {"id": id, "status": "paused"}
    assert calls()[0]["state"] == "paused"
    assert "Ann Caller" in siprecctl("--table", "call", id).stdout
    assert siprecctl("hangup", id).returncode == 0
    missing = siprecctl("call", "nope")
    assert (missing.returncode, missing.stderr) == (1, "siprecctl: no call begins with 'nope'\n")
    assert siprecctl("ready").returncode == 0
    with urlopen(Request(f"{url}/healthz"), timeout=5) as answer:  # noqa: S310 - of our own server
        assert json.load(answer) == {"status": "ok"}
