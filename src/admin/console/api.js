//! Asks the gateway: `/api` from here, and nothing from anywhere else.
//!
//! Promises: whatever goes wrong is an `ApiError` with a word for programs and a sentence for people. Who is not logged in learns it by the
//! event `logged-out` on the window.

const PATIENCE_MS = 20_000;
/// Between two attempts to listen: soon at first, and bearable for a gateway that is down.
const AGAIN_MS = [500, 1_000, 2_000, 5_000];

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
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;

  if (answer.status === 401 && path !== "/api/login") window.dispatchEvent(new Event("logged-out"));
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

/// Listens to server-sent events until it is closed, and again after each break. `onEvent(document)`; `onState("open" | "broken")`.
export function stream(path, onEvent, onState = () => {}) {
  let source, timer;
  let attempt = 0;
  let closed = false;

  const broken = () => {
    if (closed) return;
    source.close();
    onState("broken");
    // Asked for its status: an EventSource does not say why.
    get("/api/status").catch(() => {});
    const pause = AGAIN_MS[Math.min(attempt++, AGAIN_MS.length - 1)];
    timer = setTimeout(open, pause);
  };
  const open = () => {
    source = new EventSource(path);
    source.addEventListener("open", () => {
      attempt = 0;
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

/// Where the bytes of a picture are.
export const pictureAddress = (key) => `/api/pictures/${key.split("/").map(encodeURIComponent).join("/")}`;
