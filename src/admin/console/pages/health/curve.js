//! A small curve of the last hour.
//!
//! Promises: says in words what it shows, for those who cannot see it; a flat line where nothing happens. Deliberately has no axes: the number
//! beside it is its scale.

import { html } from "../../vendor/preact.js";

const WIDTH = 160;
const HEIGHT = 32;
/// As many minutes as the gateway remembers: the curve of a young gateway is short.
const PLACES = 60;

export function Curve({ values, says, kind = "" }) {
  // One minute alone is a line as well.
  const points = places(values.length === 1 ? [...values, ...values] : values);
  const line = points.map(([x, y]) => `${x},${y}`).join(" ");
  const [first, last] = [points[0], points.at(-1)];

  return html`<svg class=${`curve ${kind}`} viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${says}>
    <title>${says}</title>
    <line x1="0" x2=${WIDTH} y1=${HEIGHT - 1} y2=${HEIGHT - 1} />
    ${points.length > 1 && html`<polygon points=${`${first[0]},${HEIGHT} ${line} ${last[0]},${HEIGHT}`} /><polyline points=${line} />`}
  </svg>`;
}

/// The newest at the right.
function places(values) {
  const most = Math.max(...values, 0) || 1;
  const step = WIDTH / (PLACES - 1);
  const begin = WIDTH - (values.length - 1) * step;

  return values.map((value, place) => {
    const height = (value / most) * (HEIGHT - 4);
    return [rounded(begin + place * step), rounded(HEIGHT - 2 - height)];
  });
}

const rounded = (value) => Math.round(value * 10) / 10;
