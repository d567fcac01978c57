"""
What Autobahn brings compiled, and whether it is in use.
"""

from __future__ import annotations

from autobahn.websocket import USES_NVX
from twisted.logger import Logger

from .config.model import Configuration


def warn_of_slow_texts(configuration: Configuration, log: Logger, native: bool = USES_NVX) -> None:
    """
    Texts are masked by Autobahn, which takes twenty times as long in Python: half a
    millisecond for 100 ms of audio in base64. Binary audio is masked by ourselves.
    """
    spoken = {each.protocol for each in configuration.destinations if each.url.startswith("ws")}
    if native or not spoken:
        return
    log.warn(
        "Autobahn runs without its native extension (NVX): texts to consumers ({protocols}) "
        "cost far more CPU: install autobahn from a wheel that has it for this Python, and leave "
        "AUTOBAHN_USE_NVX unset",
        protocols=", ".join(sorted(spoken)),
    )
