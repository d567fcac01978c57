"""
The configuration of the server: a YAML file, checked as a whole, as frozen values.

:func:`load` reads a file, :func:`parse` a text; without either,
``Configuration()`` is what the server does out of the box.
"""

from .loading import load, parse
from .mistakes import ConfigurationError, Mistake
from .model import (
    SIP,
    CallLimits,
    ClientCertificates,
    Configuration,
    Connections,
    Digest,
    DigestUsers,
    Level,
    Listener,
    LogConfiguration,
    ManholeConfiguration,
    MediaConfiguration,
    Network,
    NonSIPREC,
    PeerCredentials,
    ServerTLS,
    Source,
    SourceLimits,
    Stopping,
    Unknown,
    WebConfiguration,
)

__all__ = [
    "SIP",
    "CallLimits",
    "ClientCertificates",
    "Configuration",
    "ConfigurationError",
    "Connections",
    "Digest",
    "DigestUsers",
    "Level",
    "Listener",
    "LogConfiguration",
    "ManholeConfiguration",
    "MediaConfiguration",
    "Mistake",
    "Network",
    "NonSIPREC",
    "PeerCredentials",
    "ServerTLS",
    "Source",
    "SourceLimits",
    "Stopping",
    "Unknown",
    "WebConfiguration",
    "load",
    "parse",
]
