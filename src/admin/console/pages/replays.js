//! Replay: a range of time sent again. A form says first what it would do; then progress, and the replays of before.
//!
//! Promises: nothing is sent before its dry run was shown; times are the reader's own, and go out in UTC.

import { html, useState } from "../vendor/preact.js";
import { get, post, remove } from "../api.js";
import { Empty, PERSON_TYPES, Problem, Progress, Table, Text, When, duration, number, useEvery } from "../parts.js";
import { t, words } from "../words.js";
import { Field, filled } from "./kept/filter.js";
import { OtherJob } from "./orders.js";

const LOOK_EVERY_MS = 1_000;
const HOUR_MS = 3_600_000;
const LAST = [["last_10_minutes", HOUR_MS / 6], ["last_hour", HOUR_MS], ["last_day", 24 * HOUR_MS]];

export function Replays({ status }) {
  const { value, error, again } = useEvery(LOOK_EVERY_MS, () => get("/api/replays"));
  // A store has its pictures, and is sent none again.
  const buses = (status?.lanes ?? []).filter((lane) => lane.kind !== "store");
  const destinations = [...new Set(buses.map((lane) => lane.destination))];

  return html`<section>
    <h1>${t("app.replays")}</h1>
    <p class="faint">${t("replays.about")}</p>
    <${Problem} error=${error} />
    <${OtherJob} kind="replay" />
    <${Ask} destinations=${destinations} reach=${value?.reaches_back_to} onBegun=${again} />
    <h2>${t("replays.list")}</h2>
    ${value && html`<${List} replays=${value.replays} again=${again} />`}
  </section>`;
}

/// What it would do, and then whether it shall.
function Ask({ destinations, reach, onBegun }) {
  const [{ wanted, plan, error, busy }, setState] = useState({});
  const [hourAgo] = useState(() => ago(HOUR_MS));
  const members = fields(destinations, hourAgo);
  const since = (event, milliseconds) => {
    const { from, to } = event.currentTarget.closest("form").elements;
    [from.value, to.value] = [ago(milliseconds), ""];
    setState({});
  };
  const count = async (event) => {
    event.preventDefault();
    const wanted = filled(event.currentTarget, members);
    setState({ busy: true });
    setState(await post("/api/replays", { ...wanted, dry_run: true }).then((plan) => ({ wanted, plan }), (error) => ({ error })));
  };
  const begin = async () => {
    setState({ wanted, plan, busy: true });
    const begun = post("/api/replays", wanted);
    setState(await begun.then(() => ({}), (error) => ({ error })));
    onBegun();
  };

  return html`<article class="card">
    <form class="bar" onSubmit=${count} onInput=${() => setState({})}>
      <div class="chips" role="group" aria-label=${t("replays.last")}>
        ${LAST.map(([name, milliseconds]) => html`<button type="button" class="chip" key=${name} onClick=${(event) => since(event, milliseconds)}>${t(`replays.${name}`)}</button>`)}
      </div>
      ${members.map((field) => html`<${Field} key=${field.name} field=${field} />`)}
      <button type="submit" class="primary" disabled=${busy}>${t("replays.count")}</button>
    </form>
    <p class="faint small">${reach ? html`${t("replays.reach")} <${When} at=${reach} />` : t("replays.empty")}</p>
    <${Problem} error=${error} />
    ${plan && html`<${Plan} plan=${plan} busy=${busy} onBegin=${begin} onClose=${() => setState({})} />`}
  </article>`;
}

function fields(destinations, hourAgo) {
  return [
    { name: "from", title: t("replays.from"), kind: "time", required: true, value: hourAgo },
    { name: "to", title: t("replays.to"), kind: "time" },
    { name: "destination", title: t("replays.destination"), kind: "choice", options: destinations.map((name) => [name, name]) },
    { name: "person_type", title: t("replays.person"), kind: "choice", options: PERSON_TYPES.map((type) => [type, t(`type.${type}`)]) },
    { name: "device", title: t("replays.device"), kind: "text" },
    { name: "rate", title: t("replays.rate"), kind: "number" },
  ];
}

const ago = (milliseconds) => local(new Date(Date.now() - milliseconds));

/// As a field for a time takes it.
function local(moment) {
  const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19);
}

function Plan({ plan, busy, onBegin, onClose }) {
  const most = Math.max(0, ...plan.destinations.map(sent));
  const takes = plan.rate ? t("replays.takes", { time: duration(most / plan.rate), rate: number(plan.rate) }) : t("replays.takes_unknown");

  return html`<div class="plan" role="status">
    <p>${t("replays.between")} <${When} at=${plan.from} /> – <${When} at=${plan.to} /></p>
    <ul>${plan.destinations.map((each) => html`<li key=${each.destination}>${inWords(each)}</li>`)}</ul>
    ${plan.notes.map((note) => html`<p class="odd" key=${note}><${Text} text=${note} longest=${500} /></p>`)}
    <p>${takes}</p>
    <div class="buttons">
      <button type="button" disabled=${busy} onClick=${onClose}>${t("parts.no")}</button>
      <button type="button" class="primary" disabled=${busy || most === 0} onClick=${onBegin}>${t("replays.begin")}</button>
    </div>
  </div>`;
}

/// What was never delivered comes live, and not twice.
const sent = ({ records, live }) => records - Math.min(live, records);

function inWords({ destination, records, live }) {
  const says = t("replays.so_many", { destination, n: number(records) });
  return live > 0 ? `${says} ${t("replays.live", { n: number(live) })}` : says;
}

function List({ replays, again }) {
  if (replays.length === 0) return html`<${Empty}>${t("replays.none")}<//>`;

  const column = (name, show) => ({ name, title: t(`replays.${name}`), show });
  const columns = [
    column("began", ({ began_at: at }) => html`<${When} at=${at} />`),
    column("range", ({ from, to }) => html`<${When} at=${from} /> – <${When} at=${to} />`),
    column("who", (replay) => html`<${Who} replay=${replay} />`),
    column("progress", ({ destinations }) => destinations.map((each) => html`<${To} key=${each.destination} each=${each} />`)),
    column("state", (replay) => html`<${State} replay=${replay} again=${again} />`),
  ];
  return html`<${Table} columns=${columns} rows=${replays} keyOf=${({ id }) => id} label=${t("replays.list")} />`;
}

function Who({ replay }) {
  const types = [...new Set(replay.destinations.flatMap((each) => each.person_types))];
  const isAll = types.length === PERSON_TYPES.length;
  const said = [replay.device, ...(isAll ? [] : types.map((type) => t(`type.${type}`)))].filter(Boolean).join(", ");
  return html`<${Text} text=${said || t("replays.everybody")} longest=${120} />`;
}

function To({ each }) {
  const { destination, records, live, left } = each;
  const total = records - Math.min(live, records);
  return html`<${Progress} done=${each.sent} total=${total} label=${destination} />
    ${left > 0 && each.state !== "running" && html`<p class="odd small">${t("replays.left", { n: number(left) })}</p>`}`;
}

function State({ replay, again }) {
  const [{ busy, error }, setState] = useState({});
  const cancel = async () => {
    setState({ busy: true });
    setState(await remove(`/api/replays/${encodeURIComponent(replay.id)}`).then(() => ({}), (error) => ({ error })));
    again();
  };

  const isRunning = replay.state === "running";
  return html`<span class=${`mark ${isRunning ? "odd" : ""}`}>${t(`replays.${replay.state}`)}</span>
    ${isRunning && html` <button type="button" disabled=${busy} onClick=${cancel}>${t("replays.cancel")}</button>`}
    <${Problem} error=${error} />`;
}

words({
  en: {
    "replays.about": "Sends again what was received in a range of time: with the same id and revision, for the record, behind everything live. No door opens by it, and nothing rings.",
    "replays.list": "Replays", "replays.none": "There was none yet.", "replays.reach": "The queue reaches back to",
    "replays.empty": "The queue is empty: there is nothing to replay.",
    "replays.last": "Received within", "replays.last_10_minutes": "Last 10 minutes", "replays.last_hour": "Last hour", "replays.last_day": "Last day",
    "replays.from": "Received from", "replays.to": "Before (now, if empty)", "replays.destination": "To", "replays.person": "Person",
    "replays.device": "Device", "replays.rate": "At most, events a second", "replays.count": "What would it do?",
    "replays.between": "Received between", "replays.so_many": "{destination}: {n} events.",
    "replays.live": "{n} of them were never delivered: they come live, and not twice.",
    "replays.takes": "At {rate} a second this takes {time}.",
    "replays.takes_unknown": "Without a limit it goes as fast as the destinations take it, behind everything live.",
    "replays.begin": "Replay", "replays.began": "Began", "replays.range": "Received", "replays.who": "Of", "replays.everybody": "everybody",
    "replays.progress": "Sent", "replays.state": "State", "replays.left": "{n} were not sent", "replays.cancel": "Cancel",
    "replays.running": "under way", "replays.done": "done", "replays.cancelled": "cancelled",
  },
  zh: {
    "replays.about": "重新发送某一时间段内接收的事件：编号与版本不变，仅供记录，排在所有实时事件之后。不会开门，也不会报警。",
    "replays.list": "重放记录", "replays.none": "还没有重放。", "replays.reach": "队列最早可回溯到",
    "replays.empty": "队列为空，没有可重放的事件。",
    "replays.last": "接收时间", "replays.last_10_minutes": "最近 10 分钟", "replays.last_hour": "最近一小时", "replays.last_day": "最近一天",
    "replays.from": "接收自", "replays.to": "之前（留空为现在）", "replays.destination": "目的地", "replays.person": "人员",
    "replays.device": "设备", "replays.rate": "每秒最多事件数", "replays.count": "会发生什么？",
    "replays.between": "接收时间介于", "replays.so_many": "{destination}：{n} 个事件。",
    "replays.live": "其中 {n} 个从未投递：它们将作为实时事件到达，不会重复。",
    "replays.takes": "按每秒 {rate} 个计算，需要 {time}。",
    "replays.takes_unknown": "不限速时，将按目的地的接收速度发送，排在所有实时事件之后。",
    "replays.begin": "开始重放", "replays.began": "开始时间", "replays.range": "接收时间", "replays.who": "对象", "replays.everybody": "所有人",
    "replays.progress": "已发送", "replays.state": "状态", "replays.left": "{n} 个未发送", "replays.cancel": "取消",
    "replays.running": "进行中", "replays.done": "完成", "replays.cancelled": "已取消",
  },
});
