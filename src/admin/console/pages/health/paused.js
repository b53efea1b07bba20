//! Person types of which events wait at a destination since it refused them: on which topic, why, and a button to try at once.
//!
//! Promises: after a try it says whether events flow, or when they were refused again. Deliberately decides nothing: the gateway tries.

import { html, useEffect, useState } from "../../vendor/preact.js";
import { gatewayTime, post } from "../../api.js";
import { PersonType, Problem, Text, When, number } from "../../parts.js";
import { t, words } from "../../words.js";

/// `paused` as `/api/status` has it, of the lanes of this destination.
export function Paused({ destination, isUp, paused }) {
  const [{ busy, tried, error }, setState] = useState({});
  const resume = async (members) => {
    const tried = gatewayTime();
    setState({ busy: true });
    const asked = post(`/api/destinations/${encodeURIComponent(destination)}/resume`, members);
    setState(await asked.then(() => ({ tried }), (error) => ({ error })));
  };

  return html`
    ${paused.map((type) => html`<${PausedType} key=${`${type.person_type} ${type.topic}`} type=${type} busy=${busy} resume=${resume} />`)}
    ${!isUp && html`<button type="button" disabled=${busy} onClick=${() => resume({})}>${t("paused.connect")}</button>`}
    <div role="status">${tried && html`<${Tried} at=${tried} paused=${paused} isUp=${isUp} />`}</div>
    <${Problem} error=${error} />
  `;
}

/// Events of one type that wait at a destination for the same cause: once it is gone, they are tried at once.
export function Waiting({ destination, type, status }) {
  const lanes = (status?.lanes ?? []).filter((lane) => lane.destination === destination);
  const paused = lanes.flatMap((lane) => lane.paused_types).filter((each) => each.person_type === type);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (paused.length) setSeen(true);
  }, [paused.length]);
  if (!paused.length && !seen) return null;

  return html`<div class="waiting">
    ${paused.length > 0 && html`<h3>${t("paused.others")}</h3>`}
    <${Paused} destination=${destination} isUp=${lanes.every((lane) => lane.up)} paused=${paused} />
  </div>`;
}

/// What came of the try, as far as it is known.
function Tried({ at, paused, isUp }) {
  if (isUp && !paused.length) return html`<p class="small good">${t("paused.flows")}</p>`;
  // The gateway's time is known to the second.
  const again = paused.map((type) => type.refused_at).filter((refused) => Date.parse(refused) >= at).sort().at(-1);
  if (!again) return html`<p class="small">${t("paused.tried")}</p>`;
  return html`<p class="small bad">${t("paused.refused")} <${When} at=${again} /></p>`;
}

function PausedType({ type, busy, resume }) {
  const where = type.devices ? t("paused.on_devices", { n: number(type.devices) }) : t("paused.all");
  return html`<div class="notice paused">
    <p><${PersonType} type=${type.person_type} /> ${where}, ${t(`paused.topic_${type.topic}`)}</p>
    ${type.refused_topic && html`<p><code><${Text} text=${type.refused_topic} longest=${500} /></code></p>`}
    <p><${Text} text=${type.reason} longest=${500} /></p>
    <p class="small">${t("paused.wait", { n: number(type.waiting) })} <${When} at=${type.since} /></p>
    <button type="button" disabled=${busy} onClick=${() => resume({ person_type: type.person_type })}>${t("paused.resume")}</button>
  </div>`;
}

words({
  en: {
    "paused.others": "Events of this type wait there. Once the cause is gone:",
    "paused.connect": "Try now", "paused.resume": "Resume",
    "paused.tried": "It is tried now.", "paused.flows": "It was tried, and events flow again.", "paused.refused": "It was tried, and refused again at",
    "paused.all": "paused", "paused.on_devices": "paused on {n} devices",
    "paused.topic_live": "live topic", "paused.topic_late": "late topic",
    "paused.wait": "{n} or more wait, since",
  },
  zh: {
    "paused.others": "此类型的事件在那里等待。消除原因后：",
    "paused.connect": "立即重试", "paused.resume": "恢复",
    "paused.tried": "正在重试。", "paused.flows": "已重试，事件恢复投递。", "paused.refused": "已重试，再次被拒绝，时间",
    "paused.all": "已暂停", "paused.on_devices": "在 {n} 台设备上暂停",
    "paused.topic_live": "实时主题", "paused.topic_late": "迟到主题",
    "paused.wait": "至少 {n} 个在等待，自",
  },
});
