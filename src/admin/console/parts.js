//! What several pages are made of: a picture, a time, a person type, a table, a question, a problem.
//!
//! Promises: text from outside is text, isolated in its direction and cut where it is long; whatever has a colour has a word beside it.

import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { pictureAddress } from "./api.js";
import { isKnown, locale, t, words } from "./words.js";

/// A name that is longer tells a person nothing more.
const TEXT_MAX = 200;
/// Of a sentence of the gateway's.
const SAID_MAX = 1_000;
/// Errors in a row make the pauses longer, up to so many times.
const SLOWER_MAX = 8;
/// A picture on its way may be there a moment later.
const PICTURE_AGAIN_MS = 2_000;

export const PERSON_TYPES = ["blacklist", "vip", "stranger", "visitor", "employee", "unknown"];

/// Words from outside, in their own direction: `longest` characters of them.
export function Text({ text, longest = TEXT_MAX }) {
  const whole = String(text ?? "");
  const shown = cut(whole, longest);
  return html`<bdi class="text" title=${whole.length > shown.length ? shown : undefined}>${shown}</bdi>`;
}

/// So many characters of a text at most; never half of one.
export function cut(text, longest = TEXT_MAX) {
  if (text.length <= longest) return text;
  return `${Array.from(text.slice(0, longest * 2)).slice(0, longest).join("")}…`;
}

/// A picture of an event, as its document says it; null where there is none.
export function Picture({ picture, alt, label }) {
  const [failed, setFailed] = useState(0);
  const key = picture?.key;
  useEffect(() => {
    if (failed !== 1) return undefined;
    const timer = setTimeout(() => setFailed(1.5), PICTURE_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [failed]);
  useEffect(() => setFailed(0), [key]);

  const isGone = !key || failed === 1 || failed >= 2;
  const address = key && (failed ? `${pictureAddress(key)}?again` : pictureAddress(key));
  return html`<figure class="picture">
    ${isGone
      ? html`<div class="no-picture">${t(key ? "parts.picture_gone" : "parts.no_picture")}</div>`
      : html`<img src=${address} alt=${alt ?? label ?? ""} loading="lazy" decoding="async"
          onError=${() => setFailed(failed ? 2 : 1)} />`}
    ${label && html`<figcaption>${label}</figcaption>`}
  </figure>`;
}

/// A moment: the time of day, and the day where it is not today. The whole of it stands in its title.
export function When({ at }) {
  if (!at) return html`<span class="faint">–</span>`;
  const moment = new Date(at);
  if (Number.isNaN(moment.getTime())) return html`<${Text} text=${at} />`;
  const isToday = moment.toDateString() === new Date().toDateString();
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const day = isToday ? {} : { year: "numeric", month: "2-digit", day: "2-digit" };
  const shown = moment.toLocaleString(locale(), { ...day, ...time });
  return html`<time datetime=${at} title=${`${moment.toLocaleString(locale())} · ${at}`}>${shown}</time>`;
}

const MOMENT = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/;

/// The gateway's own words, their times as the reader's clock has them.
export function Said({ text, longest = SAID_MAX }) {
  const parts = cut(text, longest).split(MOMENT);
  return parts.map((part, place) => (place % 2 ? html`<${When} at=${part} />` : html`<${Text} text=${part} longest=${longest} />`));
}

const NUMBERS = new Map();

/// A number as people of this language read it.
export function number(value, digits = 0) {
  const name = `${locale()} ${digits}`;
  if (!NUMBERS.has(name)) NUMBERS.set(name, new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }));
  return NUMBERS.get(name).format(value);
}

/// Seconds in words: 850 ms, 12 s, 5 min, 3.4 h, 2 d.
export function duration(seconds) {
  const steps = [[1, 0.001, "parts.ms"], [120, 1, "parts.s"], [7_200, 60, "parts.min"], [172_800, 3_600, "parts.h"], [Infinity, 86_400, "parts.d"]];
  const [, unit, name] = steps.find(([below]) => seconds < below);
  const value = seconds / unit;
  return t(name, { n: number(value, value < 10 && unit >= 1 ? 1 : 0) });
}

/// Bytes in words: 12 KiB, 3.4 GiB.
export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${number(value, value < 10 && unit > 0 ? 1 : 0)} ${units[unit]}`;
}

/// Colour and shape for those who see them, and the word for everybody.
export function PersonType({ type }) {
  const known = PERSON_TYPES.includes(type) ? type : "unknown";
  return html`<span class=${`type type-${known}`}><i aria-hidden="true"></i>${t(`type.${known}`)}</span>`;
}

/// A question before something is done. `onYes` may return a promise: until then both buttons wait.
export function Confirm({ title, children, yes, danger, onYes, onNo }) {
  const dialog = useRef(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);

  const agree = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await onYes();
    } finally {
      setBusy(false);
    }
  };
  const cancel = (event) => {
    event.preventDefault();
    onNo();
  };
  return html`<dialog ref=${dialog} onCancel=${cancel} aria-labelledby="question">
    <form method="dialog" onSubmit=${agree}>
      <h2 id="question">${title}</h2>
      <div class="question">${children}</div>
      <div class="buttons">
        <button type="button" disabled=${busy} onClick=${onNo}>${t("parts.no")}</button>
        <button type="submit" class=${danger ? "danger" : "primary"} disabled=${busy}>${yes ?? t("parts.yes")}</button>
      </div>
    </form>
  </dialog>`;
}

export function Progress({ done, total, label }) {
  const isKnown = total > 0;
  return html`<div class="progress">
    <progress max=${isKnown ? total : undefined} value=${isKnown ? Math.min(done, total) : undefined} aria-label=${label}></progress>
    <span>${label} ${isKnown ? `${number(done)} / ${number(total)}` : number(done ?? 0)}</span>
  </div>`;
}

/// `columns`: `{ name, title, show(row), numeric }`. On a narrow screen each row is a card, so a cell says the title of its column.
export function Table({ columns, rows, keyOf, label }) {
  const cell = ({ name, title, show, numeric }, row) =>
    html`<td key=${name} class=${numeric ? "numeric" : ""} data-title=${title}><div>${show(row)}</div></td>`;
  return html`<div class="table" role="region" aria-label=${label} tabindex="0"><table>
    <thead><tr>${columns.map(({ name, title, numeric }) => html`<th key=${name} scope="col" class=${numeric ? "numeric" : ""}>${title}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${keyOf(row)}>${columns.map((column) => cell(column, row))}</tr>`)}</tbody>
  </table></div>`;
}

export function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}

/// What went wrong, in words where we have some; what the gateway itself said stands below.
export function Problem({ error }) {
  if (!error) return null;
  const key = `code.${error.code}`;
  return html`<div class="problem" role="alert">
    ${isKnown(key) && html`<p>${t(key)}</p>`}
    <p class=${isKnown(key) ? "faint" : ""}><${Said} text=${String(error.message ?? error)} /></p>
  </div>`;
}

/// Loads at once and then every so many milliseconds; slower while it fails. While nobody sees the page it rests, unless `rests` is false.
/// `{ value, error, again() }`.
export function useEvery(milliseconds, load, inputs = [], rests = true) {
  const [state, setState] = useState({ value: undefined, error: null });
  const [wanted, setWanted] = useState(0);
  const newest = useRef(load);
  newest.current = load;

  useEffect(() => {
    let timer;
    let failures = 0;
    let over = false;

    const look = async () => {
      clearTimeout(timer);
      try {
        const value = await newest.current();
        failures = 0;
        if (!over) setState({ value, error: null });
      } catch (error) {
        failures += 1;
        if (!over) setState((before) => ({ value: before.value, error }));
      }
      const pause = milliseconds * Math.min(1 + failures, SLOWER_MAX);
      if (!over && !(rests && document.hidden)) timer = setTimeout(look, pause);
    };
    const seen = () => !document.hidden && look();

    document.addEventListener("visibilitychange", seen);
    look();
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [milliseconds, wanted, ...inputs]);
  return { ...state, again: () => setWanted((before) => before + 1) };
}

words({
  en: {
    "type.blacklist": "Blacklist", "type.vip": "VIP", "type.stranger": "Stranger", "type.visitor": "Visitor",
    "type.employee": "Employee", "type.unknown": "Unknown",
    "parts.no_picture": "no picture", "parts.picture_gone": "picture not available",
    "parts.feed_realtime": "real time", "parts.feed_history": "history", "parts.feed_platform": "platform",
    "parts.yes": "Yes", "parts.no": "Cancel",
    "parts.ms": "{n} ms", "parts.s": "{n} s", "parts.min": "{n} min", "parts.h": "{n} h", "parts.d": "{n} d",
    "code.unreachable": "The gateway does not answer. This page tries again by itself.",
    "code.starting": "The gateway starts; its queue is not open yet.",
    "code.not_local": "This gateway is open only to its own machine. Set admin.token_file to open it to others, with a token.",
    "code.token_wrong": "This token is not known here.",
    "code.too_many_failures": "Too many wrong tokens came from this address. Try again in a minute.",
    "code.too_many_watchers": "As many as can watch already do. Close a console elsewhere.",
    "code.foreign_origin": "The address of this page is not the gateway's. Open the console at the gateway's own address.",
    "code.job_running": "Another job is under way. Wait for its end, or cancel it.",
    "code.not_audited": "Nothing was done: it could not be written to the audit log. Is the disk full?",
    "code.bad_id": "An event's id is a UUID, as consumers have it in `id`.",
    "code.not_found": "Nothing here matches, or it is not there any more.",
  },
  zh: {
    "type.blacklist": "黑名单", "type.vip": "贵宾", "type.stranger": "陌生人", "type.visitor": "访客",
    "type.employee": "员工", "type.unknown": "未知",
    "parts.no_picture": "无图片", "parts.picture_gone": "图片不可用",
    "parts.feed_realtime": "实时", "parts.feed_history": "历史", "parts.feed_platform": "平台",
    "parts.yes": "确定", "parts.no": "取消",
    "parts.ms": "{n} 毫秒", "parts.s": "{n} 秒", "parts.min": "{n} 分钟", "parts.h": "{n} 小时", "parts.d": "{n} 天",
    "code.unreachable": "网关没有响应，本页会自动重试。",
    "code.starting": "网关正在启动，队列尚未打开。",
    "code.not_local": "此网关只对本机开放。设置 admin.token_file 后，其他机器可凭令牌访问。",
    "code.token_wrong": "此令牌无效。",
    "code.too_many_failures": "此地址的错误令牌过多，请一分钟后再试。",
    "code.too_many_watchers": "观看者已满，请关闭其他控制台。",
    "code.foreign_origin": "本页地址不是网关的地址，请通过网关自己的地址打开控制台。",
    "code.job_running": "另一项任务正在进行，请等待结束或将其取消。",
    "code.not_audited": "未执行：无法写入审计日志。磁盘是否已满？",
    "code.bad_id": "事件编号是 UUID，即消费者收到的 `id`。",
    "code.not_found": "没有匹配的内容，或已不存在。",
  },
});
