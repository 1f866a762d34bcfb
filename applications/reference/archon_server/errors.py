"""What can go wrong with what a client asks for. `http.errors` gives each its status."""


class RequestError(Exception):
    """Base of the errors that are reported to a client; the message is written for that client."""


class Unauthorized(RequestError):
    pass


class NotFound(RequestError):
    pass


class TooLarge(RequestError):
    pass


class Invalid(RequestError):
    pass


class Busy(RequestError):
    """Too much work is waiting already. `retry_after` is in whole seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StorageError(RequestError):
    """The database failed, or a secret in it cannot be used."""


class Cancelled(Exception):
    """A client asked to stop the job."""
