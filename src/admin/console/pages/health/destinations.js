//! Each destination and its lanes: up or down, what waits and since when, what it refused, and a button to try at once.
//!
//! Promises: a person type that waits is shown with the destination's own words. Deliberately counts nothing itself.

import { html } from "../../vendor/preact.js";
import { duration, number } from "../../parts.js";
import { t, words } from "../../words.js";
import { Curve } from "./curve.js";
import { bound, perSecond, quantile, rate, since } from "./measures.js";
import { Paused } from "./paused.js";

export function Destinations({ looks, minutes }) {
  const lanes = looks.at(-1).status.lanes;
  const names = [...new Set(lanes.map((lane) => lane.destination))];
  const its = (name) => lanes.filter((lane) => lane.destination === name);
  return html`<div class="cards">
    ${names.map((name) => html`<${Destination} key=${name} name=${name} lanes=${its(name)} looks=${looks} minutes=${minutes} />`)}
  </div>`;
}

function Destination({ name, lanes, looks, minutes }) {
  const isUp = lanes.every((lane) => lane.up);
  const setAside = lanes.reduce((sum, lane) => sum + (lane.aside ?? lane.set_aside), 0);

  return html`<article class="card destination" data-destination=${name}>
    <h3>${name} <span class=${isUp ? "good" : "bad"}>${t(isUp ? "destinations.up" : "destinations.down")}</span></h3>
    ${lanes.map((lane) => html`<${Lane} key=${lane.lane} lane=${lane} looks=${looks} minutes=${minutes} />`)}
    <${Paused} destination=${name} isUp=${isUp} paused=${lanes.flatMap((lane) => lane.paused_types)} />
    ${setAside > 0 && html`<p class="small"><a href=${`#/aside?${new URLSearchParams({ destination: name })}`}>${t("destinations.set_aside", { n: number(setAside) })}</a></p>`}
  </article>`;
}

function Lane({ lane, looks, minutes }) {
  const own = (lanes) => lanes.find((it) => it.destination === lane.destination && it.lane === lane.lane);
  const waited = minutes.map((minute) => own(minute.lanes)?.waiting ?? 0);
  const now = number(lane.waiting);

  return html`<div class="lane">
    <h4>${t(`destinations.${lane.lane}`)}</h4>
    <${Curve} values=${waited} kind=${lane.waiting > 0 ? "odd" : ""} says=${t("destinations.waiting_curve", { now })} />
    <dl>
      <${Fact} name="waiting" kind=${lane.waiting > 0 ? "odd" : ""} says=${now} />
      ${lane.oldest_seconds > 0 && html`<${Fact} name="oldest" says=${duration(lane.oldest_seconds)} />`}
      <${Fact} name="lag" says=${bound(lagOf(looks, minutes, own))} />
      <${Fact} name="delivered" says=${perSecond(rate(looks, (status) => own(status.lanes)?.delivered))} />
      ${lane.replaying > 0 && html`<${Fact} name="replaying" says=${number(lane.replaying)} />`}
    </dl>
  </div>`;
}

function Fact({ name, kind, says }) {
  return html`<div><dt>${t(`destinations.${name}`)}</dt><dd class=${kind}>${says}</dd></div>`;
}

/// Of what was delivered between the looks of the last minute; else of the gateway's own last minute in which something was.
function lagOf(looks, minutes, own) {
  const [before, now] = [looks[0], looks.at(-1)].map((look) => own(look.status.lanes)?.lag_seconds ?? []);
  const lag = quantile(since(now, before), 0.99);
  return lag ?? minutes.map((minute) => own(minute.lanes)?.lag_p99).findLast(Boolean);
}

words({
  en: {
    "destinations.up": "connected", "destinations.down": "down", "destinations.urgent": "urgent", "destinations.normal": "normal",
    "destinations.waiting": "Waiting", "destinations.waiting_curve": "What waited in the last hour; {now} now",
    "destinations.oldest": "Oldest", "destinations.lag": "Lag, p99", "destinations.delivered": "Delivered",
    "destinations.replaying": "To replay", "destinations.set_aside": "{n} set aside",
  },
  zh: {
    "destinations.up": "已连接", "destinations.down": "断开", "destinations.urgent": "紧急", "destinations.normal": "普通",
    "destinations.waiting": "等待", "destinations.waiting_curve": "最近一小时等待的事件；现在 {now}",
    "destinations.oldest": "最早", "destinations.lag": "延迟 p99", "destinations.delivered": "已投递",
    "destinations.replaying": "待重放", "destinations.set_aside": "搁置 {n} 个",
  },
});
