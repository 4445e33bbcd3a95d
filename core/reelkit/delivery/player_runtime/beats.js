// Tells the site what a viewer does, in the wire format of `POST /watch`. No cookie and no storage: who watches is known
// for as long as the page is open.

const TYPES = { loaded: 1, play: 2, pause: 3, tick: 4, error: 5, ended: 6, seeking: 7, source: 8 };
const BEAT = 10_000;
const MOST_WAITING = 20;

/** Follow a video element. id: of the media; since: when its page began to load it, ms; returns {failed()}. */
export function follow(video, id, since) {
  const ids = { sid: unique(), pid: unique(), mid: id, ref: document.referrer.slice(0, 2048), ver: "1.0" };
  let waiting = [];
  let timer = null;
  let began = false;

  const note = (type, eat = Date.now(), pau = video.paused) => {
    const { currentTime: vti, videoWidth: vwi, videoHeight: vhe } = video;
    waiting.push({ eat, typ: TYPES[type], vti, vwi, vhe, pau });
    if (waiting.length >= MOST_WAITING) send();
  };

  const send = () => {
    if (!waiting.length) return;
    const body = JSON.stringify({ ...ids, sat: Date.now(), eve: waiting });
    waiting = [];
    // Text, so that no other origin's browser asks for permission first; a beacon outlives the page.
    if (navigator.sendBeacon?.("/watch", body)) return;
    fetch("/watch", { method: "POST", body, keepalive: true }).catch(() => {});
  };

  const tell = (type) => {
    note(type);
    send();
  };

  const leave = () => {
    if (began && !video.paused) note("tick");
    send();
  };

  // Nothing is watched until the tick that follows; other players say nothing of stalls, and a seek of theirs stops nothing.
  const stall = () => began && note("seeking", Date.now(), true);

  const listeners = {
    loadeddata: () => tell("loaded"),
    // `play` is the wish, `playing` is the picture; a stall in between is no watching.
    playing: () => {
      tell(began ? "tick" : "play");
      began = true;
      clearInterval(timer);
      timer = setInterval(() => !video.paused && video.readyState > 2 && tell("tick"), BEAT);
    },
    waiting: stall,
    seeking: stall,
    seeked: () => began && note("tick"),
    pause: () => began && !video.ended && tell("pause"),
    ended: () => {
      began = false;
      clearInterval(timer);
      tell("ended");
    },
  };
  for (const [name, listener] of Object.entries(listeners)) video.addEventListener(name, listener);
  // The last things that a page is sure to hear, also when a phone puts it away.
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && leave());

  note("source", since);
  if (video.readyState >= 2) tell("loaded");
  if (!video.paused && video.readyState >= 3) listeners.playing();
  return { failed: () => tell("error") };
}

/** 128 random bits as text; crypto.randomUUID exists on secure pages only. */
const unique = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
