// The service is asked over HTTP. An error is one sentence that says what to do.

import { unlocked } from "./unlock.js";
import { sentence } from "./words.js";

export class Problem extends Error {
  constructor(status, detail, seconds = 0) {
    super(detail);
    this.status = status;
    this.seconds = seconds; // after which it is worth asking again
  }
}

const SILENT = "The service does not answer. Is zsderm serve still running?";

// Ask; the answer as JSON, or null where there is none.
//   path: of the service
//   how: method, signal, and body: a FormData, or what becomes JSON
export const ask = async (path, { method = "GET", body, signal } = {}) => {
  const isForm = body instanceof FormData;
  const headers = { accept: "application/json" };
  if (body !== undefined && !isForm) headers["content-type"] = "application/json";
  let answer;
  for (;;) {
    try {
      answer = await fetch(path, { method, signal, headers, body: isForm || body === undefined ? body : JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, SILENT);
    }
    if (answer.status !== 401) break;
    await unlocked(); // the key was not given yet, or the service was started anew
  }
  if (answer.status === 204) return null;
  const found = await answer.json().catch(() => null);
  if (answer.ok && found !== null) return found;
  const seconds = Number(answer.headers.get("retry-after")) || 0;
  throw new Problem(answer.status, found?.detail ? sentence(found.detail) : `The service answered with status ${answer.status}.`, seconds);
};

export const job = (id) => `/v1/jobs/${encodeURIComponent(id)}`;
export const photograph = (id, number) => `${job(id)}/photographs/${number}`;
