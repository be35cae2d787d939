"""Segments in CSV as hypothesis makes them: good rows with changes, in good and bad quotes."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from tests.documents.lines import HASH

FIELDS: Final = (
    *("operation", "compartment_id", "user_account_id", "email_hash", "user_agent_id", "segment_id"),
    *("segment_technical_name", "expiration_duration", "expiration_ts", "data_bag"),
)
_GOOD: Final = (
    ("UPDATE", "1001", "C42", "", "", "50123", "", "43200", "", '{"score": 0.8}'),
    ("DELETE", "", "", HASH, "", "", "vip", "0", "", ""),
    ("UPDATE", "", "", "", "vec:1", "5", "", "60", "1768460400000", '{"a":\n"b"}'),
)
_CELLS: Final = (
    *("", "", "UPDATE", "UPSERT", "C", "a@b.example", "x", HASH, HASH[:32], "vec:1", "vec", "é", "a,b", 'a"b', "a\nb"),
    *(
        "0",
        "-1",
        "60",
        "007",
        "52560001",
        "1768460400",
        "1768460400000",
        "9" * 40,
        "1.5",
        " 60",
        "{",
        "{}",
        "NaN",
        "\r",
    ),
    *("٣", "²", "-", "--1"),
)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


@st.composite
def rows(draw: st.DrawFn) -> str:
    """One row: mostly of the right width, mostly quoted as it should be."""
    cells = list(draw(st.sampled_from(_GOOD)))
    for _ in range(draw(st.integers(0, 2))):
        cells[draw(st.integers(0, len(cells) - 1))] = draw(st.sampled_from(_CELLS))
    match draw(st.sampled_from(["", "", "", "", "", "less", "more", "blank", "raw"])):
        case "less":
            cells.pop()
        case "more":
            cells.append("")
        case "blank":
            return draw(st.sampled_from(["", " ", "\t", '""']))
        case "raw":
            return ",".join(cells)
        case _:
            pass
    always = draw(st.booleans())
    return ",".join(_quoted(cell) if always or set(cell) & set('",\n\r') else cell for cell in cells)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A file of a header and a few rows; the header is good in most."""
    header = ",".join(FIELDS)
    header = draw(
        st.sampled_from([header, header, header, header.upper(), "\ufeff" + header, "\n" + header, "a,b", ""])
    )
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    lines = [header, *draw(st.lists(rows(), max_size=6))]
    data = (end.join(lines) + draw(st.sampled_from(["", end]))).encode()
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(data)))
        data = data[:place] + draw(st.sampled_from([b"\xff", b'"', b"\n", b"\x00", b","])) + data[place:]
    return data
