"""What may go wrong in the model: the platform's ways, and the faults that strike the requests of a run.

Some things are not drawn, since nothing could tell them from the truth: a platform that answers 404 for what is there,
one that refuses (4xx) what it did all the same, and one whose line counts are more than one away from lines and records
(a last line without its end may go uncounted already, so a miscount on top of that is one more, never one less).
"""

from __future__ import annotations

from hypothesis import strategies as st

from mics_iac.sandbox.faults import Fault
from mics_iac.sandbox.profile import Profile

NTH = st.integers(1, 3)
EXECUTIONS, IMPORTS = "*/executions", "*/document_imports"
# The POST may have acted or not, and its answer says nothing true of it.
POSTED = [
    *("refuse", "connect_timeout", "tls", "reset_before", "reset_midway", "reset_after", "hang", "cut_answer"),
    *("delay", "throttle", "expired_token", "forbidden", "truncated_json", "garbage", "extra_fields", "duplicate_key"),
]
SHAPED = [
    *("stuck", "ends_failed", "ends_canceled", "ends_lost", "odd_status", "rejects_lines", "file_gone", "lines_off"),
    "unbalanced",
]
FAULTS: st.SearchStrategy[Fault] = st.one_of(
    st.builds(
        Fault,
        st.sampled_from(POSTED),
        st.sampled_from(["POST", "POST", "GET", "PUT"]),
        st.sampled_from([EXECUTIONS, IMPORTS, "*"]),
        NTH,
        st.integers(1, 4),
        delay_ms=st.sampled_from([0, 0, 2_000, 90_000]),
    ),
    # A platform that refuses what it did, or says 404 of what is there, would be believed: those are not drawn.
    st.builds(
        Fault, st.just("error"), st.just("POST"), st.just("*"), NTH, status=st.sampled_from([400, 404, 409, 422])
    ),
    st.builds(
        Fault,
        st.just("error"),
        st.sampled_from(["POST", "GET", "PUT"]),
        st.just("*"),
        NTH,
        st.integers(1, 6),
        status=st.sampled_from([500, 502, 504]),
        acts=st.booleans(),
    ),
    st.builds(Fault, st.sampled_from(["capped", "no_total"]), st.just("GET"), nth=NTH, times=st.just(None)),
    st.builds(Fault, st.sampled_from(SHAPED), nth=NTH, times=st.integers(1, 2)),
)

# An answer to a POST that is lost although the platform acted, and perhaps a queue that stands still after it.
LOST: st.SearchStrategy[list[Fault]] = st.builds(
    lambda lost, others: [lost, *others],
    st.one_of(
        st.builds(
            Fault,
            st.sampled_from(["reset_after", "cut_answer", "truncated_json", "garbage"]),
            st.just("POST"),
            st.sampled_from([EXECUTIONS, EXECUTIONS, IMPORTS]),
            NTH,
            st.integers(1, 3),
        ),
        st.builds(Fault, st.just("error"), st.just("POST"), st.just("*"), NTH, status=st.just(504), acts=st.just(True)),
    ),
    st.lists(
        st.one_of(
            st.builds(Fault, st.sampled_from(["stuck", "file_gone", "lines_off"]), times=st.integers(1, 3)),
            # Nobody can look for it either.
            st.builds(Fault, st.just("error"), st.just("GET"), st.just(EXECUTIONS), st.integers(2, 4), st.just(None)),
        ),
        max_size=2,
    ),
)

PROFILES = st.builds(
    Profile,
    queue_ms=st.just(1000),
    run_ms=st.just(1000),
    queue=st.sampled_from(["parallel", "sequential"]),
    page_size=st.just(50),
    page_limit=st.sampled_from([None, 2]),
    total=st.booleans(),
    import_order=st.sampled_from(["id_asc", "id_desc", "name"]),
    execution_order=st.sampled_from(["newest_first", "oldest_first"]),
    counts_header=st.booleans(),
    counts_unterminated=st.booleans(),
    blank_lines=st.sampled_from(["skip", "count"]),
)
