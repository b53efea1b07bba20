//! Who has the token gets in, and is out again by a log-out, or when the token is taken away.

import { assert, ask, countTones, done, event, open, quietAgain, send, shoot } from "./browser.mjs";

const { token } = await ask("token");
const page = await open("", { expected: ["status of 401", "status of 429"] });
await countTones(page);
const field = page.getByLabel("Token");
const logIn = async (shown) => {
  await field.fill(shown);
  await page.keyboard.press("Enter");
};

await field.waitFor();
assert.equal(await page.locator("header").count(), 0, "nothing of the console is shown before");
await shoot(page, "login");
await logIn("a-wrong-token-of-somebody");
await page.getByText("This token is not known here.").waitFor();

await logIn(token);
await page.getByRole("navigation").waitFor();
await send(event({ type: 3, name: "张三" }));
await page.locator(".alarms article").waitFor();
const stored = await page.evaluate(() => JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }]));
assert.ok(!stored.includes(token), "no script can read it");

await page.getByRole("button", { name: "Log out" }).click();
await field.waitFor();
await page.reload();
await field.waitFor();

await logIn(token);
await page.getByRole("navigation").waitFor();
await page.reload();
await page.getByRole("navigation").waitFor();
assert.equal(await page.getByText("This session ends").count(), 0);
// Half a day later.
await page.evaluate(() => localStorage.setItem("boxbridge.session-ends", Date.now() + 60_000));
await page.getByText("This session ends").waitFor();
await shoot(page, "session-ends");
await page.getByRole("button", { name: "Sound is off" }).click();
await quietAgain(page);
const tones = () => page.evaluate(() => window.tones);
const heard = await tones();
await ask("revoke");
await field.waitFor();
assert.ok((await tones()) > heard, "a wall that goes dark is heard");
assert.equal(await page.locator("article").count(), 0, "no face is left on the screen");

for (let guess = 0; guess < 10; guess += 1) {
  await logIn(`a-wrong-token-${guess}`);
  await page.locator("button[type=submit]:enabled").waitFor();
}
await page.getByText("Try again in a minute.").waitFor();
await done();
