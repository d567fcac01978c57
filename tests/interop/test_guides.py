"""The commands and the consumer of the manual, as they stand, against the real server."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.interop.peers import BIN, Server, free_port, needs, run
from tests.test_docs import DOCS, blocks, code

pytestmark = pytest.mark.interop


def on(port: int, text: str) -> str:
    """What the page has, on ports that are free."""
    return text.replace("port: 5061", f"address: 127.0.0.1\n      port: {port}").replace(
        ":5061", f":{port}"
    )


def tried(command: str, *without: str) -> subprocess.CompletedProcess[str]:
    """A siprec-call of the page, without some options and their values."""
    words = [str(BIN / "siprec-call"), *shlex.split(command)[1:]]
    for option in without:
        where = words.index(option)
        del words[where : where + 2]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


@needs("openssl", "sh")
def test_tls_in_five_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The CA and the certificates are made, the server starts with them, and the call is
    taken; without certificate, authority or keys it fails as the page says, and so it
    does with the certificate of somebody who is no source.
    """
    port = free_port()
    making, serving = blocks(DOCS / "tls.rst", "sh")
    openssl = [line for line in making.splitlines() if line]
    twistd, calling = (on(port, line) for line in serving.splitlines() if line)
    assert len(openssl) == 3
    assert twistd == "twistd -n siprec --config siprec.yaml"
    for command in openssl:
        run("sh", "-ec", command, cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    with Server(tmp_path, on(port, code("tls.rst", "yaml", "sip:"))) as server:
        answered = tried(calling)
        assert answered.returncode == 0, answered.stdout + answered.stderr
        assert "answered in" in answered.stdout
        for without, said in (
            (("--certificate", "--key"), "certificate required"),
            (("--ca",), "certificate verify failed"),
            (("--srtp",), "488 Incompatible transport protocol"),
        ):
            refused = tried(calling, *without)
            assert refused.returncode == 1, without
            assert said in refused.stdout + refused.stderr
        stranger = calling.replace("sbc.pem", "recorder.pem").replace("sbc.key", "recorder.key")
        assert tried(stranger).returncode == 1
        server.await_log("nor is its certificate of theirs ('recorder.example.com')")
        [(recording, told)] = server.recordings(1)
    assert recording.exists()
    assert [each["codec"] for each in told["channels"]] == ["PCMU", "PCMU"]


def test_consumer(tmp_path: Path) -> None:
    """The consumer of the walk-through tells of each turn of the conversation."""
    if shutil.which("python3") is None:
        pytest.skip("not installed: python3")
    sip, port, web = free_port(), free_port(), free_port()
    (tmp_path / "speaking.py").write_text(
        code("extending.rst", "python", "# pip install websockets")
    )
    (tmp_path / "token").write_text("secret")
    destinations = code("extending.rst", "yaml", "destinations:").replace("9000", str(port))
    configuration = f"""
sip: {{listeners: [{{transport: udp, address: 127.0.0.1, port: {sip}}}]}}
media: {{address: 127.0.0.1}}
web: {{enabled: true, port: {web}, token: {{file: token}}}}
{destinations}
"""
    consumer = subprocess.Popen([sys.executable, "speaking.py", str(port)], cwd=tmp_path)
    try:
        with Server(tmp_path, configuration) as server:
            run(BIN / "siprec-call", f"sip:srs@127.0.0.1:{sip}")
            server.await_log("speaking got")
            url, token = f"--url=http://127.0.0.1:{web}", f"--token-file={tmp_path / 'token'}"
            ctl = (BIN / "siprecctl", url, token, "--json")
            [summary] = json.loads(run(*ctl, "history"))["calls"]
            moments = json.loads(run(*ctl, "call", summary["id"]))["moments"]
    finally:
        consumer.kill()
        consumer.wait()
    said = [json.loads(each["payload"])["role"] for each in moments if each["kind"] == "consumer"]
    assert said[:2] == ["caller", "callee"]
    assert all(one != other for one, other in pairwise(said))
    assert server.log.read_text().count("speaking says speaking") == len(said)
