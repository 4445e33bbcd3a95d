// hls.js, or the browser's own HLS where there are no media source extensions, behind one small engine.
import Hls from "hls.js";
import { renew } from "./renewal.js";

const RECOVERIES = 3;

/**
 * Play `cfg.manifest` in `video`. `net.url(address)` gives the address to fetch instead, now or later.
 * `on.levels()`, `on.level()`, `on.audio()`, `on.fatal({category, detail})` are called as things change.
 */
export function createEngine(video, cfg, net, on) {
  return Hls.isSupported() ? hlsEngine(video, cfg, net, on) : nativeEngine(video, cfg, net, on);
}

function hlsEngine(video, cfg, net, on) {
  const config = {
    // Segments are CMAF already: nothing to transmux, so a worker would only cost a script and a copy of each byte.
    enableWorker: false,
    // Without it a playlist that still grows would start at its end.
    startPosition: cfg.start || 0,
    capLevelToPlayerSize: true,
    abrEwmaDefaultEstimate: 2_000_000,
    backBufferLength: 60,
    // A sleeping laptop or a restarted server is waited for.
    fragLoadPolicy: policy(20_000, 120_000, 6),
    playlistLoadPolicy: policy(10_000, 20_000, 6),
    manifestLoadPolicy: policy(10_000, 20_000, 4),
    xhrSetup: async (xhr, address) => {
      const wanted = await net.url(address);
      if (wanted !== address) xhr.open("GET", wanted, true);
    },
  };
  const hls = new Hls(config);

  // Nobody has pressed play yet: the first segment is enough.
  const { maxBufferLength, maxBufferSize } = hls.config;
  if (!cfg.autoplay) {
    Object.assign(hls.config, { maxBufferLength: 1, maxBufferSize: 1 });
    video.addEventListener("play", () => Object.assign(hls.config, { maxBufferLength, maxBufferSize }), { once: true });
  }

  let recoveries = 0;
  video.addEventListener("playing", () => (recoveries = 0));
  hls.on(Hls.Events.ERROR, (_, data) => {
    if (!data.fatal) return;
    const status = data.response?.code;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && recoveries++ < RECOVERIES) {
      hls.recoverMediaError();
    } else if (data.type === Hls.ErrorTypes.NETWORK_ERROR) {
      const category = status === 401 || status === 403 ? "denied" : status === 404 || status === 410 ? "gone" : "network";
      on.fatal({ category, detail: data.details });
    } else {
      on.fatal({ category: "media", detail: data.details });
    }
  });
  hls.on(Hls.Events.MANIFEST_PARSED, () => on.levels());
  hls.on(Hls.Events.LEVELS_UPDATED, () => on.levels());
  hls.on(Hls.Events.LEVEL_SWITCHED, () => on.level());
  hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => on.audio());
  hls.on(Hls.Events.AUDIO_TRACK_SWITCHED, () => on.audio());
  renew(hls, video, config, () => reload(hls, video));
  hls.loadSource(new URL(cfg.manifest, location.href).href);
  hls.attachMedia(video);

  return {
    levels: () =>
      hls.levels.map((level, index) => ({
        id: String(index),
        width: level.width,
        height: level.height,
        bitrate: level.bitrate,
        frameRate: level.frameRate,
        codec: level.videoCodec,
        active: index === hls.currentLevel,
      })),
    setLevel: (index) => (hls.nextLevel = index),
    manualLevel: () => hls.manualLevel,
    audioTracks: () =>
      hls.audioTracks.map((track, index) => ({
        id: String(index),
        label: track.name,
        language: track.lang ?? "",
        kind: track.default ? "main" : "alternative",
        enabled: index === hls.audioTrack,
      })),
    setAudioTrack: (index) => (hls.audioTrack = index),
    retry: () => {
      recoveries = 0;
      if (hls.levels.length) hls.startLoad(video.currentTime);
      else hls.loadSource(new URL(cfg.manifest, location.href).href);
    },
    destroy: () => hls.destroy(),
  };
}

/** Load everything anew and go on at the same place, at the same speed, with the same captions. */
function reload(hls, video) {
  const { currentTime, paused, playbackRate } = video;
  const captions = hls.subtitleTracks[hls.subtitleTrack]?.lang;
  const shown = hls.subtitleDisplay && captions !== undefined;
  hls.config.startPosition = currentTime;
  hls.once(Hls.Events.SUBTITLE_TRACKS_UPDATED, (_, { subtitleTracks }) => {
    if (shown) hls.subtitleTrack = subtitleTracks.findIndex(({ lang }) => lang === captions);
  });
  video.addEventListener("loadedmetadata", () => (video.playbackRate = playbackRate), { once: true });
  hls.loadSource(hls.url);
  if (!paused) video.play().catch(() => {});
}

function policy(firstByte, whole, retries) {
  const retry = { maxNumRetry: retries, retryDelayMs: 500, maxRetryDelayMs: 8_000 };
  return { default: { maxTimeToFirstByteMs: firstByte, maxLoadTimeMs: whole, timeoutRetry: retry, errorRetry: retry } };
}

function nativeEngine(video, cfg, net, on) {
  let source = "";
  const start = async () => {
    source = await net.url(new URL(cfg.manifest, location.href).href);
    if (cfg.start) video.addEventListener("loadedmetadata", () => (video.currentTime = cfg.start), { once: true });
    video.src = source;
  };
  const failed = () => {
    const code = video.error?.code;
    on.fatal({ category: code === 2 ? "network" : code === 4 ? "unsupported" : "media", detail: video.error?.message ?? "" });
  };
  if (video.canPlayType("application/vnd.apple.mpegurl")) {
    video.addEventListener("error", failed);
    start();
  } else {
    queueMicrotask(() => on.fatal({ category: "unsupported", detail: "no media source extensions and no HLS" }));
  }
  return {
    levels: () => [],
    setLevel: () => {},
    manualLevel: () => -1,
    audioTracks: () => [],
    setAudioTrack: () => {},
    retry: start,
    destroy: () => {
      video.removeEventListener("error", failed);
      video.removeAttribute("src");
      video.load();
    },
  };
}
