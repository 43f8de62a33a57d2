"""Comments, tasks, evidence, merging, access, numbers, Markdown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tocsin.errors import Forbidden, Invalid
from tocsin_case.domain.access import Viewer
from tocsin_case.domain.assignment import in_turn, least_loaded
from tocsin_case.domain.calendars import ALWAYS
from tocsin_case.domain.cases import Link
from tocsin_case.domain.evidence import Attachment, handled, normal, observable_id, unbroken
from tocsin_case.domain.flow import arrive
from tocsin_case.domain.history import Record, difference, state_at
from tocsin_case.domain.measures import Opened, Window
from tocsin_case.domain.merging import NotMergeable, merge, unmerge
from tocsin_case.domain.talk import Comment, edited, mentioned
from tocsin_case.domain.tasks import CaseTask, TaskNotReady, TaskStatus, moved, planned, ready
from tocsin_case.domain.types import Stage, standard
from tocsin_case.http.markdown import as_html
from tocsin_case.http.schemas import CaseBody, CaseQuery

from .test_escalation import NOW, new_case

KIND = standard("default", "incident")


def test_people_are_mentioned_in_texts_and_not_in_code():
    """Each once; addresses and paths mention nobody."""
    assert mentioned("@ada and @bob.k, not a@b.c nor `@code` nor ```\n@block\n``` @ada") == ("user:ada", "user:bob.k")


def test_a_comment_is_changed_by_who_wrote_it_and_keeps_what_it_said():
    """Nobody can put words into somebody else's mouth."""
    comment = Comment(id="1", case="c", author="user:ada", text="one", at=NOW)
    after = edited(comment, "two @bob", actor="user:ada", now=NOW)
    assert (after.text, after.mentions, [edit.text for edit in after.edits]) == ("two @bob", ("user:bob",), ["one"])
    with pytest.raises(Forbidden):
        edited(comment, "three", actor="user:eve", now=NOW)


ATTACKS = (
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x](file:///etc/passwd)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/pixel.png)",
    "![x][y]\n\n[y]: https://evil.example/pixel.png",
    "<a href='javascript:1' onclick=alert(1)>x</a>",
    '[x](https://a.example "" onmouseover=alert(1) x="")',
    '[x](https://a.example/"onmouseover="alert(1))',
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>1</script>'></iframe>",
    "<style>@import 'https://evil.example'</style>",
    "<!-- --><base href=//evil.example>",
    "| <img src=x onerror=1> |\n| - |\n| <svg onload=1> |",
    "```\n</code></pre><script>1</script>\n```",
    '``` "><img/src=x/onerror=1>\nx\n```',
    "`</code><script>1</script>`",
    "~~<details open ontoggle=alert(1)>~~",
)
TAGS = set("p em strong s code pre ul ol li blockquote h1 h2 h3 h4 h5 h6 hr br table thead tbody tr th td a".split())  # noqa: SIM905 - shorter
PIECES = (*ATTACKS, "[", "](", ")", "<", ">", "`", "|", "\n", "\n\n", '"', "&", "*", "&#x6a;", "\\")


class Parts(HTMLParser):
    """Everything of a page that a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def harmless(html: str) -> None:
    """Only elements of Markdown, none of their attributes runs anything, links lead to the web or to a mailbox."""
    parts = Parts()
    parts.feed(html)
    for tag, attributes in parts.found:
        assert tag in TAGS, html
        assert set(attributes) <= {"href", "title", "class", "style", "start"}, html
        assert (attributes.get("style") or "text-align:").startswith("text-align:"), html
        href = (attributes.get("href") or "").strip().lower()
        scheme = href.partition(":")[0] if ":" in href.partition("/")[0] else ""
        assert scheme in {"", "http", "https", "mailto"}, html


@pytest.mark.parametrize("text", ATTACKS)
def test_markdown_of_strangers_runs_nothing(text):
    """No tags of theirs, no links that run anything, no pictures from elsewhere."""
    harmless(as_html(text))
    harmless(as_html(f"> - {text}"))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=6))
def test_no_mixture_of_attacks_runs_anything(parts):
    """However they are cut and put together."""
    harmless(as_html("".join(parts)))


def test_markdown_is_shown_as_people_mean_it():
    """Emphasis, lists, tables, code, links to the web."""
    html = as_html("**a** [b](https://example.com)\n\n| c |\n| - |\n| d |\n")
    assert "<strong>a</strong>" in html
    assert 'href="https://example.com"' in html
    assert "<table>" in html


def task(name: str, *after: str) -> CaseTask:
    return CaseTask(id=name, case="c", namespace="default", title=name, after=after, created_at=NOW)


def test_tasks_wait_for_others_and_never_for_themselves():
    """Also not in a circle; skipping counts as over."""
    known = {"a": task("a"), "b": task("b", "a")}
    with pytest.raises(TaskNotReady):
        moved(known["b"], TaskStatus.DOING, known, NOW)
    with pytest.raises(Invalid):
        planned(task("a", "b"), known)
    known["a"] = moved(known["a"], TaskStatus.SKIPPED, known, NOW)
    assert moved(known["b"], TaskStatus.DONE, known, NOW).ended_at == NOW
    assert [one.id for one in ready([known["a"], known["b"], task("c", "b")])] == ["b"]


@given(st.integers(1, 6), st.integers(0, 5), st.sampled_from(["actor", "action", "note", "sha256", "gone", "swapped"]))
def test_a_chain_of_custody_shows_every_tampering(length, where, how):
    """An entry that is changed, taken out or moved breaks it."""
    file = Attachment(id="f", case="c", name="n", media_type="t", size=1, sha256="h", added_at=NOW, added_by="user:a")
    chain, last = [], None
    for number in range(length):
        last = handled(last, file, actor=f"user:{number}", action="read", sha256="h", at=NOW, note="n")
        chain.append(last)
    assert unbroken(chain)
    at = where % length
    if how == "gone":
        broken = chain[:at] + chain[at + 1 :]
        assert unbroken(broken) is (at == length - 1)  # the last one can only be missed by who knows the number
        return
    if how == "swapped":
        broken = [*reversed(chain)]
        assert unbroken(broken) is (length == 1)
        return
    chain[at] = replace(chain[at], **{how: "other"})
    assert not unbroken(chain)


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("ip", "2001:DB8::1", "2001:db8:0:0:0:0:0:1"),
        ("domain", "Evil.Example.", "evil[.]example"),
        ("url", "HXXPS://Evil.Example/Path".replace("HXXP", "hxxp"), "https://evil.example/Path"),
        ("hash", " ABCDEF ", "abcdef"),
    ],
)
def test_what_was_seen_twice_is_one_thing_however_it_was_written(type_, one, other):
    """Defanged, upper case, long form."""
    assert normal(type_, one) == normal(type_, other)
    assert observable_id("default", type_, one) == observable_id("default", type_, other)


def test_merged_and_taken_apart_both_cases_are_as_they_were():
    """Links, tags, keys and counts come and go together."""
    target = new_case(id="1" * 26, tags=("a",), links=(Link("run", "r1"),))
    source = new_case(id="2" * 26, tags=("a", "b"), links=(Link("run", "r1"), Link("run", "r2")), dedupes=("k",), occurrences=3)
    one, (other,) = merge(target, [(source, KIND, ALWAYS)], NOW)
    assert (one.tags, one.dedupes, one.occurrences) == (("a", "b"), ("k",), 4)
    assert (other.stage, other.merged_into, other.dedupes) == (Stage.CLOSED, target.id, ())
    left, back = unmerge(one, other, KIND, ALWAYS, NOW)
    assert replace(left, updated_at=target.updated_at) == target
    assert (back.status, back.stage, back.dedupes, back.links) == ("open", Stage.NEW, ("k",), source.links)
    assert (back.answered_at, back.resolved_at, back.resolution) == (None, None, None)  # merging it was no answer to it
    solved = arrive(replace(source, resolution="rebooted"), "resolved", Stage.RESOLVED, now=NOW, hours=ALWAYS)
    one, (other,) = merge(target, [(solved, KIND, ALWAYS)], NOW)
    _, back = unmerge(one, other, KIND, ALWAYS, NOW)
    assert (back.stage, back.resolution, back.answered_at) == (Stage.RESOLVED, "rebooted", solved.answered_at)
    with pytest.raises(NotMergeable):
        merge(target, [(other, KIND, ALWAYS)], NOW)
    with pytest.raises(NotMergeable):
        merge(target, [(target, KIND, ALWAYS)], NOW)
    secret = replace(back, restricted=True)
    with pytest.raises(NotMergeable):  # what few people see would be shown to all who see the one that stays
        merge(target, [(secret, KIND, ALWAYS)], NOW)
    merge(replace(target, restricted=True), [(secret, KIND, ALWAYS)], NOW)


def test_a_restricted_case_is_seen_by_its_people_only():
    """Owner, opener, members, its team; whoever may see all."""
    case = new_case(restricted=True, owner="user:o", members=("user:m",), team="ops")
    seen = [Viewer(f"user:{name}").sees(case) for name in ("o", "ada", "m", "eve")]
    assert seen == [True, True, True, False]
    assert Viewer("user:eve", frozenset({"default/ops"})).sees(case)
    assert not Viewer("user:eve", frozenset({"other/ops"})).sees(case)
    assert Viewer("user:eve", everything=True).sees(case)


def test_who_gets_the_next_case():
    """In turns, or whoever has least."""
    members = ("a", "b", "c")
    assert [in_turn(members, n) for n in range(4)] == ["a", "b", "c", "a"]
    assert least_loaded(members, {"a": 2, "b": 1, "c": 1}) == "b"
    at_once = [least_loaded(members, {"a": 1}, turn) for turn in range(4)]  # all of them see the same counts
    assert at_once == ["b", "c", "b", "c"]
    assert (in_turn((), 3), least_loaded((), {})) == (None, None)


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3) | st.none()), min_size=1, max_size=8))
def test_the_state_at_any_instant_is_the_state_there_was(states):
    """Whatever changes, the fold of differences up to an instant is the state at that instant."""
    records, before = [], {}
    for number, state in enumerate(states, start=1):
        at = NOW + timedelta(minutes=number)
        found = difference(before, state)
        records.append(Record(case="c", revision=number, at=at, actor="a", why="w", notes=(), set=found))
        before = state
    for number, state in enumerate(states, start=1):
        then = state_at(records, NOW + timedelta(minutes=number, seconds=30))
        assert {k: v for k, v in then.items() if v is not None} == {k: v for k, v in state.items() if v is not None}
    assert state_at(records, NOW) == {}


def test_numbers_about_cases_are_about_the_last_ninety_days_unless_somebody_says_otherwise():
    """The window that numbers are about is never a secret, and means are over what has an answer or an end."""
    day = timedelta(days=1)
    assert Window.of(None, None, NOW) == Window(NOW - 90 * day, NOW)
    assert Window.of(NOW - 3 * day, None, NOW) == Window(NOW - 3 * day, NOW)
    assert Window.of(None, datetime(1, 1, 1, tzinfo=UTC), NOW).since.year == 1
    assert Window.of(None, NOW - day, NOW) == Window(NOW - 91 * day, NOW - day)
    sums = Opened(opened=3, answered=2, until_answered=day, ended=1, until_ended=day, promised=4, breached=1)
    assert (sums.mtta, sums.mttr, sums.breach_rate) == (day / 2, day, 0.25)
    assert (Opened().mtta, Opened().mttr, Opened().breach_rate) == (None, None, None)


@pytest.mark.parametrize(("written", "shown"), [("a\nb", "a b"), ("\u202egnp.exe\x00", "gnp.exe"), ("👩‍🚒  here", "👩‍🚒 here")])
def test_a_title_is_one_line_that_reads_as_it_is_written(written, shown):
    """No control, no end of a line, no mark that turns the direction; emoji stay whole."""
    assert CaseBody(title=written).title == shown
    for nothing in ("\x00", " \n ", ""):
        with pytest.raises(ValidationError):
            CaseBody(title=nothing)


def test_an_instant_without_a_time_in_utc_is_refused_and_not_stumbled_over():
    """The ends of the calendar, in zones that lie beyond them."""
    for beyond in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        with pytest.raises(ValidationError):
            CaseQuery.model_validate({"opened_after": beyond})
    assert CaseQuery.model_validate({"opened_before": "9999-12-31T23:59:59Z"}).opened_before is not None
