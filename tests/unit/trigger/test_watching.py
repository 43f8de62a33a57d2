"""What triggers watch, without a server: claims, folders, signatures, pages of objects."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tocsin.errors import Forbidden, Rejected, Unavailable
from tocsin_trigger.adapters.bucket import Keys, _page, signed
from tocsin_trigger.adapters.folder import Folders
from tocsin_trigger.adapters.watch_documents import watch_document, watch_of, watched_document, watched_of
from tocsin_trigger.domain.sources import After, BucketSource, FileSource, OnceSource, PollSource
from tocsin_trigger.domain.triggers import Kind
from tocsin_trigger.domain.watching import Look, Watch, claim, went_well, went_wrong

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)
POLL = PollSource("https://a.example/x", 10 * SECOND, (("a", "b"),), (("c", "d"),), ".items", ".id", ".next", "after")


def test_one_replica_looks_until_its_lease_ends() -> None:
    """Nobody looks early, nobody looks twice; a replica that died is followed by another."""
    watch = Watch("t", "f", NOW)
    assert claim(watch, "a", NOW - SECOND) is None
    mine = claim(watch, "a", NOW)
    assert mine is not None
    assert claim(mine, "b", NOW + 100 * SECOND) is None
    assert claim(mine, "b", NOW + 121 * SECOND) is not None
    done = went_well(mine, POLL, Look((), {"x": 1}), NOW)
    assert (done.due, done.cursor, done.holder) == (NOW + 10 * SECOND, {"x": 1}, None)
    assert went_well(mine, POLL, Look((), None, more=True), NOW).due == NOW
    assert went_well(mine, OnceSource(NOW), Look((), None), NOW).due is None


def test_what_fails_is_looked_at_less_and_less_and_keeps_its_cursor() -> None:
    """Doubling, up to ten minutes."""
    watch, pauses = Watch("t", "f", NOW, {"x": 1}), []
    for _ in range(9):
        watch = went_wrong(watch, POLL, "no answer", NOW)
        assert watch.due is not None
        pauses.append((watch.due - NOW) // SECOND)
    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert (watch.cursor, watch.failures, watch.error) == ({"x": 1}, 9, "no answer")


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        (Kind.ONCE, OnceSource(NOW)),
        (Kind.FILE, FileSource("/a", "*", SECOND, SECOND, After.MOVE, "/b", content=True)),
        (Kind.POLL, POLL),
        (Kind.BUCKET, BucketSource("http://a", "b", SECOND, "p/", "*.csv", "eu", "keys")),
    ],
)
def test_sources_and_watches_survive_their_documents(kind: Kind, source) -> None:
    """Also cursors with dots in their keys."""
    assert watched_of(kind, watched_document(source)) == source
    watch = Watch("t", "f", NOW, {"a.b": [1, None]}, "me", NOW, NOW, 3, "x")
    assert watch_of(watch_document(watch)) == watch


def files(look: Look) -> list[str]:
    return [item.data["name"] for item in look.items]


def test_a_file_is_found_when_it_has_come_to_rest(tmp_path: Path) -> None:
    """Not while it grows, once, and again when it has changed; also below, if the pattern says so."""
    folders, source = Folders([str(tmp_path)]), FileSource(str(tmp_path), "**/*.csv", SECOND, 5 * SECOND, content=True)
    (tmp_path / "a.csv").write_text("1")
    (tmp_path / "a.txt").write_text("1")
    first = folders.look(source, None, NOW)
    (tmp_path / "a.csv").write_text("12")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.csv").write_text("b")
    second = folders.look(source, first.cursor, NOW + 6 * SECOND)
    third = folders.look(source, second.cursor, NOW + 10 * SECOND)
    fourth = folders.look(source, third.cursor, NOW + 11 * SECOND)
    fifth = folders.look(source, fourth.cursor, NOW + 99 * SECOND)
    assert [files(look) for look in (first, second, third, fourth, fifth)] == [[], [], [], ["a.csv", "sub/b.csv"], []]
    assert fourth.items[0].data["content"] == "12"
    os.utime(tmp_path / "a.csv", (1, 1))
    sixth = folders.look(source, fifth.cursor, NOW + 100 * SECOND)
    assert files(folders.look(source, sixth.cursor, NOW + 105 * SECOND)) == ["a.csv"]


def test_an_accepted_file_is_put_away_unless_it_changed(tmp_path: Path) -> None:
    """Moved without overwriting, or deleted; one that was written anew meanwhile stays and is found again."""
    folders = Folders([str(tmp_path)])
    inbox, done = tmp_path / "in", tmp_path / "done"
    for folder in (inbox, done):
        folder.mkdir()
    source = FileSource(str(inbox), "*", SECOND, timedelta(0), After.MOVE, str(done))
    (done / "a").write_text("old")
    (inbox / "a").write_text("new")
    (inbox / "b").write_text("b")
    found = folders.look(source, None, NOW)
    (inbox / "b").write_text("bb")
    folders.accepted(source, found.items)
    assert [path.name for path in inbox.iterdir()] == ["b"]
    assert sorted(path.read_text() for path in done.iterdir()) == ["new", "old"]
    folders.accepted(source, found.items)  # again, after a kill
    gone = replace(source, after=After.DELETE, into=None)
    folders.accepted(gone, folders.look(gone, None, NOW).items)
    assert list(inbox.iterdir()) == []


def test_only_what_an_operator_names_is_watched(tmp_path: Path) -> None:
    """No folder without being named, none beside it by dots or links, no file by a link out of it."""
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    for folder in (allowed, secret):
        folder.mkdir()
    (secret / "key").write_text("x")
    (allowed / "link").symlink_to(secret / "key")
    (allowed / "sub").symlink_to(secret)
    folders = Folders([str(allowed)])
    source = FileSource(str(allowed), "**/*", SECOND, timedelta(0))
    for pattern in ("**/*", "*", "sub/*"):
        assert folders.look(replace(source, pattern=pattern), None, NOW).items == ()
    for folder in (str(secret), f"{allowed}/../secret", f"{allowed}/sub", "/"):
        with pytest.raises(Forbidden):
            folders.look(replace(source, folder=folder), None, NOW)
    with pytest.raises(Forbidden):
        Folders([]).look(source, None, NOW)
    with pytest.raises(Unavailable):
        folders.look(replace(source, folder=f"{allowed}/none"), None, NOW)


def test_requests_to_stores_are_signed_as_aws_says() -> None:
    """AWS's published example of listing a bucket."""
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    at = datetime(2013, 5, 24, tzinfo=UTC)
    query = {"max-keys": "2", "prefix": "J"}
    url, headers = signed("https://examplebucket.s3.amazonaws.com/", query, keys, "us-east-1", at)
    assert url == "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J"
    assert headers["Authorization"].endswith("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")


def test_what_is_no_list_of_objects_is_refused() -> None:
    """Also what would blow up."""
    bomb = b'<!DOCTYPE a [<!ENTITY b "x">]><a>&b;</a>'
    for body in (b"", b"<a", bomb, b"<a><Contents><Key>k</Key></Contents></a>"):
        with pytest.raises(Rejected):
            _page(body)
