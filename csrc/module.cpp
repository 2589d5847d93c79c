// The Python module simclr_bench._C. Importing it registers the operators (static registration in
// the other files); its functions say how it was built and which instructions the CPU kernels use.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sstream>
#include <string>

#include "build_info.h"
#include "cpu/capability.h"

namespace py = pybind11;

namespace {

py::list split(const std::string& text, char separator) {
  py::list parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.append(part);
  return parts;
}

py::dict build_info() {
  const simclr_bench::BuildInfo info = simclr_bench::build_info();
  py::dict result;
  result["compiler"] = info.compiler;
  result["flags"] = info.flags;
  result["cuda"] = info.cuda ? py::object(py::str(info.cuda)) : py::object(py::none());
  result["cuda_flags"] = info.cuda_flags;
  result["architectures"] = split(info.architectures, ';');
  result["source_hash"] = info.source_hash;
  result["torch"] = info.torch;
  return result;
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  m.doc() = "Compiled operators of simclr_bench; reached through torch.ops.simclr_bench.";
  m.def("build_info", &build_info, "How this extension was built.");
  m.def("cpu_capability", &simclr_bench::cpu_capability_name,
        "The instruction set that the CPU kernels use.");
  m.def("supported_cpu_capabilities", &simclr_bench::supported_cpu_capabilities,
        "What this machine can run, from the plainest.");
  m.def("set_cpu_capability", &simclr_bench::set_cpu_capability,
        "Makes the CPU kernels use another instruction set; raises ValueError if it cannot be.");
  m.def("rows_to_cut", &simclr_bench::rows_to_cut,
        "From how many rows on AMX computes float32 in parts.");
  m.def("set_rows_to_cut", &simclr_bench::set_rows_to_cut, "Sets it.");
}
