"""Which bytes a Range header asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reelkit.delivery.ranges import Unsatisfiable, requested_range


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-99", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=500-", (500, 1000)),
        ("bytes=999-5000", (999, 1000)),
        ("bytes=-100", (900, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("BYTES=1-2", (1, 3)),
        ("bytes= 1-2 ", (1, 3)),
        # Whatever is malformed, of another unit or several ranges at once is ignored: the whole is sent.
        ("bytes=0-1,5-6", None),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1-2-3", None),
        ("bytes=--5", None),
        ("bytes=\u0661-\u0662", None),
        ("seconds=0-1", None),
        ("bytes", None),
        ("", None),
        ("bytes=" + "1" * 500 + "-", None),
    ],
)
def test_a_range_is_understood_or_ignored(header: str | None, span: tuple[int, int] | None) -> None:
    assert requested_range(header, 1000) == span


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=1000-", 1000), ("bytes=1000-1001", 1000), ("bytes=-0", 1000), ("bytes=-5", 0)]
)
def test_a_range_beyond_the_end_cannot_be_satisfied(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        requested_range(header, size)


@given(st.text(max_size=40), st.integers(0, 10_000))
def test_no_header_leads_outside_of_the_bytes(spec: str, size: int) -> None:
    for header in (spec, f"bytes={spec}"):
        try:
            span = requested_range(header, size)
        except Unsatisfiable:
            continue
        assert span is None or 0 <= span[0] < span[1] <= size
