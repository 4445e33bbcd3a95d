// The controls: which parts there are, and in what order a keyboard reaches them.

const submenu = (tag, label) => `
  <media-settings-menu-item class="rk-${tag}-item">${label}
    <${tag} slot="submenu" hidden><span slot="title">${label}</span></${tag}>
  </media-settings-menu-item>`;

/** The markup inside the player's root. t: translates a label. It holds nothing that comes from a video. */
export const layout = (t) => `
<media-controller class="rk" novolumepref nomutedpref nosubtitleslangpref noautoseektolive
    breakpoints="sm:420 md:600 lg:900">
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
      <media-time-display class="rk-clock" showduration></media-time-display>
      <span class="rk-gap"></span>
      <media-captions-button></media-captions-button>
      <media-settings-menu-button></media-settings-menu-button>
      <media-airplay-button></media-airplay-button>
      <media-pip-button></media-pip-button>
      <media-fullscreen-button></media-fullscreen-button>
    </media-control-bar>
  </div>
</media-controller>`;
