"""Small SVG drawings to be put into a page: charts of figures and curves, strips of intervals.

Colours are the page's: a mark has `currentColor` and a class (`s0`, `s1`, ... by series, `paper`,
`ours`). No drawing has a style, a script, a link or a namespace, which inline SVG does not need.
"""

from simclr_bench.report.svg.charts import curves_svg, panel_svg
from simclr_bench.report.svg.strips import strip_svg

__all__ = ["curves_svg", "panel_svg", "strip_svg"]
