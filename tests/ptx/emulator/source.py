"""PTX text, as nvcc writes it, to kernels made of instructions. Knows no instruction by name."""

import re
from collections import ChainMap
from collections.abc import Iterator
from dataclasses import dataclass, field

# Bytes of each type, without its dot.
SIZES = {
    **dict.fromkeys(("b8", "u8", "s8"), 1),
    **dict.fromkeys(("b16", "u16", "s16", "f16", "bf16"), 2),
    **dict.fromkeys(("b32", "u32", "s32", "f32", "f16x2", "bf16x2"), 4),
    **dict.fromkeys(("b64", "u64", "s64", "f64"), 8),
}


class TranslationError(Exception):
    """PTX that the emulator cannot run; the message names file, line and instruction."""


@dataclass(frozen=True)
class Location:
    """A line of a source file."""

    file: str
    line: int


@dataclass(frozen=True)
class Register:
    """A declared register: the C++ variable that stands for it, and its type."""

    variable: str
    type: str


# What a scope and those around it have declared, by its name in the PTX; labels as their C++ name.
Names = ChainMap[str, Register | str]


@dataclass(frozen=True)
class Array:
    """A variable of the shared or local space, in bytes."""

    name: str
    alignment: int
    size: int


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        text: As it stands in the PTX, without the guard.
        guard: The predicate of `@p` or `@!p`, exclamation mark included; empty if none.
        operands: As written; vectors and addresses keep their brackets.
        names: What the registers and labels that it can see are called in C++.
    """

    text: str
    guard: str
    opcode: str
    operands: tuple[str, ...]
    location: Location
    names: Names


@dataclass(frozen=True)
class Label:
    """A target of branches, under its C++ name."""

    name: str


@dataclass
class Kernel:
    """One .entry: its parameters' names in order, __launch_bounds__ (0: none), its body, flat."""

    name: str
    parameters: list[str]
    max_threads: int
    min_blocks: int
    local: list[Array] = field(default_factory=list)
    shared: list[Array] = field(default_factory=list)
    body: list[Instruction | Label] = field(default_factory=list)


@dataclass
class Module:
    """One PTX file: kernels, arrays that they share, and `extern __shared__` arrays."""

    kernels: list[Kernel]
    shared: dict[str, Array]
    dynamic: dict[str, Array]


@dataclass
class _Scope:
    """What stands between two braces; labels and registers are known only there."""

    items: list["str | _Scope"] = field(default_factory=list)


def split(text: str) -> list[str]:
    """Splits at the commas outside of brackets."""
    if not any(bracket in text for bracket in "[{("):
        return [part.strip() for part in text.split(",")] if text else []
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char in "[{(") - (char in "]})")
        if char == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


_NAME = r"[%$\w]+"
_ARRAY = re.compile(rf"\.align\s+(\d+)\s+\.(\w+)\s+({_NAME})(?:\[(\d*)\])?$")
_ENTRY = re.compile(rf"\.entry\s+({_NAME})\s*\(([^)]*)\)([^{{]*)\{{")
_LABEL = re.compile(rf"\s*({_NAME})\s*:(?!:)")


def _array(declaration: str) -> Array:
    match = _ARRAY.search(declaration)
    if match is None:
        raise TranslationError(f"not understood: {declaration}")
    count = int(match[4] or 1) if match[4] != "" else 0
    return Array(match[3], int(match[1]), count * SIZES[match[2]])


def _read_scope(text: str, at: int) -> tuple[_Scope, int]:
    """The scope whose opening brace stands before `at`, and the position after its closing one."""
    scope = _Scope()
    while True:
        while text[at].isspace() or text[at] == ";":
            at += 1
        if text[at] == "}":
            return scope, at + 1
        if text[at] == "{":
            inner, at = _read_scope(text, at + 1)
            scope.items.append(inner)
        elif match := _LABEL.match(text, at):
            scope.items.append(match[1] + ":")
            at = match.end()
        else:
            end = text.index(";", at)
            scope.items.append(" ".join(text[at:end].split()))
            at = end


class _Locations:
    """Follows .loc directives to lines of the user's files, out of the toolkit's headers."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files
        self.callers: dict[tuple[str, str, str], tuple[str, str, str]] = {}
        self.current = Location("?", 0)

    def read(self, directive: str) -> None:
        file, line, column = directive.split(",")[0].split()[1:4]
        place = (file, line, column)
        if match := re.search(r"inlined_at (\d+) (\d+) (\d+)", directive):
            self.callers[place] = (match[1], match[2], match[3])
        seen = set()
        while self._is_toolkit(place[0]) and place in self.callers and place not in seen:
            seen.add(place)
            place = self.callers[place]
        self.current = Location(self.files.get(place[0], "?"), int(place[1]))

    def _is_toolkit(self, file: str) -> bool:
        return "/include/" in self.files.get(file, "")


class _Flattener:
    """Turns nested scopes into one list; gives each register and label a C++ name of its own."""

    def __init__(self, kernel: Kernel, locations: _Locations) -> None:
        self.kernel = kernel
        self.locations = locations
        self.scopes = 0

    def flatten(self, scope: _Scope, outer: Names) -> None:
        suffix = f"_{self.scopes}" if self.scopes else ""
        self.scopes += 1
        names = outer.new_child()
        for item in scope.items:
            if isinstance(item, str):
                names.update(_declared(item, suffix))
        for item in scope.items:
            if isinstance(item, _Scope):
                self.flatten(item, names)
            else:
                self._read(item, names)

    def _read(self, item: str, names: Names) -> None:
        if item.endswith(":"):
            self.kernel.body.append(Label(str(names[item[:-1]])))
        elif item.startswith(".loc "):
            self.locations.read(item)
        elif item.startswith(".local"):
            self.kernel.local.append(_array(item))
        elif item.startswith(".shared"):
            self.kernel.shared.append(_array(item))
        elif not item.startswith((".reg", ".pragma")):
            self.kernel.body.append(self._instruction(item, names))

    def _instruction(self, item: str, names: Names) -> Instruction:
        match = re.match(rf"(?:@(!?{_NAME})\s+)?([\w.:]+)\s*(.*)$", item)
        location = self.locations.current
        if match is None:
            raise TranslationError(f"{location.file}:{location.line}: not understood: {item}")
        text = f"{match[2]} {match[3]}".strip()
        return Instruction(text, match[1] or "", match[2], tuple(split(match[3])), location, names)


def _declared(item: str, suffix: str) -> Iterator[tuple[str, Register | str]]:
    """The registers or the label that an item declares, with their C++ names."""
    if item.endswith(":"):
        yield item[:-1], "label_" + re.sub(r"\W", "_", item[:-1]) + suffix
    elif match := re.match(r"\.reg\s+\.(\w+)\s+(.*)$", item):
        for name in split(match[2]):
            family = re.match(rf"({_NAME})<(\d+)>$", name)
            numbered = [f"{family[1]}{i}" for i in range(int(family[2]))] if family else [name]
            for each in numbered:
                variable = "r_" + re.sub(r"\W", "_", each.lstrip("%")) + suffix
                yield each, Register(variable, match[1])


def _without_comments(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    return re.sub(r"//[^\n]*", "", text)


def read(text: str) -> Module:
    """Reads a PTX file.

    Raises:
        TranslationError: something at the level of the file is not understood.
    """
    files = dict(re.findall(r'^\s*\.file\s+(\d+)\s+"([^"]+)"', text, re.MULTILINE))
    text = _without_comments(text).split(".section", 1)[0]
    text = re.sub(r"^\s*\.file[^\n]*$", "", text, flags=re.MULTILINE)
    # The one directive within a body that no semicolon ends.
    text = re.sub(r"^(\s*\.loc[^\n]*)$", r"\1;", text, flags=re.MULTILINE)
    module = Module([], {}, {})
    outside, at = [], 0
    while entry := _ENTRY.search(text, at):
        outside.append(text[at : entry.start()])
        scope, at = _read_scope(text, entry.end())
        parameters = [re.sub(r"\[\d*\]$", "", p.split()[-1]) for p in split(entry[2])]
        limit = re.search(r"\.(?:maxntid|reqntid)\s+([\d,\s]+)", entry[3])
        threads = 1
        for number in (limit[1] if limit else "0").split(","):
            threads *= int(number)
        blocks = re.search(r"\.minnctapersm\s+(\d+)", entry[3])
        kernel = Kernel(entry[1], parameters, threads, int(blocks[1]) if blocks else 0)
        _Flattener(kernel, _Locations(files)).flatten(scope, ChainMap())
        module.kernels.append(kernel)
    outside.append(text[at:])
    for declaration in " ".join(outside).split(";"):
        _read_outside(declaration.strip(), module)
    return module


def _read_outside(declaration: str, module: Module) -> None:
    """What stands between kernels: variables, and directives that say nothing to us."""
    words = re.sub(r"\.(version|target|address_size)\s+\S+(,\s*\S+)*", "", declaration).split()
    while words and words[0] in {".visible", ".weak", ".extern"}:
        del words[0]
    if not words:
        return
    if words[0] != ".shared":
        raise TranslationError(f"only kernels and shared arrays are emulated, not: {declaration}")
    array = _array(" ".join(words))
    (module.dynamic if ".extern" in declaration else module.shared)[array.name] = array
