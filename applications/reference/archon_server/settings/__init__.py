"""What the server is configured with: at its start by environment variables, and while it runs by people."""

from .environment import LOG_LEVELS, VARIANTS, Model, Settings, SettingsError
from .limits import CrawlLimits, Network

__all__ = ["LOG_LEVELS", "VARIANTS", "CrawlLimits", "Model", "Network", "Settings", "SettingsError"]
