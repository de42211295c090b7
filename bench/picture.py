"""Ratios as horizontal bars on a logarithmic scale: an SVG, readable on white and on black."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, BAR, GAP, LABEL, MARGIN = 900, 16, 8, 360, 20
AHEAD, BEHIND, TEXT, LINE = "#2f855a", "#c05621", "#718096", "#a0aec0"


def picture(bars: Sequence[tuple[str, float, bool]]) -> str:
    """(label, how many times better, whether it is better) as an SVG; right of 1 ours is ahead."""
    decades = max(1, math.ceil(max((abs(math.log10(times)) for _, times, _ in bars), default=1)))
    low = -1 if any(times < 1 for _, times, _ in bars) else 0
    high = decades if any(times > 1 for _, times, _ in bars) else 1
    low = -decades if any(times < 0.1 for _, times, _ in bars) else low
    unit = (WIDTH - LABEL - 5 * MARGIN) / (high - low)
    one = LABEL + MARGIN - low * unit
    height = MARGIN * 3 + len(bars) * (BAR + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        "<title>How many times better than each peer (logarithmic)</title>",
    ]
    for decade in range(low, high + 1):
        x = one + decade * unit
        parts.append(
            f'<line x1="{x:.1f}" y1="{MARGIN * 1.5:.1f}" x2="{x:.1f}" y2="{height - MARGIN}" '
            f'stroke="{LINE}" stroke-width="0.5"/>'
        )
        parts.append(f'<text x="{x:.1f}" y="{MARGIN}" text-anchor="middle" fill="{TEXT}">{10.0**decade:g} x</text>')
    for row, (label, times, ahead) in enumerate(bars):
        y = MARGIN * 2 + row * (BAR + GAP)
        end = one + math.log10(times) * unit
        parts.append(f'<text x="{LABEL}" y="{y + BAR - 4}" text-anchor="end" fill="{TEXT}">{escape(label)}</text>')
        parts.append(
            f'<rect x="{min(one, end):.1f}" y="{y}" width="{max(1.0, abs(end - one)):.1f}" height="{BAR}" '
            f'fill="{AHEAD if ahead else BEHIND}"/>'
        )
        parts.append(f'<text x="{max(one, end) + 4:.1f}" y="{y + BAR - 4}" fill="{TEXT}">{times:.3g}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
