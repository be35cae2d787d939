"""How fast files are read: `python -m tests.bench.reading [--size-mb 400] [--rounds 5] [--counts 100 1000 10000]`.

Each row is the median of its rounds, which take turns, so that a busy machine is busy for all of them.

fingerprint   sha256 and lines of one file in one pass, against `openssl dgst -sha256` of the same file: at least 0.8
check + hash  every rule of USER_ACTIVITY and sha256, of eight files in one process and in as many as there are
              processors, and of one file: at least 1.6 times as fast with two
decompress    the content of the same bytes, by each format, and of gzip without isal
files         finding so many files and reading what is kept of them: the exponent, at most 1.1

Ends with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from mics_iac.core.manifest import Place, SourceSpec
from mics_iac.engine.world import Stop, SystemClock
from mics_iac.sources.cached import CachedSource
from mics_iac.sources.decompress import content
from mics_iac.sources.files import LocalFiles
from mics_iac.sources.local import LocalSource
from mics_iac.sources.pooled import PooledSource
from mics_iac.sources.source import Found, Reading, Source
from tests.bench.growth import exponent
from tests.bench.receiving import write_activities
from tests.sources.scratch import COMPRESS, nobody

CHECKED = Reading("USER_ACTIVITY", csv=False, limit=100_000_000)
# A length that no file of the bench has: one part, hashed once.
ALONE = Reading(None, csv=False, limit=1 << 40)
FILES = 8


def _time(rows: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """The median seconds of each row; the rows take turns."""
    taken: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, work in rows.items():
            begin = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - begin)
    return {name: median(times) for name, times in taken.items()}


def _show(seconds: Mapping[str, float], size: int) -> None:
    for name, time_ in seconds.items():
        print(f"  {name:<34} {size / time_ / 1e6:7.0f} MB/s", flush=True)


def _found(path: Path) -> Found:
    return Found(path.name, path.stat().st_size)


def _fingerprints(folder: Path, size: int, rounds: int) -> bool:
    print(f"fingerprint, one file of {size / 1e6:.0f} MB")
    source, found = LocalSource(folder), _found(folder / "one")
    openssl = ["openssl", "dgst", "-sha256", str(folder / "one")]
    parts = Reading(None, csv=False, limit=100_000_000)
    taken = _time(
        {
            "openssl dgst -sha256": lambda: subprocess.run(openssl, check=True, stdout=subprocess.DEVNULL),
            "sha256 and lines": lambda: source.read(found, ALONE, watch=nobody),
            "the same, and of parts of 100 MB": lambda: source.read(found, parts, watch=nobody),
        },
        rounds=rounds,
    )
    _show(taken, size)
    ratio = taken["openssl dgst -sha256"] / taken["sha256 and lines"]
    print(f"  {ratio:.2f} of openssl's rate (target 0.8)")
    return ratio >= 0.8


def _checks(folder: Path, size: int, rounds: int) -> bool:
    print(f"check + hash, {size / 1e6:.0f} MB")
    several = [_found(folder / f"part{n}") for n in range(FILES)]
    one = [_found(folder / "one")]

    def read(files: list[Found], source: Source) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda found: source.read(found, CHECKED, watch=nobody), files))

    pooled = PooledSource(LocalSource(folder), root=folder, after=0)
    read(several, pooled)  # started, as they are in a run that has much to read
    taken = _time(
        {
            f"{FILES} files, one process": lambda: [
                LocalSource(folder).read(found, CHECKED, watch=nobody) for found in several
            ],
            f"{FILES} files, processes": lambda: read(several, pooled),
            "one file, one process": lambda: LocalSource(folder).read(one[0], CHECKED, watch=nobody),
            "one file, processes": lambda: read(one, pooled),
        },
        rounds=rounds,
    )
    pooled.close()
    _show(taken, size)
    ratio = taken[f"{FILES} files, one process"] / taken[f"{FILES} files, processes"]
    alone = taken["one file, one process"] / taken["one file, processes"]
    print(f"  {ratio:.2f} times as fast with processes (target 1.6 on two cores), {alone:.2f} times with one file")
    return ratio >= 1.6


def _decompressions(folder: Path, rounds: int) -> bool:
    data = (folder / "part0").read_bytes()[:50_000_000]
    print(f"decompress, to {len(data) / 1e6:.0f} MB")
    suffixes = [suffix for suffix in COMPRESS if suffix]
    for suffix in suffixes:
        (folder / f"a{suffix}").write_bytes(COMPRESS[suffix](data))

    def read(suffix: str) -> None:
        raw = content(LocalFiles(folder).open_raw(f"a{suffix}"), f"a{suffix}")
        while raw.read(1 << 18):
            pass
        raw.close()

    def without_isal() -> None:
        known = sys.modules["isal"]
        sys.modules["isal"] = None  # type: ignore[assignment]  # as if it were not installed
        try:
            read(".gz")
        finally:
            sys.modules["isal"] = known

    rows: dict[str, Callable[[], object]] = {suffix: lambda s=suffix: read(s) for suffix in suffixes}  # type: ignore[misc]
    read(".gz")
    _show(_time(rows | {".gz without isal": without_isal}, rounds=rounds), len(data))
    return True


class _Later(SystemClock):
    """A clock to which files are old enough to be kept that were written a moment ago."""

    def __init__(self) -> None:
        super().__init__(Stop())

    def now(self) -> float:
        return super().now() + 10


def _many(counts: list[int], rounds: int) -> bool:
    print("files found, and what is kept of them read")
    costs: dict[int, float] = {}
    clock = _Later()
    spec = SourceSpec("data/*", False, False, Place("imports.yaml", 1, 1))
    for count in counts:
        with TemporaryDirectory() as name:
            root = Path(name)
            (root / "data").mkdir()
            for number in range(count):
                (root / "data" / f"{number:06d}").write_bytes(b'{"$type":"TOUCH"}\n')

            def run(root: Path = root) -> None:
                source = CachedSource(LocalSource(root), root=root, file=root / "checked.json", clock=clock)
                for found in source.find(spec)[0]:
                    source.read(found, CHECKED, watch=nobody)
                source.close()

            run()
            costs[count] = _time({"": run}, rounds=rounds)[""]
            print(f"  {count:>6} files {costs[count]:8.3f} s", flush=True)
    power = exponent(costs) if len(costs) > 1 else 1.0
    print(f"  exponent {power:.2f} (target 1.1)")
    return power <= 1.1


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="how fast files are read")
    parser.add_argument("--size-mb", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1000, 10_000])
    options = parser.parse_args()
    size = options.size_mb * 1_000_000
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_activities(folder / "one", size, seed=1)
        for number in range(FILES):
            write_activities(folder / f"part{number}", size // FILES, seed=number + 2)
        good = _fingerprints(folder, size, options.rounds)
        good &= _checks(folder, size, options.rounds)
        good &= _decompressions(folder, options.rounds)
    good &= _many(options.counts, options.rounds)
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
