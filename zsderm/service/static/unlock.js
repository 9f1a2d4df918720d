// The key of the service, where it has one. It is given once and becomes a cookie that scripts cannot read: a key that
// lies in the storage of the page could be read by whatever script came to run there.

import { $ } from "./dom.js";
import { sentence } from "./words.js";

let waiting = null; // for the key; one question for all who wait

// Ends when the right key was given.
export const unlocked = () => {
  waiting ??= new Promise((given) => {
    const dialog = $("unlock");
    const form = $("unlock-form");
    const stay = (event) => event.preventDefault(); // without the key there is nothing to go back to
    const send = async (event) => {
      event.preventDefault();
      $("unlock-error").textContent = "";
      const answer = await fetch("/v1/session", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ key: $("key").value }),
      }).catch(() => null);
      $("key").value = "";
      if (!answer?.ok) {
        const problem = await answer?.json().catch(() => null);
        $("unlock-error").textContent = problem?.detail ? sentence(problem.detail) : "The service does not answer. Is zsderm serve still running?";
        $("key").focus();
        return;
      }
      form.removeEventListener("submit", send);
      dialog.removeEventListener("cancel", stay);
      dialog.close();
      waiting = null;
      given();
    };
    form.addEventListener("submit", send);
    dialog.addEventListener("cancel", stay);
    dialog.showModal();
    $("key").focus();
  });
  return waiting;
};

export const lock = async () => {
  await fetch("/v1/session", { method: "DELETE" });
  location.assign("/");
};
