// media-chrome's own translations, fetched when the page's language asks for one.
const languages = {
  de: () => import("media-chrome/lang/de"),
  es: () => import("media-chrome/lang/es"),
  fr: () => import("media-chrome/lang/fr"),
  pt: () => import("media-chrome/lang/pt"),
  "zh-CN": () => import("media-chrome/lang/zh-CN"),
  "zh-TW": () => import("media-chrome/lang/zh-TW"),
};

/** Load the dictionary of a language tag, if there is one; the labels stay English otherwise. */
export async function loadLanguage(tag) {
  const load = languages[tag] ?? languages[tag.split("-")[0]];
  await load?.().catch(() => {});
}
