"""What the translator does not know, it refuses by name."""

import re

import pytest

from .emulator.source import TranslationError, read
from .emulator.translate import translate

PTX = """
.version 9.0
.target sm_80
.address_size 64
{outside}
.visible .entry kernel(
    .param .u64 kernel_param_0
)
{{
    .reg .pred %p<3>;
    .reg .b32 %r<4>;
    .reg .f32 %f<4>;
    .reg .b64 %rd<4>;
    .loc 1 7 3
    {body}
    ret;
}}
    .file 1 "/somewhere/kernel.cu"
    .file 2 "/toolkit/include/header.hpp"
"""


def refusal(body: str = "", outside: str = "") -> str:
    with pytest.raises(TranslationError) as refused:
        translate(read(PTX.format(body=body, outside=outside)), {"kernel": 40})
    return str(refused.value)


@pytest.mark.parametrize(
    "instruction",
    [
        "dp4a.u32.u32 %r1, %r2, %r3, %r1;",
        "add.cc.u32 %r1, %r2, %r3;",
        "add.rm.f64 %rd1, %rd2, %rd3;",
        "fma.f32 %f1, %f2, %f3, %f1;",
        "cvt.rz.f16.f32 %r1, %f1;",
        "ld.global.v8.b32 {%r1, %r2}, [%rd1];",
        "atom.global.add.noftz.f16 %r1, [%rd1], %r2;",
        "shfl.sync.bfly.b64 %rd1, %rd2, 1, 31, -1;",
        "cp.async.cg.shared.global [%r1], [%rd1], 8;",
        "ldmatrix.sync.aligned.m8n8.x4.b16 {%r1, %r2, %r3, %r1}, [%rd1];",
        "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
        "[%r1], [%rd1, {%r1, %r2, %r3}], [%r2];",
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
        ".multicast::cluster [%r1], [%rd1, {%r1, %r2}], [%r2], %r3;",
        "mbarrier.test_wait.shared::cta.b64 %p1, [%r1], %rd1;",
        "mbarrier.arrive.shared::cluster.b64 _, [%r1];",
        "fence.proxy.tensormap::generic.release.gpu;",
        "barrier.cluster.arrive;",
        "mapa.shared::cluster.u32 %r1, %r2, %r3;",
        "wgmma.mma_async.sync.aligned.m64n8k16.f32.e4m3.e4m3 "
        "{%f1, %f2, %f3, %f1}, %rd1, %rd2, %p1, 1, 1;",
        "wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 "
        "{%f1, %f2, %f3, %f1}, %rd1, %rd2, %p1, 1, 1, 0, 0;",
        "mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%r1,%r2}, {%r1,%r2}, {%r3}, {%r1,%r2};",
    ],
)
def test_an_unknown_instruction_stops_the_translation(instruction: str) -> None:
    message = refusal(instruction)
    assert message.startswith("/somewhere/kernel.cu:7: no translation")
    assert message.endswith(instruction.rstrip(";"))


@pytest.mark.parametrize(
    ("instruction", "what"),
    [
        ("mov.u32 %r1, %clock;", "unknown register %clock"),
        ("mov.u32 %r1, %r9;", "unknown register %r9"),
        ("ld.global.u32 %r1, [nowhere+4];", "unknown name nowhere"),
        ("@%p1 bra $L__BB0_1;", "unknown label"),
    ],
)
def test_an_unknown_name_stops_the_translation(instruction: str, what: str) -> None:
    assert re.match(f"/somewhere/kernel.cu:7: {re.escape(what)}", refusal(instruction))


@pytest.mark.parametrize(
    ("instruction", "what"),
    [
        ("add.s64 %rd1, %r1, %rd2;", "a b32 taken as b64"),
        ("mov.f64 %r1, 0d3FF0000000000000;", "a b32 taken as b64"),
        ("add.f64 %rd1, %rd2, 0f3F800000;", "a b32 taken as f64"),
        ("mov.b32 %r1, %p1;", "a pred taken as b32"),
        ("and.pred %p1, %p2, %r1;", "a b32 taken as pred"),
        ("setp.eq.s32 %r1, %r2, %r3;", "a b32 taken as pred"),
        ("@%r1 bra $L__BB0_1;", "a b32 taken as pred"),
    ],
)
def test_a_register_is_taken_as_no_more_than_it_holds(instruction: str, what: str) -> None:
    assert what in refusal("$L__BB0_1: " + instruction)


def test_device_functions_and_global_variables_are_refused() -> None:
    assert ".global .align 4 .b8 table[4]" in refusal(outside=".global .align 4 .b8 table[4];")
    assert ".func" in refusal(outside=".func helper;")


def test_a_place_in_a_header_of_the_toolkit_is_that_of_its_caller() -> None:
    body = """
    .loc 2 90 1, function_name $L1, inlined_at 1 20 3
    mov.u32 %r1, 1;
    .loc 2 80 1, function_name $L2, inlined_at 2 90 1
    mov.u32 %r1, 2;
    """
    (kernel,) = read(PTX.format(body=body, outside="")).kernels
    places = [(item.location.file, item.location.line) for item in kernel.body]  # type: ignore[union-attr]
    assert places == [("/somewhere/kernel.cu", 20)] * 3


def test_names_of_inline_assembly_are_its_own() -> None:
    body = """
    { .reg .b32 x; LOOP: mov.u32 x, 1; @%p1 bra LOOP; }
    { .reg .b32 x; LOOP: mov.u32 x, 2; @%p1 bra LOOP; }
    """
    text = translate(read(PTX.format(body=body, outside="")), {"kernel": 40})
    variables = set(re.findall(r"uint32_t (r_x\w*);", text))
    labels = set(re.findall(r"^(label_LOOP\w*):", text, re.MULTILINE))
    assert len(variables) == len(labels) == 2
    assert all(f"goto {label};" in text for label in labels)


def test_shared_arrays_lie_side_by_side_and_dynamic_ones_behind_them() -> None:
    outside = """
    .shared .align 4 .b8 first[10];
    .shared .align 8 .b8 second[16];
    .shared .align 4 .b8 not_named[1000];
    .extern .shared .align 16 .b8 tail[];
    """
    body = "mov.u32 %r1, first; mov.u32 %r2, second; mov.u32 %r3, tail;"
    text = translate(read(PTX.format(body=body, outside=outside)), {"kernel": 40})
    assert re.findall(r"r_r\d = uint32_t\(\((.*?)\)\);", text) == [
        "uint64_t{0u} + 0",
        "uint64_t{16u} + 0",
        "uint64_t{32u} + 0",
    ]
    assert '{"kernel", kernel_0, 32, 0, 40},' in text
