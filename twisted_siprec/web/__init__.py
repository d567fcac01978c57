"""
For operators and their programs, over HTTP: metrics, health, an API, and a live
page of the calls.
"""

from .service import WebService

__all__ = ["WebService"]
