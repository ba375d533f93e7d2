// Gives orders to the server, and says in plain words what came of them.

import {keyHeaders} from "./key.js";

const PATIENCE_MS = 30000; // the server answers after 10 s at the latest, with 202 if it is not done
const AGAIN_MS = 1000;

const MEANING = {
  400: "The server does not understand this order.",
  401: "The key is not accepted.",
  403: "This key may only read: orders need one with the role admin.",
  404: "What this is about is not there any more.",
  409: "That is not possible now.",
  422: "Something in the form is not right.",
  429: "Too many requests came from here.",
  500: "This is a mistake in bot-exporter; its log has the details.",
  502: "The service refused.",
  503: "Nobody can do that now.",
  504: "No confirmation came in time: it may have happened all the same. Look before you order it again.",
};
// After these nothing was done, so trying again is as good as new.
const NOTHING_DONE = new Set([400, 401, 403, 404, 409, 422, 429, 503]);

// A key that makes it safe to ask again: the server carries the order out once.
export function idempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

// Returns {done, text, errors, again, body}: whether it is done, in words, and whether it can be ordered again.
// `waiting` is called when it takes longer; `wanted` says whether anybody still waits.
export async function give({method, path, body, key}, {waiting, wanted}) {
  const headers = keyHeaders();
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  if (key) {
    headers["Idempotency-Key"] = key;
  }
  let answer;
  try {
    answer = await fetch(path, {method, headers, body: body && JSON.stringify(body), cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS)});
  } catch {
    const text = key
      ? "No answer came. It is safe to ask again: this order is carried out once at most."
      : "No answer came: it may have been carried out. Look at the bot before you try again.";
    return {done: false, text, errors: [], again: true};
  }
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 202) {
    waiting();
    return follow(said.order_id, wanted);
  }
  return outcome(answer.status, said, answer.headers.get("Retry-After"));
}

async function follow(id, wanted) {
  while (wanted()) {
    await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
    try {
      const answer = await fetch(`api/v1/orders/${encodeURIComponent(id)}`, {headers: keyHeaders(), cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS)});
      const order = await answer.json();
      if (answer.ok && order.code !== null) {
        return outcome(order.code, order.result ?? {}, null);
      }
      if (answer.ok && order.state === "in_doubt") {
        return {done: false, text: MEANING[504], errors: [], again: false};
      }
      if (!answer.ok && answer.status !== 503) {
        return outcome(answer.status, order, null);
      }
    } catch {
      // The server may be away for a moment: the order goes on without us.
    }
  }
  return {done: false, text: "The order goes on.", errors: [], again: false};
}

function outcome(status, said, retryAfter) {
  if (status < 300) {
    return {done: true, text: "Done.", errors: [], again: false, body: said};
  }
  const later = retryAfter ? ` Try again in ${retryAfter} s.` : "";
  const meaning = MEANING[status] ?? `The server said ${status}.`;
  const errors = Array.isArray(said.errors) && said.errors.length > 0 ? said.errors.map(String) : said.detail ? [String(said.detail)] : [];
  return {done: false, text: meaning + later, errors, again: NOTHING_DONE.has(status), wrongKey: status === 401 || status === 403};
}
