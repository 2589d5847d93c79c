"""One instruction while it is being translated: its modifiers to take, its operands as C++."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .source import SIZES, Instruction, Register, TranslationError, split

_CPP_TYPES = {
    "pred": "bool",
    "f16": "Half",
    "bf16": "Bfloat16",
    "f32": "float",
    "f64": "double",
}

_SPECIAL = {
    "%laneid": "self.lane",
    "%warpid": "(self.linear / 32)",
    "%lanemask_eq": "(1u << self.lane)",
    "%lanemask_lt": "((1u << self.lane) - 1)",
    "%lanemask_le": "((2u << self.lane) - 1)",
    "%lanemask_gt": "~((2u << self.lane) - 1)",
    "%lanemask_ge": "~((1u << self.lane) - 1)",
}
_SPECIAL_DIMS = {
    "%tid": "self.index",
    "%ntid": "self.block->size",
    "%ctaid": "self.block->index",
    "%nctaid": "self.block->grid",
}

_SPACES = ("global", "shared", "shared::cta", "local", "const", "param")


def cpp_type(type: str) -> str:
    """The C++ type of a PTX type."""
    if type in _CPP_TYPES:
        return _CPP_TYPES[type]
    return f"{'int' if type[0] == 's' else 'uint'}{8 * SIZES[type]}_t"


def kept_as(type: str) -> str:
    """What a register of a type is kept as: bits, or a predicate."""
    return type if type == "pred" else f"b{8 * SIZES[type]}"


def _literal(number: int, type: str) -> str:
    """C++ for the low bits of a number."""
    size = SIZES[type]
    text = f"{number % 2 ** (8 * size)}u{'l' if size == 8 else ''}"
    return text if size >= 4 else f"{cpp_type(type)}({text})"


def kind(type: str) -> str:
    """The letter that types of one sort begin with: b, f, p, s or u."""
    return "f" if type == "bf16" else type[0]


@dataclass(frozen=True)
class Address:
    """The operand of a memory instruction: C++ for where it begins, and the bytes beyond."""

    base: str
    offset: int


class Operation:
    """Takes an instruction apart. Whatever no table has taken stops the translation.

    Args:
        instruction: The instruction.
        symbols: C++ for the address of each variable and parameter, as a number.
        site: C++ for the instruction's Site.
    """

    def __init__(self, instruction: Instruction, symbols: Mapping[str, str], site: str) -> None:
        self.instruction = instruction
        self.symbols = symbols
        self.site = site
        self.name, *self.modifiers = instruction.opcode.split(".")
        self.operands = instruction.operands
        self.used: set[Register] = set()

    def refuse(self, reason: str = "no translation") -> TranslationError:
        """The error that stops the translation here."""
        place = self.instruction.location
        return TranslationError(f"{place.file}:{place.line}: {reason}: {self.instruction.text}")

    # --- modifiers

    def flag(self, *names: str) -> bool:
        """Whether one of these modifiers is present; takes it."""
        return self.choice(*names) != ""

    def choice(self, *names: str) -> str:
        """The first modifier that is one of these, taken; empty if none is."""
        for modifier in self.modifiers:
            if modifier in names:
                self.modifiers.remove(modifier)
                return modifier
        return ""

    def required(self, *names: str) -> str:
        """As `choice`, but one of these must be present."""
        return self.choice(*names) or self._refuse()

    def _refuse(self) -> str:
        raise self.refuse()

    def type(self, kinds: str = "bfsu", sizes: tuple[int, ...] = (1, 2, 4, 8)) -> str:
        """The last modifier, taken: a type of one of these kinds and sizes."""
        type = self.modifiers.pop() if self.modifiers else ""
        if type == "pred" and "p" in kinds:
            return type
        if type not in SIZES or kind(type) not in kinds or SIZES[type] not in sizes:
            raise self.refuse()
        return type

    def space(self) -> str:
        """The address space named, taken; empty: generic."""
        return self.choice(*_SPACES).removesuffix("::cta")

    # --- operands

    def value(self, operand: str, type: str) -> str:
        """C++ for an operand, read as a type."""
        if operand.startswith("!"):
            return f"!{self.value(operand[1:], type)}"
        if register := self._register(operand):
            return self._read(register.variable, register.type, type)
        if operand.startswith("%"):
            return f"{cpp_type(type)}({self._special(operand)})"
        if match := re.fullmatch(r"0[fF]([0-9a-fA-F]{8})|0[dD]([0-9a-fA-F]{16})", operand):
            bits = "b32" if match[1] else "b64"
            return self._read(_literal(int(operand[2:], 16), bits), bits, type)
        if match := re.fullmatch(r"(-?)(0[xX][0-9a-fA-F]+|\d+)U?", operand):
            number = int(match[1] + match[2], 0)
            if type == "pred":
                return "true" if number else "false"
            bits = kept_as(type)
            return self._read(_literal(number, bits), bits, type)
        address = self._sum(operand)
        return self._read(f"({address.base} + {address.offset})", "b64", type)

    def _read(self, bits: str, of: str, type: str) -> str:
        """C++ for the low bits of a register or number of a type, read as another type.

        Plain C++, no function: that is most of what there is to compile.
        """
        self._check_fit(of, type)
        if type == "pred":
            return bits
        if SIZES[of] > SIZES[type]:
            bits = f"{cpp_type(kept_as(type))}({bits})"
        if type in ("f16", "bf16"):
            return f"{cpp_type(type)}{{{bits}}}"
        if kind(type) == "f":
            return f"__builtin_bit_cast({cpp_type(type)}, {bits})"
        return f"{cpp_type(type)}({bits})" if kind(type) == "s" else bits

    def _check_fit(self, register: str, type: str) -> None:
        """A predicate is only ever a predicate; and no register is too narrow."""
        fits = register == type
        if "pred" not in (register, type):
            fits = SIZES[register] >= SIZES[type]
        if not fits:
            raise self.refuse(f"a {register} taken as {type}")

    def values(self, type: str, *numbers: int) -> list[str]:
        """C++ for several operands, by their numbers."""
        return [self.value(self.operands[i], type) for i in numbers]

    def vector(self, operand: str) -> list[str]:
        """The elements of a vector in braces, or the one operand."""
        return split(operand[1:-1]) if operand.startswith("{") else [operand]

    def address(self, operand: str, space: str) -> Address:
        """What stands in square brackets."""
        if not (operand.startswith("[") and operand.endswith("]")):
            raise self.refuse()
        inner = self._sum(operand[1:-1].strip())
        if space != "shared":
            return inner
        # Addresses of the shared space have 32 bits, whatever register holds them.
        return Address(f"static_cast<uint32_t>({inner.base})", inner.offset)

    def write(self, operand: str, expression: str, type: str) -> str:
        """A statement that writes an expression, as a type, to a register; `_` drops it."""
        if operand == "_":
            return f"{expression};"
        register = self._register(operand)
        if register is None:
            raise self.refuse()
        self._check_fit(register.type, type)
        if type in ("f16", "bf16"):
            value = f"{cpp_type(type)}({expression}).bits"
        elif kind(type) == "f":
            value = f"__builtin_bit_cast({cpp_type(kept_as(type))}, {cpp_type(type)}({expression}))"
        elif type != "pred" and SIZES[type] < SIZES[register.type]:
            value = f"{cpp_type(type)}({expression})"
        else:
            value = expression
        return f"{register.variable} = {value};"

    def predicate(self, operand: str) -> str:
        """C++ for a predicate, negated or not."""
        return self.value(operand, "pred")

    def label(self, operand: str) -> str:
        """The C++ name of a branch's target."""
        name = self.instruction.names.get(operand)
        if not isinstance(name, str):
            raise self.refuse("unknown label")
        return name

    def size_of(self, operand: str) -> int:
        """Bytes of a register."""
        register = self._register(operand)
        if register is None or register.type == "pred":
            raise self.refuse()
        return SIZES[register.type]

    def _register(self, operand: str) -> Register | None:
        register = self.instruction.names.get(operand)
        if not isinstance(register, Register):
            return None
        self.used.add(register)
        return register

    def _special(self, operand: str) -> str:
        name, _, axis = operand.partition(".")
        if axis in ("x", "y", "z") and name in _SPECIAL_DIMS:
            return f"{_SPECIAL_DIMS[name]}.{axis}"
        if operand not in _SPECIAL:
            raise self.refuse(f"unknown register {operand} in")
        return _SPECIAL[operand]

    def _sum(self, text: str) -> Address:
        """A register, symbol or number, and a constant."""
        match = re.fullmatch(r"([%$\w]+)\s*(?:\+\s*(-?\d+))?", text)
        if match is None:
            raise self.refuse()
        offset = int(match[2] or 0)
        if register := self._register(match[1]):
            return Address(register.variable, offset)
        if match[1] in self.symbols:
            return Address(self.symbols[match[1]], offset)
        if match[1].isdigit():
            return Address(f"uint64_t{{{match[1]}u}}", offset)
        raise self.refuse(f"unknown name {match[1]} in")
