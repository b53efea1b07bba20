//! Something that is wrong: what, in the reader's language, and the gateway's own words.
//!
//! Promises: a word that is not known yet is left out, and the gateway's words stay.

import { html } from "../../vendor/preact.js";
import { PersonType, Said } from "../../parts.js";
import { isKnown, t, words } from "../../words.js";

export function Finding({ finding }) {
  const { code, destination, person_type: type, message } = finding;
  const key = `finding.${code}`;
  if (!isKnown(key)) return html`<${Said} text=${message} />`;
  return html`<b>${destination && html`${destination}: `}${type && html`<${PersonType} type=${type} /> `}${t(key)}</b>
    <br /><span class="small faint"><${Said} text=${message} /></span>`;
}

words({
  en: {
    "finding.starting": "it starts", "finding.draining": "it stops", "finding.queue_full": "the queue is full",
    "finding.queue_stalled": "the disk does not answer in time", "finding.queue_refused": "the disk takes nothing just now",
    "finding.queue_poisoned": "the disk failed a write", "finding.queue_outage": "the disk gives something not back just now",
    "finding.destination_down": "no connection", "finding.destination_will_refuse": "it will refuse events",
    "finding.type_paused": "is paused, since it was refused again and again", "finding.refused_for_now": "is refused for now, and tried again",
    "finding.held_back": "the connection dies on an event, which is held back", "finding.answered_from_disk": "boxes are answered from this disk alone", "finding.replaying": "a replay goes out",
    "finding.devices_silent": "devices are silent", "finding.settings_refused": "the new settings were not taken",
  },
  zh: {
    "finding.starting": "正在启动", "finding.draining": "正在停止", "finding.queue_full": "队列已满",
    "finding.queue_stalled": "磁盘响应超时", "finding.queue_refused": "磁盘暂时无法写入",
    "finding.queue_poisoned": "磁盘写入失败", "finding.queue_outage": "磁盘暂时无法读出部分内容",
    "finding.destination_down": "连接中断", "finding.destination_will_refuse": "将会拒绝事件",
    "finding.type_paused": "因反复被拒绝而暂停", "finding.refused_for_now": "暂时被拒绝，正在重试",
    "finding.held_back": "某个事件导致连接中断，已暂缓发送", "finding.answered_from_disk": "目前仅由本机磁盘应答盒子", "finding.replaying": "正在重放",
    "finding.devices_silent": "有设备静默", "finding.settings_refused": "新设置未生效",
  },
});
