"""What goes over the wire about assets, as input."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from tocsin_kit.web import Input, PageQuery
from tocsin_lineage.domain.openlineage import KEY_LIMIT

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
Key = Annotated[str, Field(min_length=1, max_length=KEY_LIMIT, pattern=r"^[^\x00\x1f]+$", description="May hold slashes.")]
Word = Annotated[str, Field(min_length=1, max_length=128)]
PartitionKey = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00\x1f]+$")]
Instant = AwareDatetime
Moment = Annotated[Instant | None, Field(description="An ISO 8601 instant with its zone; now if not given.")]


class AssetPath(BaseModel):
    """Path of an asset."""

    namespace: Namespace
    key: Key


class NamespaceQuery(Input):
    """Where."""

    namespace: Namespace = "default"


class PartitionsBody(Input):
    """Partitions: windows (`every`, `zone`, `start`, `end`), `keys`, `dynamic`, or two of these (`first`, `second`)."""

    every: Word | None = Field(default=None, description="Cron pattern or ISO 8601 duration: where one window ends.")
    zone: Word | None = None
    start: Word | None = Field(default=None, description="Where the first window begins.")
    end: Word | None = None
    keys: list[PartitionKey] | None = Field(default=None, max_length=10_000)
    dynamic: bool | None = Field(default=None, description="Keys come to be by being written or registered.")
    first: dict[str, JsonValue] | None = None
    second: dict[str, JsonValue] | None = None


class UpstreamBody(Input):
    """An asset that this one is made of."""

    asset: Key
    mapping: JsonValue = Field(
        default="same",
        description='`"same"`, `"all"`, `{"last": 3}`, `{"shift": [-1, 0]}` or `{"side": "first"}`.',
    )


class ExcludeBody(Input):
    """Days of the deadline's zone on which there is none."""

    weekdays: list[Annotated[int, Field(ge=1, le=7)]] | None = Field(
        default=None, max_length=6, description="ISO: 1 is Monday. `[6, 7]` leaves business days."
    )
    dates: list[date] | None = Field(default=None, max_length=1000)
    yearly: list[Annotated[str, Field(pattern=r"^\d{2}-\d{2}$")]] | None = Field(
        default=None, max_length=366, description="Month and day of what comes back every year.", examples=[["12-25"]]
    )
    ics: str | None = Field(default=None, max_length=64 * 1024, description="Holidays as an iCalendar file.")


class FreshnessBody(Input):
    """A promise; durations are ISO 8601. `warn` is a lag, or how long before a deadline the warning comes."""

    maximum_lag: Word | None = Field(default=None, description="It was written not longer ago than this.")
    deadline: Word | None = Field(default=None, description="Cron pattern: by then it was written anew.")
    zone: Word | None = None
    within: Word | None = Field(default=None, description="How long before its deadline a writing counts for it.")
    exclude: ExcludeBody | None = Field(default=None, description="Days without a deadline.")
    each_partition: Word | None = Field(
        default=None, description="Each window is written so long after its end; without time, each key is never older."
    )
    warn: Word | None = None


class CheckBody(Input):
    """A check."""

    severity: Literal["warn", "error"] = "error"
    blocking: bool = Field(default=False, description="Whether what depends on the asset waits while it fails.")
    description: str = Field(default="", max_length=2000)


class MakerBody(Input):
    """The workflow that makes it."""

    workflow: Word
    version: Word | None = None
    input: dict[str, JsonValue] = Field(default_factory=dict, description="`asset`, `partition` and `window` are added.")


class AutomationBody(Input):
    """When to make it anew."""

    when: JsonValue = Field(
        description="`any-updated`, `all-updated`, `updated-since-tick`, `upstream-present`, `upstream-fresh`, "
        '`checks-passed`, `missing`, `code-changed`, `{"cron": ...}`, `{"all": [...]}`, `{"any": [...]}`, `{"not": ...}`; '
        "or `eager`, `on-missing`."
    )


class AssetBody(Input):
    """What a person says about an asset."""

    kind: Word | None = Field(default=None, description="`table`, `file`, `model` ...")
    group: Word | None = None
    description: str = Field(default="", max_length=64_000, description="Markdown.")
    owners: tuple[Word, ...] = Field(default=(), max_length=20)
    tags: tuple[Word, ...] = Field(default=(), max_length=50)
    code_version: Word | None = Field(default=None, description="Of the code that makes it.")
    partitions: PartitionsBody | None = None
    upstream: list[Key | UpstreamBody] | None = Field(default=None, max_length=200)
    freshness: FreshnessBody | None = None
    checks: dict[Word, CheckBody] | None = Field(default=None, max_length=100)
    maker: MakerBody | None = None
    automation: AutomationBody | None = None

    def declaration(self) -> dict[str, JsonValue]:
        """What the domain reads."""
        parts = {"partitions", "upstream", "freshness", "checks", "maker", "automation"}
        return self.model_dump(mode="json", include=parts, exclude_none=True)


class AssetQuery(PageQuery):
    """Filters over assets; all of them must hold."""

    namespace: Namespace | None = None
    prefix: Key | None = Field(default=None, description="Beginning of the key.")
    group: Word | None = None
    tag: Word | None = None
    kind: Word | None = None
    state: Literal["unknown", "fresh", "warning", "stale"] | None = Field(default=None, description="How fresh.")


class HappeningBody(Input):
    """A materialization, observation or reading."""

    key: Key
    namespace: Namespace = "default"
    act: Literal["materialized", "observed", "read"] = "materialized"
    at: datetime | None = Field(default=None, description="When; now if not given.")
    partition: PartitionKey | None = None
    run: Word | None = None
    task: str | None = Field(default=None, max_length=512, description="JSON pointer to the task.")
    version: Word | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)
    id: Word | None = Field(default=None, description="Your own name for it; the same again is recorded once.")


class HappeningQuery(PageQuery):
    """Of which asset."""

    key: Key
    namespace: Namespace = "default"
    partition: PartitionKey | None = None
    act: Literal["materialized", "observed", "read"] | None = None
    since: Instant | None = None
    until: Instant | None = None


class MomentQuery(Input):
    """Which asset, when."""

    key: Key
    namespace: Namespace = "default"
    partition: PartitionKey | None = None
    at: Moment = None


class RunQuery(Input):
    """Which run."""

    run: Word


class CheckResultBody(Input):
    """The result of a check."""

    key: Key
    namespace: Namespace = "default"
    check: Word
    passed: bool
    partition: PartitionKey | None = None
    severity: Literal["warn", "error"] | None = Field(default=None, description="As declared if not given.")
    blocking: bool = False
    at: datetime | None = Field(default=None, description="When; now if not given.")
    run: Word | None = None
    detail: str | None = Field(default=None, max_length=2000)
    metadata: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)
    id: Word | None = Field(default=None, description="Your own name for it; the same again is recorded once.")


class CheckQuery(PageQuery):
    """Of which asset."""

    key: Key
    namespace: Namespace = "default"
    check: Word | None = None


class OfAssetQuery(PageQuery):
    """Of which asset."""

    key: Key
    namespace: Namespace = "default"


class EvaluationQuery(OfAssetQuery):
    """Of which asset, and of which partition."""

    partition: PartitionKey | None = None


class PartitionQuery(Input):
    """Of which asset."""

    key: Key
    namespace: Namespace = "default"
    condition: Literal["missing", "requested", "failed", "materialized"] | None = None


class PartitionBody(Input):
    """A partition to be known, of an asset whose partitions come to be."""

    key: Key
    namespace: Namespace = "default"
    partition: PartitionKey


class BackfillBody(Input):
    """Which partitions to make."""

    key: Key
    namespace: Namespace = "default"
    partitions: Literal["missing", "failed", "missing-or-failed"] | list[PartitionKey] = "missing-or-failed"
    concurrency: int = Field(default=1, ge=1, le=100, description="How many of its runs go on at the same time.")


class ExplainQuery(Input):
    """Of which asset."""

    key: Key
    namespace: Namespace = "default"
