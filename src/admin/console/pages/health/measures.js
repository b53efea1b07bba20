//! What two looks at the gateway's totals say: rates, and how long things took between them.
//!
//! Promises: what is not known is a dash, never NaN; a gateway that has started again begins anew. Deliberately draws nothing.

import { duration, number } from "../../parts.js";
import { t, words } from "../../words.js";

const MINUTE_MS = 60_000;
const NOTHING = "–";

let looks = [];

/// Notes what the gateway has said just now: whatever page is open, so that a page that opens later knows the last minute.
export function noteLook(status) {
  const now = performance.now();
  const isRecent = (look) => now - look.at <= MINUTE_MS && !hasRestarted(look.status, status);
  looks = [...looks.filter(isRecent), { at: now, status }];
}

/// The looks of the last minute, the oldest first.
export const lastLooks = () => looks;

function hasRestarted(before, now) {
  return counted(now.answers.seconds) < counted(before.answers.seconds);
}

/// What a total gained a second; undefined after one look.
export function rate(looks, total) {
  const [before, now] = [looks[0], looks.at(-1)];
  if (!now || now.at === before.at) return undefined;

  const gained = (total(now.status) ?? 0) - (total(before.status) ?? 0);
  return (Math.max(0, gained) * 1_000) / (now.at - before.at);
}

export function perSecond(value) {
  if (value === undefined) return NOTHING;

  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return t("measures.per_second", { n: number(value, digits) });
}

/// Where a quantile lies: the gateway knows its bucket, and no more.
export function bound(quantile) {
  if (!quantile) return NOTHING;
  return "over" in quantile ? `> ${duration(quantile.over)}` : `≤ ${duration(quantile.at_most)}`;
}

/// The durations that were measured after `before`; all of them, where the gateway has started again since.
export function since(now, before) {
  const earlier = new Map(before.map((bucket) => [bucket.at_most, bucket.count]));
  const left = now.map(({ at_most, count }) => ({ at_most, count: count - (earlier.get(at_most) ?? 0) }));
  return left.some((bucket) => bucket.count < 0) ? now : left;
}

export function quantile(buckets, share) {
  const total = counted(buckets);
  if (total === 0) return null;

  const place = buckets.findIndex((bucket) => bucket.count >= total * share);
  const edge = buckets[place].at_most;
  return edge === null ? { over: buckets[place - 1]?.at_most ?? 0 } : { at_most: edge };
}

/// How many took longer than one of the edges.
export function over(buckets, seconds) {
  const within = buckets.find((bucket) => bucket.at_most === seconds);
  return within ? counted(buckets) - within.count : 0;
}

export const counted = (buckets) => buckets.at(-1)?.count ?? 0;

words({
  en: { "measures.per_second": "{n} /s" },
  zh: { "measures.per_second": "{n} 个/秒" },
});
