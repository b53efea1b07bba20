//! The shell of the console: where one is, whether the gateway is well, who is logged in.
//!
//! Promises: the page that the address names behind its `#`, and nothing of it while nobody is logged in. An error in one page leaves the
//! others.

import { html, render, useEffect, useErrorBoundary, useState } from "./vendor/preact.js";
import { get, post } from "./api.js";
import { Login } from "./login.js";
import { Problem, When, useEvery } from "./parts.js";
import { LANGUAGES, kept, keep, language, locale, speak, t, words } from "./words.js";
import { Aside } from "./pages/aside.js";
import { Devices } from "./pages/devices.js";
import { Event as OneEvent } from "./pages/event.js";
import { Health } from "./pages/health.js";
import { noteLook } from "./pages/health/measures.js";
import { Live } from "./pages/live.js";
import { Past } from "./pages/past.js";
import { Watch, useDrawn } from "./pages/live/watch.js";
import { Quarantine } from "./pages/quarantine.js";
import { Replays } from "./pages/replays.js";

const STATUS_EVERY_MS = 2_000;
/// When the session that began here is over, in milliseconds; a session lasts so long, and a while before its end somebody should log in again.
const SESSION_ENDS = "boxbridge.session-ends";
const SESSION_MS = 12 * 3_600_000;
const WARN_MS = 30 * 60_000;

/// One for the whole console: an alarm rings on every page.
const watch = new Watch();

const PAGES = { live: Live, health: Health, devices: Devices, aside: Aside, quarantine: Quarantine, replays: Replays };

function Console() {
  const place = usePlace();
  useLanguage();
  const [isOut, setOut] = useState(false);
  const ask = async () => {
    const status = await get("/api/status");
    noteLook(status);
    setOut(false);
    return status;
  };
  // Also unseen: an alarm is to be heard, so a connection that died is to be noticed.
  const { value: status, error, again } = useEvery(STATUS_EVERY_MS, ask, [], false);
  const isLetIn = Boolean(status) && !error && !isOut;
  // Anew after each break, also where the old stream is not known to be dead.
  useEffect(() => {
    if (isLetIn) watch.start();
  }, [isLetIn]);
  useEffect(() => {
    const out = ({ detail: byHand }) => {
      keep(SESSION_ENDS, null);
      // A wall that goes dark by itself is heard.
      if (!byHand && watch.isListening) watch.sound.ring();
      watch.forget();
      setOut(true);
    };
    window.addEventListener("logged-out", out);
    return () => window.removeEventListener("logged-out", out);
  }, []);

  const loggedIn = () => {
    keep(SESSION_ENDS, String(Date.now() + SESSION_MS));
    setOut(false);
    again();
  };
  if (isOut) return html`<${Login} onDone=${loggedIn} />`;

  return html`
    <a class="skip" href=${`#/${place.path}`} onClick=${toContent}>${t("app.skip")}</a>
    <${Head} place=${place} status=${status} error=${error} />
    <main id="content" tabindex="-1">
      <${SessionEnds} />
      <${Page} key=${place.path} place=${place} status=${status} error=${error} />
    </main>`;
}

function Page({ place, status, error }) {
  const [fault, again] = useErrorBoundary((fault) => console.error(fault));
  if (fault) {
    return html`<${Problem} error=${fault} /><button onClick=${again}>${t("app.again")}</button>`;
  }
  // Nobody is let in: the pages would say the same one by one.
  if (!status && error) return html`<${Problem} error=${error} />`;

  const reachable = !error;
  if (place.name === "event") return html`<${OneEvent} id=${place.rest} status=${status} reachable=${reachable} />`;
  const Shown = { ...PAGES, past: Past }[place.name] ?? Live;
  return html`<${Shown} status=${status} reachable=${reachable} watch=${watch} given=${place.given} />`;
}

function Head({ place, status, error }) {
  useDrawn(watch);
  const alarms = watch.alarms.size;
  useTitle(place, alarms);
  const link = (name) => html`<li key=${name}>
    <a href=${`#/${name}`} aria-current=${place.name === name ? "page" : undefined}>
      ${t(`app.${name}`)}${name === "live" && alarms > 0 && html` <b class="count" title=${t("app.alarms", { n: alarms })}>${alarms}</b>`}
    </a>
  </li>`;
  return html`<header>
    <a class="brand" href="#/live"><img src="icon.svg" alt="" width="28" height="28" />boxbridge</a>
    <nav aria-label=${t("app.pages")}><ul>${Object.keys(PAGES).map(link)}</ul></nav>
    <div class="aside">
      <${State} status=${status} error=${error} />
      <${Languages} />
      ${kept(SESSION_ENDS) && html`<button class="quiet" onClick=${logOut}>${t("app.log_out")}</button>`}
    </div>
  </header>`;
}

/// How the gateway fares, in a word; it leads to the page that says more.
function State({ status, error }) {
  const reasons = status?.reasons ?? [];
  const word = error ? (error.status === 403 ? "refused" : "unreachable") : !status ? "asking" : !status.ready ? "not_ready" : reasons.length ? "trouble" : "ready";
  return html`<a class=${`state state-${word}`} href="#/health" role="status">
    <i aria-hidden="true"></i>${t(`app.state_${word}`, { n: reasons.length })}
  </a>`;
}

/// Nobody is to find the wall dark in the morning.
function SessionEnds() {
  const ends = Number(kept(SESSION_ENDS));
  if (!ends || ends - Date.now() > WARN_MS) return null;
  return html`<p class="notice" role="status">
    ${t("app.session_ends")} <${When} at=${new Date(ends).toISOString()} /> <button onClick=${logOut}>${t("app.log_in_again")}</button>
  </p>`;
}

function Languages() {
  const button = ([name, own]) => html`<button key=${name} class="quiet" lang=${name} aria-pressed=${language() === name ? "true" : "false"}
    onClick=${() => speak(name)}>${own}</button>`;
  return html`<div class="languages" role="group" aria-label=${t("app.language")}>${Object.entries(LANGUAGES).map(button)}</div>`;
}

async function logOut() {
  await post("/api/logout").catch(() => {});
  window.dispatchEvent(new CustomEvent("logged-out", { detail: true }));
}

function toContent(event) {
  event.preventDefault();
  document.getElementById("content").focus();
}

/// Where the address says that one is: `#/event/<id>` is `{ name: "event", rest: "<id>" }`, and `#/aside?destination=mqtt` is given to the page.
function place() {
  const path = location.hash.replace(/^#\/?/, "") || "live";
  const [way, search = ""] = path.split("?");
  const [name, ...rest] = way.split("/");
  return { path, name, rest: rest.join("/"), given: Object.fromEntries(new URLSearchParams(search)) };
}

function usePlace() {
  const [here, setHere] = useState(place());
  useEffect(() => {
    let before = place();
    const moved = () => {
      const left = before;
      setHere((before = place()));
      window.scrollTo(0, 0);
      document.getElementById("content")?.focus({ preventScroll: true });
      // Back from an event the keyboard goes on at its card.
      if (left.name === "event") requestAnimationFrame(() => document.querySelector(`main a[href="#/${CSS.escape(left.path)}"]`)?.focus());
    };
    window.addEventListener("hashchange", moved);
    return () => window.removeEventListener("hashchange", moved);
  }, []);
  return here;
}

/// Alarms first: a tab among others shows no more than that.
function useTitle({ name }, alarms) {
  const title = t(`app.${name in PAGES || name === "event" || name === "past" ? name : "live"}`);
  useEffect(() => {
    document.title = `${alarms ? `(${alarms}) ` : ""}${title} · boxbridge`;
  }, [title, alarms]);
}

/// Draws everything again when the language changes.
function useLanguage() {
  const [, setName] = useState(language());
  useEffect(() => {
    const changed = () => setName(language());
    window.addEventListener("language", changed);
    return () => window.removeEventListener("language", changed);
  }, []);
}

words({
  en: {
    "app.skip": "Skip to the content", "app.pages": "Pages", "app.language": "Language", "app.log_out": "Log out", "app.again": "Try again",
    "app.live": "Live", "app.health": "Health", "app.devices": "Devices", "app.aside": "Set aside", "app.quarantine": "Quarantine",
    "app.replays": "Replay", "app.event": "Event", "app.past": "Who passed before",
    "app.session_ends": "This session ends, and the wall goes dark, at", "app.log_in_again": "Log in again",
    "app.alarms": "{n} alarms to acknowledge",
    "app.state_ready": "well", "app.state_trouble": "{n} to look at", "app.state_not_ready": "not ready",
    "app.state_unreachable": "no connection", "app.state_refused": "not let in", "app.state_asking": "asking",
  },
  zh: {
    "app.skip": "跳到内容", "app.pages": "页面", "app.language": "语言", "app.log_out": "退出", "app.again": "重试",
    "app.live": "实时", "app.health": "状态", "app.devices": "设备", "app.aside": "搁置", "app.quarantine": "隔离",
    "app.replays": "重放", "app.event": "事件", "app.past": "更早的通行记录",
    "app.session_ends": "会话即将结束，届时本页停止显示：", "app.log_in_again": "重新登录",
    "app.alarms": "{n} 条警报待确认",
    "app.state_ready": "正常", "app.state_trouble": "{n} 项需查看", "app.state_not_ready": "未就绪",
    "app.state_unreachable": "连接中断", "app.state_refused": "无权访问", "app.state_asking": "查询中",
  },
});

document.documentElement.lang = locale();
render(html`<${Console} />`, document.getElementById("console"));
