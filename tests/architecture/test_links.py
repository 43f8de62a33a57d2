"""The pages that people read lead somewhere: every link inside the project has its end, every how-to is found from README."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s#]*)(#[\w-]+)?\)")


def _links(page: Path) -> list[tuple[str, str]]:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [(path, anchor) for path, anchor in LINK.findall(text) if not re.match(r"\w+:", path)]


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda it: str(it.relative_to(ROOT)))
def test_every_link_has_its_end(page):
    """A page, a folder, an image, a title on a page."""
    for path, anchor in _links(page):
        end = (page.parent / path).resolve() if path else page
        assert end.exists(), f"{path} is not there"
        if anchor and end.suffix == ".md":
            assert anchor in _anchors(end), f"{path}{anchor} is no title there"


def test_every_how_to_is_two_links_away_from_the_first_page():
    """From README.md to the list of what there is, and from there."""
    assert ("docs/README.md", "") in _links(ROOT / "README.md")
    listed = {path for path, _ in _links(ROOT / "docs" / "README.md")}
    assert {f"how-to/{page.name}" for page in (ROOT / "docs" / "how-to").glob("*.md")} <= listed


def test_pictures_are_small():
    """Nobody waits for the first page."""
    assert [it.name for it in (ROOT / "docs" / "images").iterdir() if it.stat().st_size > 200_000] == []
