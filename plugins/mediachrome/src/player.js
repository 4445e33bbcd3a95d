// The default player: hls.js for the media, media-chrome for the controls.
import "media-chrome";
import "media-chrome/menu";
import { setLanguage, t } from "media-chrome/utils/i18n";
import { createEngine } from "./hls.js";
import { loadLanguage } from "./languages.js";
import { RenditionList, TrackList } from "./renditions.js";
import { layout } from "./layout.js";

/**
 * Build a player inside `root` and start loading.
 *
 * cfg: {manifest, title, poster, storyboard, chapters: {src, language, label}, lang, start, autoplay, muted, loop, hideTitle, hideControls,
 * options: {accent, rates}}.
 * net: {url(address)} gives the address to fetch instead of a media address, or a promise of it.
 * Resolves to {video, qualities(), setQuality(id), captions(), setCaption(id), setControls(shown), onFatal(callback),
 * retry(), destroy()}; ids are strings, null stands for automatic quality and for no caption.
 */
export async function createPlayer(root, cfg, net) {
  await loadLanguage(cfg.lang);
  setLanguage(cfg.lang);
  root.innerHTML = layout(t);

  const chrome = root.querySelector("media-controller");
  const video = root.querySelector("video");
  const fatal = new Set();
  let failure = null;

  chrome.setAttribute("lang", cfg.lang);
  // What media-chrome calls them does not fit what they say: aria-checked of a button, a label without a role,
  // a plain button in a menu.
  root.querySelector("media-captions-button").setAttribute("role", "switch");
  root.querySelector("media-time-display").setAttribute("role", "timer");
  for (const menu of root.querySelectorAll("media-settings-menu, [slot=submenu]")) {
    menu.shadowRoot.querySelector("button[part~=back]").setAttribute("role", "menuitem");
  }
  // A frame without an origin of its own may not read the storyboard's cues otherwise.
  if (window.origin === "null") video.crossOrigin = "anonymous";
  root.querySelector(".rk-title").textContent = cfg.title;
  const { accent, rates } = cfg.options ?? {};
  if (accent) chrome.style.setProperty("--reelkit-accent", accent);
  if (rates) root.querySelector("media-playback-rate-menu").setAttribute("rates", rates.join(" "));
  if (cfg.poster) root.querySelector("media-poster-image").setAttribute("src", cfg.poster);
  if (cfg.storyboard) video.append(storyboardTrack(cfg.storyboard));
  const chapters = cfg.chapters ? chaptersTrack(cfg.chapters) : null;
  if (chapters) video.append(chapters);
  chrome.toggleAttribute("data-hide-title", Boolean(cfg.hideTitle || !cfg.title));
  chrome.toggleAttribute("data-hide-controls", Boolean(cfg.hideControls));
  // As properties: the attributes `muted` and `loop` are only read when the element is made.
  video.muted = Boolean(cfg.muted);
  video.loop = Boolean(cfg.loop);
  video.setAttribute("aria-label", cfg.title || t("video player"));

  const renditions = new RenditionList((index) => engine.setLevel(index));
  const audioTracks = new TrackList();
  Object.defineProperty(video, "videoRenditions", { value: renditions, configurable: true });
  Object.defineProperty(video, "audioTracks", { value: audioTracks, configurable: true });
  // The controller looked at the element before it had these lists.
  chrome.mediaStore.dispatch({ type: "mediaelementchangerequest", detail: undefined });
  chrome.mediaStore.dispatch({ type: "mediaelementchangerequest", detail: video });
  if (chapters) {
    // Found as the default track by the controller; left one, it makes Chromium show captions that nobody asked for.
    chapters.default = false;
    chapters.track.mode = "hidden";
  }

  const engine = createEngine(video, cfg, net, {
    levels: () => {
      renditions.replace(engine.levels(), "addrendition", "removerendition");
      renditions.settle(engine.manualLevel());
    },
    level: () => chrome.setAttribute("data-quality", activeHeight(engine.levels())),
    audio: () => {
      const tracks = engine.audioTracks().map((track, index) => switchable(track, () => engine.setAudioTrack(index)));
      audioTracks.replace(tracks, "addtrack", "removetrack");
      audioTracks.changed();
    },
    fatal: (error) => {
      failure = error;
      for (const callback of fatal) callback(error);
    },
  });

  if (cfg.autoplay) play(video);

  return {
    video,
    qualities: () => engine.levels().map((level, index) => ({ ...level, selected: index === renditions.selectedIndex })),
    setQuality: (id) => (renditions.selectedIndex = id == null ? -1 : Number(id)),
    captions: () =>
      captionTracks(video).map((track, index) => ({
        id: String(index),
        label: track.label,
        language: track.language,
        selected: track.mode === "showing",
      })),
    setCaption: (id) =>
      captionTracks(video).forEach((track, index) => (track.mode = String(index) === id ? "showing" : "disabled")),
    setControls: (shown) => chrome.toggleAttribute("data-hide-controls", !shown),
    onFatal: (callback) => {
      fatal.add(callback);
      if (failure) callback(failure);
      return () => fatal.delete(callback);
    },
    retry: () => {
      failure = null;
      engine.retry();
    },
    destroy: () => {
      engine.destroy();
      fatal.clear();
      root.replaceChildren();
    },
  };
}

async function play(video) {
  try {
    await video.play();
  } catch (error) {
    // A browser that refuses sound without a gesture still plays in silence, as video sites do.
    if (error.name !== "NotAllowedError" || video.muted) return;
    video.muted = true;
    await video.play().catch(() => {});
  }
}

function storyboardTrack(address) {
  const track = document.createElement("track");
  Object.assign(track, { kind: "metadata", label: "thumbnails", src: address, default: true });
  return track;
}

function chaptersTrack({ src, language, label }) {
  const track = document.createElement("track");
  return Object.assign(track, { kind: "chapters", label, srclang: language, src, default: true });
}

const captionTracks = (video) =>
  [...video.textTracks].filter((track) => track.kind === "subtitles" || track.kind === "captions");

const activeHeight = (levels) => {
  const active = levels.find((level) => level.active);
  return active ? String(Math.min(active.width, active.height)) : "";
};

/** An audio track whose `enabled` can be set, as menus do. */
function switchable(track, enable) {
  let { enabled } = track;
  return Object.defineProperty({ ...track }, "enabled", {
    enumerable: true,
    get: () => enabled,
    set: (value) => {
      if (value && !enabled) enable();
      enabled = value;
    },
  });
}
