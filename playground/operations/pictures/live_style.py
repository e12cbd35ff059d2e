"""Style of a living picture: how the attributes of `display.live_picture` look.

No state is told by colour alone: what is down is dotted, what is blocked or impaired is dashed,
and a service that does not listen makes its node's lamp hollow.  Whoever wants no motion
(``prefers-reduced-motion``) sees busy links by their width.

"""

from __future__ import annotations

_MOTION_S = 1.2

# Eight steps a round: a browser draws the picture anew for each.
_STEPS = 8

# Dots of one direction stand between those of the other.
_DASH_PX, _GAP_PX = 2, 10
_ROUND_PX = _DASH_PX + _GAP_PX

_WIDTHS_PX = (2.0, 2.7, 3.4, 4.2, 5.0, 6.0, 7.0)

_WIDTHS = "\n".join(
    f'.pg-cable[data-{end}="{level}"] .pg-flow-{end}{{visibility:visible;stroke-width:{width:g}}}'
    for end in "ab"
    for level, width in enumerate(_WIDTHS_PX, start=1)
)

_MOVES = "".join(
    f"@keyframes pg-to-{end}{{from{{stroke-dashoffset:{start}}}to{{stroke-dashoffset:{stop}}}}}\n"
    f".pg-cable .pg-flow-{end}{{animation:pg-to-{end} {_MOTION_S}s steps({_STEPS}) infinite}}\n"
    # A line leads from a to b: dots go that way as their offset falls.
    for end, start, stop in (("a", 0, _ROUND_PX), ("b", 1.5 * _ROUND_PX, 0.5 * _ROUND_PX))
)

LIVE_STYLE = f"""
.pg-cable .pg-flow-a,.pg-cable .pg-flow-b{{visibility:hidden;stroke:var(--pg-switch-edge);\
stroke-dasharray:{_DASH_PX} {_GAP_PX};stroke-linecap:round;stroke-dashoffset:0}}
.pg-cable .pg-flow-b{{stroke:var(--pg-router-edge);stroke-dashoffset:{_ROUND_PX / 2:g}}}
{_WIDTHS}
@media (prefers-reduced-motion:no-preference){{
{_MOVES}}}
.pg-cable[data-state=down] path{{stroke:var(--pg-down);stroke-dasharray:2 5}}
.pg-cable[data-state=down] .pg-flow-a,.pg-cable[data-state=down] .pg-flow-b{{visibility:hidden}}
.pg-cable[data-state=blocked] path:first-of-type\
{{stroke:var(--pg-soft);stroke-opacity:.6;stroke-dasharray:5 5}}
.pg-cable[data-state=impaired] path:first-of-type\
{{stroke:var(--pg-impaired);stroke-dasharray:8 4}}
.pg-live-note{{stroke:var(--pg-paper);stroke-width:3;paint-order:stroke;font-weight:bold}}
.pg-live-note[data-state=down]{{fill:var(--pg-down)}}
.pg-live-note[data-state=impaired]{{fill:var(--pg-impaired)}}
.pg-lamp{{visibility:hidden;stroke-width:1.5}}
[data-state=answers] .pg-lamp{{visibility:visible;fill:var(--pg-switch-edge)}}
[data-state=silent] .pg-lamp{{visibility:visible;fill:none;stroke:var(--pg-down)}}
[data-state=gone] .pg-body{{stroke:var(--pg-down);stroke-dasharray:2 4}}
[data-state=gone] .pg-name{{text-decoration:line-through}}
.pg[data-state=rests] .pg-flow-a,.pg[data-state=rests] .pg-flow-b,\
.pg[data-state=gone] .pg-flow-a,.pg[data-state=gone] .pg-flow-b{{visibility:hidden}}
.pg[data-state=rests],.pg[data-state=gone]{{opacity:.6}}
"""
