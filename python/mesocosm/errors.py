"""The errors that people meet: one clear line, and exit code 2 on the command line."""


class ConfigError(ValueError):
    """Something that was asked for cannot be: a wrong parameter, a missing file, an unreadable matrix."""


class RunError(RuntimeError):
    """A run that had begun could not go on: a full disk, a port in use. What was recorded is kept."""
