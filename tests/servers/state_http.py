"""A server of Terraform's http state protocol: in this process (`state_server`), or as one of its own.

    python -m tests.servers.state_http --port 0 --flavour gitlab --data FILE.sqlite --user ci:secret --reader eve:secret

says `listening on URL` and serves until SIGTERM. Any path is a document (`gitlab`: those of its API), there may be
many. What it decides is in `state_rules`, what can go wrong with it in `faults`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from tests.servers.entry import options, serve
from tests.servers.faults import Faults, Log
from tests.servers.server import Server, Wall
from tests.servers.state_rules import Documents, Flavour, StateRules, User


@dataclass(frozen=True)
class StateServer:
    """One that runs. `documents` may be looked at and changed behind its back."""

    flavour: Flavour
    server: Server
    documents: Documents

    @property
    def faults(self) -> Faults:
        """What goes wrong with it."""
        return self.server.faults

    @property
    def log(self) -> Log:
        """What it was asked."""
        return self.server.log

    def path(self, name: str) -> str:
        """The path of the document of this name."""
        return f"/api/v4/projects/7/terraform/state/{name}" if self.flavour == "gitlab" else f"/states/{name}"

    def address(self, name: str) -> str:
        """The address of the document of this name; with `lock` behind it, the one of its lock in every flavour."""
        return self.server.url + self.path(name)


@contextmanager
def state_server(
    flavour: Flavour = "strict",
    *,
    port: int = 0,
    data: Path | None = None,
    users: Mapping[str, User] | None = None,
    latency: float = 0.0,
    now: Callable[[], float] = time.time,
) -> Iterator[StateServer]:
    """Serve from threads of this process while the block runs. `latency` is in seconds, `now` in epoch seconds.

    `data` is the file that it keeps its documents in, by which they outlive it; in memory where there is none.
    """
    with closing(Documents(data)) as documents:
        rules = StateRules(flavour, documents, users=users or {}, now=now)
        with Server(rules, port=port, latency=latency, now=now) as server:
            yield StateServer(flavour, server, documents)


def main() -> None:
    """Serve as a process of its own."""
    parser = options("state_http")
    parser.add_argument("--flavour", choices=get_args(Flavour), default="strict")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--user", action="append", default=[], metavar="NAME:PASSWORD", help="may read and write")
    parser.add_argument("--reader", action="append", default=[], metavar="NAME:PASSWORD", help="may read")
    given = parser.parse_args()
    users = {
        name: User(password, may_write=may_write)
        for pairs, may_write in ((given.user, True), (given.reader, False))
        for name, _, password in (pair.partition(":") for pair in pairs)
    }
    with closing(Documents(given.data)) as documents:
        clock = Wall()
        rules = StateRules(given.flavour, documents, users=users, now=clock)
        serve(Server(rules, port=given.port, now=clock), given)


if __name__ == "__main__":
    main()
