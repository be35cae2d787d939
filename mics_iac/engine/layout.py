"""From a plan and the ledger to the lanes that carry it out. Values only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from mics_iac.core.address import base_of, matches
from mics_iac.core.ledger import Ledger
from mics_iac.core.loaded import Doubting
from mics_iac.core.manifest import NO_FAILURES, Budget
from mics_iac.core.plan import Adopt, Create, Effect, Fetch, Move, Plan, Upload
from mics_iac.core.state import Doubt
from mics_iac.engine.lanes import PLAIN, Lane, Task


def lay_out(plan: Plan, ledger: Ledger, *, sending: bool = True, asked: Collection[str] | None = None) -> list[Lane]:
    """A lane for each address that the plan touches, then one for each other import or creation in doubt.

    Moves are done already: the ledger has every import under its new address. Not `sending`: only imports that are
    there, what adopts them, and parts to look for. `asked` are the datamarts that could be asked (None: all): doubts in
    another one, which nothing that is declared needs, wait until it answers.
    """
    effects: dict[str, list[Effect]] = {}
    for effect in plan.effects:
        if not isinstance(effect, Move | Fetch):
            effects.setdefault(effect.address, []).append(effect)
    for planned in plan.cuts:
        effects.setdefault(planned.address, [])
    if not sending:
        effects = {a: todo for a, todo in effects.items() if not any(isinstance(e, Create) for e in todo)}
    doubts: dict[str, Sequence[Doubt]] = {}
    former: list[Lane] = []
    for one in ledger.doubting():
        if asked is not None and one.settings.datamart_id not in asked:
            continue
        adopted_back = any(isinstance(e, Adopt) and e.id == one.import_id for e in effects.get(one.address, ()))
        if adopted_back or (one.current and not _replaced(one.import_id, effects.setdefault(one.address, []))):
            doubts[one.address] = one.doubts
        else:
            former.append(_former(plan, one))
    lanes = [_lane(plan, address, todo, doubts.get(address, ()), sending=sending) for address, todo in effects.items()]
    adopting = {a for a, todo in effects.items() if any(isinstance(e, Create | Adopt) for e in todo)}
    lost = [Lane(address, creating=True) for address in ledger.creations() if address not in adopting]
    return lanes + former + lost


def _replaced(import_id: str, effects: Iterable[Effect]) -> bool:
    """Whether these effects put another import in the place of this one."""
    return any(isinstance(e, Create) or (isinstance(e, Adopt) and e.id != import_id) for e in effects)


def _former(plan: Plan, doubting: Doubting) -> Lane:
    lane = _lane(plan, doubting.address, [], doubting.doubts, sending=False)
    lane.former, lane.import_id, lane.settings = True, doubting.import_id, doubting.settings
    lane.cuts = ()  # what the plan loads goes into the import of today
    return lane


def _lane(plan: Plan, address: str, effects: list[Effect], doubts: Sequence[Doubt], *, sending: bool) -> Lane:
    uploads = [e for e in effects if isinstance(e, Upload)]
    planned = {u.sha256 for u in uploads}
    policy = plan.policies.get(address)
    return Lane(
        address,
        effects=tuple(e for e in effects if not isinstance(e, Upload) and (sending or isinstance(e, Adopt))),
        tasks=[
            *(_task(u, doubts, send=sending) for u in uploads),
            *(_task(d, [d], send=False) for d in doubts if d.sha256 not in planned),
        ],
        policy=policy if policy is not None else PLAIN,
        budget=budget_of(plan, address),
        cuts=tuple(planned.cut for planned in plan.cuts if planned.address == address),
        ordered=sending and policy is not None and policy.ordered,
        ignore_history=matches(address, plan.options.ignore_history),
    )


def _task(part: Upload | Doubt, doubts: Iterable[Doubt], *, send: bool) -> Task:
    mine = [d for d in doubts if d.sha256 == part.sha256]
    before = [frozenset(d.strangers) for d in mine]
    return Task(
        part,
        send=send,
        again=isinstance(part, Upload) and part.again,
        doubts=tuple(d.attempt for d in mine),
        before=frozenset.intersection(*before) if before else frozenset(),
        body_left=any(d.body_left for d in mine),
    )


def budget_of(plan: Plan, address: str) -> Budget:
    """How many records an execution of this address may have rejected; an earlier batch has its import's budget."""
    policy = plan.policies.get(address) or next(
        (p for a, p in plan.policies.items() if base_of(a) == base_of(address)), None
    )
    return NO_FAILURES if policy is None else Budget.parse(policy.max_failures)
