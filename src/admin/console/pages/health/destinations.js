//! Each destination and its lanes: up or down, what waits and since when, what it refused, and a button to try at once.
//!
//! Promises: a person type that waits is shown with the destination's own words. Deliberately counts nothing itself.

import { html, useState } from "../../vendor/preact.js";
import { post } from "../../api.js";
import { PersonType, Problem, Text, When, duration, number } from "../../parts.js";
import { t, words } from "../../words.js";
import { Curve } from "./curve.js";
import { bound, perSecond, quantile, rate, since } from "./measures.js";

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
    ${setAside > 0 && html`<p class="small"><a href="#/aside">${t("destinations.set_aside", { n: number(setAside) })}</a></p>`}
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

function Paused({ destination, isUp, paused }) {
  const [{ busy, resumed, error }, setState] = useState({});
  const resume = async (members) => {
    setState({ busy: true });
    const asked = post(`/api/destinations/${encodeURIComponent(destination)}/resume`, members);
    setState(await asked.then(() => ({ resumed: true }), (error) => ({ error })));
  };

  return html`
    ${paused.map((type) => html`<${PausedType} key=${`${type.person_type} ${type.topic}`} type=${type} busy=${busy} resume=${resume} />`)}
    ${!isUp && html`<button type="button" disabled=${busy} onClick=${() => resume({})}>${t("destinations.connect")}</button>`}
    <div role="status">${resumed && html`<p class="small">${t("destinations.resumed")}</p>`}</div>
    <${Problem} error=${error} />
  `;
}

function PausedType({ type, busy, resume }) {
  const where = type.devices ? t("destinations.on_devices", { n: number(type.devices) }) : t("destinations.all");
  return html`<div class="notice paused">
    <p><${PersonType} type=${type.person_type} /> ${where}, ${t(`destinations.topic_${type.topic}`)}</p>
    <p><${Text} text=${type.reason} longest=${500} /></p>
    <p class="small">${t("destinations.wait", { n: number(type.waiting) })} <${When} at=${type.since} /></p>
    <button type="button" disabled=${busy} onClick=${() => resume({ person_type: type.person_type })}>${t("destinations.resume")}</button>
  </div>`;
}

words({
  en: {
    "destinations.up": "connected", "destinations.down": "down", "destinations.urgent": "urgent", "destinations.normal": "normal",
    "destinations.waiting": "Waiting", "destinations.waiting_curve": "What waited in the last hour; {now} now",
    "destinations.oldest": "Oldest", "destinations.lag": "Lag, p99", "destinations.delivered": "Delivered",
    "destinations.replaying": "To replay", "destinations.set_aside": "{n} set aside",
    "destinations.connect": "Try now", "destinations.resume": "Resume",
    "destinations.resumed": "It is tried now. What is refused again waits again.",
    "destinations.all": "paused", "destinations.on_devices": "paused on {n} devices",
    "destinations.topic_live": "live topic", "destinations.topic_late": "late topic",
    "destinations.wait": "{n} or more wait, since",
  },
  zh: {
    "destinations.up": "已连接", "destinations.down": "断开", "destinations.urgent": "紧急", "destinations.normal": "普通",
    "destinations.waiting": "等待", "destinations.waiting_curve": "最近一小时等待的事件；现在 {now}",
    "destinations.oldest": "最早", "destinations.lag": "延迟 p99", "destinations.delivered": "已投递",
    "destinations.replaying": "待重放", "destinations.set_aside": "搁置 {n} 个",
    "destinations.connect": "立即重试", "destinations.resume": "恢复",
    "destinations.resumed": "正在重试。再次被拒绝的事件会继续等待。",
    "destinations.all": "已暂停", "destinations.on_devices": "在 {n} 台设备上暂停",
    "destinations.topic_live": "实时主题", "destinations.topic_late": "迟到主题",
    "destinations.wait": "至少 {n} 个在等待，自",
  },
});
