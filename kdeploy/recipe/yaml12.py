"""A strict YAML reader: YAML 1.2 scalars, no aliases, no tags, no duplicate keys, limits, and a line for each place.

PyYAML parses; the values are built here, because its own constructors read `1e-3` as a string, `on` as true and `012`
as ten, keep the last of two equal keys in silence, and expand aliases without end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from kdeploy.formatting.untrusted import short_word

MAX_BYTES = 1 << 18  # a recipe is about twenty lines; PyYAML reads this much in half a second
MAX_DEPTH = 32
MAX_NODES = 10_000

Place = tuple[str | int, ...]

_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^[-+]?[0-9]+$")
_RADIX = re.compile(r"^(?:0x[0-9a-fA-F]+|0o[0-7]+)$")
_FLOAT = re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_INFINITE = re.compile(r"^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, at a line (1 is the first), or of the whole document (line 0)."""

    line: int
    text: str


@dataclass
class Document:
    """The values of a YAML text, the line each stands on, and what was wrong with it."""

    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """The line number of a place, or of the nearest place around it that the document has."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read(text: bytes) -> Document:
    """Read one YAML document; what is wrong with it stands in `problems`, and `value` is then incomplete."""
    document = Document()
    if len(text) > MAX_BYTES:
        document.problems.append(Problem(0, f"the file must have at most {MAX_BYTES} bytes (got more)."))
        return document
    try:
        # utf-8-sig also takes the byte order mark that some editors write
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        what = f"the file must be UTF-8 (got {exc.reason} at byte {exc.start}). Save it as UTF-8."
        document.problems.append(Problem(0, what))
        return document
    try:
        if _is_bounded(decoded, document):
            root = yaml.compose(decoded, Loader=yaml.SafeLoader)
            document.value = None if root is None else _build(root, (), document)
    except yaml.MarkedYAMLError as exc:
        document.problems.append(_syntax_problem(exc))
    except yaml.YAMLError as exc:
        document.problems.append(Problem(0, f"must be YAML ({str(exc).splitlines()[0]})."))
    return document


def scalar(text: str) -> str | int | float | None:
    """The value of a plain scalar under the YAML 1.2 core schema: null, bool, int, float or str."""
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() == "true"
    if _INT.match(text) or _RADIX.match(text):
        # more digits than this is no setting, and neither int() nor repr() takes thousands
        return int(text, 0 if _RADIX.match(text) else 10) if len(text) <= 30 else text
    if _FLOAT.match(text):
        return float(text)
    if _INFINITE.match(text):
        return float(text.replace(".", ""))
    return text


def _syntax_problem(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    what = error.problem or error.context or "it cannot be parsed"
    advice = " Indent with spaces." if "\\t" in what else ""
    return Problem(0 if mark is None else mark.line + 1, f"must be YAML ({what}).{advice}")


def _is_bounded(text: str, document: Document) -> bool:
    """Walk the events before any tree is built (no recursion here): is the text of a size that can be built?

    Tags are noted here too, because the tree no longer tells a written tag from one that PyYAML made up.
    """
    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        if refusal := _refusal(event, depth, nodes, documents):
            document.problems.append(Problem(line, refusal))
            return False
        if tag := getattr(event, "tag", None):
            document.problems.append(Problem(line, f"tags are not allowed (got {short_word(tag)}). Remove it."))
    return True


def _refusal(event: yaml.Event, depth: int, nodes: int, documents: int) -> str:
    """What makes the reader stop at an event; empty when it may go on."""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        return "anchors and aliases are not allowed. Write the value out."
    if depth > MAX_DEPTH:
        return f"a recipe must have at most {MAX_DEPTH} levels (got more)."
    if nodes > MAX_NODES:
        return f"a recipe must have at most {MAX_NODES} keys and values (got more)."
    if documents > 1:
        return "a recipe must be one YAML document (got another). Remove everything from its '---' on."
    if isinstance(event, yaml.ScalarEvent) and any("\ud800" <= letter <= "\udfff" for letter in event.value):
        return "text must be Unicode (got half of a surrogate pair)."
    return ""


def _build(node: yaml.Node, place: Place, document: Document) -> object:
    document.lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(node, place, document)
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*place, number), document) for number, item in enumerate(node.value)]
    is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return scalar(node.value) if is_plain else node.value


def _build_mapping(node: yaml.MappingNode, place: Place, document: Document) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            document.problems.append(Problem(line, "a key must be a word (got a list or a mapping)."))
            continue
        here = (*place, key_node.value)
        if key_node.value in mapping:
            what = f"{dotted(here)} must be given once (it is also on line {document.lines[here]}). Remove one of them."
            document.problems.append(Problem(line, what))
            continue
        mapping[key_node.value] = _build(value_node, here, document)
        document.lines[here] = line
    return mapping


def dotted(place: Place) -> str:
    """A place as messages name it: `teacher[0].onnx` for ("teacher", 0, "onnx")."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{short_word(step)}" if text else short_word(step)
    return text
