/** Signing in: by the one-time code in an address's fragment, or by pasting a token. */

import { api, ApiError } from "./api.ts";
import { byId, setText } from "./dom.ts";
import type { Session } from "./wire.ts";
import { problemText } from "./words.ts";

/** The code of `#code=…`, removed from the address bar and the history before anything else happens. */
function takeCode(): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  return code;
}

/** Who is signed in, asking for a token as long as nobody is. Both pages carry the form. */
export async function signedIn(): Promise<Session> {
  const code = takeCode();
  if (code !== null) {
    try {
      return await api.signIn({ code });
    } catch (error) {
      // A code works once; whoever comes back to its address may be signed in from the first time.
      const before = await api.session().catch(() => null);
      if (before !== null) return before;
      const spent = error instanceof ApiError && error.problem?.status === 401;
      return ask(spent ? "This address was used already or is too old. Paste a token instead." : explain(error));
    }
  }
  try {
    return await api.session();
  } catch (error) {
    return ask(error instanceof ApiError && error.signedOut ? "" : explain(error));
  }
}

function explain(error: unknown): string {
  if (error instanceof ApiError && error.problem) {
    const id = error.problem.request_id;
    return problemText(error.problem) + (id === "" ? "" : ` (Request ${id})`);
  }
  return error instanceof Error ? error.message : String(error);
}

/** Shows the form until a token is accepted. */
function ask(message: string): Promise<Session> {
  const section = byId("sign-in", "section");
  const form = byId("sign-in-form", "form");
  const field = byId("token", "input");
  const error = byId("sign-in-error", "p");
  const button = byId("sign-in-button", "button");
  const say = (text: string) => {
    setText(error, text);
    error.hidden = text === "";
    if (text === "") field.removeAttribute("aria-invalid");
    else field.setAttribute("aria-invalid", "true");
  };
  say(message);
  if (message !== "") field.removeAttribute("aria-invalid");
  section.hidden = false;
  field.focus();
  return new Promise((resolve) => {
    const submit = async (event: Event) => {
      event.preventDefault();
      const token = field.value.trim();
      if (token === "") {
        say("Paste a token first.");
        return field.focus();
      }
      button.disabled = true;
      try {
        const session = await api.signIn({ token });
        form.removeEventListener("submit", submit);
        section.hidden = true;
        field.value = "";
        resolve(session);
      } catch (failure) {
        const wrong = failure instanceof ApiError && failure.problem?.status === 401;
        say(wrong ? "This token is not valid. It begins with claw_live_ and is shown once, when it is made." : explain(failure));
        field.select();
      } finally {
        button.disabled = false;
      }
    };
    form.addEventListener("submit", submit);
  });
}
