//! No alarm is lost: not by a reload, not by a break of the line, not where a console is newly opened, however many others came meanwhile.

import { createServer, connect } from "node:net";

import { CONSOLE, assert, ask, done, event, open, openIn, send, shoot } from "./browser.mjs";

const [BLACKLIST, EMPLOYEE] = [3, 1];
/// More than the stream says of what was before.
const OTHERS = 120;
const MANY = 520;

const line = await forwarder();
const page = await open(line.path, { expected: [line.address, "ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED_ENCODING"] });
await page.getByText("Nobody passed yet.").waitFor();

// A reload: what was acknowledged is gone, and everybody else is there.
await alarms("early", 5);
await others();
await held(page, 5);
const first = page.locator(".alarms article").filter({ hasText: "early 0" });
await first.getByRole("button", { name: "Acknowledge" }).click();
await held(page, 4);
await page.reload();
await held(page, 4);
assert.equal(await first.count(), 0, "what was acknowledged stays so");

// A break: who came meanwhile is there afterwards.
line.cut();
await page.getByText("Not live").waitFor();
await alarms("meanwhile", 3);
await others();
await line.mend();
await page.getByText("Not live").waitFor({ state: "detached" });
await held(page, 7);
await page.locator(".alarms").getByText("meanwhile 0").waitFor();
await shoot(page, "live-after-a-break");

// A console that nobody has opened before: what was acknowledged elsewhere is news here.
const other = await open("#/live");
await held(other, 8);

// An acknowledgement by mistake is taken back, and one in another window counts in this one.
await first.waitFor({ state: "detached" });
const second = await openIn(page.context(), line.path, [line.address]);
await held(second, 7);
await second.getByRole("button", { name: "Acknowledge all" }).click();
await held(page, 0);
await second.getByRole("button", { name: "Undo" }).click();
await held(second, 7);

// More than anybody looks at: the newest, the others behind them, and it is said where that ends.
await alarms("many", MANY);
await other.reload();
await held(other, 500);
await other.getByText("Look under Blacklist for those before").waitFor();
await other.getByRole("button", { name: "Acknowledge these 24" }).click();
await held(other, 476);
await shoot(other, "live-many");

// Over, and looked at as such: it stays, through a reload too.
await ask("soon over");
await fetch(`${CONSOLE}/api/reload`, { method: "POST" });
await alarms("brief", 1);
const brief = other.locator(".alarms article").filter({ hasText: "brief 0" });
await brief.getByText("Act before").waitFor();
await brief.getByText("Too late to act").waitFor();
assert.match(await brief.getAttribute("class"), /\bover\b/);
await shoot(other, "live-over");
await other.reload();
await brief.getByText("Too late to act").waitFor();
line.cut();
await done();

/// How many are to be acknowledged, as the head of each page says.
async function held(page, count) {
  const alarms = page.locator("header .count");
  if (count) await alarms.getByText(String(count), { exact: true }).waitFor();
  else await alarms.waitFor({ state: "detached" });
}

async function alarms(name, count) {
  for (let number = 0; number < count; number += 1) await send(event({ type: BLACKLIST, name: `${name} ${number}`, identity: `${name}-${number}` }));
}

async function others() {
  for (let number = 0; number < OTHERS; number += 1) await send(event({ type: EMPLOYEE, name: "An employee", identity: `e-${number}` }));
}

/// A line to the gateway that can be cut.
async function forwarder() {
  const { hostname, port } = new URL(CONSOLE);
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    near.pipe(far).pipe(near);
    for (const [socket, its] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        its.destroy();
      });
    }
  });
  const listen = (port) => new Promise((listening) => server.listen(port, "127.0.0.1", listening));
  await listen(0);
  const own = server.address().port;
  const address = `http://127.0.0.1:${own}`;
  return {
    address,
    path: `${address}/#/live`,
    mend: () => listen(own),
    cut: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
