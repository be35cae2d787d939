"""What is said of a part that was not sent, or of which it could not be found out whether it was loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mics_iac.core.loaded import Loaded
from mics_iac.core.naming import called, resolve_command
from mics_iac.core.observed import RemoteExecution
from mics_iac.core.plan import Upload
from mics_iac.core.wording import listed
from mics_iac.engine.lanes import Lane, Stage, Task


def taken(lane: Lane, task: Task, found: Loaded) -> str:
    """Another import loaded the same content meanwhile."""
    return (
        f"{name(lane, task)}: not loaded: {found.address} loaded the same content "
        f"(execution {found.execution.id}); plan again"
    )


def undecided(lane: Lane, task: Task, address: str) -> str:
    """Another import may have loaded it."""
    return (
        f"{name(lane, task)}: whether {address} has loaded it could not be found out. "
        f"If it has not, run with --ignore-history {lane.address}"
    )


def doubtful(lane: Lane, task: Task, executions: Sequence[RemoteExecution]) -> str:
    """One of these executions may be it, and only a person can tell."""
    ids = [execution.id for execution in executions]
    one = len(ids) == 1
    which = f"execution {ids[0]}" if one else f"one of the executions {listed(ids, last='and')}"
    files = "its input file is" if one else "their input files are"
    return (
        f"{name(lane, task)}: {which} may have loaded it already, and {files} not there any more to "
        f"tell.\n{_to_decide(lane, task, ids[0] if one else 'ID')}"
    )


def _to_decide(lane: Lane, task: Task, execution_id: str) -> str:
    """The commands by which a person says what the bytes cannot, each at the end of a line of its own."""
    resolve = resolve_command(lane.address, task.part.source, task.part.sha256, several=_is_one_of_several(task))
    return (
        f"if it did:      {resolve} --execution {execution_id}\n"
        f"if it did not:  {resolve} --resend\n"
        f"to pass over all that others loaded there:  apply with --ignore-history {lane.address}"
    )


def unreadable(lane: Lane, task: Task, execution: RemoteExecution) -> str:
    """This execution may be it, and its file could not be read."""
    return (
        f"{name(lane, task)}: execution {execution.id} may have loaded it already, and its input file "
        "could not be read to tell: it was not sent; run again"
    )


def held_up(lane: Lane, count: int, *, after: str) -> str:
    """Parts of an ordered import that come after one that did not make it."""
    return f"{lane.address}: {_count(count)} not loaded: `ordered`, and {after} did not succeed"


def left(lane: Lane, why: str) -> Iterator[str]:
    """A sentence for each part of a lane that was planned and not sent, or that was sent and not found again."""
    open_ = [t for t in lane.tasks if t.stage is not Stage.DONE]
    unsent = [t for t in open_ if t.send and not t.doubts]
    if unsent:
        yield f"{lane.address}: {_count(len(unsent))} not loaded: {why}"
    for task in open_:
        if task.doubts:
            yield (
                f"{name(lane, task)}: its answer was lost and it has not shown up yet; "
                "it was not sent again, and the next run looks for it"
            )
        elif not task.send:
            yield f"{name(lane, task)}: whether it was loaded could not be found out yet: run again"


def name(lane: Lane, task: Task) -> str:
    """Where a sentence about a part begins."""
    return f"{lane.address}: {called(task.part.source, task.part.part, several=_is_one_of_several(task))}"


def _is_one_of_several(task: Task) -> bool:
    """Whether the part is not all of its source. A doubt that is the first does not say; its path is enough then."""
    part = task.part
    return part.range is not None if isinstance(part, Upload) else part.part > 1


def _count(parts: int) -> str:
    return "1 part was" if parts == 1 else f"{parts} parts were"
