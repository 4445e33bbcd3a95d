// Renditions that are made while a video is watched: hls.js reads a master playlist once, so another one looks at it now
// and then, as long as the server says that there is more to come.
import Hls from "hls.js";

const GROWING = "org.reelkit.growing";
const FIRST = 5_000;
const LONGEST = 30_000;

/**
 * Have `hls` learn of renditions that join later.
 * config: for the hls.js that looks. reload(): loads everything anew at the same place, called when that disturbs least.
 */
export function renew(hls, video, config, reload) {
  let timer = 0;
  let pause = FIRST;
  let scout = null;
  let replaced = false;

  const stop = () => {
    clearTimeout(timer);
    scout?.destroy();
    scout = null;
  };
  const later = () => {
    timer = setTimeout(look, pause);
    pause = Math.min(pause * 1.5, LONGEST);
  };
  const look = () => {
    // Nobody sees it; timers of hidden pages are slow anyway.
    if (document.hidden || !hls.url) return later();
    scout = new Hls({ ...config, autoStartLoad: false });
    scout.on(Hls.Events.MANIFEST_PARSED, (_, { sessionData }) => {
      const { levels, allAudioTracks } = scout;
      stop();
      learn(levels, allAudioTracks);
      if (sessionData?.[GROWING]) later();
    });
    scout.on(Hls.Events.ERROR, (_, { fatal }) => {
      if (!fatal) return;
      stop();
      later();
    });
    scout.loadSource(hls.url);
  };
  const learn = (found, sounds) => {
    if (!hls.levels.length) return;
    const known = new Map(hls.levels.map((level) => [level.uri, level]));
    const levels = found.map((level) => known.get(level.uri) ?? level);
    const present = hls.levels.every((level) => levels.includes(level));
    if (present && levels.length > known.size) join(hls, levels);
    // A draft has made way for renditions whose sound is apart, which needs other buffers; or there are more languages.
    if (!present || sounds.length > hls.allAudioTracks.length) {
      replaced = true;
      quiet();
    }
  };
  const quiet = () => {
    // At the end it waits for the seek of a replay: the last frame and what a page shows then should stay.
    if (!replaced || video.ended || !(video.paused || video.seeking)) return;
    replaced = false;
    reload();
  };

  hls.on(Hls.Events.MANIFEST_PARSED, (_, { sessionData }) => {
    stop();
    pause = FIRST;
    if (sessionData?.[GROWING]) later();
  });
  hls.on(Hls.Events.DESTROYING, stop);
  for (const type of ["pause", "seeking"]) video.addEventListener(type, quiet);
}

/**
 * Put levels between those that are played, without a gap. levels: in the order of hls.js, the present ones among them.
 * hls.js has removeLevel and no opposite; this does what that does. What it remembers by place is moved.
 */
function join(hls, levels) {
  const controller = hls.levelController;
  const tracker = hls.streamController.fragmentTracker;
  const [current, manual, first] = [controller.level, controller.manualLevel, controller.firstLevel].map((at) => hls.levels[at]);
  levels.forEach((level, index) => {
    for (const fragment of level.details?.fragments ?? []) {
      fragment.level = index;
      if (fragment.initSegment) fragment.initSegment.level = index;
    }
  });
  const tracked = Object.values(tracker.fragments);
  tracker.fragments = Object.create(null);
  for (const entry of tracked) tracker.fragments[`${entry.body.type}_${entry.body.level}_${entry.body.sn}`] = entry;
  controller.currentLevelIndex = levels.indexOf(current);
  controller.manualLevelIndex = levels.indexOf(manual);
  controller._firstLevel = Math.max(levels.indexOf(first), 0);
  hls.trigger(Hls.Events.LEVELS_UPDATED, { levels });
}
