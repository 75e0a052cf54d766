"""Why a sandbox cannot be had."""


class SandboxError(Exception):
    """A process cannot be confined; the message says why, and what to do about it."""
