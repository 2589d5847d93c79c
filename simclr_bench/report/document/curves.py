"""Training curves: means over the seeds that finished."""

from collections.abc import Sequence

from simclr_bench.report.document.measured import JSON, Measured


def curves_of(measured: Measured) -> JSON | None:
    """A row's training curves, or None where no seed finished or there is nothing to follow."""
    metrics = [record.metrics for record in measured.done]
    if metrics and "batches" in metrics[0]:
        batches = [_rates(each["batches"]["correct"], each["batches"]["n"]) for each in metrics]
        series = {"accuracy of the training batch, before its update": batches}
        return _curves("iteration", series)
    if metrics and "curves" in metrics[0]:
        names = {"agreement": "agreement with the teacher", "label": "label accuracy"}
        return _curves(
            "epoch",
            {
                title: [
                    [correct / each["curves"]["n"] for correct in each["curves"][name]]
                    for each in metrics
                ]
                for name, title in names.items()
            },
        )
    return None


def _rates(correct: Sequence[int], sizes: Sequence[int]) -> list[float]:
    return [k / n for k, n in zip(correct, sizes, strict=True)]


def _curves(x: str, series: dict[str, list[list[float]]]) -> JSON:
    return {
        "x": x,
        "y": "mean over seeds",
        "series": [
            {"name": name, "values": [sum(at) / len(at) for at in zip(*runs, strict=True)]}
            for name, runs in series.items()
        ],
    }
