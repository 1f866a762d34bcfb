"""The one table that gives each RequestError its HTTP status.

Every such reply has the shape `{"detail": {"error": "<sentence>"}}`; validation errors are FastAPI's
list, without the values sent.
"""

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from ..errors import Busy, Invalid, NotFound, RequestError, StorageError, TooLarge, Unauthorized

_STATUS: dict[type[RequestError], int] = {
    Unauthorized: 401,
    NotFound: 404,
    TooLarge: 413,
    Invalid: 422,
    Busy: 429,
    StorageError: 503,
}


def as_http(error: RequestError) -> HTTPException:
    """The HTTP form of an error: status, headers and detail."""
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Busy):
        headers["Retry-After"] = str(error.retry_after)
    return HTTPException(_STATUS[type(error)], {"error": str(error)}, headers)


def as_response(error: RequestError) -> JSONResponse:
    http = as_http(error)
    return JSONResponse({"detail": http.detail}, http.status_code, http.headers)


def install(app: FastAPI) -> None:
    """Makes `app` answer every RequestError by the table, and any other exception with a 500 of the same shape."""

    async def request_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestError)
        return as_response(error)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        # Without the input: it may hold half a surrogate pair, which JSON can carry and UTF-8 cannot.
        problems = [{"type": each["type"], "loc": each["loc"], "msg": each["msg"]} for each in error.errors()]
        return JSONResponse({"detail": problems}, 422)

    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        problem = f"Internal error ({type(error).__name__}); the server's log has the details"
        return JSONResponse({"detail": {"error": problem}}, 500)

    app.add_exception_handler(RequestError, request_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)
