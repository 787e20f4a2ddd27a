"""Imports what we use of detect-secrets without ``requests``, which only its verification needs, and that we never call."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

NETWORK = "requests"  # a tenth of a second, a fifth of the start of a scan
PLUGINS = ("aws", "mailchimp", "slack", "telegram_token")  # those of ours that import it


class Later(ModuleType):
    """Stands for a module, which is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _import_plugins() -> None:
    """Afterwards whoever imports NETWORK gets the true one: only the modules that were imported here hold the other."""
    if NETWORK in sys.modules:
        return
    later = sys.modules[NETWORK] = Later(NETWORK)
    try:
        for name in PLUGINS:
            import_module(f"detect_secrets.plugins.{name}")
    finally:
        if sys.modules.get(NETWORK) is later:
            del sys.modules[NETWORK]


_import_plugins()
