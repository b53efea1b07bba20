//! Devices: who sends, how much, since when one is silent, what is wrong with its events. Silent ones first.
//!
//! Promises: ten thousand devices are as quick as ten: the gateway searches, sorts and counts, and a page shows a hundred.

import { html, useEffect, useState } from "../vendor/preact.js";
import { get, query } from "../api.js";
import { Empty, Problem, Table, Text, When, duration, number, useEvery } from "../parts.js";
import { isKnown, t, words } from "../words.js";
import { Pages } from "./kept/list.js";

const LOOK_EVERY_MS = 5_000;
/// Between two keys.
const TYPING_MS = 250;
const PAGE = 100;
/// By so much a clock is off before anybody minds.
const SKEW_MS = 5_000;
const STATES = { silent: "bad", offline: "odd", online: "good" };

export function Devices() {
  const [wanted, setWanted] = useState({});
  const [from, setFrom] = useState(0);
  const settled = useSettled(wanted);

  const path = query("/api/devices", { ...settled, from, limit: PAGE });
  const { value: found, error } = useEvery(LOOK_EVERY_MS, () => get(path), [path]);
  const want = ({ currentTarget: { name, value } }) => {
    setWanted({ ...wanted, [name]: value.trim() });
    setFrom(0);
  };
  return html`<section>
    <h1>${t("app.devices")}</h1>
    <${Search} want=${want} />
    <${Problem} error=${error} />
    ${found && html`<${Rows} found=${found} from=${from} onGo=${setFrom} />`}
  </section>`;
}

/// What is wanted, once nothing more is typed.
function useSettled(wanted) {
  const [settled, setSettled] = useState(wanted);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(wanted), TYPING_MS);
    return () => clearTimeout(timer);
  }, [wanted]);
  return settled;
}

function Search({ want }) {
  return html`<form class="bar" role="search" onSubmit=${(event) => event.preventDefault()}>
    <label class="field wide">${t("devices.search")}
      <input type="search" name="text" maxlength="256" onInput=${want} placeholder=${t("devices.search_in")} />
    </label>
    <label class="field">${t("devices.site")}<input name="site" maxlength="32" spellcheck="false" onInput=${want} /></label>
    <label class="field">${t("devices.state")}
      <select name="status" onInput=${want}>
        <option value="">${t("filter.all")}</option>
        ${Object.keys(STATES).map((state) => html`<option key=${state} value=${state}>${t(`devices.${state}`)}</option>`)}
      </select>
    </label>
  </form>`;
}

function Rows({ found, from, onGo }) {
  const { devices, total, next } = found;
  if (devices.length === 0) return html`<${Empty}>${t("devices.none")}<//>`;

  const says = t("devices.of", { from: number(from + 1), to: number(from + devices.length), total: number(total) });
  return html`
    <${Table} columns=${columns()} rows=${devices} keyOf=${({ site, device }) => `${site} ${device}`} label=${t("app.devices")} />
    <${Pages} number=${from / PAGE + 1} says=${says} next=${next} onBack=${() => onGo(from - PAGE)} onNext=${() => onGo(next)} />
  `;
}

function columns() {
  const column = (name, show, numeric = false) => ({ name, title: t(`devices.${name}`), show, numeric });
  return [
    column("state", (row) => html`<${State} row=${row} />`),
    column("device", (row) => html`<${Name} row=${row} />`),
    column("site", ({ site }) => html`<${Text} text=${site} />`),
    column("box", ({ box, peer }) => html`<${Text} text=${box ?? peer ?? "–"} longest=${40} />`),
    column("seen", ({ last_seen: at }) => html`<${When} at=${at} />`),
    column("events", (row) => number(row.events_per_hour), true),
    column("missing", (row) => html`<${Odd} count=${row.missing_pictures_per_hour} />`, true),
    column("refused", (row) => html`<${Odd} count=${row.refusals_per_hour} />`, true),
    column("clock", (row) => html`<${Skew} ms=${row.clock_skew_ms} />`),
    column("writes", ({ warnings }) => warnings.map((word) => html`<code key=${word}>${word}</code> `)),
  ];
}

function State({ row }) {
  // Nobody knows of which device its bodies told: it is neither away nor there.
  if (row.status === "offline" && !row.last_seen && row.refusals_per_hour > 0) return html`<span class="mark odd">${t("devices.only_refused")}</span>`;
  return html`<span class=${`mark ${STATES[row.status]}`}>${t(`devices.${row.status}`)}</span>
    ${row.status === "silent" && html`<br /><span class="small faint">${t("devices.since")} <${When} at=${row.since} /></span>`}`;
}

function Name({ row }) {
  const type = isKnown(`devices.type_${row.type}`) ? t(`devices.type_${row.type}`) : row.type;
  const about = [row.name, row.door, type].filter(Boolean).join(", ");
  return html`<strong><${Text} text=${row.device} longest=${60} /></strong>${about && html`<br /><span class="small faint"><${Text} text=${about} longest=${80} /></span>`}`;
}

function Odd({ count }) {
  return html`<span class=${count > 0 ? "odd" : ""}>${number(count)}</span>`;
}

/// Received − occurred: a clock that is behind makes it larger than zero.
function Skew({ ms }) {
  if (ms === null) return "–";
  if (Math.abs(ms) <= SKEW_MS) return t("devices.right");

  const key = ms < 0 ? "devices.ahead" : "devices.behind";
  return html`<span class="bad">${t(key, { time: duration(Math.abs(ms) / 1_000) })}</span>`;
}

words({
  en: {
    "devices.search": "Search", "devices.search_in": "id, name, door, box, address", "devices.site": "Site", "devices.state": "State",
    "devices.none": "No device is known here, or none matches.", "devices.device": "Device", "devices.box": "Box",
    "devices.seen": "Last seen", "devices.events": "Events/h", "devices.missing": "No picture/h", "devices.refused": "Refused/h",
    "devices.clock": "Clock", "devices.writes": "Odd in its events", "devices.since": "since",
    "devices.ahead": "{time} ahead", "devices.behind": "{time} behind", "devices.right": "right",
    "devices.type_gate": "gate", "devices.type_door": "door", "devices.type_box": "box", "devices.type_unknown": "unknown type",
    "devices.type_capture_camera": "capture camera", "devices.type_ipc_static": "fixed camera", "devices.type_ipc_dynamic": "moving camera",
    "devices.of": "{from} to {to} of {total}",
    "devices.only_refused": "sends nothing that is read", "devices.silent": "silent", "devices.offline": "offline", "devices.online": "online",
  },
  zh: {
    "devices.search": "搜索", "devices.search_in": "编号、名称、门、盒子、地址", "devices.site": "站点", "devices.state": "状态",
    "devices.none": "没有已知的设备，或没有匹配的设备。", "devices.device": "设备", "devices.box": "盒子",
    "devices.seen": "最后出现", "devices.events": "事件/小时", "devices.missing": "无图/小时", "devices.refused": "拒绝/小时",
    "devices.clock": "时钟", "devices.writes": "事件中的异常", "devices.since": "自",
    "devices.ahead": "快 {time}", "devices.behind": "慢 {time}", "devices.right": "准确",
    "devices.type_gate": "闸机", "devices.type_door": "门禁", "devices.type_box": "盒子", "devices.type_unknown": "未知类型",
    "devices.type_capture_camera": "抓拍机", "devices.type_ipc_static": "固定摄像机", "devices.type_ipc_dynamic": "动态摄像机",
    "devices.of": "第 {from} 至 {to} 台，共 {total} 台",
    "devices.only_refused": "所发内容均无法识别", "devices.silent": "静默", "devices.offline": "离线", "devices.online": "在线",
  },
});
