"""What can go wrong with what a client asks for. `http.errors` gives each its status."""


class RequestError(Exception):
    """Base of the errors that a client is told about; the message is written for that client."""


class Unauthorized(RequestError):
    pass


class NotFound(RequestError):
    pass


class TooLarge(RequestError):
    pass


class Invalid(RequestError):
    pass


class Busy(RequestError):
    """The work would have to wait longer than is reasonable. `retry_after` is in whole seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StorageError(RequestError):
    """The database did not do what was asked of it."""


class Cancelled(Exception):
    """Somebody asked for the operation's end."""
