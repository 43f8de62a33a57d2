"""The outside world of the example workflows, on the platform itself: a warehouse, a bank, and something that fails."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from tocsin.errors import Unavailable
from tocsin_gateway.domain.examples import Flaky, payment, stock
from tocsin_kit.web import Call, Public, Route

_PUBLIC = Public("answers depend on the question only; runs only where gateway.examples is true")


class Sku(BaseModel):
    """Path of an article."""

    sku: str = Field(min_length=1, max_length=64)


class StockAnswer(BaseModel):
    """What the warehouse says."""

    sku: str
    available: bool
    quantity: int


class PaymentOrder(BaseModel):
    """What the bank is asked."""

    model_config = ConfigDict(extra="forbid")

    order: str = Field(min_length=1, max_length=64, description="The payer's own reference; a repeat is the same payment")
    amount: float = Field(ge=0, le=1e9, description="Whole currency units; above 1,000 is refused")


class PaymentAnswer(BaseModel):
    """What the bank says."""

    id: str
    approved: bool
    reason: str | None


class FlakyQuestion(BaseModel):
    """How often it should fail."""

    model_config = ConfigDict(extra="forbid")

    fail: int = Field(default=2, ge=0, le=100, description="How many calls with this key fail before one succeeds")
    key: str = Field(default="example", min_length=1, max_length=128)


class FlakyAnswer(BaseModel):
    """That it succeeded."""

    ok: bool
    calls: int


def example_routes() -> Sequence[Route]:
    """Everything below ``/examples``."""
    flaky = Flaky()

    async def inventory(call: Call) -> StockAnswer:
        answer = stock(call.params(Sku).sku)
        return StockAnswer(sku=answer.sku, available=answer.available, quantity=answer.quantity)

    async def payments(call: Call) -> PaymentAnswer:
        order = call.body(PaymentOrder)
        answer = payment(order.order, order.amount)
        return PaymentAnswer(id=answer.id, approved=answer.approved, reason=answer.reason)

    async def sometimes(call: Call) -> FlakyAnswer:
        question = call.query(FlakyQuestion)
        succeeds, calls = flaky.ask(question.key, question.fail)
        if not succeeds:
            raise Unavailable(f"failing on purpose: call {calls}, the first {question.fail} fail")
        return FlakyAnswer(ok=True, calls=calls)

    def route(method: str, path: str, summary: str, **parts: object) -> Route:
        return Route(method=method, path=path, access=_PUBLIC, summary=summary, tags=("examples",), **parts)  # type: ignore[arg-type]

    return (
        route("GET", "/examples/inventory/{sku}", "A warehouse", params=Sku, response=StockAnswer, handler=inventory),
        route("POST", "/examples/payments", "A bank", body=PaymentOrder, response=PaymentAnswer, handler=payments),
        route(
            "GET",
            "/examples/flaky",
            "Something that fails the first times",
            query=FlakyQuestion,
            response=FlakyAnswer,
            problems=(Unavailable,),
            handler=sometimes,
        ),
    )
