"""From a PTX module to one C++ file: a function per kernel, a statement per instruction."""

import json
from collections.abc import Callable, Mapping

from . import arithmetic, asynchronous, control, conversion, memory, tensor, warpgroup
from .operation import Operation, cpp_type, kept_as
from .source import Array, Instruction, Kernel, Label, Module, Register

_TABLE: dict[str, Callable[[Operation], str]] = {
    **arithmetic.TABLE,
    **asynchronous.TABLE,
    **control.TABLE,
    **conversion.TABLE,
    **memory.TABLE,
    **tensor.TABLE,
    **warpgroup.TABLE,
}

_HEADER = """\
// Written by tests/ptx/emulator/translate.py.
#include "arithmetic.h"
#include "async.h"
#include "bulk.h"
#include "conversion.h"
#include "mbarrier.h"
#include "memory.h"
#include "proxies.h"
#include "tensor.h"
#include "values.h"
#include "warp.h"
#include "wgmma.h"

namespace ptx {
namespace {

extern const Site kSites[];
"""


class _Translator:
    """Translates the kernels of one module; collects the sites that their statements name."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.sites: list[str] = []

    def kernel(self, number: int, kernel: Kernel) -> tuple[str, int]:
        """The function of a kernel, and the bytes of its static shared memory."""
        symbols, static = self._shared_symbols(kernel)
        for i, name in enumerate(kernel.parameters):
            symbols[name] = f"reinterpret_cast<uint64_t>(arguments[{i}])"
        for i, array in enumerate(kernel.local):
            symbols[array.name] = f"reinterpret_cast<uint64_t>(local_{i})"
        registers: set[Register] = set()
        body = []
        for item in kernel.body:
            if isinstance(item, Label):
                body.append(f"{item.name}:;")
            else:
                statement, used = self._statement(item, symbols)
                registers |= used
                place = json.dumps(item.location.file)
                body.append(f"#line {max(1, item.location.line)} {place}\n{statement}")
        # Jumps must not pass initialisers: declarations come first, without any.
        declarations = [
            f"{cpp_type(kept_as(r.type))} {r.variable};"
            for r in sorted(registers, key=lambda r: r.variable)
        ]
        for i, array in enumerate(kernel.local):
            declarations.append(
                f"alignas({array.alignment}) unsigned char local_{i}[{array.size}];"
            )
            declarations.append(f"std::memset(local_{i}, 0xff, {array.size});")
        lines = [
            f"// {kernel.name}",
            f"void kernel_{number}(Thread& self, const unsigned char* const* arguments) {{",
        ]
        return "\n".join([*lines, *declarations, *body, "return;", "}", ""]), static

    def _statement(self, item: Instruction, symbols: dict[str, str]) -> tuple[str, set[Register]]:
        operation = Operation(item, symbols, f"kSites[{len(self.sites)}]")
        if operation.name not in _TABLE:
            raise operation.refuse()
        statement = _TABLE[operation.name](operation)
        if operation.modifiers:
            raise operation.refuse(f"no translation of .{operation.modifiers[0]}")
        if operation.site in statement:
            values = [
                json.dumps(item.location.file),
                str(item.location.line),
                json.dumps(item.text),
            ]
            self.sites.append(f"{{{', '.join(values)}}},")
        guard = f"if ({operation.predicate(item.guard)}) " if item.guard else ""
        return f"{guard}{{ {statement} }}", operation.used

    def _shared_symbols(self, kernel: Kernel) -> tuple[dict[str, str], int]:
        """Offsets of the shared arrays that a kernel names, and the bytes of the static ones."""
        text = " ".join(item.text for item in kernel.body if isinstance(item, Instruction))
        symbols: dict[str, str] = {}
        end = 0

        def place(array: Array) -> None:
            nonlocal end
            end = -(-end // array.alignment) * array.alignment
            symbols[array.name] = f"uint64_t{{{end}u}}"
            end += array.size

        for array in [*kernel.shared, *self.module.shared.values()]:
            if array.name in text:
                place(array)
        static = end
        for array in self.module.dynamic.values():
            if array.name in text:
                end = static  # all of them are the same memory
                place(array)
                static = end  # the gap that the alignment leaves
        return symbols, static


def translate(module: Module, registers: Mapping[str, int]) -> str:
    """C++ for the kernels of a module.

    Args:
        module: What has been read of a PTX file.
        registers: How many a thread of each kernel has, by the kernel's name.

    Raises:
        TranslationError: an instruction or declaration that the emulator does not know.
    """
    translator = _Translator(module)
    functions, table = [], []
    for number, kernel in enumerate(module.kernels):
        function, static = translator.kernel(number, kernel)
        functions.append(function)
        limits = f"{static}, {kernel.max_threads}, {registers[kernel.name]}"
        table.append(f'{{"{kernel.name}", kernel_{number}, {limits}}},')
    return "\n".join(
        [
            _HEADER,
            *functions,
            '#line 1 "tables"',
            "const Site kSites[] = {",
            *translator.sites,
            "{nullptr, 0, nullptr}};",
            "const Kernel kKernels[] = {",
            *table,
            "};",
            f"const bool kRegistered = (register_kernels(kKernels, {len(table)}), true);",
            "}  // namespace",
            "}  // namespace ptx",
            "",
        ]
    )
