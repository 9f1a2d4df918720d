// Photographs are sent in parts to an open job, which is started when all have arrived.

import { Problem, ask, job as at } from "./api.js";

const PART_FILES = 16;
const PART_BYTES = 16e6;
const TRIES = 5; // while the service is busy

const parts = function* (photographs, most) {
  let part = [];
  let bytes = 0;
  for (const one of photographs) {
    if (part.length && (part.length >= most || bytes + one.file.size > PART_BYTES)) {
      yield part;
      [part, bytes] = [[], 0];
    }
    part.push(one);
    bytes += one.file.size;
  }
  if (part.length) yield part;
};

const pause = (seconds, signal) =>
  new Promise((over, stopped) => {
    const timer = setTimeout(over, 1000 * seconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), stopped(signal.reason)), { once: true });
  });

// A busy service says after how long it is worth asking again.
const patiently = async (path, how) => {
  for (let left = TRIES; ; left--) {
    try {
      return await ask(path, how);
    } catch (problem) {
      if (problem.status !== 503 || !problem.seconds || left <= 1) throw problem;
      await pause(problem.seconds, how.signal);
    }
  }
};

// A file that was moved or changed since it was chosen cannot be sent; a browser says only that sending failed.
const unreadable = async (part) => {
  for (const { name, file } of part) {
    const fine = await file.slice(0, 1).arrayBuffer().then(() => true, () => false);
    if (!fine) return name;
  }
  return null;
};

// Send photographs as a new job and start it; its id.
//   photographs: [{name, file}]
//   fields: of the form, such as classes
//   signal: stops it; the job is deleted then
//   told: is called with the bytes that have arrived
export const send = async (photographs, fields, { signal, told, maxFiles }) => {
  const form = new FormData();
  for (const [name, value] of Object.entries({ ...fields, start: "false" })) form.set(name, value);
  const { id } = await ask("/v1/jobs", { method: "POST", body: form, signal });
  try {
    let bytes = 0;
    for (const part of parts(photographs, Math.min(PART_FILES, maxFiles))) {
      const body = new FormData();
      for (const { name, file } of part) body.append("files", file, name);
      try {
        await patiently(`${at(id)}/photographs`, { method: "POST", body, signal });
      } catch (problem) {
        const gone = problem.status === 0 ? await unreadable(part) : null;
        throw gone === null ? problem : new Problem(0, `${gone} cannot be read any more. Remove it, or choose it again.`);
      }
      bytes += part.reduce((sum, one) => sum + one.file.size, 0);
      told(bytes);
    }
    await patiently(`${at(id)}/start`, { method: "POST", signal });
  } catch (problem) {
    await ask(at(id), { method: "DELETE" }).catch(() => null); // half a job is of no use to anybody
    throw problem;
  }
  return id;
};
