//! One event, whole: its pictures full size, its way through the gateway, everything its document says.

import { html, useEffect, useState } from "../vendor/preact.js";
import { get, pictureAddress, query } from "../api.js";
import { Empty, PersonType, Picture, Problem, Text, When, bytes, cut, number, useEvery } from "../parts.js";
import { t, words } from "../words.js";

/// While it is on its way; afterwards nothing changes but by an operator.
const EVERY_MS = 2_000;
/// Whom to compare stand side by side.
const KINDS = ["face", "registered", "scene", "infrared"];
/// A document that is longer is nothing to read here.
const DOCUMENT_MAX = 100_000;

export function Event({ id }) {
  const { value: trace, error } = useEvery(EVERY_MS, () => get(`/api/events/${encodeURIComponent(id)}`), [id]);
  const [document, setDocument] = useState(null);
  const [problem, setProblem] = useState(null);
  const sequence = trace?.records[0]?.sequence;
  useEffect(() => {
    if (sequence === undefined) return;
    // The newest before the next one is this one.
    get(query("/api/events", { before: sequence + 1, limit: 1 })).then(({ events }) => setDocument(events[0]), setProblem);
  }, [sequence]);

  return html`
    <p><a href="#/live">${t("event.back")}</a></p>
    <h1>${document ? html`<${Text} text=${document.identity.name ?? document.identity.id} />` : t("app.event")}</h1>
    <${Problem} error=${trace ? problem : error} />
    ${trace && html`<div class="whole">
      ${document && html`<${Pictures} pictures=${document.pictures} />`}
      <div class="beside">
        ${document && html`<${Facts} event=${document} />`}
        ${trace.records.map((record) => html`<${Way} key=${record.sequence} record=${record} />`)}
      </div>
    </div>`}
    ${document && html`<${Source} event=${document} />`}
    ${!document && !error && !problem && html`<${Empty}>${t("event.asking")}</${Empty}>`}`;
}

function Pictures({ pictures }) {
  const kinds = KINDS.filter((kind) => pictures[kind]);
  if (!kinds.length) return html`<${Empty}>${t("event.no_pictures")}</${Empty}>`;
  return html`<div class="pictures">${kinds.map((kind) => html`<${Full} key=${kind} kind=${kind} picture=${pictures[kind]} />`)}</div>`;
}

function Facts({ event }) {
  const { identity, match, device, origin } = event;
  const facts = [
    ["event.type", html`<${PersonType} type=${event.person_type} />`],
    ["event.score", match.score === null || match.score === undefined ? "–" : html`<b class="number">${number(match.score * 100, 1)} %</b>`],
    ["event.identity", html`<${Text} text=${identity.id} />`],
    ["event.group", html`<${Text} text=${match.group} />`],
    ["event.device", html`<${Text} text=${[device.id, device.name].filter(Boolean).join(" · ")} />`],
    ["event.site", html`<${Text} text=${`${origin.site} · ${origin.gateway}`} />`],
    ["event.occurred", html`<${When} at=${event.occurred_at} />`],
    ["event.received", html`<${When} at=${event.received_at} />`],
    ["event.act_before", event.act_before ? html`<${When} at=${event.act_before} />` : t("event.late")],
    ["event.feed", html`<${Text} text=${event.replay ? `${event.feed} · ${event.replay}` : event.feed} />`],
    ["event.warnings", event.warnings.length ? event.warnings.map(({ code, field }) => html`<div><${Text} text=${`${code} ${field ?? ""}`} /></div>`) : "–"],
  ];
  return html`<div class="card"><dl class="facts">${facts.map(([key, shown]) => html`<dt>${t(key)}</dt><dd>${shown}</dd>`)}</dl></div>`;
}

/// A picture, and a link to it in its full size.
function Full({ kind, picture }) {
  const size = picture.width ? ` · ${picture.width} × ${picture.height}` : "";
  const label = html`${t(`event.${kind}`)} <span class="faint">${bytes(picture.bytes)}${size}</span>`;
  return html`<a class="full" href=${pictureAddress(picture.key)} target="_blank" rel="noreferrer">
    <${Picture} picture=${picture} label=${label} alt=${t(`event.${kind}`)} />
  </a>`;
}

/// Accepted, and what became of it at each destination.
function Way({ record }) {
  const step = (way) => html`<li key=${way.destination} class=${`step step-${way.state}`}>
    <b><${Text} text=${way.destination} /></b>
    <span class="what">${t(`event.state_${way.state}`)}</span>
    ${way.at && html`<${When} at=${way.at} />`}
    ${way.why && html`<p class="faint small"><${Text} text=${way.why} longest=${600} /></p>`}
  </li>`;
  return html`<section class="card way">
    <h2>${t("event.way")}</h2>
    <ol>
      <li class="step step-delivered"><b>${t("event.accepted")}</b><span class="what">${t("event.on_disk", { lane: t(`event.lane_${record.lane}`) })}</span><${When} at=${record.accepted_at} /></li>
      ${record.destinations.map(step)}
    </ol>
  </section>`;
}

function Source({ event }) {
  return html`<details class="card"><summary>${t("event.document")}</summary>
    <pre><bdi>${cut(JSON.stringify(event, null, 2), DOCUMENT_MAX)}</bdi></pre>
  </details>`;
}

words({
  en: {
    "event.back": "Back to the wall", "event.asking": "Asking for the event…",
    "event.type": "Person type", "event.score": "Score", "event.identity": "Identity", "event.group": "Group", "event.device": "Device",
    "event.site": "Site · gateway", "event.occurred": "At the door", "event.received": "Received", "event.act_before": "Act before",
    "event.late": "For the record: nothing is to be done", "event.feed": "Feed", "event.warnings": "Warnings",
    "event.face": "Face", "event.scene": "Scene", "event.registered": "Enrolled", "event.infrared": "Infrared",
    "event.no_pictures": "It came without pictures.", "event.way": "Its way", "event.accepted": "gateway", "event.on_disk": "on disk, answered ({lane})",
    "event.lane_urgent": "urgent lane", "event.lane_normal": "normal lane",
    "event.state_delivered": "delivered", "event.state_waiting": "waits", "event.state_set_aside": "set aside", "event.state_expired": "expired",
    "event.state_answered": "answered, too long ago to say how", "event.state_not_its": "does not get it", "event.document": "The whole document",
  },
  zh: {
    "event.back": "返回实时墙", "event.asking": "正在查询事件…",
    "event.type": "人员类型", "event.score": "相似度", "event.identity": "身份", "event.group": "分组", "event.device": "设备",
    "event.site": "站点 · 网关", "event.occurred": "通行时间", "event.received": "接收时间", "event.act_before": "有效期至",
    "event.late": "仅供记录：无需处理", "event.feed": "来源", "event.warnings": "警告",
    "event.face": "人脸", "event.scene": "现场", "event.registered": "注册照", "event.infrared": "红外",
    "event.no_pictures": "没有图片。", "event.way": "传递过程", "event.accepted": "网关", "event.on_disk": "已落盘并应答（{lane}）",
    "event.lane_urgent": "紧急通道", "event.lane_normal": "普通通道",
    "event.state_delivered": "已送达", "event.state_waiting": "等待中", "event.state_set_aside": "已搁置", "event.state_expired": "已过期",
    "event.state_answered": "已应答，时间过久无法确定结果", "event.state_not_its": "不发送到此", "event.document": "完整文档",
  },
});
