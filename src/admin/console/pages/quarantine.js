//! Quarantine: bodies that were no event, why, with the place of the fault marked; to be handed in again as history, or dropped.

import { html } from "../vendor/preact.js";
import { Text, When, bytes, number } from "../parts.js";
import { isKnown, t, words } from "../words.js";
import { Kept } from "./kept/list.js";

/// Of which bodies are kept.
const CODES = [
  "json_invalid", "json_too_deep", "encoding_invalid", "event_unrecognized", "too_many_events", "too_many_pictures", "body_empty", "body_too_large",
  "path_unknown", "media_type_unsupported", "content_encoding_unsupported", "device_forbidden", "fault",
];
const FEEDS = ["realtime", "history", "platform"];

export function Quarantine({ given }) {
  return html`<section>
    <h1>${t("app.quarantine")}</h1>
    <p class="faint">${t("quarantine.about")}</p>
    <${Kept} kind=${kind()} given=${given} />
  </section>`;
}

function kind() {
  return {
    path: "/api/quarantine",
    list: "bodies",
    job: "resubmit",
    label: t("app.quarantine"),
    one: t("quarantine.one"),
    fields: fields(),
    columns: columns(),
    orders,
    Look,
  };
}

function fields() {
  return [
    { name: "code", title: t("quarantine.code"), kind: "choice", options: CODES.map((code) => [code, t(`quarantine.because_${code}`)]) },
    { name: "peer", title: t("quarantine.peer"), kind: "text" },
    { name: "feed", title: t("quarantine.feed"), kind: "choice", options: FEEDS.map((feed) => [feed, t(`parts.feed_${feed}`)]) },
    { name: "from", title: t("quarantine.from"), kind: "time" },
    { name: "to", title: t("quarantine.to"), kind: "time" },
  ];
}

function columns() {
  return [
    { name: "at", title: t("quarantine.at"), show: ({ received_at: at }) => html`<${When} at=${at} />` },
    { name: "peer", title: t("quarantine.peer"), show: ({ peer }) => html`<${Text} text=${peer} />` },
    { name: "why", title: t("quarantine.why"), show: (entry) => html`<${Why} entry=${entry} longest=${120} />` },
    { name: "bytes", title: t("quarantine.bytes"), show: (entry) => bytes(entry.bytes), numeric: true },
  ];
}

function Why({ entry, longest }) {
  const key = `quarantine.because_${entry.code}`;
  return html`<code>${entry.code}</code> ${isKnown(key) && html`${t(key)}<br />`}<span class="faint small"><${Text} text=${entry.message} longest=${longest} /></span>`;
}

function orders(filter) {
  const which = filter.id ? "one" : "all";
  const isAll = Object.keys(filter).length === 0;
  const counts = ({ matching, kept }) => ({ n: number(matching), of: number(kept.bodies) });
  return [
    {
      path: "/api/quarantine/resubmit",
      body: { filter },
      label: t(`quarantine.resubmit_${which}`),
      title: t("quarantine.resubmit_title"),
      yes: t("quarantine.resubmit_yes"),
      says: (dry) => t("quarantine.resubmit_says", counts(dry)),
    },
    {
      path: "/api/quarantine/drop",
      body: isAll ? { all: true } : { filter },
      label: t(`quarantine.drop_${which}`),
      title: t("quarantine.drop_title"),
      yes: t("quarantine.drop_yes"),
      danger: true,
      says: (dry) => t("quarantine.drop_says", counts(dry)),
    },
  ];
}

function Look({ entry }) {
  const feed = `parts.feed_${entry.feed}`;
  return html`
    <p><${Why} entry=${entry} longest=${1_000} /></p>
    <dl class="facts">
      <dt>${t("quarantine.at")}</dt><dd><${When} at=${entry.received_at} /></dd>
      <dt>${t("quarantine.peer")}</dt><dd><${Text} text=${entry.peer} /></dd>
      <dt>${t("quarantine.feed")}</dt><dd>${isKnown(feed) ? t(feed) : entry.feed}</dd>
      ${entry.box && html`<dt>${t("quarantine.box")}</dt><dd><${Text} text=${entry.box} /></dd>`}
      ${entry.field && html`<dt>${t("quarantine.field")}</dt><dd><code><${Text} text=${entry.field} /></code></dd>`}
      <dt>${t("quarantine.bytes")}</dt><dd>${bytes(entry.bytes)}</dd>
      ${entry.resubmitted > 0 && html`<dt>${t("quarantine.resubmitted")}</dt><dd>${number(entry.resubmitted)}</dd>`}
    </dl>
    <h3>${t("quarantine.body")}</h3>
    <${Body} body=${entry.body} />
  `;
}

/// Its first character from the fault on is marked: there the reader gave up.
function Body({ body }) {
  const [first, ...rest] = Array.from(body.at);
  const isSeen = first?.trim();
  return html`
    <pre class="document" tabindex="0">${body.starts_later && "… "}${body.before}${first && html`<mark>${isSeen ? first : "␣"}</mark>`}${rest.join("")}${body.ends_earlier && " …"}</pre>
    ${first && html`<p class="faint small">${t("quarantine.fault")}</p>`}
  `;
}

words({
  en: {
    "quarantine.about": "Bodies that were no event, or came to a wrong path. Their box never sends them again. What you hand in again is history: nobody acts on it.",
    "quarantine.one": "One refused body", "quarantine.at": "Received", "quarantine.peer": "Sender", "quarantine.code": "Code",
    "quarantine.why": "Why", "quarantine.bytes": "Size", "quarantine.feed": "Feed", "quarantine.from": "Received from", "quarantine.to": "Before",
    "quarantine.field": "Field", "quarantine.box": "Box", "quarantine.resubmitted": "Handed in again",
    "quarantine.body": "The body, with long texts and pictures as sizes", "quarantine.fault": "The mark is where it could not be read further.",
    "quarantine.because_json_invalid": "no JSON", "quarantine.because_json_too_deep": "JSON nested too deep", "quarantine.because_encoding_invalid": "no readable text",
    "quarantine.because_event_unrecognized": "JSON, but no event", "quarantine.because_too_many_events": "too many events in one body",
    "quarantine.because_too_many_pictures": "too many pictures", "quarantine.because_body_empty": "empty", "quarantine.because_body_too_large": "too large",
    "quarantine.because_path_unknown": "sent to a wrong path", "quarantine.because_media_type_unsupported": "of another media type",
    "quarantine.because_content_encoding_unsupported": "compressed in an unknown way", "quarantine.because_device_forbidden": "of a device that its sender may not speak for",
    "quarantine.because_fault": "a fault of the gateway",
    "quarantine.resubmit_all": "Hand these in again…", "quarantine.resubmit_one": "Hand in again…",
    "quarantine.resubmit_title": "Hand in again?", "quarantine.resubmit_yes": "Hand in again",
    "quarantine.resubmit_says": "{n} of {of} bodies are handed in again, as history.",
    "quarantine.drop_all": "Drop these…", "quarantine.drop_one": "Drop…", "quarantine.drop_title": "Drop?", "quarantine.drop_yes": "Drop for good",
    "quarantine.drop_says": "{n} of {of} bodies are removed.",
  },
  zh: {
    "quarantine.about": "不是事件或发到错误路径的请求体。盒子不会再次发送它们。重新提交的内容作为历史处理，不会触发任何动作。",
    "quarantine.one": "一个被拒绝的请求体", "quarantine.at": "接收时间", "quarantine.peer": "发送方", "quarantine.code": "代码",
    "quarantine.why": "原因", "quarantine.bytes": "大小", "quarantine.feed": "通道", "quarantine.from": "接收自", "quarantine.to": "之前",
    "quarantine.field": "字段", "quarantine.box": "盒子", "quarantine.resubmitted": "重新提交次数",
    "quarantine.body": "请求体（长文本与图片只显示大小）", "quarantine.fault": "标记处无法继续读取。",
    "quarantine.because_json_invalid": "不是 JSON", "quarantine.because_json_too_deep": "JSON 嵌套过深", "quarantine.because_encoding_invalid": "文本无法识别",
    "quarantine.because_event_unrecognized": "是 JSON，但不是事件", "quarantine.because_too_many_events": "一次事件过多",
    "quarantine.because_too_many_pictures": "图片过多", "quarantine.because_body_empty": "空请求体", "quarantine.because_body_too_large": "过大",
    "quarantine.because_path_unknown": "发到了错误的路径", "quarantine.because_media_type_unsupported": "媒体类型不支持",
    "quarantine.because_content_encoding_unsupported": "压缩方式不支持", "quarantine.because_device_forbidden": "发送方无权代表该设备",
    "quarantine.because_fault": "网关内部错误",
    "quarantine.resubmit_all": "重新提交这些…", "quarantine.resubmit_one": "重新提交…",
    "quarantine.resubmit_title": "重新提交？", "quarantine.resubmit_yes": "重新提交",
    "quarantine.resubmit_says": "{of} 个请求体中的 {n} 个将作为历史重新提交。",
    "quarantine.drop_all": "丢弃这些…", "quarantine.drop_one": "丢弃…", "quarantine.drop_title": "丢弃？", "quarantine.drop_yes": "永久丢弃",
    "quarantine.drop_says": "将删除 {of} 个请求体中的 {n} 个。",
  },
});
