//! An operator finds out why an event did not arrive, removes the cause, has it sent again, and it arrives.

import { CONSOLE, assert, ask, done, event, hasNoSidewaysScroll, open, send, shoot } from "../browser.mjs";

const HARM = "<img src=x onerror=window.harmed=1>";
const id = await send(event({ type: 5, name: HARM, device: "north-gate" }));
await send(event({ type: 5, identity: "nobody wants it", device: "cellar" }));
// A filter that means nothing is answered 404.
const page = await open("#/aside", { expected: ["status of 404"] });
const row = page.getByRole("row").filter({ hasText: "north-gate" });
await row.getByText("not_authorised").waitFor();

await row.getByRole("button", { name: "Look" }).click();
const looked = page.getByRole("article", { name: "One set-aside event" });
await looked.getByText("The message as it would leave now").waitFor();
await looked.getByText(HARM).waitFor();
// The right that is missing is the one for the topic that refused it, not only for the one that it takes when it is sent again.
const named = await looked.locator("dl code").allTextContents();
assert.deepEqual(named, ["boxbridge/default/events/vip/north-gate", "boxbridge/default/late/vip/north-gate"]);
assert.deepEqual((await looked.locator("dt").allTextContents()).slice(0, 2), ["Refused topic", "Sent again, to"]);
await looked.getByText("Two rights are needed").waitFor();
assert.equal(await looked.getByRole("link", { name: id }).getAttribute("href"), `#/event/${id}`);
assert.equal(await page.evaluate(() => window.harmed), undefined);
await shoot(page, "aside-look");

// From the event to its cure: where it was refused, and the way to send it again.
await page.goto(`${CONSOLE}/#/event/${id}`);
await page.locator(".step-set_aside").getByText("boxbridge/default/events/vip/north-gate").waitFor();
await shoot(page, "event-aside");
await page.getByRole("link", { name: "Look, send again…" }).click();
await looked.getByText("Refused topic", { exact: true }).waitFor();
await page.goto(`${CONSOLE}/#/aside`);

for (const look of [{ width: 360, height: 740, theme: "dark", language: "zh-CN" }, { width: 3840, height: 2160, theme: "dark" }]) {
  const other = await open("#/aside", look);
  await other.getByRole("button", { name: /^(Look|查看)$/ }).first().click();
  await other.locator(".document").waitFor();
  await hasNoSidewaysScroll(other, "aside");
  // What explains a reason stands beside its label, not under it.
  const label = await other.locator("td").first().evaluate((cell) => cell.getBoundingClientRect().left + Number.parseFloat(getComputedStyle(cell).gridTemplateColumns) || 0);
  const lefts = await other.locator("td .small").evaluateAll((all) => all.map((it) => it.getBoundingClientRect().left));
  assert.ok(lefts.every((left) => left >= label), `${lefts} under ${label}`);
  await shoot(other, "aside-look");
  await other.context().close();
}

// A filter that means nothing says so, and one that means it finds it.
await page.getByLabel("Device").fill("south-gate");
await page.getByRole("button", { name: "Show" }).click();
await page.getByText("Nothing here.").waitFor();
await page.getByRole("button", { name: "Send these again…" }).click();
await page.getByRole("alert").filter({ hasText: "no set-aside event matches" }).waitFor();
await page.getByLabel("Device").fill("north-gate");
await page.getByRole("button", { name: "Show" }).click();
await row.waitFor();

// Nothing is done before it is confirmed.
const question = page.getByRole("dialog", { name: "Send again?" });
await page.getByRole("button", { name: "Send these again…" }).click();
await question.getByText("1 of 2 set-aside events go out again").waitFor();
await shoot(page, "aside-question");
await question.getByRole("button", { name: "Cancel" }).click();
assert.deepEqual((await (await fetch(`${CONSOLE}/api/jobs`)).json()).jobs, []);

// The cause is still there: it stays, and says so.
const sendAgain = async () => {
  await page.getByRole("button", { name: "Send these again…" }).click();
  await question.getByRole("button", { name: "Send again" }).click();
};
await sendAgain();
await page.getByText("1 refused again: they stay here").waitFor();

// One that goes nowhere is ended.
await ask("freeze");
await sendAgain();
const job = page.locator(".job");
await job.getByText("Sending again").waitFor();
await shoot(page, "aside-job");
await job.getByRole("button", { name: "Cancel the job" }).click();
await page.getByText("Cancelled:").waitFor();
await ask("thaw");

// A broker takes other rights when it comes to it: until then the event is refused again, and stays.
await ask("allow");
const ended = page.locator("[data-job]").filter({ hasText: /sent again|refused again|Cancelled/ });
do {
  const before = await ended.getAttribute("data-job");
  await sendAgain();
  await page.locator(`[data-job]:not([data-job="${before}"])`).getByText(/sent again|refused again/).waitFor();
} while (!(await page.getByText("1 sent again").isVisible()));
await page.getByText("Nothing here.").waitFor();
const { topics, ids } = await ask("received");
assert.deepEqual(ids, [id]);
assert.ok(topics[0].includes("/late/vip/"), topics[0]);

// What nobody wants is dropped, once somebody says so.
await page.getByRole("button", { name: "Clear" }).click();
await page.getByRole("row").filter({ hasText: "cellar" }).getByRole("button", { name: "Look" }).click();
await looked.getByRole("button", { name: "Drop…" }).click();
const drop = page.getByRole("dialog", { name: "Drop?" });
await drop.getByText("Nothing brings it back.").waitFor();
await drop.getByRole("button", { name: "Drop for good" }).click();
await page.getByText("Nothing here.").waitFor();
await done();
