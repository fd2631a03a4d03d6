"""The house: builds every room from the settings, starts and stops them. Imported by `cli` only."""

from mailsuite.app.dev import DevOptions, dev
from mailsuite.app.serve import serve

__all__ = ["DevOptions", "dev", "serve"]
