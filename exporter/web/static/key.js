// The API key of this tab: in sessionStorage, and sent as X-API-Key. It is never part of an address.

const PLACE = "bot-exporter-key";
const listeners = [];
let held = "";
try {
  held = sessionStorage.getItem(PLACE) ?? "";
} catch {
  // A browser that keeps nothing: the key holds until the page is left.
}

export const hasKey = () => held !== "";
export const keyHeaders = () => (held ? {"X-API-Key": held} : {});
export const onKeyChange = (listener) => listeners.push(listener);

export function useKey(text) {
  held = text;
  try {
    if (text) {
      sessionStorage.setItem(PLACE, text);
    } else {
      sessionStorage.removeItem(PLACE);
    }
  } catch {
    // As above.
  }
  listeners.forEach((listener) => listener());
}

// Asks the server what a key is good for, by looking for an order that cannot exist: only an admin is told that it
// does not. Returns "admin", "read" or "unknown"; throws when the server cannot be asked.
export async function roleOf(text) {
  const answer = await fetch("api/v1/orders/none", {headers: {"X-API-Key": text}, cache: "no-store", signal: AbortSignal.timeout(10000)});
  if (answer.status === 404) {
    return "admin";
  }
  if (answer.status === 403) {
    return "read";
  }
  if (answer.status === 401) {
    return "unknown";
  }
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail ?? `the server said ${answer.status}`);
}
