//! Every page opens without an error, in both languages, light and dark, on a telephone and on a wall, and asks nobody else for anything.

import { assert, done, event, hasNoSidewaysScroll, open, send, shoot } from "./browser.mjs";

const PAGES = ["live", "health", "devices", "aside", "quarantine", "replays", "past"];
const LOOKS = [
  { width: 360, height: 740, theme: "dark", language: "zh-CN" },
  { width: 1280, height: 800, theme: "light", language: "en-GB" },
  { width: 3840, height: 2160, theme: "dark", language: "en-GB" },
];

const id = await send(event());
for (const look of LOOKS) {
  const page = await open("#/live", look);
  for (const name of [...PAGES, `event/${id}`]) {
    await page.goto(`${page.url().split("#")[0]}#/${name}`);
    await page.locator("main h1").waitFor();
    await page.locator("header .state-ready, header .state-trouble").waitFor();
    await hasNoSidewaysScroll(page, name);
    await shoot(page, name.split("/")[0]);
  }

  const link = page.locator("header nav a").nth(1);
  const heading = await link.textContent();
  assert.equal(heading.trim(), look.language === "zh-CN" ? "状态" : "Health");
  await page.getByRole("button", { name: look.language === "zh-CN" ? "English" : "中文" }).click();
  assert.notEqual(await link.textContent(), heading, "the language may be switched by hand");
  await page.context().close();
}

// Who is not let in is told why, and what opens the door.
const stranger = await open("", { expected: ["status of 403"] });
await stranger.setExtraHTTPHeaders({ via: "1.1 proxy" });
await stranger.reload();
await stranger.getByText("This gateway is open only to its own machine.").waitFor();
await stranger.locator("header .state-refused").waitFor();
await shoot(stranger, "not-local");
assert.equal(await stranger.locator("article").count(), 0);
await done();
