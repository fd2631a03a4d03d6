"""The settings file: its schema, its loader that tells every mistake by line, its sample.

Only `app` and `cli` read settings; every other room is handed the few values that it needs.
"""

from mailsuite.config.limits import Limits
from mailsuite.config.listeners import Endpoint, Listener
from mailsuite.config.load import ConfigError, Loaded, Mistake, load, parse
from mailsuite.config.schema import (
    Config,
    Log,
    Queue,
    Tls,
    needs_restart,
    reloaded,
    system_hostname,
)
from mailsuite.config.values import split_nameserver

__all__ = [
    "Config",
    "ConfigError",
    "Endpoint",
    "Limits",
    "Listener",
    "Loaded",
    "Log",
    "Mistake",
    "Queue",
    "Tls",
    "load",
    "needs_restart",
    "parse",
    "reloaded",
    "split_nameserver",
    "system_hostname",
]
