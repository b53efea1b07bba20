//! Asks the gateway: `/api` from here, and nothing from anywhere else.
//!
//! Promises: whatever goes wrong is an `ApiError` with a word for programs and a sentence for people. Who is not logged in learns it by the
//! event `logged-out` on the window.

const PATIENCE_MS = 20_000;
/// Between two attempts to listen: soon at first, and bearable for a gateway that is down.
const AGAIN_MS = [500, 1_000, 2_000, 5_000];

/// By how much the gateway's clock is ahead of this browser's; to the second, as its answers say it.
let ahead = 0;

/// The gateway's time in milliseconds: what it says of a moment is judged by its own clock.
export const gatewayTime = () => Date.now() + ahead;

export class ApiError extends Error {
  /// `status` is 0 where no gateway answered.
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const get = (path) => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);
export const remove = (path) => ask("DELETE", path);

/// A path with what stands behind its `?`; members that are empty are left out.
export function query(path, members) {
  const said = Object.entries(members).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

async function ask(method, path, body) {
  const answer = await reach(method, path, body);
  const date = Date.parse(answer.headers.get("date"));
  if (!Number.isNaN(date)) ahead = date - Date.now();
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;

  if (answer.status === 401 && path !== "/api/login") window.dispatchEvent(new CustomEvent("logged-out"));
  throw new ApiError(answer.status, said.code ?? "unreadable", said.message ?? `HTTP ${answer.status}`);
}

async function reach(method, path, body) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  try {
    return await fetch(path, { method, signal, cache: "no-store", credentials: "same-origin", ...sent });
  } catch (error) {
    throw new ApiError(0, "unreachable", String(error.message ?? error));
  }
}

/// Listens to server-sent events until it is closed, and again after each break. `onEvent(document)`; `onState("open")`, or
/// `onState("broken", error)`, where there is an error if the gateway said one.
export function stream(path, onEvent, onState = () => {}) {
  let source, timer;
  let attempt = 0;
  let closed = false;
  let error = null;

  const broken = async () => {
    if (closed || source.isOver) return;
    source.isOver = true;
    const isRefused = source.readyState === EventSource.CLOSED;
    source.close();
    const pause = AGAIN_MS[Math.min(attempt++, AGAIN_MS.length - 1)];
    timer = setTimeout(open, pause);
    onState("broken", error);
    error = await whyNot(isRefused ? path : "/api/status");
    if (error && !closed) onState("broken", error);
  };
  const open = () => {
    source = new EventSource(path);
    source.addEventListener("open", () => {
      attempt = 0;
      error = null;
      onState("open");
    });
    source.addEventListener("event", (message) => onEvent(JSON.parse(message.data)));
    source.addEventListener("dropped", broken);
    source.addEventListener("error", broken);
  };

  open();
  return () => {
    closed = true;
    clearTimeout(timer);
    source.close();
  };
}

/// What the gateway says to who asks for this: an EventSource tells nobody. Nothing, where it is answered or not reached.
async function whyNot(path) {
  const leave = new AbortController();
  try {
    const answer = await fetch(path, { signal: leave.signal, cache: "no-store" });
    if (answer.ok) return null;
    const said = await answer.json();
    if (answer.status === 401) window.dispatchEvent(new CustomEvent("logged-out"));
    return new ApiError(answer.status, said.code, said.message);
  } catch {
    return null;
  } finally {
    leave.abort();
  }
}

/// Where the bytes of a picture are.
export const pictureAddress = (key) => `/api/pictures/${key.split("/").map(encodeURIComponent).join("/")}`;
