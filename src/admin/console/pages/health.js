//! Health: ready and why not, what comes in, how fast boxes are answered, the disk, each destination, and the settings.
//!
//! Promises: says what is wrong in the gateway's own words; a number that is not known is a dash. Deliberately decides nothing.

import { html, useState } from "../vendor/preact.js";
import { get, post } from "../api.js";
import { PersonType, Problem, Said, Text, bytes, duration, useEvery } from "../parts.js";
import { t, words } from "../words.js";
import { Curve } from "./health/curve.js";
import { Destinations } from "./health/destinations.js";
import { Finding } from "./health/finding.js";
import { Lately } from "./health/lately.js";
import { bound, counted, lastLooks, over, perSecond, quantile, rate, since } from "./health/measures.js";

/// The minute under way grows while one looks.
const HISTORY_EVERY_MS = 5_000;
/// After that a box hangs up.
const PATIENCE_SECONDS = 0.5;

export function Health({ status, reachable }) {
  const looks = lastLooks();
  const { value } = useEvery(HISTORY_EVERY_MS, () => get("/api/status/history"));
  if (!status) return html`<h1>${t("app.health")}</h1>`;

  const minutes = value?.minutes ?? [];
  return html`<section class=${reachable ? "health" : "health stale"}>
    <h1>${t("app.health")}</h1>
    ${reachable ? html`<${Readiness} status=${status} />` : html`<${Unreachable} />`}
    <div class="cards">
      <${Incoming} looks=${looks} minutes=${minutes} />
      <${Answers} looks=${looks} minutes=${minutes} />
      <${Disk} queue=${status.queue} minutes=${minutes} />
    </div>
    <h2>${t("health.destinations")}</h2>
    <${Destinations} looks=${looks} minutes=${minutes} />
    <h2>${t("health.settings")}</h2>
    <${Settings} status=${status} />
  </section>`;
}

function Unreachable() {
  return html`<div class="verdict bad" role="status"><strong>${t("health.unreachable")}</strong></div>`;
}

function Readiness({ status }) {
  const { ready, reasons, findings, lately } = status;
  const kind = !ready ? "bad" : reasons.length ? "odd" : "good";
  return html`<div class=${`verdict ${kind}`} role="status">
    <strong>${t(`health.verdict_${kind}`)}</strong>
    ${reasons.length > 0 && html`<ul>${findings.map((finding) => html`<li key=${finding.message}><${Finding} finding=${finding} /></li>`)}</ul>`}
    <${Lately} lately=${lately} />
  </div>`;
}

function Incoming({ looks, minutes }) {
  const accepted = minutes.map((minute) => (minute.events.accepted ?? 0) / minute.seconds);
  const now = perSecond(rate(looks, (status) => status.events.accepted) ?? accepted.at(-1));
  const refused = rate(looks, (status) => status.events.refused);

  return html`<article class="card">
    <h3>${t("health.incoming")}</h3>
    <p class="figure">${now}</p>
    <${Curve} values=${accepted} says=${t("health.incoming_curve", { now })} />
    <ul class="types">${typesSeen(minutes).map((type) => html`<${OfType} key=${type} type=${type} looks=${looks} minutes=${minutes} />`)}</ul>
    ${refused > 0 && html`<p class="odd">${t("health.refused", { rate: perSecond(refused) })}</p>`}
  </article>`;
}

function OfType({ type, looks, minutes }) {
  const values = minutes.map((minute) => (minute.person_types[type] ?? 0) / minute.seconds);
  const now = perSecond(rate(looks, (status) => status.person_types[type]) ?? values.at(-1));

  return html`<li class=${`type-${type}`}>
    <${PersonType} type=${type} />
    <${Curve} values=${values} kind="of-type" says=${t("health.incoming_curve", { now })} />
    <span class="number">${now}</span>
  </li>`;
}

/// Those of which one came within the hour.
function typesSeen(minutes) {
  const types = Object.keys(minutes.at(-1)?.person_types ?? {});
  return types.filter((type) => minutes.some((minute) => minute.person_types[type] > 0));
}

function Answers({ looks, minutes }) {
  const { p50, p99, late } = lastMinute(looks, minutes);
  const slowest = minutes.map(({ answers }) => answers.p99?.at_most ?? answers.p99?.over ?? 0);

  return html`<article class="card">
    <h3>${t("health.answers")}</h3>
    <p class="figure">${bound(p99)} <small>p99</small></p>
    <${Curve} values=${slowest} says=${t("health.answers_curve", { now: bound(p99) })} />
    <dl class="facts">
      <dt>p50</dt><dd>${bound(p50)}</dd>
      <dt>${t("health.late")}</dt>
      <dd class=${late ? "bad" : "good"}>${late ? t("health.late_some", { n: late }) : t("health.late_none")}</dd>
    </dl>
  </article>`;
}

/// Between the looks of the last minute; the gateway's own last minute, as long as these saw no answer.
function lastMinute(looks, minutes) {
  const [before, now] = [looks[0], looks.at(-1)].map((look) => look.status.answers.seconds);
  const answers = since(now, before);
  if (counted(answers) === 0) return minutes.findLast((minute) => minute.answers.p99)?.answers ?? {};

  return { p50: quantile(answers, 0.5), p99: quantile(answers, 0.99), late: over(answers, PATIENCE_SECONDS) };
}

function Disk({ queue, minutes }) {
  if (!queue) return html`<article class="card"><h3>${t("health.disk")}</h3><p>${t("health.disk_closed")}</p></article>`;

  const [waits, full] = [bytes(queue.waiting_bytes), queue.full_in_seconds];
  const isFilling = typeof full === "number";
  return html`<article class="card">
    <h3>${t("health.disk")}</h3>
    <p class="figure">${waits} <small>${t("health.disk_waits")}</small></p>
    <${Curve} values=${minutes.map((minute) => minute.waiting_bytes)} says=${t("health.disk_curve", { now: waits })} />
    <dl class="facts">
      <dt>${t("health.disk_full_in")}</dt>
      <dd class=${isFilling ? "bad" : "good"}>${isFilling ? remaining(full) : t("health.disk_not_filling")}</dd>
      <dt>${t("health.disk_free")}</dt><dd>${bytes(queue.free_bytes)}</dd>
      <dt>${t("health.disk_kept")}</dt><dd>${bytes(queue.kept_bytes)}</dd>
    </dl>
    ${queue.waiting_bytes > 0 && html`<p class="small faint">${t("health.disk_segments")}</p>`}
  </article>`;
}

const remaining = (seconds) => (seconds === 0 ? t("health.disk_full") : duration(seconds));

function Settings({ status }) {
  const [{ busy, taken, error }, setState] = useState({});
  const reload = async () => {
    setState({ busy: true });
    setState(await post("/api/reload").then((taken) => ({ taken }), (error) => ({ error })));
  };

  return html`<article class="card">
    ${status.notes.length > 0 && html`<ul class="notes">${status.notes.map((note) => html`<li key=${note}><${Text} text=${note} longest=${1_000} /></li>`)}</ul>`}
    <p class="faint">${t("health.reload_about")}</p>
    <button type="button" onClick=${reload} disabled=${busy}>${t("health.reload")}</button>
    <div role="status">${taken && html`<p class="good">${inWords(taken)}</p>`}</div>
    <${Problem} error=${error} />
    <p class="faint small">boxbridge ${status.version}</p>
  </article>`;
}

function inWords({ generation, changed }) {
  const key = changed.length ? "health.reload_changed" : "health.reload_same";
  return t(key, { generation, keys: changed.join(", ") });
}

words({
  en: {
    "health.destinations": "Destinations", "health.settings": "Settings",
    "health.verdict_good": "Ready. Nothing is wrong now.",
    "health.verdict_odd": "Ready, and boxes are answered. Look at this:",
    "health.verdict_bad": "Not ready: boxes may be refused.",
    "health.unreachable": "The gateway does not answer. What stands below is what it said last; this page asks again by itself.",
    "health.incoming": "Events coming in", "health.incoming_curve": "Events a second in the last hour; {now} now",
    "health.refused": "{rate} refused",
    "health.answers": "Answers to boxes",
    "health.answers_curve": "The slowest hundredth of the answers of each minute in the last hour; {now} in the last one",
    "health.late": "Over 500 ms", "health.late_none": "none", "health.late_some": "{n} in the last minute",
    "health.disk": "Disk", "health.disk_closed": "The queue is not open yet.", "health.disk_waits": "of the disk are held for what waits",
    "health.disk_segments": "Events lie in files of up to 64 MiB: one that waits holds its whole file.",
    "health.disk_curve": "What waited in the last hour; {now} now",
    "health.disk_full_in": "Full in", "health.disk_full": "it is full", "health.disk_not_filling": "it does not fill", "health.disk_free": "Free",
    "health.disk_kept": "Kept to replay",
    "health.reload": "Reload the settings",
    "health.reload_about": "Reads the settings again and takes them as a whole, or not at all. No box's connection is dropped.",
    "health.reload_same": "Taken; no value is another one now (generation {generation}).",
    "health.reload_changed": "Taken: {keys} (generation {generation}).",
  },
  zh: {
    "health.destinations": "目的地", "health.settings": "设置",
    "health.verdict_good": "就绪，当前一切正常。",
    "health.verdict_odd": "就绪，盒子能得到应答。请注意：",
    "health.verdict_bad": "未就绪：盒子可能被拒绝。",
    "health.unreachable": "网关没有响应。下面是它最后报告的内容；本页会自动重试。",
    "health.incoming": "接收的事件", "health.incoming_curve": "最近一小时每秒事件数；现在 {now}",
    "health.refused": "拒绝 {rate}",
    "health.answers": "对盒子的应答",
    "health.answers_curve": "最近一小时每分钟最慢的百分之一应答；最近一分钟 {now}",
    "health.late": "超过 500 毫秒", "health.late_none": "无", "health.late_some": "最近一分钟 {n} 个",
    "health.disk": "磁盘", "health.disk_closed": "队列尚未打开。", "health.disk_waits": "磁盘空间被等待的事件占用",
    "health.disk_segments": "事件存放在最大 64 MiB 的文件中：只要有一个在等待，整个文件都会保留。",
    "health.disk_curve": "最近一小时等待的数据；现在 {now}",
    "health.disk_full_in": "写满还需", "health.disk_full": "已满", "health.disk_not_filling": "没有增长", "health.disk_free": "可用",
    "health.disk_kept": "为重放保留",
    "health.reload": "重新加载设置",
    "health.reload_about": "重新读取设置，要么全部生效，要么全部不生效。盒子的连接不会断开。",
    "health.reload_same": "已生效，没有任何值改变（第 {generation} 代）。",
    "health.reload_changed": "已生效：{keys}（第 {generation} 代）。",
  },
});
