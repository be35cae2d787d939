"""`mics-iac state`: look at the state, check it, mend it, decide what only a person can."""

from __future__ import annotations

import click

from mics_iac.cli.options import Common, common, locking, network, option, place, settling, whose_state

_HELP = """The state: which import stands behind each address, and all that was loaded through it.

None of these commands creates, changes or loads anything on the platform.
"""

_LIST = """List the addresses in the state, each with its import and what was loaded.

Asks nobody. ADDRESS narrows the list; globs such as 'fr/*' work.

\b
Examples:
  mics-iac state list
  mics-iac state list 'fr/*' --format json
"""

_SHOW = """Show all that the state knows of one address: import, executions, doubts, refusals.

\b
Examples:
  mics-iac state show fr/store-visits
  mics-iac state show fr/crm-profiles@2026-01-15 --format json
"""

_CHECK = """Check state, journals and backups: what is damaged, what is in doubt, what a run left that died.

Asks nobody and changes nothing. Exits with 10 where something is damaged.

\b
Examples:
  mics-iac state check
"""

_RECOVER = """Mend a damaged or lost state, and find again on the platform what it should know. Nothing is loaded.

A damaged state is made again from its newest good backup and the journals; the damaged bytes are kept. Then imports are
found by name and type, executions by their bytes; what `moved` blocks rename is renamed. Safe to run at any time, also
on a good state. What it finds rejected or failed is judged by the next apply.

\b
Examples:
  mics-iac state recover
  mics-iac state recover --env production
"""

_RESOLVE = """Decide what became of an upload that cannot be found out: its input file is gone, or its import is.

Name the file where several are in doubt, by its path or by the first digits of its digest. Where bytes or line counts
can still tell, they are compared, and a wrong decision is refused (exit 8). With --resend, the next apply still looks
whether the upload shows up after all, before it sends the file.

\b
Examples:
  mics-iac state resolve fr/store-visits:data/15.ndjson --execution 771    # that execution is it
  mics-iac state resolve fr/store-visits:data/15.ndjson --resend           # it was not loaded
  mics-iac state resolve fr/store-visits:sha256:965803fde2c3 --resend
"""

_RM = """Take an address out of the state. The platform keeps the import and all that was loaded.

What was loaded stays known, so that nothing is loaded twice. Where the manifest still declares the address, the next
apply finds the import again by its name and type.

\b
Examples:
  mics-iac state rm fr/store-visits
"""

_MV = """Rename an address in the state; one without a batch takes all its batches along.

A `moved` block in the manifest does the same for everybody who applies it, and can be reviewed.

\b
Examples:
  mics-iac state mv fr/visits fr/store-visits
"""

_PULL = """Write the state, as it stands, to standard output or to a file.

What an unfinished run recorded is in it; then its serial is one more, so that it can be pushed. Takes no lock. A file
that --out names may be an older copy of the same state, and nothing else.

\b
Examples:
  mics-iac state pull --out state.json
  mics-iac state pull | jq .serial
"""

_PUSH = """Put a state from a file (or `-`, standard input) in the place of the one that is there.

It must be a good one, of the same lineage, environment and platform, and newer; what a run recorded that did not come
to its end is saved before. It is refused (exit 8) where it knows less than half of the addresses or contents that are
there, or nothing of what is in doubt. The former state stays among the backups.

\b
Examples:
  mics-iac state push state.json
  mics-iac state push imports.state.backup.00000006 --force
"""

_MIGRATE = """Move the state, with its backups, from where it is to another place.

Both places are locked, the copy is read back and compared, and the old one is marked: every run against it is refused
and told where the state is. The new place must be empty, or one that the state was moved away from before. Killed at
any instant, it goes on when it is run again. At the end it prints what the manifest must say.

\b
Examples:
  mics-iac state migrate --to 's3://acme-states/mics?region=eu-west-3'
  mics-iac state migrate --env production --to https://gitlab.example.com/api/v4/projects/42/terraform/state/
  mics-iac state migrate --state s3://acme-states/mics --to file:
"""


@click.group("state", help=_HELP, short_help="Look at the state, check it, mend it, decide on doubts.")
def command() -> None:
    """Hold the commands."""


@command.command("list", help=_LIST, short_help="List addresses, imports and what was loaded.")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@whose_state
@common
def list_(given: Common, *, addresses: tuple[str, ...]) -> int:
    """Read and show."""
    from mics_iac.cli.stating import list_addresses  # noqa: PLC0415 (kept out of the start-up of --help)

    return list_addresses(given, addresses)


@command.command("show", help=_SHOW, short_help="Show all that is known of one address.")
@click.argument("address")
@whose_state
@common
def show(given: Common, *, address: str) -> int:
    """Read and show."""
    from mics_iac.cli.stating import show_address  # noqa: PLC0415 (kept out of the start-up of --help)

    return show_address(given, address)


@command.command("check", help=_CHECK, short_help="Say what is damaged, and what is in doubt.")
@whose_state
@common
def check(given: Common) -> int:
    """Read all of it, and judge."""
    from mics_iac.cli.stating import check_state  # noqa: PLC0415 (kept out of the start-up of --help)

    return check_state(given)


@command.command("recover", help=_RECOVER, short_help="Mend a damaged or lost state; loads nothing.")
@settling
@locking
@network
@common
def recover(given: Common, *, parallelism: int, lock_timeout: float, wait_timeout: float, settle_delay: float) -> int:
    """Mend, then find again."""
    given.screen.begin(f"recovering the state of {given.file}")
    from mics_iac.cli.stating import recover_state  # noqa: PLC0415 (kept out of the start-up of --help)

    return recover_state(
        given,
        parallelism=parallelism,
        lock_timeout=lock_timeout,
        wait_timeout=wait_timeout,
        settle_delay=settle_delay,
    )


@command.command("resolve", help=_RESOLVE, short_help="Decide what became of an upload in doubt.")
@click.argument("address", metavar="ADDRESS[:PATH]")
@option("--execution", variable=None, metavar="ID", help="The part was loaded: it is this execution.")
@option("--resend", is_flag=True, variable=None, help="The part was not loaded: none of the executions there is it.")
@locking
@network
@common
def resolve(
    given: Common, *, address: str, execution: str | None, resend: bool, parallelism: int, lock_timeout: float
) -> int:
    """Record the decision."""
    if resend == bool(execution):
        raise click.UsageError("say either --execution ID or --resend", ctx=click.get_current_context())
    from mics_iac.cli.stating import resolve_doubt  # noqa: PLC0415 (kept out of the start-up of --help)

    return resolve_doubt(given, address, execution=execution, parallelism=parallelism, lock_timeout=lock_timeout)


@command.command("rm", help=_RM, short_help="Forget an address; the platform keeps its import.")
@click.argument("address")
@whose_state
@locking
@common
def rm(given: Common, *, address: str, lock_timeout: float) -> int:
    """Forget it."""
    from mics_iac.cli.stating import forget_address  # noqa: PLC0415 (kept out of the start-up of --help)

    return forget_address(given, address, lock_timeout=lock_timeout)


@command.command("mv", help=_MV, short_help="Rename an address in the state.")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@whose_state
@locking
@common
def mv(given: Common, *, source: str, target: str, lock_timeout: float) -> int:
    """Rename it."""
    from mics_iac.cli.stating import rename_address  # noqa: PLC0415 (kept out of the start-up of --help)

    return rename_address(given, source, target, lock_timeout=lock_timeout)


@command.command("pull", help=_PULL, short_help="Write the state to standard output or a file.")
@option("--out", metavar="FILE", help="Write it to a file, readable by its owner alone.")
@whose_state
@common
def pull(given: Common, *, out: str | None) -> int:
    """Read, fold and write."""
    from mics_iac.cli.carrying import pull_state  # noqa: PLC0415 (kept out of the start-up of --help)

    return pull_state(given, out=out)


@command.command("push", help=_PUSH, short_help="Put a state in the place of the one that is there.")
@click.argument("source", metavar="FILE|-")
@option(
    "--force", is_flag=True, variable=None, help="Push also what is of another lineage, not newer, or knows too little."
)
@whose_state
@locking
@common
def push(given: Common, *, source: str, force: bool, lock_timeout: float) -> int:
    """Compare and write."""
    from mics_iac.cli.carrying import push_state  # noqa: PLC0415 (kept out of the start-up of --help)

    return push_state(given, source, force=force, lock_timeout=lock_timeout)


@command.command("migrate", help=_MIGRATE, short_help="Move the state to another place.")
@option("--to", type=place, required=True, variable=None, metavar="URL", help="The place to move to, as of --state.")
@whose_state
@locking
@common
def migrate(given: Common, *, to: str, lock_timeout: float) -> int:
    """Move it, and say what the manifest must say."""
    given.screen.begin(f"moving the state of {given.file}")
    from mics_iac.cli.carrying import migrate_state  # noqa: PLC0415 (kept out of the start-up of --help)

    return migrate_state(given, to, lock_timeout=lock_timeout)
