"""The operator's console over SSH: a Python prompt with a few words about calls."""

from .console import Console
from .server import HostKeyError, ManholeService

__all__ = ["Console", "HostKeyError", "ManholeService"]
