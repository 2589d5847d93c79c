// The Python module simclr_bench._C. Importing it registers the operators (static registration in
// the other files); its one function says how it was built.

#include <pybind11/pybind11.h>

#include <sstream>
#include <string>

#include "build_info.h"

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
}
