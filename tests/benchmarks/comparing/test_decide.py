"""Verdicts on invented times: large and beyond chance, or not flagged."""

from typing import Any

import numpy as np
import pytest

from benchmarks.comparing import decide as decide_module
from benchmarks.comparing.decide import (
    ALPHA,
    FASTER,
    FEWEST_ROUNDS,
    NOT_FLAGGED,
    SLOWER,
    Decision,
    decide,
    ratio_interval,
)
from benchmarks.comparing.rounds import ROUNDS


def times(
    generator: np.random.Generator, scale: float = 1.0, disturbed: float = 0.1
) -> list[float]:
    """25 ms give or take 2 %, and in some rounds what another program took, a lot at times."""
    noise = 1 + 0.02 * generator.standard_normal(ROUNDS)
    taken = generator.pareto(1.5, ROUNDS) * (generator.random(ROUNDS) < disturbed)
    return list(25 * scale * (noise + 0.2 * taken))


def alone(pairs: list[Any]) -> list[Decision]:
    """Each pair decided as if it were a comparison's only cell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decide_module, "holm", list)
        return decide(pairs)


def flagged(scale: float, comparisons: int, disturbed: float = 0.1) -> dict[str, int]:
    generator = np.random.default_rng(7)
    counts = dict.fromkeys((SLOWER, FASTER, NOT_FLAGGED), 0)
    pairs = [
        (times(generator, 1, disturbed), times(generator, scale, disturbed))
        for _ in range(comparisons)
    ]
    for one in alone(pairs):
        counts[one.verdict] += 1
    return counts


def test_one_distribution_is_never_flagged_in_2000_comparisons() -> None:
    assert flagged(1.0, 2000) == {SLOWER: 0, FASTER: 0, NOT_FLAGGED: 2000}


def test_noise_beyond_the_factor_is_left_to_the_test() -> None:
    """Medians of such noise differ by 10 % in one comparison of five; what is flagged is chance."""
    generator = np.random.default_rng(7)
    found = alone(list(np.exp(0.3 * generator.standard_t(3, (2000, 2, ROUNDS)))))
    assert sum(not 1 / 1.1 < one.ratio < 1.1 for one in found) > 400
    assert 0 < sum(one.verdict != NOT_FLAGGED for one in found) <= 2 * ALPHA * 2000


def test_twenty_percent_is_flagged_in_either_direction() -> None:
    for word, scale in ((SLOWER, 1.2), (FASTER, 1 / 1.2)):
        assert flagged(scale, 200, disturbed=0.0)[word] == 200
        # Some disturbed rounds on one side leave doubt.
        assert flagged(scale, 200)[word] >= 190


def test_a_difference_beyond_doubt_but_below_the_factor_is_not_flagged() -> None:
    base = [25 + 0.001 * i for i in range(ROUNDS)]
    (found,) = decide([(base, [1.05 * each for each in base])])
    assert found.p_holm < 1e-4 and found.ratio == pytest.approx(1.05)
    assert found.verdict == NOT_FLAGGED
    (found,) = decide([(base, [1.05 * each for each in base])], factor=1.04)
    assert found.verdict == SLOWER


def test_one_outlier_is_not_flagged_though_the_mean_is_large() -> None:
    base = [25 + 0.01 * i for i in range(ROUNDS)]
    new = [*base[1:], 1000.0]
    (found,) = decide([(base, new)])
    assert np.mean(new) / np.mean(base) > 2
    assert found.ratio < 1.01 and found.verdict == NOT_FLAGGED


def test_a_large_ratio_of_medians_by_chance_is_not_flagged() -> None:
    (found,) = decide([([10, 10, 10, 10, 30, 30, 30, 30], [10, 10, 10, 30, 30, 30, 30, 30])])
    assert found.ratio > 1.4 and found.p > 0.5 and found.verdict == NOT_FLAGGED


def test_p_is_corrected_over_the_cells() -> None:
    # 2 of 12870 ways to share 16 times out are as far apart as this.
    apart = [float(i) for i in range(10, 18)], [float(i) for i in range(20, 28)]
    alike = [float(i) for i in range(10, 18)], [i + 0.5 for i in range(10, 18)]
    (single,) = decide([apart])
    assert single.p == pytest.approx(2 / 12870) and single.p_holm == single.p
    among = decide([alike, apart, alike])
    assert among[1].p_holm == pytest.approx(3 * single.p)
    assert [one.verdict for one in among] == [NOT_FLAGGED, SLOWER, NOT_FLAGGED]
    assert decide([apart, apart], alpha=2 * single.p)[0].verdict == NOT_FLAGGED


def test_the_fewest_rounds_can_flag_one_cell_of_eight() -> None:
    apart = list(range(FEWEST_ROUNDS)), list(range(100, 100 + FEWEST_ROUNDS))
    alike = list(range(FEWEST_ROUNDS)), [i + 0.5 for i in range(FEWEST_ROUNDS)]
    assert decide([apart, *[alike] * 7])[0].verdict == SLOWER
    fewer = [[times[1:] for times in pair] for pair in (apart, *[alike] * 7)]
    assert decide(fewer)[0].verdict == SLOWER
    assert decide([[times[1:] for times in pair] for pair in fewer])[0].verdict == NOT_FLAGGED


def test_the_interval_holds_the_ratio_and_shrinks_with_the_noise() -> None:
    generator = np.random.default_rng(3)
    for spread in (0.01, 0.05):
        base = list(1 + spread * generator.standard_normal(ROUNDS))
        new = list(1.2 + spread * generator.standard_normal(ROUNDS))
        low, high = ratio_interval(base, new)
        assert low < np.median(new) / np.median(base) < high
        assert spread / 4 < high - low < 5 * spread
    assert ratio_interval(base, new) == (low, high)


def test_the_interval_misses_the_truth_as_rarely_as_it_says() -> None:
    generator = np.random.default_rng(5)
    found = [ratio_interval(times(generator), times(generator, 1.2)) for _ in range(200)]
    assert sum(low <= 1.2 <= high for low, high in found) >= 180


def test_what_both_are_held_against_makes_the_test_stricter_and_never_laxer() -> None:
    """Noise of 30 %, so that the factor hides nothing, and a third time of the same kind."""
    generator = np.random.default_rng(11)
    three = np.exp(0.3 * generator.standard_normal((2000, 3, ROUNDS)))
    found = alone(list(three[:, :2] / three[:, 2:]))
    assert sum(one.p < ALPHA for one in found) <= ALPHA * 2000


def test_twenty_percent_is_flagged_on_a_machine_whose_speed_drifts_by_half() -> None:
    """Within a round all three take 5 % more or less; from round to round it is up to twice."""
    generator = np.random.default_rng(13)
    speeds = np.exp(generator.uniform(0, np.log(2), (200, 1, ROUNDS)))
    drifting = speeds * (1 + 0.05 * generator.standard_normal((200, 3, ROUNDS)))
    drifting[:, 1] *= 1.2
    steady = drifting[:, :2] / drifting[:, 2:]
    assert sum(one.verdict == SLOWER for one in alone(list(steady))) >= 198
    assert sum(one.verdict == SLOWER for one in alone(list(drifting[:, :2]))) < 100
