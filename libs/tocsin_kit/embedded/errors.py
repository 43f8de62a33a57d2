"""Why an embedded server could not be had: one clear sentence each, with what to do about it."""

from tocsin.errors import Unavailable


class ServerFailed(Unavailable):
    """An embedded server could not be started."""

    code = "embedded.server_failed"


class PortTaken(ServerFailed):
    """Another program listens on the port."""

    code = "embedded.port_taken"


class BinaryMissing(ServerFailed):
    """The server's program is not installed, or not for this machine."""

    code = "embedded.binary_missing"


class FolderUnusable(ServerFailed):
    """The data folder cannot be used."""

    code = "embedded.folder_unusable"


class FolderInUse(ServerFailed):
    """Another platform runs on the data folder."""

    code = "embedded.folder_in_use"
