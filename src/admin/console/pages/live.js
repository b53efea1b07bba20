//! A wall of faces as they come: scene beside the enrolled photo, alarms on top until somebody acknowledges them.
//!
//! Promises: an alarm is shown whatever is filtered or paused.

import { html } from "../vendor/preact.js";
import { query } from "../api.js";
import { Empty, PERSON_TYPES, PersonType, Problem, number } from "../parts.js";
import { language, t, words } from "../words.js";
import { Alarms } from "./live/held.js";
import { Face } from "./live/face.js";
import { useDrawn } from "./live/watch.js";
import { Lately } from "./health/lately.js";

export function Live({ watch, status, reachable }) {
  useDrawn(watch);
  const { wall, state, error, missing } = watch;
  return html`
    <h1 class="hidden">${t("app.live")}</h1>
    <${Bar} watch=${watch} />
    <${Problem} error=${error} />
    ${(state === "broken" || !reachable) && html`<p class="notice" role="status">${t("live.broken")}</p>`}
    ${missing && html`<p class="notice" role="status">${t("live.missing")}</p>`}
    ${watch.sound.isSilenced && html`<p class="notice" role="status">${t("live.silenced")}</p>`}
    <${Alarms} watch=${watch} />
    <${Lately} lately=${status?.lately} />
    <${Faces} watch=${watch} isFiltered=${wall.isFiltered} />`;
}

function Bar({ watch }) {
  const { wall, sound } = watch;
  const { filter } = wall;
  const toggle = (type) => {
    const types = filter.types.includes(type) ? filter.types.filter((one) => one !== type) : [...filter.types, type];
    return watch.filterBy({ types });
  };
  const past = query("#/past", { person_type: filter.types.length === 1 ? filter.types[0] : "", device: filter.device });
  const chip = (type) => html`<button key=${type} class="chip" aria-pressed=${filter.types.includes(type) ? "true" : "false"}
    onClick=${() => toggle(type)}><${PersonType} type=${type} /></button>`;
  return html`<div class="bar" role="group" aria-label=${t("live.filter")}>
    <div class="chips">${PERSON_TYPES.map(chip)}</div>
    <${Choice} name="device" label=${t("live.device")} of=${wall.devices} chosen=${filter.device} choose=${(device) => watch.filterBy({ device })} />
    <${Choice} name="site" label=${t("live.site")} of=${wall.sites} chosen=${filter.site} choose=${(site) => watch.filterBy({ site })} />
    <div class="push">
      <a class="button" href=${past}>${t("live.earlier")}</a>
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

function Faces({ watch, isFiltered }) {
  const cards = watch.faces();
  if (!cards.length && watch.alarms.size) return null;
  if (!cards.length) return html`<${Empty}>${t(isFiltered ? "live.nobody_so" : "live.nobody")}</${Empty}>`;
  return html`<section class="wall" aria-label=${t("live.faces")}>
    ${cards.map((card) => html`<${Face} key=${card.id} card=${card} spoken=${language()} />`)}
  </section>`;
}

words({
  en: {
    "live.filter": "What is shown", "live.device": "Device", "live.site": "Site", "live.all": "all",
    "live.sound_on": "Sound is on", "live.sound_off": "Sound is off", "live.pause": "Pause", "live.go_on": "Go on ({n} new)",
    "live.broken": "Not live: the connection to the gateway is interrupted. What came meanwhile is shown when it is back.",
    "live.silenced": "The sound is on, but this browser keeps it silent until somebody touches the page. Click anywhere.",
    "live.missing": "Alarms that came before this page was live could not be asked for yet. It is tried again.",
    "live.nobody": "Nobody passed yet.", "live.nobody_so": "Nobody like this passed yet.", "live.faces": "Who passed, the newest first", "live.earlier": "Who passed before…",
  },
  zh: {
    "live.filter": "显示内容", "live.device": "设备", "live.site": "站点", "live.all": "全部",
    "live.sound_on": "声音已开", "live.sound_off": "声音已关", "live.pause": "暂停", "live.go_on": "继续（{n} 条新事件）",
    "live.broken": "非实时：与网关的连接已中断。恢复后会显示期间的事件。",
    "live.silenced": "声音已开，但浏览器在有人操作本页之前会保持静音。请点击任意位置。",
    "live.missing": "尚未查到本页接通之前的警报，正在重试。",
    "live.nobody": "尚无人通过。", "live.nobody_so": "尚无符合条件的人员通过。", "live.faces": "通行人员，最新在前", "live.earlier": "更早的通行记录…",
  },
});
