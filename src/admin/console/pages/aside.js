//! Set aside: events that a destination refused, why, how each would leave now; to be sent again or dropped.

import { html } from "../vendor/preact.js";
import { PERSON_TYPES, PersonType, Picture, Text, When, bytes, number } from "../parts.js";
import { isKnown, t, words } from "../words.js";
import { Waiting } from "./health/paused.js";
import { Kept } from "./kept/list.js";

const REASONS = ["too_large", "not_authorised", "topic_invalid", "payload_refused", "missing", "poison", "unreadable", "unrouted"];
const PICTURES = ["scene", "face", "registered", "infrared"];

export function Aside({ status, given }) {
  const destinations = [...new Set((status?.lanes ?? []).map((lane) => lane.destination))];
  return html`<section>
    <h1>${t("app.aside")}</h1>
    <p class="faint">${t("aside.about")}</p>
    <${Kept} kind=${kind(destinations)} status=${status} given=${given} />
  </section>`;
}

function kind(destinations) {
  return {
    path: "/api/aside",
    list: "records",
    job: "resend",
    label: t("app.aside"),
    one: t("aside.one"),
    fields: fields(destinations),
    columns: columns(),
    orders,
    Look,
  };
}

function fields(destinations) {
  const same = (word) => [word, word];
  return [
    { name: "destination", title: t("aside.destination"), kind: "choice", options: destinations.map(same) },
    { name: "reason", title: t("aside.reason"), kind: "choice", options: REASONS.map(same) },
    { name: "person_type", title: t("aside.person"), kind: "choice", options: PERSON_TYPES.map((type) => [type, t(`type.${type}`)]) },
    { name: "device", title: t("aside.device"), kind: "text" },
    { name: "event", title: t("aside.event"), kind: "text" },
    { name: "from", title: t("aside.from"), kind: "time" },
    { name: "to", title: t("aside.to"), kind: "time" },
  ];
}

function columns() {
  return [
    { name: "at", title: t("aside.at"), show: ({ at }) => html`<${When} at=${at} />` },
    { name: "destination", title: t("aside.destination"), show: ({ destination }) => destination },
    { name: "reason", title: t("aside.reason"), show: ({ reason }) => html`<${Reason} word=${reason} />` },
    { name: "person", title: t("aside.person"), show: ({ person_type: type }) => type && html`<${PersonType} type=${type} />` },
    { name: "device", title: t("aside.device"), show: ({ device }) => html`<${Text} text=${device} longest=${60} />` },
  ];
}

function Reason({ word }) {
  const key = `aside.because_${word}`;
  return html`<code>${word}</code> ${isKnown(key) && html`<span class="faint small">${t(key)}</span>`}`;
}

function orders(filter) {
  const which = filter.id ? "one" : "all";
  const isAll = Object.keys(filter).length === 0;
  const counts = ({ matching, kept }) => ({ n: number(matching.records), of: number(kept.records), where: where(matching) });
  return [
    {
      path: "/api/aside/resend",
      body: { filter },
      label: t(`aside.resend_${which}`),
      title: t("aside.resend_title"),
      yes: t("aside.resend_yes"),
      paced: true,
      says: (dry) => t("aside.resend_says", counts(dry)),
    },
    {
      path: "/api/aside/drop",
      body: isAll ? { all: true } : { filter },
      label: t(`aside.drop_${which}`),
      title: t("aside.drop_title"),
      yes: t("aside.drop_yes"),
      danger: true,
      says: (dry) => t("aside.drop_says", counts(dry)),
    },
  ];
}

function where({ destinations }) {
  const each = Object.entries(destinations).map(([name, records]) => `${name} ${number(records)}`);
  return each.join(", ");
}

function Look({ entry, status }) {
  const { message, event } = entry;
  const document = message?.payload ?? message?.objects;
  return html`
    <p><code>${entry.reason}</code>: <${Text} text=${entry.detail} longest=${1_000} /></p>
    <dl class="facts">
      ${entry.topic && html`<dt>${t("aside.refused_topic")}</dt><dd><code><${Text} text=${entry.topic} longest=${500} /></code></dd>`}
      ${message?.topic && html`<dt>${t("aside.topic_now")}</dt><dd><code><${Text} text=${message.topic} longest=${500} /></code></dd>`}
      <dt>${t("aside.event")}</dt><dd>${event ? html`<a href=${`#/event/${event}`}>${event}</a>` : "–"}</dd>
      <dt>${t("aside.attempts")}</dt><dd>${number(entry.attempts)}</dd>
      ${message?.bytes && html`<dt>${t("aside.size")}</dt><dd>${bytes(message.bytes)}</dd>`}
    </dl>
    ${differs(entry) && html`<p class="odd small">${t("aside.both_topics")}</p>`}
    <${Waiting} destination=${entry.destination} type=${entry.person_type} status=${status} />
    <${Pictures} pictures=${entry.event_as_kept?.pictures} />
    <h3>${t("aside.message")}</h3>
    ${document ? html`<pre class="document" tabindex="0">${JSON.stringify(document, null, 2)}</pre>` : html`<p class="odd">${t("aside.no_message")}</p>`}
  `;
}

/// Where a right was missing: the one that refused it is not the one that it takes when it is sent again.
const differs = ({ reason, topic, message }) => reason === "not_authorised" && topic && message?.topic && topic !== message.topic;

/// The faces, where the gateway has their bytes still; their sizes in any case.
function Pictures({ pictures }) {
  const there = PICTURES.filter((kind) => pictures?.[kind]?.key);
  const label = (kind) => `${t(`aside.picture_${kind}`)}, ${bytes(pictures[kind].bytes ?? 0)}`;
  return html`<div class="thumbs">
    ${there.map((kind) => html`<${Picture} key=${kind} picture=${pictures[kind]} label=${label(kind)} />`)}
  </div>`;
}

words({
  en: {
    "aside.about": "Events that a destination refused for good. They stay here until you send them again or drop them. Remove the cause first.",
    "aside.one": "One set-aside event", "aside.at": "Set aside", "aside.destination": "Destination", "aside.reason": "Reason",
    "aside.person": "Person", "aside.device": "Device", "aside.event": "Event", "aside.from": "From", "aside.to": "Before",
    "aside.attempts": "Attempts", "aside.refused_topic": "Refused topic", "aside.topic_now": "Sent again, to",
    "aside.size": "Size",
    "aside.both_topics": "Two rights are needed: for the refused topic, so that new events arrive, and for the late topic, to which this one goes when it is sent again.",
    "aside.message": "The message as it would leave now", "aside.no_message": "By its route of today nothing of it would go there.",
    "aside.because_too_large": "over a limit of the destination: raise it there",
    "aside.because_not_authorised": "no right to publish on this topic: grant it",
    "aside.because_topic_invalid": "the destination does not take this topic: correct the route",
    "aside.because_payload_refused": "the destination does not take this content",
    "aside.because_missing": "the store refused the picture",
    "aside.because_poison": "the connection died on it, again and again",
    "aside.because_unreadable": "the disk did not give it back whole",
    "aside.because_unrouted": "by its route nothing of it goes there",
    "aside.resend_all": "Send these again…", "aside.resend_one": "Send again…", "aside.resend_title": "Send again?",
    "aside.resend_yes": "Send again",
    "aside.resend_says": "{n} of {of} set-aside events go out again, for the record and behind everything live: {where}.",
    "aside.drop_all": "Drop these…", "aside.drop_one": "Drop…", "aside.drop_title": "Drop?", "aside.drop_yes": "Drop for good",
    "aside.drop_says": "{n} of {of} set-aside events are removed: {where}.",
    "aside.picture_scene": "Scene", "aside.picture_face": "Face", "aside.picture_registered": "Enrolled", "aside.picture_infrared": "Infrared",
  },
  zh: {
    "aside.about": "被目的地最终拒绝的事件。它们保留在此，直到您重新发送或丢弃。请先消除原因。",
    "aside.one": "一个搁置的事件", "aside.at": "搁置时间", "aside.destination": "目的地", "aside.reason": "原因",
    "aside.person": "人员", "aside.device": "设备", "aside.event": "事件", "aside.from": "从", "aside.to": "之前",
    "aside.attempts": "尝试次数", "aside.refused_topic": "被拒绝的主题", "aside.topic_now": "重新发送到",
    "aside.size": "大小",
    "aside.both_topics": "需要两项权限：被拒绝的主题（新事件才能送达），以及重新发送时使用的迟到主题。",
    "aside.message": "现在将发出的消息", "aside.no_message": "按当前路由，不会向那里发送任何内容。",
    "aside.because_too_large": "超过目的地的限制：请在那里提高限制",
    "aside.because_not_authorised": "没有发布到此主题的权限：请授权",
    "aside.because_topic_invalid": "目的地不接受此主题：请更正路由",
    "aside.because_payload_refused": "目的地不接受此内容",
    "aside.because_missing": "存储拒绝了图片",
    "aside.because_poison": "连接一再因它中断",
    "aside.because_unreadable": "磁盘未能完整读出",
    "aside.because_unrouted": "按路由不会向那里发送任何内容",
    "aside.resend_all": "重新发送这些…", "aside.resend_one": "重新发送…", "aside.resend_title": "重新发送？",
    "aside.resend_yes": "重新发送",
    "aside.resend_says": "{of} 个搁置事件中的 {n} 个将重新发送，仅供记录，排在所有实时事件之后：{where}。",
    "aside.drop_all": "丢弃这些…", "aside.drop_one": "丢弃…", "aside.drop_title": "丢弃？", "aside.drop_yes": "永久丢弃",
    "aside.drop_says": "将删除 {of} 个搁置事件中的 {n} 个：{where}。",
    "aside.picture_scene": "现场", "aside.picture_face": "人脸", "aside.picture_registered": "注册照", "aside.picture_infrared": "红外",
  },
});
