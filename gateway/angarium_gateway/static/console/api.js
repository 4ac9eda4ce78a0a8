// Asks the API. The credential is in this module's memory and in the Authorization header, nowhere else.

let credential = "";

export function remember(text) {
  credential = text;
}

// What the API refused (RFC 9457).
export class Problem extends Error {
  constructor(told, status, retryAfter) {
    super(told.detail ? `${told.title}: ${told.detail}` : told.title);
    this.status = status;
    this.slug = String(told.type ?? "").split("/").pop();
    this.errors = told.errors ?? [];
    this.requestId = told.requestId ?? "";
    this.retryAfter = retryAfter;
  }

  // Whether the same request may do later.
  get passes() {
    return this.status === 429 || this.status >= 500;
  }

  get words() {
    return this.requestId ? `${this.message} (${this.requestId})` : this.message;
  }
}

// The answer, if there was one, was lost: nobody knows what became of the request.
export class NoAnswer extends Error {
  get words() {
    return "No answer came from the gateway.";
  }
}

export async function ask(method, path, { body, headers = {}, signal } = {}) {
  const sent = { Authorization: `Bearer ${credential}`, ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  const [response, text] = await answered(path, { method, body, headers: sent, signal });
  const told = read(text);
  if (response.ok || response.status === 304) return { status: response.status, headers: response.headers, told };
  const known = told && typeof told.title === "string" ? told : { title: `The answer was ${response.status}` };
  throw new Problem(known, response.status, Number(response.headers.get("Retry-After")) || 0);
}

async function answered(path, options) {
  try {
    const fixed = { cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" };
    const response = await fetch(path, { ...options, ...fixed });
    return [response, await response.text()];
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new NoAnswer(error.message);
  }
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a proxy's page
  }
}
