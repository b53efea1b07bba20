//! What an operator orders on many things at once: counted first, confirmed, and followed until it ends.
//!
//! Promises: nothing is done before its dry run was shown; a job of another kind is named, with the way to its page. Deliberately decides
//! nothing: the gateway counts, refuses and does.

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { get, post, remove } from "../api.js";
import { Confirm, Problem, Progress, Text, When, duration, number, useEvery } from "../parts.js";
import { t, words } from "../words.js";

const LOOK_EVERY_MS = 1_000;
const PAGES = { replay: "#/replays", resend: "#/aside", resubmit: "#/quarantine" };
const COUNTS = ["delivered", "accepted", "duplicate", "refused", "without_destination"];

/// Carries an order through its dry run and its confirmation: `path`, `body`, `title`, `says(dry)` what it would do, `yes` the word on the
/// button, `danger` where nothing brings it back, `paced` where so many a second may be asked for.
export function Order({ order, onDone, onClose }) {
  const [{ dry, error }, setState] = useState({});
  useEffect(() => {
    const counted = post(order.path, { ...order.body, dry_run: true });
    counted.then((dry) => setState({ dry }), (error) => setState({ error }));
  }, [order]);

  const rate = useRef(null);
  const carryOut = () => {
    const paced = rate.current?.value ? { rate: Number(rate.current.value) } : {};
    return post(order.path, { ...order.body, ...paced }).then(onDone, (error) => setState({ error }));
  };
  if (error) return html`<${Refused} error=${error} onClose=${onClose} />`;
  if (!dry) return html`<p role="status">${t("orders.counting")}</p>`;
  return html`<${Confirm} title=${order.title} yes=${order.yes} danger=${order.danger} onYes=${carryOut} onNo=${onClose}>
    <p>${order.says(dry)}</p>
    ${order.paced && html`<label class="field">${t("orders.rate")}<input ref=${rate} type="number" min="1" max="1000000" inputmode="numeric" /></label>`}
    ${order.danger && html`<p class="bad">${t("orders.final")}</p>`}
  <//>`;
}

function Refused({ error, onClose }) {
  return html`<div class="refused"><${Problem} error=${error} /><button type="button" onClick=${onClose}>${t("orders.close")}</button></div>`;
}

/// What can be ordered: each in a dialog of its own.
export function Orders({ orders, disabled, onDone }) {
  const [chosen, setChosen] = useState(null);
  const done = () => {
    setChosen(null);
    onDone();
  };

  return html`
    ${orders.map(
      (order) => html`<button type="button" key=${order.label} class=${order.danger ? "danger" : ""} disabled=${disabled}
        onClick=${() => setChosen(order)}>${order.label}</button>`,
    )}
    ${chosen && html`<${Order} order=${chosen} onDone=${done} onClose=${() => setChosen(null)} />`}
  `;
}

/// The job under way, of whatever kind, and the last of this kind that ended.
export function Jobs({ kind, onEnd }) {
  const { jobs, running, again } = useJobs();
  const ended = jobs.find((job) => job.kind === kind && !isUnderWay(job));
  useEffect(() => {
    if (ended) onEnd();
  }, [ended?.id]);

  if (running?.kind === kind) return html`<${UnderWay} job=${running} again=${again} />`;
  return html`<${Other} running=${running} />${ended && html`<${Ended} job=${ended} />`}`;
}

/// A job of another kind under way.
export function OtherJob({ kind }) {
  const { running } = useJobs();
  return running?.kind === kind ? null : html`<${Other} running=${running} />`;
}

function useJobs() {
  const { value, again } = useEvery(LOOK_EVERY_MS, () => get("/api/jobs"));
  const jobs = value?.jobs ?? [];
  return { jobs, running: jobs.find(isUnderWay), again };
}

function Other({ running }) {
  if (!running) return null;
  return html`<p class="notice" role="status">${t("orders.other", { id: running.id })} <a href=${PAGES[running.kind]}>${t("orders.show")}</a></p>`;
}

const isUnderWay = (job) => job.state === "running" || job.state === "cancelling";

function UnderWay({ job, again }) {
  const [error, setError] = useState(null);
  const cancel = () => remove(`/api/jobs/${encodeURIComponent(job.id)}`).then(again, setError);
  const left = job.per_second > 0 ? (job.total - job.done) / job.per_second : 0;

  return html`<article class="card job" data-job=${job.id}>
    <h3>${t(`orders.${job.kind}`)}</h3>
    <${Progress} done=${job.done} total=${job.total} label=${job.id} />
    ${left > 0 && html`<p class="small faint">${t("orders.left", { time: duration(left) })}</p>`}
    <button type="button" disabled=${job.state === "cancelling"} onClick=${cancel}>${t("orders.cancel")}</button>
    <${Problem} error=${error} />
  </article>`;
}

function Ended({ job }) {
  return html`<p class=${wentWell(job) ? "good" : "odd"} role="status" data-job=${job.id}>
    ${t(`orders.state_${job.state}`)}: <${Text} text=${outcome(job)} longest=${500} /> <span class="faint small"><${When} at=${job.started_at} /></span>
  </p>`;
}

function wentWell({ state, counts }) {
  return state === "done" && !counts?.error && !(counts?.refused > 0) && !(counts?.without_destination > 0);
}

/// What became of them: the counts that are not zero.
function outcome({ counts, done, total }) {
  if (counts?.error) return counts.error;

  const told = COUNTS.filter((word) => counts?.[word] > 0);
  if (told.length === 0) return t("orders.done", { done: number(done), total: number(total) });
  return told.map((word) => t(`orders.count_${word}`, { n: number(counts[word]) })).join(", ");
}

words({
  en: {
    "orders.counting": "Counting…", "orders.rate": "At most so many a second, to each destination (empty: as fast as it goes)", "orders.close": "Close", "orders.final": "Nothing brings it back.",
    "orders.other": "{id} is under way. One job at a time: wait for its end, or cancel it.", "orders.show": "Show it",
    "orders.resend": "Sending again", "orders.resubmit": "Handing in again", "orders.replay": "Replaying",
    "orders.done": "{done} of {total}", "orders.left": "{time} left", "orders.cancel": "Cancel the job",
    "orders.state_done": "Done", "orders.state_cancelled": "Cancelled", "orders.state_broke_off": "Broke off",
    "orders.count_delivered": "{n} sent again", "orders.count_accepted": "{n} accepted as history",
    "orders.count_duplicate": "{n} of them known already", "orders.count_refused": "{n} refused again: they stay here",
    "orders.count_without_destination": "{n} without a destination: they stay here",
    "code.unknown_destination": "There is no such destination. Choose one that is there.",
    "code.bad_filter": "The filter makes no sense as it is.", "code.bad_query": "The filter makes no sense as it is.",
    "code.bad_body": "The gateway does not take this as it is.", "code.bad_time": "A time could not be read.",
    "code.out_of_window": "The queue does not reach back that far. Begin later; a longer queue.replay_window keeps more.",
    "code.not_paused": "Nothing waits there any more.",
    "code.settings_refused": "The settings were not taken; those of before hold. Correct the file, and reload again.",
    "code.not_read": "The disk does not give it. Look at the gateway's log.", "code.unread": "The disk does not give it. Look at the gateway's log.",
    "code.fault": "This is a fault of the gateway. Its log says more.",
  },
  zh: {
    "orders.counting": "正在统计…", "orders.rate": "每个目的地每秒最多（留空：尽快）", "orders.close": "关闭", "orders.final": "此操作无法撤销。",
    "orders.other": "{id} 正在进行。一次只能有一项任务：请等待结束或将其取消。", "orders.show": "查看",
    "orders.resend": "正在重新发送", "orders.resubmit": "正在重新提交", "orders.replay": "正在重放",
    "orders.done": "{done} / {total}", "orders.left": "剩余 {time}", "orders.cancel": "取消任务",
    "orders.state_done": "完成", "orders.state_cancelled": "已取消", "orders.state_broke_off": "已中断",
    "orders.count_delivered": "已重新发送 {n} 个", "orders.count_accepted": "{n} 个作为历史接收",
    "orders.count_duplicate": "其中 {n} 个已存在", "orders.count_refused": "{n} 个再次被拒绝，仍保留在此",
    "orders.count_without_destination": "{n} 个没有目的地，仍保留在此",
    "code.unknown_destination": "没有这个目的地，请选择已有的。",
    "code.bad_filter": "此筛选条件无效。", "code.bad_query": "此筛选条件无效。",
    "code.bad_body": "网关不接受此内容。", "code.bad_time": "无法识别时间。",
    "code.out_of_window": "队列回溯不到那么早。请选择更晚的开始时间；加大 queue.replay_window 可保留更久。",
    "code.not_paused": "那里已没有等待的事件。",
    "code.settings_refused": "设置未生效，仍使用之前的设置。请更正文件后重新加载。",
    "code.not_read": "磁盘无法读取，请查看网关日志。", "code.unread": "磁盘无法读取，请查看网关日志。",
    "code.fault": "网关内部错误，详见其日志。",
  },
});
