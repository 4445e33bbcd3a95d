// The controls: which parts there are, and in what order a keyboard reaches them.

const submenu = (tag, label) => `
  <media-settings-menu-item class="rk-${tag}-item">${label}
    <${tag} slot="submenu" hidden><span slot="title">${label}</span></${tag}>
  </media-settings-menu-item>`;

const gear = `<svg slot="icon" aria-hidden="true" viewBox="0 0 24 24"><path d="M19.14 12.94a7.1 7.1 0 0 0 0-1.88l2.03-1.58a.5.5 0 0
0 .12-.61l-1.92-3.32a.5.5 0 0 0-.59-.22l-2.39.96a7 7 0 0 0-1.62-.94l-.36-2.54a.5.5 0 0 0-.48-.41h-3.84a.5.5 0 0 0-.47.41l-.36
2.54a7 7 0 0 0-1.62.94l-2.39-.96a.5.5 0 0 0-.59.22L2.74 8.87a.5.5 0 0 0 .12.61l2.03 1.58a7.1 7.1 0 0 0 0 1.88l-2.03 1.58a.5.5
0 0 0-.12.61l1.92 3.32c.12.22.37.29.59.22l2.39-.96c.5.38 1.03.7 1.62.94l.36 2.54c.05.24.24.41.48.41h3.84c.24 0
.44-.17.47-.41l.36-2.54a7 7 0 0 0 1.62-.94l2.39.96c.22.08.47 0 .59-.22l1.92-3.32a.5.5 0 0 0-.12-.61zM12 15.6a3.6 3.6 0 1 1
0-7.2 3.6 3.6 0 0 1 0 7.2z"/></svg>`;

/** The markup inside the player's root. t: translates a label. It holds nothing that comes from a video. */
export const layout = (t) => `
<media-controller class="rk" novolumepref nomutedpref nosubtitleslangpref noautoseektolive
    breakpoints="xs:300 sm:420 md:600 lg:900">
  <video slot="media" playsinline preload="metadata"></video>
  <media-poster-image slot="poster" class="rk-poster"></media-poster-image>
  <div slot="top-chrome" class="rk-top"><span class="rk-title"></span></div>
  <media-loading-indicator slot="centered-chrome" class="rk-loading" noautohide></media-loading-indicator>
  <div slot="centered-chrome" class="rk-center">
    <media-play-button class="rk-big" notooltip></media-play-button>
  </div>
  <media-settings-menu class="rk-menu" hidden anchor="auto">
    ${submenu("media-rendition-menu", t("Quality"))}
    ${submenu("media-playback-rate-menu", t("Playback rate"))}
    ${submenu("media-captions-menu", t("Captions"))}
    ${submenu("media-audio-track-menu", t("Audio"))}
  </media-settings-menu>
  <div class="rk-bottom">
    <media-time-range class="rk-time"></media-time-range>
    <media-control-bar class="rk-bar">
      <media-play-button></media-play-button>
      <media-seek-backward-button class="rk-seek" seekoffset="10"></media-seek-backward-button>
      <media-seek-forward-button class="rk-seek" seekoffset="10"></media-seek-forward-button>
      <div class="rk-volume">
        <media-mute-button></media-mute-button>
        <media-volume-range></media-volume-range>
      </div>
      <media-time-display class="rk-clock" showduration notoggle></media-time-display>
      <span class="rk-gap"></span>
      <media-captions-button></media-captions-button>
      <media-settings-menu-button>${gear}</media-settings-menu-button>
      <media-airplay-button></media-airplay-button>
      <media-pip-button></media-pip-button>
      <media-fullscreen-button></media-fullscreen-button>
    </media-control-bar>
  </div>
</media-controller>`;
