// Numbers, times and names as people read them.

export const counted = (count, what, several = `${what}s`) => `${count} ${count === 1 ? what : several}`;

export const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`; // the sign stays with its number

// What the service says of an error, as a sentence of its own.
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

export const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

export const lasting = (seconds) => {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
};

export const day = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

export const VERDICTS = { agree: "✓ agreed", correct: "✎ corrected", cannot_tell: "? cannot tell" };

export const STATES = {
  open: "not started",
  queued: "waiting",
  running: "running",
  done: "✓ done",
  failed: "✗ failed",
  cancelled: "cancelled",
};

// What somebody said of an answer; empty where nobody did.
export const verdict = (said, label) => (said ? VERDICTS[said] + (said === "correct" ? ` to ${label}` : "") : "");

// How far a job is: "12 of 300, 1 could not be read, about 2 min left".
export const progress = ({ total, done, failed, seconds_left: left }) =>
  [
    `${done} of ${counted(total, "photograph")}`,
    failed ? `${failed} could not be read` : "",
    left !== null && done < total ? `about ${lasting(left)} left` : "",
  ]
    .filter(Boolean)
    .join(", ");
