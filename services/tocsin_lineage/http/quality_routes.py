"""Routes of what belongs to an asset: checks, columns, partitions, backfills, freshness, automation."""

from collections.abc import Sequence

from tocsin.errors import Conflict, NotFound
from tocsin.signals import derive
from tocsin_kit.clock import Clock
from tocsin_kit.web import Call, Page, Permission, Route
from tocsin_lineage.application import Assets, Backfills, FreshnessKeeper, Recorder
from tocsin_lineage.application.backfills import NothingToFill
from tocsin_lineage.application.recording import Report
from tocsin_lineage.domain.assets import Condition
from tocsin_lineage.domain.checks import CheckPolicy, CheckResult, Grade
from tocsin_lineage.domain.policy import Policy
from tocsin_lineage.http.asset_routes import READ, REPORT, START, TAGS, cause_of
from tocsin_lineage.http.schemas import (
    BackfillBody,
    CheckQuery,
    CheckResultBody,
    EvaluationQuery,
    ExplainQuery,
    OfAssetQuery,
    PartitionBody,
    PartitionQuery,
)
from tocsin_lineage.http.views import (
    BackfillView,
    CheckView,
    EvaluationView,
    ExplanationView,
    PartitionList,
    PartitionView,
    SchemaView,
)
from tocsin_lineage.ports import EvaluationStore

FILL = Permission("asset:backfill")


class _Handlers:
    def __init__(
        self,
        assets: Assets,
        recorder: Recorder,
        backfills: Backfills,
        keeper: FreshnessKeeper,
        evaluations: EvaluationStore,
        *,
        clock: Clock,
    ) -> None:
        self._assets = assets
        self._recorder = recorder
        self._backfills = backfills
        self._keeper = keeper
        self._evaluations = evaluations
        self._clock = clock

    async def report_check(self, call: Call) -> CheckView:
        body, cause = call.body(CheckResultBody), cause_of(call)
        policy = await self._policy(body.namespace, body.key)
        declared = policy.checks.get(body.check, CheckPolicy())
        result = CheckResult(
            id=derive("check", body.namespace, body.key, body.check, call.principal.subject, body.id or cause.id),
            check=body.check,
            partition=body.partition or "",
            passed=body.passed,
            severity=Grade(body.severity) if body.severity is not None else declared.severity,
            blocking=body.blocking or declared.blocking,
            at=body.at or self._clock.now(),
            run=body.run,
            detail=body.detail,
            metadata=dict(body.metadata),
            actor=call.principal.subject,
        )
        await self._recorder.record([Report(namespace=body.namespace, key=body.key, checks=(result,), cause=cause)])
        return CheckView.of(result)

    async def _policy(self, namespace: str, key: str) -> Policy:
        asset = (await self._assets.get(namespace, key)).value
        return asset.policy if asset is not None else Policy()

    async def checks(self, call: Call) -> Page[CheckView]:
        query = call.query(CheckQuery)
        page = await self._assets.checks(query.namespace, query.key, check=query.check, limit=query.limit, cursor=query.cursor)
        return Page(items=[CheckView.of(one) for one in page.items], next_cursor=page.next_cursor)

    async def schemas(self, call: Call) -> Page[SchemaView]:
        query = call.query(OfAssetQuery)
        page = await self._assets.schemas(query.namespace, query.key, limit=query.limit, cursor=query.cursor)
        older = [*page.items[1:], None][: len(page.items)]
        if page.next_cursor is not None:
            following = await self._assets.schemas(query.namespace, query.key, limit=query.limit, cursor=page.next_cursor)
            older[-1] = following.items[0] if following.items else None
        views = [SchemaView.of(one, before) for one, before in zip(page.items, older, strict=True)]
        return Page(items=views, next_cursor=page.next_cursor)

    async def partitions(self, call: Call) -> PartitionList:
        query = call.query(PartitionQuery)
        asset = (await self._assets.get(query.namespace, query.key)).value
        slots = await self._assets.partitions(query.namespace, query.key, condition=None)
        counts: dict[str, int] = {}
        for slot in slots:
            counts[slot.condition.value] = counts.get(slot.condition.value, 0) + 1
        wanted = Condition(query.condition) if query.condition is not None else None
        late = {key: state.value for key, state in asset.verdict.late.items()} if asset is not None else {}
        policy = asset.policy if asset is not None else Policy()
        shown = [
            PartitionView.of(slot, policy, late.get(slot.partition))
            for slot in slots
            if wanted is None or slot.condition is wanted
        ]
        return PartitionList(items=shown, counts=counts)

    async def register(self, call: Call) -> PartitionBody:
        body = call.body(PartitionBody)
        await self._assets.register(body.namespace, body.key, body.partition)
        return body

    async def backfill(self, call: Call) -> BackfillView:
        body = call.body(BackfillBody)
        call.require(START, body.namespace)
        asked = await self._backfills.start(
            body.namespace,
            body.key,
            body.partitions,
            concurrency=body.concurrency,
            actor=call.principal.subject,
            cause=cause_of(call),
        )
        return BackfillView.of(asked)

    async def evaluations(self, call: Call) -> Page[EvaluationView]:
        query = call.query(EvaluationQuery)
        page = await self._evaluations.page(
            query.namespace, query.key, partition=query.partition, limit=query.limit, cursor=query.cursor
        )
        return Page(items=[EvaluationView.of(one) for one in page.items], next_cursor=page.next_cursor)

    async def explain(self, call: Call) -> ExplanationView:
        query = call.query(ExplainQuery)
        asset = (await self._assets.get(query.namespace, query.key)).value
        assert asset is not None  # `get` raises when there is none
        return ExplanationView.of(asset, await self._keeper.explain(asset))


def quality_routes(
    assets: Assets,
    recorder: Recorder,
    backfills: Backfills,
    keeper: FreshnessKeeper,
    evaluations: EvaluationStore,
    *,
    clock: Clock,
) -> Sequence[Route]:
    """What belongs to an asset."""
    on = _Handlers(assets, recorder, backfills, keeper, evaluations, clock=clock)
    return (*_of_checks(on), *_of_partitions(on))


def _of_checks(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="POST",
            path="/api/v1/assets/checks",
            access=REPORT,
            summary="Report the result of a check",
            tags=TAGS,
            body=CheckResultBody,
            response=CheckView,
            status=201,
            problems=(NotFound,),
            handler=on.report_check,
        ),
        Route(
            method="GET",
            path="/api/v1/assets/checks",
            access=READ,
            summary="Results of the checks of an asset, newest first",
            tags=TAGS,
            query=CheckQuery,
            response=Page[CheckView],
            handler=on.checks,
        ),
        Route(
            method="GET",
            path="/api/v1/assets/schemas",
            access=READ,
            summary="Versions of the columns of an asset and what changed, newest first",
            tags=TAGS,
            query=OfAssetQuery,
            response=Page[SchemaView],
            handler=on.schemas,
        ),
        Route(
            method="GET",
            path="/api/v1/assets/freshness",
            access=READ,
            summary="How fresh an asset is, and why",
            tags=TAGS,
            query=ExplainQuery,
            response=ExplanationView,
            problems=(NotFound,),
            handler=on.explain,
        ),
    )


def _of_partitions(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path="/api/v1/assets/partitions",
            access=READ,
            summary="The partitions of an asset and what became of each",
            tags=TAGS,
            query=PartitionQuery,
            response=PartitionList,
            problems=(NotFound,),
            handler=on.partitions,
        ),
        Route(
            method="POST",
            path="/api/v1/assets/partitions",
            access=REPORT,
            summary="Make a partition known before it is written",
            tags=TAGS,
            body=PartitionBody,
            response=PartitionBody,
            status=201,
            problems=(NotFound, Conflict),
            handler=on.register,
        ),
        Route(
            method="POST",
            path="/api/v1/assets/backfills",
            access=FILL,
            summary="Make missing or failed partitions, by runs of the asset's maker",
            tags=TAGS,
            body=BackfillBody,
            response=BackfillView,
            status=201,
            problems=(NotFound, NothingToFill, Conflict),
            handler=on.backfill,
        ),
        Route(
            method="GET",
            path="/api/v1/assets/evaluations",
            access=READ,
            summary="Every look at an asset's automation: what was seen, and what was started",
            tags=TAGS,
            query=EvaluationQuery,
            response=Page[EvaluationView],
            handler=on.evaluations,
        ),
    )
