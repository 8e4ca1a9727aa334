"""Histograms: every value is in a bin, and bars and ticks are to scale."""

from __future__ import annotations

import re

import numpy as np
import pytest

from adrec_cli.reporting.histogram import bin_values, histogram


@pytest.mark.parametrize(
    "values", [[0], [5, 5, 5], [1, 2, 3, 900], list(range(100)), [0, 0, 0, 5000], [2**40, 1]], ids=str
)
def test_every_value_is_in_a_bin(values):
    values = np.array(values, dtype=np.int64)
    bins = bin_values(values)
    assert sum(bins.counts) == len(values)
    assert bins.edges == sorted(set(bins.edges))
    assert len(bins.edges) == len(bins.counts) + 1
    assert bins.edges[0] <= values.min()
    assert values.max() < bins.edges[-1]
    numbers = re.findall(
        r"-?\d+\.?\d*|nan|inf", " ".join(re.findall(r' d="([^"]*)"', histogram(values, title="t", axis="a").text))
    )
    assert all(-1 <= float(number) <= 400 for number in numbers)


@pytest.mark.parametrize(
    "values",
    [[0], [5, 5, 5], [1, 2, 2, 3], list(range(100)), [0, 0, 0, 5000], [2**40, 1], [3, 4, 4, 70, 9000]],
    ids=str,
)
def test_a_histogram_is_to_scale(values):
    values = np.array(values, dtype=np.int64)
    bins = bin_values(values)
    drawn = histogram(values, title="t", axis="a").text
    bars = np.array(re.findall(r'd="M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)V([\d.]+)Z"', drawn), dtype=np.float64)
    ((begin, ground, end),) = np.array(re.findall(r'd="M([\d.]+) ([\d.]+)H([\d.]+)"', drawn), dtype=np.float64)
    left, foot, top, right, again = bars.T
    assert len(bars) == len(bins.counts)
    assert (foot == ground).all()
    assert (again == ground).all()
    assert ground - top == pytest.approx(np.array(bins.counts) / max(bins.counts) * (ground - top.min()), abs=0.1)
    # Bars begin and end with the axis, a pixel apart.
    assert (left[0], right[-1]) == (begin, pytest.approx(end - 1, abs=0.1))
    assert (np.diff(left) > 0).all()
    wide = np.diff(left) > 1.6
    assert (left[1:] - right[:-1])[wide] == pytest.approx(1, abs=0.15)
    width, height = map(float, re.search(r'viewbox="0 0 (\d+) (\d+)"', drawn, re.IGNORECASE).groups())
    assert 0 < begin < end < width
    assert 0 < top.min() < ground < height
    tips = re.findall("<title>([^<]*)</title>", drawn)
    ranges = [
        f"{low:,}" if high == low + 1 else f"{low:,}–{high - 1:,}"
        for low, high in zip(bins.edges, bins.edges[1:], strict=False)
    ]
    assert tips == ["t", *(f"{held}: {count:,}" for held, count in zip(ranges, bins.counts, strict=True))]
    words = re.findall(r'class="tick (?:end|name)">([^<]*)<', drawn)
    assert words == [f"{max(bins.counts):,}", "0", "a, logarithmic" if bins.log else "a"]
    places = np.array(re.findall(r'<text x="([\d.-]+)" y="([\d.-]+)"', drawn), dtype=np.float64)
    assert len(places) == drawn.count("<text ")
    assert (places > 0).all()
    assert (places < (width, height)).all(), "no word is outside of the picture"
    below = [float(y) for y in re.findall(r'y="([\d.-]+)" class="tick">', drawn)]
    assert all(ground < y < height for y in below), "numbers of the axis stand below it"
    ticks = dict(re.findall(r'x="([\d.]+)" y="\d+" class="tick">([\d,]+)<', drawn))
    assert ticks
    for place, edge in ticks.items():
        assert left[bins.edges.index(int(edge.replace(",", "")))] == pytest.approx(float(place), abs=0.1)


def test_bins_by_hand():
    bins = bin_values(np.array([1, 1, 2, 4]))
    assert (bins.edges, bins.counts, bins.log) == ([1, 2, 3, 4, 5], [2, 1, 0, 1], False)
    assert bin_values(np.array([1, 1, 1, 1000])).log
    nothing = bin_values(np.array([], dtype=np.int64))
    assert (nothing.edges, nothing.counts, nothing.log) == ([0, 1], [0], False)
    assert not bin_values(np.array([1, 1, 1, 19])).log
    assert len(bin_values(np.array([1] * 9 + [10**9])).counts) == len(bin_values(np.arange(24)).counts) == 24
