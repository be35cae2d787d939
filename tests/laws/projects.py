"""Small projects for hypothesis: manifests, files, and what may happen to them between two runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

from mics_iac.sandbox.faults import Fault
from tests.rig import Rig, manifest, visits

KEYS = ["fr/a", "fr/b", "de/a"]
DATAMARTS = {"fr": "1502", "de": "1503"}


@dataclass
class Import:
    """One import as a test thinks of it; `files` are numbers of contents by file name."""

    key: str
    title: str = "T"
    priority: str = "MEDIUM"
    ordered: bool = False
    protect: bool = False
    max_failures: str = "0"
    files: dict[str, int] = field(default_factory=dict)

    def body(self) -> dict[str, object]:
        folder = self.key.replace("/", "-")
        return {
            "name": f"{self.title} {self.key}",
            "priority": self.priority,
            "ordered": self.ordered,
            "protect": self.protect,
            "max_failures": self.max_failures,
            "sources": [{"path": f"{folder}/*.ndjson", "allow_empty": True}],
        }

    def content(self, number: int) -> str:
        """Contents of one import are never those of another."""
        return visits((KEYS.index(self.key) * 100 + number) * 10, 2 + number % 2)


FILES = st.dictionaries(st.sampled_from(["x.ndjson", "y.ndjson", "z w.ndjson", "é.ndjson"]), st.integers(0, 3))
TITLES = st.sampled_from(["T", "U", "${", "é 'x'"]).map(lambda t: t.replace("${", "$${"))
IMPORTS = st.lists(
    st.builds(
        Import,
        st.sampled_from(KEYS),
        TITLES,
        st.sampled_from(["LOW", "HIGH"]),
        st.booleans(),
        st.booleans(),
        st.sampled_from(["0", "1", "50%"]),
        FILES,
    ),
    unique_by=lambda i: i.key,
    max_size=3,
)


@contextmanager
def rig_of(imports: list[Import]) -> Iterator[Rig]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        root.mkdir()
        rig = Rig(root)
        with rig.sandbox:
            lay_out(rig, imports)
            yield rig


def lay_out(rig: Rig, imports: list[Import]) -> None:
    """Write manifest and files as the imports say; files that are not theirs go."""
    for path in rig.folder.rglob("*.ndjson"):
        path.unlink()
    for one in imports:
        for name, number in one.files.items():
            rig.write(f"{one.key.replace('/', '-')}/{name}", one.content(number))
    rig.declare(manifest({i.key: i.body() for i in imports}, DATAMARTS))


NTH = st.integers(1, 3)
LOST = ["reset_after", "reset_midway", "hang", "refuse", "truncated_json", "garbage", "throttle", "error"]
POSTS = st.sampled_from(["*/executions", "*/document_imports"])
TROUBLES: st.SearchStrategy[Fault] = st.one_of(
    st.builds(Fault, st.sampled_from(LOST), st.just("POST"), POSTS, NTH, st.integers(1, 2)),
    st.builds(
        Fault, st.just("error"), st.just("POST"), POSTS, NTH, status=st.sampled_from([500, 504]), acts=st.just(True)
    ),
    st.builds(Fault, st.sampled_from(["reset_before", "cut_answer", "error"]), st.just("GET"), nth=NTH),
    st.builds(Fault, st.sampled_from(["stuck", "lines_off"]), nth=NTH),
)
