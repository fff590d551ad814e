"""YAML text -> a `Document`: plain values, and for each of them the line it stands on; and values -> YAML text.

YAML as its 1.2 core schema has it, and stricter: duplicate keys are errors, only `true`/`false` are booleans (`no:` is
a text), `1e-3` is a number, and a number with a fraction is an exact Decimal. It knows nothing of what the values mean
(`codec` does).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import yaml

from routerctl.errors import InputError, MergeConflict, raise_all
from routerctl.files.document import Document, PathParts

try:  # libyaml's parser is some ten times faster; wheels have it, a source build may not
    from yaml import CSafeLoader as _Loader
except ImportError:
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?\Z")
_CONFLICT = re.compile(r"^<{7}(?: [^\n]*)?$.*?^={7}\r?$.*?^>{7}(?: [^\n]*)?$", re.MULTILINE | re.DOTALL)
_PREFIX = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_PREFIX + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")}


def read_text(path: Path, shown: str | None = None) -> str:
    """Read a UTF-8 file (a byte-order mark is dropped).

    Raises: InputError where the file is missing, unreadable or not UTF-8.
    """
    name = shown or str(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", file=name) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=name) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"not UTF-8 (byte 0x{error.object[error.start]:02x})", file=name, line=line) from None


def parse_yaml(text: str, file: str) -> Document:
    """Turn YAML text into values with their lines.

    Raises: InputError for anything that is not strict YAML.
    """
    if conflict := conflict_of(text, file):  # before it is read: a marker may pass for a part of a text
        raise conflict
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise InputError(f"not YAML: {error.problem or error.context}", file=file, line=line) from None
    except yaml.YAMLError as error:
        hidden = yaml.reader.Reader.NON_PRINTABLE.search(text)  # the character that it refuses
        line = text.count("\n", 0, hidden.start()) + 1 if hidden else 1
        raise InputError(f"not YAML: {' '.join(str(error).split())}", file=file, line=line) from None
    except RecursionError:
        raise InputError("nested too deeply", file=file, line=1) from None
    reader = _Reader(file)
    value = None if node is None else reader.value(node, (), ())
    raise_all(reader.found)
    return Document(file=file, value=value, lines=reader.lines or {(): 1})


_IN_LIST = "\0"  # no key has it


def keys_below(text: str, path: Sequence[str]) -> list[str]:
    """List the keys of the mapping at `path`, as far as the text can be read: it may be half written."""
    found, at = list[str](), list[str | None]()  # at: of each collection around, the key that waits for its value
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                at.append(None if isinstance(event, yaml.MappingStartEvent) else _IN_LIST)
            elif isinstance(event, yaml.CollectionEndEvent):
                at.pop()
                at[-1:] = [None] if at and at[-1] != _IN_LIST else at[-1:]
            elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent) and at and at[-1] != _IN_LIST:
                key = event.value if isinstance(event, yaml.ScalarEvent) else ""
                if at[-1] is None and at[:-1] == list(path):
                    found.append(key)
                at[-1] = key if at[-1] is None else None
    except yaml.YAMLError:  # what came before it is known
        return found
    return found


class _Reader:
    """Turns nodes into values, and knows where each stood and what was wrong."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.lines: dict[PathParts, int] = {}
        self.found: list[InputError] = []

    def value(self, node: yaml.Node, path: PathParts, above: tuple[int, ...]) -> Any:
        """Read a node; `above`: those that it stands in.

        Raises: InputError for what cannot be read to its end.
        """
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if id(node) in above or len(above) > 40:
            raise InputError("nested in itself or too deeply", file=self._file, line=line)
        if len(self.lines) > 500_000:  # a few aliases of aliases make any number of values
            raise InputError("too many values (aliases of aliases?)", file=self._file, line=line)
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, place), above) for place, item in enumerate(node.value)]
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _PLAIN_TAGS:
            return self._wrong(f"the tag {node.tag} is not supported", line)
        return resolve_plain(node.value) if not node.style else node.value

    def _mapping(self, node: yaml.MappingNode, path: PathParts, above: tuple[int, ...]) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong("a key must be text", line)
            elif key in mapping:
                self._wrong(f"duplicate key {key!r} (first on line {self.lines[*path, key]})", line)
            else:
                self.lines[*path, key] = line
                mapping[key] = self.value(value_node, (*path, key), above)
        return mapping

    def _wrong(self, problem: str, line: int) -> None:
        self.found.append(InputError(problem, file=self._file, line=line))


def resolve_plain(text: str) -> str | int | Decimal | bool | None:
    """Turn an unquoted scalar into its value: YAML 1.2 core schema, fractions exact."""
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.match(text) and len(text) <= 400:
        return int(text)
    if _FRACTION.match(text):
        return Decimal(text)
    return text


def parse_json_lines(text: str, file: str) -> list[Document]:
    """Turn JSON lines into one document a line (blank lines are skipped), as strict as the YAML above.

    Raises: InputError naming the line of the first that is wrong, and the others in its `more`.
    """
    if conflict := conflict_of(text, file):
        raise conflict
    documents, found = list[Document](), list[InputError]()
    for number, line in enumerate(text.split("\n"), 1):
        try:
            documents += json_documents((line,), file, number)
        except InputError as error:
            found.append(error)
    raise_all(found)
    return documents


def json_documents(lines: Iterable[str], file: str, first: int = 1) -> Iterator[Document]:
    """Give one document a line as the lines come: a run's results need not lie in memory as text.

    `first`: the number of the first line.

    Raises: InputError naming the line.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=Decimal, parse_constant=_constant)
    rest = iter(lines)
    for number, line in enumerate(rest, first):
        if line.strip():
            try:
                value = _json_value(decoder, line, file, number)
            except InputError as error:
                raise _conflict_from(line, rest, file, number) or error from None
            yield Document(file=file, value=value, lines={(): number})


def _conflict_from(line: str, rest: Iterator[str], file: str, number: int) -> MergeConflict | None:
    """Find out whether the line that is no JSON begins a conflict; the lines behind it are read for that."""
    if not line.startswith("<<<<<<<"):
        return None
    return conflict_of("\n".join(one.rstrip("\n") for one in (line, *rest)), file, number)


def conflict_of(text: str, file: str, first_line: int = 1) -> MergeConflict | None:
    """Find the first conflict that a merge left: git's markers, each on a line of its own, in their order.

    `first_line`: of the text, in its file.
    """
    found = _CONFLICT.search(text) if "<<<<<<<" in text else None
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + first_line
    last = line + found.group().count("\n")
    return MergeConflict(f"merge conflict up to line {last}: keep one side or combine both", file=file, line=line)


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(items)
    if len(mapping) < len(items):
        names = [key for key, _ in items]
        twice = next(key for place, key in enumerate(names) if key in names[:place])
        raise InputError(f"duplicate key {twice!r}")
    return mapping


def _constant(word: str) -> Any:
    raise InputError(f"{word} is not JSON")


def _json_value(decoder: json.JSONDecoder, line: str, file: str, number: int) -> Any:
    try:
        return decoder.decode(line)
    except InputError as error:
        raise InputError(error.problem, file=file, line=number) from None
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg} (column {error.colno})", file=file, line=number) from None
    except RecursionError:
        raise InputError("nested too deeply", file=file, line=number) from None
    except ValueError:  # Python refuses to read integers of more than 4,300 digits
        raise InputError("a whole number has too many digits", file=file, line=number) from None


# What YAML 1.2 or another reader takes for a number, and neither we nor PyYAML do.
_ELSEWHERE = re.compile(r"(0o[0-7]+|[-+]?[0-9]+|[-+]?[0-9]*\.?[0-9]+[eE][-+]?[0-9]+)\Z")
_SHOWN = dict.fromkeys(map(ord, "\n\xa0\u202f\u3000"))  # Python calls them unprintable: a line's end, wide spaces


class _Dumper(yaml.SafeDumper):
    """Writes what `parse_yaml` reads back unchanged: a text that any reader would take for a number is quoted.

    YAML 1.1, which most readers speak, takes `no` for false and a day for a date; `super` knows what else.
    """

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True

    def process_scalar(self) -> None:
        """Escape what a reviewer could not see, such as a mark that turns the direction of the text around it."""
        allowed, event = self.allow_unicode, cast(yaml.ScalarEvent, self.event)
        self.allow_unicode = allowed and not _is_hidden(event.value)
        super().process_scalar()
        self.allow_unicode = allowed

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        ours = _tag(resolve_plain(value)) if kind is yaml.ScalarNode and implicit[0] else _PREFIX + "str"
        if ours != _PREFIX + "str":
            return ours
        if kind is yaml.ScalarNode and implicit[0] and _ELSEWHERE.match(value):
            return _PREFIX + "float"
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


def _tag(value: Any) -> str:
    names = {bool: "bool", int: "int", Decimal: "float", type(None): "null"}
    return _PREFIX + names.get(type(value), "str")


def _is_hidden(text: str) -> bool:
    """Tell whether a text has characters that show nothing: controls, marks of direction, a line break but LF."""
    return not text.isprintable() and not text.translate(_SHOWN).isprintable()


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _is_hidden(text) else "|" if _block_safe(text) else None
    return dumper.represent_scalar(_PREFIX + "str", text, style=style)


def _block_safe(text: str) -> bool:
    lines = text.split("\n")
    return (
        len(lines) > 1
        and all(line == line.rstrip() and line.isprintable() for line in lines)
        and text[:1] not in (" ", "\n")
    )


def _decimal_node(dumper: yaml.SafeDumper, number: Decimal) -> yaml.ScalarNode:
    text = format(number, "f")
    return dumper.represent_scalar(_tag(resolve_plain(text)), text)


_Dumper.add_representer(str, _text_node)
_Dumper.add_representer(Decimal, _decimal_node)


def dump_yaml(value: Any) -> str:
    """Turn plain values into YAML text: keys in the given order, exact numbers, always the same bytes."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False)
    return str(text)
