"""What came of an order, as an HTTP answer: the one table from errors to statuses.

OrderInvalid      422   the fields are wrong, or the service's own form says so
UnknownTarget     404   what it is about does not exist
NotNow            503   no bot is free, or the process drains; Retry-After says when to try again
ServiceRefused    502   the service said no, or could not be asked
OrderInDoubt      504   no confirmation in time
any other refusal 409   not in this state
"""

from dataclasses import dataclass
from typing import Final

from exporter.errors import (
    NotNow,
    OrderError,
    OrderInDoubt,
    OrderInvalid,
    OrderRefused,
    ServiceRefused,
    UnknownTarget,
)
from exporter.model.orders import OrderOutcome
from exporter.web.encode import Json

_FREES_KEY: Final = frozenset({404, 409, 422, 503})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it is kept: a status, and an object. That of an error is the members of a problem."""

    code: int
    body: Json
    location: str | None = None


def answer_to(error: OrderError, order_id: str) -> Answer:
    """Return the answer to an order that was not carried out, or may not have been."""
    body: Json = {"detail": str(error)}
    match error:
        case OrderInvalid():
            code = 422
        case UnknownTarget():
            code = 404
        case NotNow(retry_s=retry_s):
            code, body["retry_after"] = 503, retry_s
        case ServiceRefused():
            code = 502
        case OrderInDoubt():
            code = 504
            body["detail"] = f"{error}. The order is {order_id}; it is not sent again"
        case _:
            code = 409
    if isinstance(error, OrderRefused) and error.errors:
        body["errors"] = list(error.errors)
    return Answer(code, body | {"order_id": order_id})


def outcome_of(answer: Answer) -> OrderOutcome:
    """Return the word for it."""
    match answer.code:
        case 504:
            return OrderOutcome.IN_DOUBT
        case 500:
            return OrderOutcome.FAILED
        case code if code >= 400:
            return OrderOutcome.REFUSED
    return OrderOutcome.DONE


def frees_key(answer: Answer) -> bool:
    """Return whether nothing was done, so that the same key may be used for another try."""
    return answer.code in _FREES_KEY
