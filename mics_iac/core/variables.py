"""Variables: which value each has, and the tree with its references replaced.

`${name}` may stand in any value outside the blocks `variables` and `environments`; `$${` is a literal `${`. A value is
text and is not looked into again. Nothing here reads the process environment, files or the clock: all values come in as
`VariableSources`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from mics_iac.core.manifest import ManifestText, Place
from mics_iac.core.pattern import LONGEST_VALUE, MOST_STEPS, compiled, steps
from mics_iac.core.wording import Hints, did_you_mean, listed, quoted
from mics_iac.core.yamltree import Faulty, Node, Template, YamlList, YamlMap, kind_of, read_tree
from mics_iac.errors import ManifestInvalid, Problem

VARIABLE_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
PROCESS_PREFIX: Final = "MICS_VAR_"
_OWN_BLOCKS: Final = ("variables", "environments")
_REFERENCE: Final = re.compile(rf"\$\$\{{|\$\{{(?P<name>{VARIABLE_NAME})\}}|(?P<bad>\$\{{)")


@dataclass(frozen=True, slots=True)
class Given:
    """A value for a variable, and where it was given."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableSources:
    """All values given from outside the manifest, strongest first."""

    flags: Mapping[str, str] = field(default_factory=dict)
    """`--var name=value`, by name."""
    files: tuple[Mapping[str, Given], ...] = ()
    """Each `--var-file` as `parse_var_file` read it, in the order of the command line: a later one is stronger."""
    process: Mapping[str, str] = field(default_factory=dict)
    """The process environment; only names that start with `MICS_VAR_` are looked at."""


NO_VARIABLES: Final = VariableSources()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The tree with all references replaced; those that could not be are `Faulty`, and reported in `problems`."""

    root: YamlMap
    used: frozenset[str]
    problems: tuple[Problem, ...]


def parse_var_file(text: ManifestText) -> dict[str, Given]:
    """Read a `--var-file`: a YAML mapping of names and single values. ManifestInvalid with all that is wrong."""
    reading = read_tree(text)
    problems = list(reading.problems)
    given: dict[str, Given] = {}
    for name, value in (reading.root or {}).items():
        place = reading.root.value_place(name) if reading.root is not None else Place(text.name, 0, 0)
        if isinstance(value, str):
            given[name] = Given(str(value), place)
        else:
            message = f"the variable {quoted(name)} must have a single value, and this is {kind_of(value)}"
            problems.append(_problem(place, "MICS138", message))
    if problems:
        raise ManifestInvalid(problems)
    return given


def resolve(root: YamlMap, *, environment: str | None, sources: VariableSources, hints: Hints) -> Resolved:
    """Choose the environment, give each variable its value, and replace all references in the tree."""
    known = _Known.of(root)
    problems = [*_choice_problems(root, known=known, environment=environment)]
    chosen = known.environments.get(environment or "", {})
    problems += _undeclared(known, sources, hints=hints)
    values: dict[str, str] = {}
    matching = _Matching()
    pending = known.unreadable | (known.of_environments if problems else set())
    for name in sorted(known.names):
        given = _strongest(name, chosen=chosen, known=known, sources=sources)
        if given is None:
            continue
        fault = _not_text(name, given) or matching.fault(name, given, pattern=known.patterns.get(name))
        if fault is None:
            values[name] = given.text
        else:
            pending = pending | {name}
            problems.append(fault)
    substitution = _Substitution(
        values, known=known, pending=pending - values.keys(), environment=environment, hints=hints
    )
    resolved = substitution.root(root)
    return Resolved(resolved, frozenset(substitution.used), (*problems, *substitution.problems))


@dataclass(frozen=True, slots=True)
class _Known:
    """What the manifest itself says about its variables; what is of a wrong kind is left to the model to report."""

    patterns: dict[str, re.Pattern[str]]
    defaults: dict[str, Given]
    environments: dict[str, dict[str, Given]]
    names: frozenset[str]
    unreadable: frozenset[str]
    """Names whose default, or value in an environment, is not text: reported by the model."""

    @property
    def of_environments(self) -> set[str]:
        return {name for values in self.environments.values() for name in values}

    @classmethod
    def of(cls, root: YamlMap) -> _Known:
        declared = _mapping(root.get("variables"))
        environments = {
            name: _mapping(_mapping(block).get("variables"))
            for name, block in _mapping(root.get("environments")).items()
        }
        defaults: dict[str, Given] = {}
        patterns: dict[str, re.Pattern[str]] = {}
        unreadable = {
            name for values in environments.values() for name, value in values.items() if not _readable(value)
        }
        for name, block in declared.items():
            spec = _mapping(block)
            texts = dict(_texts(spec))
            if "default" in texts:
                defaults[name] = texts["default"]
            elif "default" in spec:
                unreadable.add(name)
            pattern = compiled(texts["pattern"].text) if "pattern" in texts else None
            if pattern is not None:
                patterns[name] = pattern
        return cls(
            patterns=patterns,
            defaults=defaults,
            environments={name: dict(_texts(values)) for name, values in environments.items()},
            names=frozenset(declared) | {name for values in environments.values() for name in values},
            unreadable=frozenset(unreadable),
        )


def _mapping(node: Node) -> YamlMap:
    return node if isinstance(node, YamlMap) else YamlMap()


def _readable(node: Node) -> bool:
    return isinstance(node, str) and not isinstance(node, Faulty)


def _texts(block: YamlMap) -> Iterator[tuple[str, Given]]:
    for key, value in block.items():
        if isinstance(value, str) and not isinstance(value, Faulty):
            yield key, Given(str(value), block.value_place(key))


def _choice_problems(root: YamlMap, *, known: _Known, environment: str | None) -> Iterator[Problem]:
    if environment is None and known.environments:
        names = listed(sorted(known.environments))
        message = f"the manifest declares environments and none was chosen; give --env {names}"
        yield _problem(root.key_place("environments"), "MICS136", message)
    elif environment is not None and environment not in known.environments:
        hint = did_you_mean(environment, sorted(known.environments))
        if known.environments:
            place = root.key_place("environments")
            what = f"it declares {listed(sorted(known.environments), last='and')}."
        else:
            place = next((root.key_place(key) for key in root), Place("", 0, 0))
            what = "it declares none: declare it under `environments`, or leave --env out."
        yield _problem(place, "MICS137", f"the manifest has no environment {quoted(environment)}; {what}{hint}")


def _undeclared(known: _Known, sources: VariableSources, *, hints: Hints) -> Iterator[Problem]:
    """Names given by hand must be right; the process environment may hold what other manifests use."""
    given = [(name, _flag_place(name)) for name in sources.flags]
    given += [(name, value.place) for values in sources.files for name, value in values.items()]
    names = sorted(known.names)
    for name, place in given:
        if name not in known.names:
            message = (
                f"the manifest declares no variable {quoted(name)}; declare it under `variables`, or leave it out."
            )
            yield _problem(place, "MICS135", message + hints.did_you_mean(name, names))


def _flag_place(name: str) -> Place:
    return Place(f"--var {name}", 0, 0)


def _strongest(name: str, *, chosen: Mapping[str, Given], known: _Known, sources: VariableSources) -> Given | None:
    if name in sources.flags:
        return Given(sources.flags[name], _flag_place(name))
    for values in reversed(sources.files):
        if name in values:
            return values[name]
    process = PROCESS_PREFIX + name
    if process in sources.process:
        return Given(sources.process[process], Place(process, 0, 0))
    return chosen.get(name) or known.defaults.get(name)


def _not_text(name: str, given: Given) -> Problem | None:
    try:
        given.text.encode()
    except UnicodeEncodeError:
        message = f"the value {quoted(given.text)} of the variable {quoted(name)} is not UTF-8 text; give it again"
        return _problem(given.place, "MICS138", message)
    return None


class _Matching:
    """Values and their patterns. Each pattern is bounded, and so are all of a manifest together."""

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def fault(self, name: str, given: Given, *, pattern: re.Pattern[str] | None) -> Problem | None:
        """The problem of a value that does not match, or that cannot be matched in the time there is."""
        if pattern is None:
            return None
        length = len(given.text)
        what = f"the value {quoted(given.text)} of the variable {quoted(name)}"
        if length > LONGEST_VALUE:
            message = (
                f"{what} has {length:,} characters, and with a pattern at most {LONGEST_VALUE}; give a shorter one"
            )
            return _problem(given.place, "MICS133", f"{message}, or remove the pattern")
        self._left -= steps(pattern.pattern, length=length)
        if self._left < 0:
            message = "was not matched: the patterns of this manifest take too long together; write simpler ones"
            return _problem(given.place, "MICS133", f"{what} {message}")
        if pattern.fullmatch(given.text) is None:
            message = f"does not match its pattern {quoted(pattern.pattern)} as a whole; give another value"
            return _problem(given.place, "MICS133", f"{what} {message}")
        return None


class _Substitution:
    """One walk over the tree; a node that aliases share is replaced once, and stays shared."""

    def __init__(
        self,
        values: Mapping[str, str],
        *,
        known: _Known,
        pending: Iterable[str],
        environment: str | None,
        hints: Hints,
    ) -> None:
        self.problems: list[Problem] = []
        self.used: set[str] = set()
        self._values = values
        self._names = known.names
        self._choices = sorted(known.names)
        self._hints = hints
        self._pending = frozenset(pending)
        self._environment = environment
        self._done: dict[int, YamlMap | YamlList] = {}

    def root(self, root: YamlMap) -> YamlMap:
        """The tree with its references replaced, but for the two blocks that declare variables."""
        own = {key: root[key] for key in _OWN_BLOCKS if key in root}
        rest = YamlMap(((key, value) for key, value in root.items() if key not in own), spots=root.spots)
        return YamlMap({**self._mapping(rest), **own}.items(), spots=root.spots)

    def _branch(self, node: YamlMap | YamlList) -> YamlMap | YamlList:
        done = self._done.get(id(node))
        if done is None:
            done = self._mapping(node) if isinstance(node, YamlMap) else self._list(node)
            self._done[id(node)] = done
        return done

    def _mapping(self, node: YamlMap) -> YamlMap:
        changes: dict[str, Node] = {}
        for key, value in node.items():
            if type(value) is Template:
                changes[key] = self._text(value, partial(node.value_place, key))
            elif isinstance(value, YamlMap | YamlList) and (branch := self._branch(value)) is not value:
                changes[key] = branch
        return YamlMap({**node, **changes}.items(), spots=node.spots) if changes else node

    def _list(self, node: YamlList) -> YamlList:
        changes: dict[int, Node] = {}
        for index, value in enumerate(node):
            if type(value) is Template:
                changes[index] = self._text(value, partial(node.item_place, index))
            elif isinstance(value, YamlMap | YamlList) and (branch := self._branch(value)) is not value:
                changes[index] = branch
        if not changes:
            return node
        return YamlList((changes.get(index, value) for index, value in enumerate(node)), spots=node.spots)

    def _text(self, template: Template, place: Callable[[], Place]) -> str:
        """The text with its references replaced, or a `Faulty` when one of them could not be."""
        pieces: list[str] = []
        end, faulty = 0, False
        for found in _REFERENCE.finditer(template):
            pieces += template[end : found.start()], self._replaced(found, template, place)
            end = found.end()
            faulty = faulty or pieces[-1] is _NOTHING
        return _NOTHING if faulty else "".join((*pieces, template[end:]))

    def _replaced(self, found: re.Match[str], template: Template, place: Callable[[], Place]) -> str:
        name = found["name"]
        if found["bad"]:
            self._tell("MICS130", _malformed(template[found.end() :]), found, template, place)
            return _NOTHING
        if name is None:
            return "${"
        self.used.add(name)
        if name in self._values:
            return self._values[name]
        if name not in self._names:
            message = f"the variable {quoted(name)} is not declared; declare it under `variables`."
            self._tell("MICS131", message + self._hints.did_you_mean(name, self._choices), found, template, place)
        elif name not in self._pending:
            where = f" in the environment {quoted(self._environment)}" if self._environment else ""
            message = (
                f"the variable {quoted(name)} has no value{where}; "
                f"give --var {name}=…, set {PROCESS_PREFIX}{name}, or declare a default"
            )
            self._tell("MICS132", message, found, template, place)
        return _NOTHING

    def _tell(
        self, code: str, message: str, found: re.Match[str], template: Template, place: Callable[[], Place]
    ) -> None:
        at = place()
        column = at.column if template.offset is None else at.column + template.offset + found.start()
        self.problems.append(Problem(at.file, at.line, column, code, message))


_NOTHING: Final = Faulty()


def _malformed(rest: str) -> str:
    name, brace, _ = rest.partition("}")
    if not brace:
        return "`${` is never closed; write `${name}`, or `$${` for the characters themselves"
    return f"{quoted(name)} is no variable's name (letters, digits and _); write `$${{` for the characters themselves"


def _problem(place: Place, code: str, message: str) -> Problem:
    return Problem(place.file, place.line, place.column, code, message)
