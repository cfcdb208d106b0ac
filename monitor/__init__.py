"""wirewatch: media-monitoring alerts. Each story once, within minutes, with the reason."""

__version__ = "0.1.0"
