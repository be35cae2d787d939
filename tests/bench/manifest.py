"""How long it takes to read a manifest of many imports: `python -m tests.bench.manifest [imports]`.

Prints CPU seconds (the best of five) from bytes to `Manifest`, the rate, and the ratio to PyYAML's own C loader on the
same text, which gives neither places nor checks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import yaml

from mics_iac.core.manifest import ManifestText
from mics_iac.core.parse import parse_manifest

ROUNDS = 5


def manifest_text(imports: int) -> bytes:
    """A manifest of that many imports, of about 380 bytes each, as people write them."""
    return "".join(_lines(imports)).encode()


def _lines(imports: int) -> Iterator[str]:
    yield 'version: 1\nvariables:\n  batch: {default: "2026-01-15"}\ndatamarts:\n  fr:\n    id: "1500"\n    imports:\n'
    for number in range(imports):
        yield (
            f"      store-visits-{number:05}:\n"
            f"        # every night, from the tills of region {number}\n"
            f"        name: Store visits of region {number:05}, export of ${{batch}}\n"
            "        batch: ${batch}\n"
            "        document_type: USER_ACTIVITY\n"
            f"        priority: {'HIGH' if number % 2 else 'LOW'}\n"
            "        sources:\n"
            f"          - data/store-visits/{number:05}/*.ndjson\n"
            f"          - path: data/late-visits/{number:05}/*.ndjson\n"
            "            allow_empty: true\n"
            "        max_failures: 0.1%\n"
        )


def cpu_seconds(work: Callable[[], object]) -> float:
    """The shortest of a few runs."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main(imports: int) -> None:
    data = manifest_text(imports)
    text = ManifestText("imports.yaml", data)
    assert len(parse_manifest([text]).imports) == imports
    ours = cpu_seconds(lambda: parse_manifest([text]))
    plain = cpu_seconds(lambda: yaml.load(data, yaml.CSafeLoader))
    print(f"{imports:,} imports, {len(data):,} bytes ({len(data) / imports:.0f} each)")
    print(f"parse_manifest  {ours:.3f} s CPU  {imports / ours:,.0f} imports/s  {len(data) / ours / 1e6:.1f} MB/s")
    print(f"CSafeLoader     {plain:.3f} s CPU  ({plain / ours:.2f} times ours)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
