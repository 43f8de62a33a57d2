"""The documents of the specification, as a test where its text is at hand."""

import pytest
from tests.conformance.documents import documents
from tests.conformance.suites import standards


def test_the_specifications_own_documents_are_judged_as_it_says() -> None:
    """Examples accepted, invalid ones refused, whole documents of the reference accepted."""
    folder = standards()
    if folder is None:
        pytest.skip("the folder of standards is absent")
    outcome = documents(folder)
    assert outcome.failed == []
    assert outcome.passed > 100
