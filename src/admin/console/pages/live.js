//! A wall of faces as they come: scene beside the enrolled photo, alarms on top until somebody acknowledges them.
//!
//! Promises: an alarm is shown whatever is filtered or paused.

import { Component, html, useEffect, useRef } from "../vendor/preact.js";
import { Empty, PERSON_TYPES, PersonType, Picture, Problem, Text, When, number } from "../parts.js";
import { language, t, words } from "../words.js";
import { useDrawn } from "./live/watch.js";

export function Live({ watch, reachable }) {
  useDrawn(watch);
  const { wall, state, error } = watch;
  return html`
    <h1 class="hidden">${t("app.live")}</h1>
    <${Bar} watch=${watch} />
    <${Problem} error=${error} />
    ${(state === "broken" || !reachable) && html`<p class="notice" role="status">${t("live.broken")}</p>`}
    ${watch.sound.isSilenced && html`<p class="notice" role="status">${t("live.silenced")}</p>`}
    <${Alarms} watch=${watch} />
    <${Faces} wall=${wall} />`;
}

function Bar({ watch }) {
  const { wall, sound } = watch;
  const { filter } = wall;
  const toggle = (type) => {
    const types = filter.types.includes(type) ? filter.types.filter((one) => one !== type) : [...filter.types, type];
    return watch.filterBy({ types });
  };
  const chip = (type) => html`<button key=${type} class="chip" aria-pressed=${filter.types.includes(type) ? "true" : "false"}
    onClick=${() => toggle(type)}><${PersonType} type=${type} /></button>`;
  return html`<div class="bar" role="group" aria-label=${t("live.filter")}>
    <div class="chips">${PERSON_TYPES.map(chip)}</div>
    <${Choice} name="device" label=${t("live.device")} of=${wall.devices} chosen=${filter.device} choose=${(device) => watch.filterBy({ device })} />
    <${Choice} name="site" label=${t("live.site")} of=${wall.sites} chosen=${filter.site} choose=${(site) => watch.filterBy({ site })} />
    <div class="push">
      <button aria-pressed=${sound.isOn ? "true" : "false"} onClick=${() => sound.turn(!sound.isOn)}>${t(sound.isOn ? "live.sound_on" : "live.sound_off")}</button>
      <button aria-pressed=${wall.isPaused ? "true" : "false"} class=${wall.isPaused ? "primary" : ""} onClick=${() => watch.pauseOrGoOn()}>
        ${wall.isPaused ? t("live.go_on", { n: number(wall.missed) }) : t("live.pause")}
      </button>
    </div>
  </div>`;
}

function Choice({ name, label, of, chosen, choose }) {
  const all = [...new Set([...of, chosen])].filter(Boolean).sort();
  const option = (value) => html`<option key=${value} value=${value}>${value}</option>`;
  return html`<div class="field">
    <label for=${`live-${name}`}>${label}</label>
    <select id=${`live-${name}`} value=${chosen} onChange=${(event) => choose(event.currentTarget.value)}>
      <option value="">${t("live.all")}</option>
      ${all.map(option)}
    </select>
  </div>`;
}

function Alarms({ watch }) {
  const { wall } = watch;
  const alarms = wall.alarms();
  // The newest is in sight, also where somebody looked along the row.
  const row = useRef(null);
  const newest = alarms[0]?.id;
  useEffect(() => row.current?.scrollTo({ left: 0 }), [newest]);
  const alarm = (card) => html`<${Face} key=${`${card.id} ${card.revision}`} card=${card} spoken=${language()} acknowledge=${() => watch.acknowledge([card])} />`;
  return html`<section class="alarms" aria-label=${t("live.alarms")} aria-live="assertive">
    ${alarms.length > 1 && html`<div class="bar">
      <h2>${t("live.held", { n: number(alarms.length + wall.letGo) })}</h2>
      ${wall.letGo > 0 && html`<p class="faint">${t("live.let_go", { n: number(alarms.length) })}</p>`}
      <button class="push" onClick=${() => watch.acknowledge(alarms)}>${t("live.acknowledge_all")}</button>
    </div>`}
    ${alarms.length > 0 && html`<div class="wall" ref=${row}>${alarms.map(alarm)}</div>`}
  </section>`;
}

function Faces({ wall }) {
  const cards = wall.shown();
  if (!cards.length && wall.held.size) return null;
  if (!cards.length) return html`<${Empty}>${t(wall.isFiltered ? "live.nobody_so" : "live.nobody")}</${Empty}>`;
  return html`<section class="wall" aria-label=${t("live.faces")}>
    ${cards.map((card) => html`<${Face} key=${card.id} card=${card} spoken=${language()} />`)}
  </section>`;
}

/// One event. An alarm has a button of its own. A card never changes, so it is drawn once in a language.
class Face extends Component {
  shouldComponentUpdate(next) {
    return next.card !== this.props.card || next.spoken !== this.props.spoken;
  }

  render({ card, acknowledge }) {
    return drawn(card, acknowledge);
  }
}

function drawn(card, acknowledge) {
  const percent = card.score === null ? "–" : `${number(card.score * 100, 1)} %`;
  return html`<article class=${`face type-${card.type} ${acknowledge ? "alarm" : ""} ${card.isLate ? "late" : ""}`}>
    <a class="both" href=${`#/event/${card.id}`} aria-label=${t("live.open", { name: card.name || card.identity })}>
      <${Picture} picture=${card.face} label=${t("live.scene")} alt=${t("live.scene_of", { name: card.name })} />
      <${Picture} picture=${card.registered} label=${t("live.enrolled")} alt=${t("live.enrolled_of", { name: card.name })} />
    </a>
    <div class="who">
      <p class="name"><a href=${`#/event/${card.id}`} tabindex="-1"><${Text} text=${card.name || card.identity || "–"} longest=${60} /></a><b class="score number">${percent}</b></p>
      <p><${PersonType} type=${card.type} />${card.isLate && html`<span class="badge">${t("live.late")}</span>`}</p>
      <p class="where"><${When} at=${card.at} /> · <${Text} text=${card.door || card.device} longest=${40} /> · <${Text} text=${card.site} longest=${30} /></p>
    </div>
    ${acknowledge && html`<button class="danger" onClick=${acknowledge}>${t("live.acknowledge")}</button>`}
  </article>`;
}

words({
  en: {
    "live.filter": "What is shown", "live.device": "Device", "live.site": "Site", "live.all": "all",
    "live.sound_on": "Sound is on", "live.sound_off": "Sound is off", "live.pause": "Pause", "live.go_on": "Go on ({n} new)",
    "live.broken": "Not live: the connection to the gateway is interrupted. What came meanwhile is shown when it is back.",
    "live.silenced": "The sound is on, but this browser keeps it silent until somebody touches the page. Click anywhere.",
    "live.alarms": "Alarms", "live.let_go": "The newest {n} are shown; the others hang on the wall.", "live.held": "{n} alarms to acknowledge", "live.acknowledge": "Acknowledge", "live.acknowledge_all": "Acknowledge all",
    "live.nobody": "Nobody passed yet.", "live.nobody_so": "Nobody like this passed yet.", "live.faces": "Who passed, the newest first",
    "live.scene": "now", "live.enrolled": "enrolled", "live.scene_of": "{name} at the door", "live.enrolled_of": "{name} as enrolled",
    "live.open": "Open the event of {name}", "live.late": "for the record",
  },
  zh: {
    "live.filter": "显示内容", "live.device": "设备", "live.site": "站点", "live.all": "全部",
    "live.sound_on": "声音已开", "live.sound_off": "声音已关", "live.pause": "暂停", "live.go_on": "继续（{n} 条新事件）",
    "live.broken": "非实时：与网关的连接已中断。恢复后会显示期间的事件。",
    "live.silenced": "声音已开，但浏览器在有人操作本页之前会保持静音。请点击任意位置。",
    "live.alarms": "警报", "live.let_go": "仅显示最新 {n} 条，其余见下方。", "live.held": "{n} 条警报待确认", "live.acknowledge": "确认", "live.acknowledge_all": "全部确认",
    "live.nobody": "尚无人通过。", "live.nobody_so": "尚无符合条件的人员通过。", "live.faces": "通行人员，最新在前",
    "live.scene": "现场", "live.enrolled": "注册照", "live.scene_of": "{name} 现场照", "live.enrolled_of": "{name} 注册照",
    "live.open": "打开 {name} 的事件", "live.late": "仅供记录",
  },
});
