//! A wall of faces as they come: scene beside the enrolled photo, alarms on top until somebody acknowledges them.
//!
//! Promises: an alarm is shown whatever is filtered or paused. Draws a few times a second at most, however fast events come.

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { get, query, stream } from "../api.js";
import { Empty, PERSON_TYPES, PersonType, Picture, Problem, Text, When, number } from "../parts.js";
import { keep, kept, t, words } from "../words.js";
import { Sound } from "./live/sound.js";
import { CARDS_MAX, Wall } from "./live/wall.js";

/// Between two drawings.
const DRAW_MS = 200;
const ACKNOWLEDGED = "boxbridge.acknowledged";
const FILTER = "boxbridge.live-filter";
const SOUND = "boxbridge.sound";

const sound = new Sound();

export function Live({ reachable }) {
  const wall = useWall();
  const [state, setState] = useState("asking");
  const [error, setError] = useState(null);
  const [hasSound, setSound] = useSound();

  // A connection that died silently is not noticed by who only listens: with the gateway's return a new one is made.
  useEffect(() => {
    if (!reachable) return undefined;
    const onEvent = (event) => {
      if (wall.take(event) && new Date(event.act_before) >= new Date()) sound.ring();
    };
    return stream("/api/events/live", onEvent, setState);
  }, [reachable]);

  const refill = async () => {
    wall.clear();
    try {
      wall.fill(await older(wall.filter));
      setError(null);
    } catch (problem) {
      setError(problem);
    }
  };
  const filterBy = (change) => {
    Object.assign(wall.filter, change);
    keep(FILTER, JSON.stringify(wall.filter));
    return refill();
  };
  const pause = () => {
    wall.isPaused = !wall.isPaused;
    return wall.isPaused ? wall.changed() : refill();
  };

  return html`
    <h1 class="hidden">${t("app.live")}</h1>
    <${Bar} wall=${wall} filterBy=${filterBy} pause=${pause} hasSound=${hasSound} setSound=${setSound} />
    <${Problem} error=${error} />
    ${(state === "broken" || !reachable) && html`<p class="notice" role="status">${t("live.broken")}</p>`}
    <${Alarms} wall=${wall} />
    <${Faces} wall=${wall} />`;
}

/// The wall, drawn at once when something is new, and again a few times a second at most.
function useWall() {
  const [, draw] = useState(0);
  const made = useRef(null);
  const timer = useRef(null);
  const drawn = useRef(0);
  const changed = () => {
    timer.current ??= setTimeout(() => {
      timer.current = null;
      drawn.current = performance.now();
      draw((before) => before + 1);
    }, Math.max(0, drawn.current + DRAW_MS - performance.now()));
  };
  if (!made.current) {
    made.current = new Wall(parsed(ACKNOWLEDGED, []), changed);
    Object.assign(made.current.filter, parsed(FILTER, {}));
  }
  useEffect(() => () => clearTimeout(timer.current), []);
  return made.current;
}

function useSound() {
  const [hasSound, setHas] = useState(kept(SOUND) === "on");
  const set = (wanted) => {
    sound.isOn = wanted;
    keep(SOUND, wanted ? "on" : "off");
    setHas(wanted);
    if (wanted) sound.ring();
  };
  sound.isOn = hasSound;
  return [hasSound, set];
}

/// The newest of what the filter means, out of the replay window.
async function older({ types, device }) {
  const wanted = types.length ? types : [undefined];
  const limit = Math.ceil(CARDS_MAX / wanted.length);
  const pages = wanted.map((person_type) => get(query("/api/events", { person_type, device, limit })));
  const found = await Promise.all(pages);
  return found.flatMap(({ events }) => events);
}

function Bar({ wall, filterBy, pause, hasSound, setSound }) {
  const { filter } = wall;
  const toggle = (type) => {
    const types = filter.types.includes(type) ? filter.types.filter((one) => one !== type) : [...filter.types, type];
    return filterBy({ types });
  };
  const chip = (type) => html`<button key=${type} class="chip" aria-pressed=${filter.types.includes(type) ? "true" : "false"}
    onClick=${() => toggle(type)}><${PersonType} type=${type} /></button>`;
  return html`<div class="bar" role="group" aria-label=${t("live.filter")}>
    <div class="chips">${PERSON_TYPES.map(chip)}</div>
    <${Choice} name="device" label=${t("live.device")} of=${wall.devices} chosen=${filter.device} choose=${(device) => filterBy({ device })} />
    <${Choice} name="site" label=${t("live.site")} of=${wall.sites} chosen=${filter.site} choose=${(site) => filterBy({ site })} />
    <div class="push">
      <button aria-pressed=${hasSound ? "true" : "false"} onClick=${() => setSound(!hasSound)}>${t(hasSound ? "live.sound_on" : "live.sound_off")}</button>
      <button aria-pressed=${wall.isPaused ? "true" : "false"} class=${wall.isPaused ? "primary" : ""} onClick=${pause}>
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

function Alarms({ wall }) {
  const alarms = wall.alarms();
  const acknowledge = (...cards) => {
    cards.forEach((card) => wall.acknowledge(card));
    keep(ACKNOWLEDGED, JSON.stringify([...wall.acknowledged]));
  };
  return html`<section class="alarms" aria-label=${t("live.alarms")} aria-live="assertive">
    ${alarms.length > 1 && html`<div class="bar">
      <h2>${t("live.held", { n: number(alarms.length) })}</h2>
      <button class="push" onClick=${() => acknowledge(...alarms)}>${t("live.acknowledge_all")}</button>
    </div>`}
    <div class="wall">${alarms.map((card) => html`<${Face} key=${`${card.id} ${card.revision}`} card=${card} acknowledge=${() => acknowledge(card)} />`)}</div>
  </section>`;
}

function Faces({ wall }) {
  const cards = wall.shown();
  if (!cards.length) return html`<${Empty}>${t("live.nobody")}</${Empty}>`;
  return html`<section class="wall" aria-label=${t("live.faces")}>
    ${cards.map((card) => html`<${Face} key=${card.id} card=${card} />`)}
  </section>`;
}

/// One event. An alarm has a button of its own.
function Face({ card, acknowledge }) {
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

function parsed(name, otherwise) {
  try {
    return JSON.parse(kept(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

words({
  en: {
    "live.filter": "What is shown", "live.device": "Device", "live.site": "Site", "live.all": "all",
    "live.sound_on": "Sound is on", "live.sound_off": "Sound is off", "live.pause": "Pause", "live.go_on": "Go on ({n} new)",
    "live.broken": "Not live: the connection to the gateway is interrupted. What came meanwhile is shown when it is back.",
    "live.alarms": "Alarms", "live.held": "{n} alarms to acknowledge", "live.acknowledge": "Acknowledge", "live.acknowledge_all": "Acknowledge all",
    "live.nobody": "Nobody passed yet.", "live.faces": "Who passed, the newest first",
    "live.scene": "now", "live.enrolled": "enrolled", "live.scene_of": "{name} at the door", "live.enrolled_of": "{name} as enrolled",
    "live.open": "Open the event of {name}", "live.late": "for the record",
  },
  zh: {
    "live.filter": "显示内容", "live.device": "设备", "live.site": "站点", "live.all": "全部",
    "live.sound_on": "声音已开", "live.sound_off": "声音已关", "live.pause": "暂停", "live.go_on": "继续（{n} 条新事件）",
    "live.broken": "非实时：与网关的连接已中断。恢复后会显示期间的事件。",
    "live.alarms": "警报", "live.held": "{n} 条警报待确认", "live.acknowledge": "确认", "live.acknowledge_all": "全部确认",
    "live.nobody": "尚无人通过。", "live.faces": "通行人员，最新在前",
    "live.scene": "现场", "live.enrolled": "注册照", "live.scene_of": "{name} 现场照", "live.enrolled_of": "{name} 注册照",
    "live.open": "打开 {name} 的事件", "live.late": "仅供记录",
  },
});
