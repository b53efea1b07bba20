//! One event, whole: its pictures full size, its way through the gateway, everything its document says.

import { html, useEffect, useState } from "../vendor/preact.js";
import { get, pictureAddress, query } from "../api.js";
import { Empty, PersonType, Picture, Problem, Said, Text, When, bytes, cut, number, useEvery } from "../parts.js";
import { isKnown, t, words } from "../words.js";
import { Waiting } from "./health/paused.js";

/// While it is on its way; afterwards nothing changes but by an operator.
const EVERY_MS = 2_000;
/// Whom to compare stand side by side.
const KINDS = ["face", "registered", "scene", "infrared"];
/// A document that is longer is nothing to read here.
const DOCUMENT_MAX = 100_000;

export function Event({ id, status }) {
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
        ${trace.records.map((record) => html`<${Way} key=${record.sequence} record=${record} status=${status} />`)}
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
    ["event.feed", html`<${Text} text=${[feedInWords(event.feed), event.replay].filter(Boolean).join(" · ")} />`],
    ["event.warnings", event.warnings.length ? event.warnings.map(({ code, field }) => html`<div><${Text} text=${`${code} ${field ?? ""}`} /></div>`) : "–"],
  ];
  return html`<div class="card"><dl class="facts">${facts.map(([key, shown]) => html`<dt>${t(key)}</dt><dd>${shown}</dd>`)}</dl></div>`;
}

const feedInWords = (feed) => (isKnown(`parts.feed_${feed}`) ? t(`parts.feed_${feed}`) : feed);

/// A picture, and a link to it in its full size.
function Full({ kind, picture }) {
  const size = picture.width ? ` · ${picture.width} × ${picture.height}` : "";
  const label = html`${t(`event.${kind}`)} <span class="faint">${bytes(picture.bytes)}${size}</span>`;
  return html`<a class="full" href=${pictureAddress(picture.key)} target="_blank" rel="noreferrer">
    <${Picture} picture=${picture} label=${label} alt=${t(`event.${kind}`)} />
  </a>`;
}

/// Accepted, and what became of it at each destination.
function Way({ record, status }) {
  return html`<section class="card way">
    <h2>${t("event.way")}</h2>
    <ol>
      <li class="step step-delivered"><b>${t("event.accepted")}</b><span class="what">${t("event.on_disk", { lane: t(`event.lane_${record.lane}`) })}</span><${When} at=${record.accepted_at} /></li>
      ${record.destinations.map((way) => html`<${Step} key=${way.destination} way=${way} record=${record} status=${status} />`)}
    </ol>
  </section>`;
}

function Step({ way, record, status }) {
  return html`<li class=${`step step-${way.state}`}>
    <b><${Text} text=${way.destination} /></b>
    <span class="what">${t(`event.state_${way.state}`)}${way.late && ` · ${t("event.as_late")}`}</span>
    ${way.at && html`<${When} at=${way.at} />`}
    ${way.topic && html`<p class="small">${t(`event.topic_${way.state}`)} <code><${Text} text=${way.topic} longest=${500} /></code></p>`}
    ${isKnown(`event.why_${way.code}`) && html`<p>${t(`event.why_${way.code}`)}</p>`}
    ${way.why && html`<p class="faint small"><${Said} text=${way.why} longest=${600} /></p>`}
    ${way.aside && html`<p><a class="button" href=${query("#/aside", { id: way.aside })}>${t("event.look_aside")}</a></p>`}
    ${way.state !== "delivered" && html`<${Waiting} destination=${way.destination} type=${record.person_type} status=${status} />`}
  </li>`;
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
    "event.state_answered": "answered, too long ago to say how", "event.state_over_kafka": "goes over Kafka", "event.state_not_its": "does not get it", "event.document": "The whole document",
    "event.why_not_authorised": "no right to publish on this topic: grant it", "event.why_too_large": "over a limit of the destination",
    "event.why_destination_down": "no connection", "event.why_type_paused": "this type is paused, since it was refused again and again",
    "event.why_refused_for_now": "refused for now, and tried again", "event.why_awaits_pictures": "its pictures are not in the store yet",
    "event.why_under_way": "on its way, or behind others", "event.why_sent_again": "sent again after it had been set aside",
    "event.why_dropped": "dropped by an operator", "event.why_added_later": "the destination was added later",
    "event.why_too_long_ago": "too long ago to say what became of it",
    "event.as_late": "as late", "event.topic_delivered": "to", "event.topic_set_aside": "refused on", "event.topic_waiting": "for",
    "event.look_aside": "Look, send again…",
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
    "event.state_answered": "已应答，时间过久无法确定结果", "event.state_over_kafka": "经由 Kafka 转发", "event.state_not_its": "不发送到此", "event.document": "完整文档",
    "event.why_not_authorised": "没有发布到此主题的权限：请授权", "event.why_too_large": "超过目的地的限制",
    "event.why_destination_down": "连接中断", "event.why_type_paused": "此类型因反复被拒绝而暂停",
    "event.why_refused_for_now": "暂时被拒绝，正在重试", "event.why_awaits_pictures": "图片尚未存入图片存储",
    "event.why_under_way": "正在发送，或排在其他事件之后", "event.why_sent_again": "曾被搁置，已重新发送",
    "event.why_dropped": "已被操作员丢弃", "event.why_added_later": "目的地在其之后才添加",
    "event.why_too_long_ago": "时间过久，无法确定结果",
    "event.as_late": "迟到", "event.topic_delivered": "主题", "event.topic_set_aside": "被拒绝的主题", "event.topic_waiting": "目标主题",
    "event.look_aside": "查看并重新发送…",
  },
});
