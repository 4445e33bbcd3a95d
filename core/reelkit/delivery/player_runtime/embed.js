// What every player's page shares: reads the page's configuration, waits until the video can be played, starts the
// player that the site uses, and says what is wrong when something is. A player only plays.

import { follow } from "./beats.js";
import { dress } from "./looks.js";

const cfg = JSON.parse(document.getElementById("reelkit-config").textContent);
const root = document.getElementById("player");
const message = document.getElementById("message");

Object.assign(cfg, fragmentOptions(location.hash));
// A start behind the end would wait for ever for what is not there.
if (cfg.duration && cfg.start >= cfg.duration) cfg.start = 0;
dress(document.documentElement, cfg.theme);

/** Where a media address is fetched from; the place where playback tokens are added and renewed. */
const net = { url: (address) => address };

if (cfg.session) keepSession(cfg.session);

start();

/** A token opens one session, so that loading the page again must come with the session instead. */
function keepSession(session) {
  const here = new URL(location.href);
  here.searchParams.delete("token");
  here.searchParams.set("avh", session);
  try {
    history.replaceState(history.state, "", here);
  } catch {
    // A frame without an origin of its own: it can be loaded once.
  }
}

async function start() {
  const loading = import(cfg.module);
  loading.catch(() => {});
  if (cfg.state === "failed") return say(cfg.words.failed, { detail: cfg.reason });
  if (cfg.state === "waiting" && !(await becomesPlayable())) return;
  const since = Date.now();
  let player;
  try {
    const { createPlayer } = await loading;
    player = await createPlayer(root, cfg, net);
  } catch (error) {
    console.error(error);
    return say(cfg.words.network, { action: [cfg.words.retry, () => location.reload()] });
  }
  hush();
  const viewing = follow(player.video, cfg.id, since);
  player.onFatal(({ category }) => {
    viewing.failed();
    say(cfg.words[category] ?? cfg.words.media, {
      action: [
        cfg.words.retry,
        () => {
          hush();
          player.retry ? player.retry() : location.reload();
        },
      ],
    });
  });
  forwardKeys(player.video);
  describeToSystem(player.video);
  root.dataset.ready = "";
}

/** Ask for the manifest until it is there. Resolves to false, having said why, when it never will be. */
async function becomesPlayable() {
  say(cfg.words.waiting, { busy: true });
  for (let pause = 400; ; pause = Math.min(pause * 1.5, 4000)) {
    let answer;
    try {
      answer = await fetch(await net.url(cfg.manifest), { cache: "no-store" });
    } catch {
      // Offline, or the server restarts: the next try may work.
    }
    if (answer?.status === 200) return true;
    if ([404, 410].includes(answer?.status) && !reloaded()) {
      // It failed, or was deleted: the page itself knows which.
      location.reload();
      return false;
    }
    if (answer && answer.status >= 400 && answer.status < 500 && ![408, 425, 429].includes(answer.status)) {
      const problem = await answer.json().catch(() => ({}));
      const words = { 401: "denied", 403: "denied", 404: "gone", 410: "gone" }[answer.status] ?? "failed";
      say(cfg.words[words], { detail: words === "failed" ? problem.detail : undefined });
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

const reloaded = () => performance.getEntriesByType("navigation")[0]?.type === "reload";

/** Show a sentence over the player. action: [label, callback] of a button. */
function say(text, { detail, action, busy } = {}) {
  const parts = [];
  if (busy) parts.push(element("span", "spinner"));
  parts.push(element("p", "text", text));
  if (detail) parts.push(element("p", "detail", detail));
  if (action) {
    const button = element("button", "action", action[0]);
    button.type = "button";
    button.addEventListener("click", action[1]);
    parts.push(button);
  }
  message.replaceChildren(...parts);
  message.hidden = false;
}

function hush() {
  message.hidden = true;
  message.replaceChildren();
}

function element(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

/** Keys work as soon as the frame has the focus, wherever in it; digits jump to tenths, Home and End to the ends. */
function forwardKeys(video) {
  const elsewhere = (event) => event.isTrusted && (event.target === document.body || event.target === document.documentElement);
  for (const type of ["keydown", "keyup"]) {
    document.addEventListener(type, (event) => {
      if (!elsewhere(event) || event.defaultPrevented) return;
      const copy = new KeyboardEvent(type, event);
      video.dispatchEvent(copy);
      if (copy.defaultPrevented) event.preventDefault();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (!event.isTrusted || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("[role=menu], media-time-range, media-volume-range, input, textarea")) return;
    const tenth = /^[0-9]$/.test(event.key) ? Number(event.key) / 10 : { Home: 0, End: 1 }[event.key];
    if (tenth === undefined || !Number.isFinite(video.duration)) return;
    video.currentTime = tenth * video.duration;
    event.preventDefault();
  });
}

/** Headset buttons and lock screens show what plays. */
function describeToSystem(video) {
  if (!navigator.mediaSession || !window.MediaMetadata) return;
  video.addEventListener("play", () => {
    const artwork = cfg.poster ? [{ src: new URL(cfg.poster, location.href).href }] : [];
    navigator.mediaSession.metadata = new MediaMetadata({ title: cfg.title, artwork });
  });
}

/** `#t=90`, `#t=1m30s`, `#autoplay;muted;hide-title`: what the embedding page asks for without a new request. */
function fragmentOptions(hash) {
  const names = {
    autoplay: "autoplay",
    muted: "muted",
    loop: "loop",
    "hide-title": "hideTitle",
    hidetitle: "hideTitle",
    "hide-controls": "hideControls",
    hidecontrols: "hideControls",
  };
  const found = {};
  for (const part of hash.replace(/^#/, "").split(/[;&]/)) {
    const [name, value = "true"] = part.split(/[=:](.*)/s);
    const option = names[name.toLowerCase()];
    if (option) found[option] = !/^(false|0|no)$/i.test(value);
    const start = name === "t" ? seconds(value) : null;
    if (start !== null) found.start = start;
  }
  return found;
}

/** Seconds of `90`, `90.5`, `1:30`, `1:02:03`, `1h2m3s`; null for anything else. */
function seconds(text) {
  let match = /^(?:(\d+):)?(?:(\d+):)?(\d+(?:\.\d+)?)s?$/.exec(text);
  if (match) {
    const [, first, second, last] = match;
    return (second === undefined ? 0 : Number(first) * 3600) + Number(second ?? first ?? 0) * 60 + Number(last);
  }
  match = /^(?=.)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(text);
  return match ? Number(match[1] ?? 0) * 3600 + Number(match[2] ?? 0) * 60 + Number(match[3] ?? 0) : null;
}
