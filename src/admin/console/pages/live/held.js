//! The alarms on top of the wall, each with a button to acknowledge it.
//!
//! Promises: shown whatever is filtered or paused; of many the newest, and as those are acknowledged the others; an acknowledgement can be
//! taken back.

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { gatewayTime } from "../../api.js";
import { Text, When, number } from "../../parts.js";
import { language, t, words } from "../../words.js";
import { Face } from "./face.js";

/// Drawn at a time.
const SHOWN_MAX = 24;
/// A timer takes no more.
const WAIT_MAX_MS = 3_600_000;

export function Alarms({ watch }) {
  const { alarms } = watch;
  const shown = alarms.shown().slice(0, SHOWN_MAX);
  const now = useNow(shown);
  // The newest is in sight, also where somebody looked along the row.
  const row = useRef(null);
  const newest = shown[0]?.id;
  useEffect(() => row.current?.scrollTo({ left: 0 }), [newest]);
  const alarm = (card) => html`<${Face} key=${`${card.id} ${card.revision}`} card=${card} spoken=${language()} isOver=${card.actBefore < now}
    acknowledge=${() => watch.acknowledge([card])} />`;

  return html`<section class="alarms" aria-label=${t("held.alarms")} aria-live="assertive">
    ${alarms.size > 1 && html`<${Many} watch=${watch} shown=${shown} />`}
    ${shown.length > 0 && html`<div class="wall" ref=${row}>${shown.map(alarm)}</div>`}
    ${alarms.lately.length > 0 && html`<${Lately} watch=${watch} />`}
  </section>`;
}

/// The gateway's time when it was drawn; draws anew when one of these is over.
function useNow(cards) {
  const [, draw] = useState(0);
  const now = gatewayTime();
  const next = Math.min(...cards.map((card) => card.actBefore).filter((moment) => moment >= now));
  useEffect(() => {
    if (!Number.isFinite(next)) return undefined;
    const timer = setTimeout(() => draw((before) => before + 1), Math.min(next - gatewayTime() + 1, WAIT_MAX_MS));
    return () => clearTimeout(timer);
  }, [next]);
  return now;
}

function Many({ watch, shown }) {
  const { size, cutBefore } = watch.alarms;
  const isAll = shown.length === size;
  return html`<div class="bar">
    <h2>${t("held.count", { n: number(size) })}</h2>
    ${!isAll && html`<p class="faint">${t("held.newest", { n: number(shown.length) })}</p>`}
    ${cutBefore !== null && html`<p class="odd">${t("held.cut")} <${When} at=${new Date(cutBefore).toISOString()} /></p>`}
    <button class="push" onClick=${() => watch.acknowledge(shown)}>${isAll ? t("held.acknowledge_all") : t("held.acknowledge_shown", { n: number(shown.length) })}</button>
  </div>`;
}

function Lately({ watch }) {
  const { lately } = watch.alarms;
  const [{ name, identity }] = lately;
  const who = lately.length === 1 ? html` <${Text} text=${name || identity || "–"} longest=${60} />` : "";
  return html`<p class="lately small faint">${t("held.acknowledged", { n: number(lately.length) })}${who}
    <button class="quiet" onClick=${() => watch.takeBack()}>${t("held.take_back")}</button></p>`;
}

words({
  en: {
    "held.alarms": "Alarms", "held.count": "{n} alarms to acknowledge",
    "held.newest": "The newest {n} are shown; once they are acknowledged, the others are.",
    "held.cut": "More came than can be held here. Look under Blacklist for those before",
    "held.acknowledge_all": "Acknowledge all", "held.acknowledge_shown": "Acknowledge these {n}",
    "held.acknowledged": "Acknowledged: {n}", "held.take_back": "Undo",
  },
  zh: {
    "held.alarms": "警报", "held.count": "{n} 条警报待确认",
    "held.newest": "仅显示最新 {n} 条，确认后显示其余。",
    "held.cut": "警报过多，无法全部保留在此。更早的请在“黑名单”中查看：",
    "held.acknowledge_all": "全部确认", "held.acknowledge_shown": "确认这 {n} 条",
    "held.acknowledged": "已确认：{n}", "held.take_back": "撤销",
  },
});
