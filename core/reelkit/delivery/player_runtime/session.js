// For pages that hold a session token: gets it from your server and renews it two minutes before it ends, so that no request
// is made with one that has ended. Served at /embed/session.js; docs/embedding.md shows how a page uses it.

const EARLY = 120;
/** Seconds. A token that ends sooner than that is asked for anew. */
const LONGEST_PAUSE = 30;
/** Seconds between two tries while your server does not answer. */

export class Session {
  #source;
  #site;
  #token = null;
  #ends = 0;
  #due = 0;
  #asking = null;
  #timer = null;
  #failed = 0;
  #closed = false;

  /**
   * source: an address of your server, or a function, that answers what `POST /api/auth` answered to your key:
   * {token, expires_in}. site: of reelkit, by default the one that this file comes from.
   */
  constructor(source, { site = import.meta.url } = {}) {
    this.#source = typeof source === "function" ? source : () => load(source);
    this.#site = new URL(site).origin;
    // A tab that slept wakes up with a timer that did not run.
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    this.#schedule(0);
  }

  /** Return a token that works. Asked for once, however many wait for it. Rejects when there is none to be had. */
  async token() {
    if (this.#token !== null && Date.now() < this.#due) return this.#token;
    try {
      return await this.#renew();
    } catch (error) {
      // The one at hand works until its end.
      if (this.#token !== null && Date.now() < this.#ends) return this.#token;
      throw error;
    }
  }

  /** Fetch from the site with the token; once more with a new one when it is said to have ended. Relative to the site. */
  async fetch(address, options = {}) {
    const url = new URL(address, this.#site);
    if (url.origin !== this.#site) throw new TypeError(`${url.origin} is not ${this.#site}, whose token this is`);
    const used = await this.token();
    const answer = await this.#send(url, options, used);
    // A body that is a stream is used up.
    if (answer.status !== 401 || options.body instanceof ReadableStream) return answer;
    if (this.#token === used) this.#due = 0;
    return this.#send(url, options, await this.token());
  }

  /** Show a video: set the address of a frame, with a token that works unless it has one of its own, as private ones do. */
  async play(frame, address) {
    const url = new URL(address, this.#site);
    if (url.origin !== this.#site) throw new TypeError(`${url.origin} is not ${this.#site}, whose token this is`);
    if (!url.searchParams.has("token")) url.searchParams.set("token", await this.token());
    frame.src = url.href;
  }

  /** Renew no more. */
  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
  }

  #send(url, options, token) {
    const headers = new Headers(options.headers);
    headers.set("X-Session-Token", token);
    return fetch(url, { ...options, headers });
  }

  #wake = () => {
    if (document.visibilityState === "visible" && Date.now() >= this.#due) this.#schedule(0);
  };

  #schedule(milliseconds) {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#renew().catch(() => {}), milliseconds);
    this.#timer.unref?.();
  }

  #renew() {
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #ask() {
    const since = Date.now();
    try {
      const { token, expires_in: seconds } = await this.#source();
      if (typeof token !== "string" || !token || !(seconds > 0)) throw new TypeError("expected {token, expires_in}");
      const early = Math.min(EARLY, seconds / 2);
      this.#token = token;
      this.#ends = since + seconds * 1000;
      this.#due = this.#ends - early * 1000;
      this.#failed = 0;
      this.#schedule(this.#due - Date.now());
      return token;
    } catch (error) {
      this.#failed += 1;
      this.#schedule(Math.min(2 ** this.#failed, LONGEST_PAUSE) * 1000);
      throw error;
    }
  }
}

async function load(address) {
  const answer = await fetch(address, { method: "POST", credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  return answer.json();
}
